#include "lines.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LINE = 4096 };

void take_lines(int (*command)(char *line)) {
  static char line[MAX_LINE];
  static size_t length;
  ssize_t got = read(0, line + length, sizeof line - 1 - length);
  if (got <= 0) exit(0);
  length += got;
  line[length] = 0;
  for (char *end; (end = strchr(line, '\n')) != NULL;) {
    *end = 0;
    char *rest = end + 1;
    if (command(line) != 0) exit(1);
    length -= rest - line;
    memmove(line, rest, length + 1);
  }
  if (length == sizeof line - 1) exit(1);
}
