/*
 * The ends of one flow of the kernel's TCP. C, because only here can a socket's congestion control be chosen.
 *
 *     lab sink <port>                              takes one connection; each 50 ms prints {"bytes":n} of what has come
 *     lab source <address> <port> <algorithm>      sends without end
 */
#include "tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PRINT_MS = 50, BUFFER_BYTES = 65536 };

static char buffer[BUFFER_BYTES];

static int fail(const char *what) {
  perror(what);
  return 1;
}

static int64_t milliseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int sink(int port) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
  int listening = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listening, (struct sockaddr *)&any, sizeof any) < 0 || listen(listening, 1) < 0) return fail("listen");
  printf("{\"bytes\":0}\n");
  struct pollfd fd = {.fd = accept(listening, NULL, NULL), .events = POLLIN};
  if (fd.fd < 0) return fail("accept");
  uint64_t bytes = 0;
  for (int64_t due = milliseconds() + PRINT_MS;;) {
    int64_t left = due - milliseconds();
    if (left <= 0) {
      printf("{\"bytes\":%lu}\n", bytes);
      due += PRINT_MS;
      continue;
    }
    if (poll(&fd, 1, (int)left) <= 0) continue;
    ssize_t got = read(fd.fd, buffer, sizeof buffer);
    if (got <= 0) return 0;
    bytes += got;
  }
}

static int source(const char *address, int port, const char *algorithm) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (inet_pton(AF_INET, address, &to.sin_addr) != 1) return fail(address);
  if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, algorithm, strlen(algorithm)) < 0) return fail(algorithm);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) return fail("connect");
  while (write(fd, buffer, sizeof buffer) > 0) continue;
  return 0;
}

int tcp_end(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "sink") == 0) return sink(atoi(argv[2]));
  if (argc == 5 && strcmp(argv[1], "source") == 0) return source(argv[2], atoi(argv[3]), argv[4]);
  fprintf(stderr, "lab: sink <port> | source <address> <port> <algorithm>\n");
  return 2;
}
