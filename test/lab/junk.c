/*
 * Junk at a steady rate, for little of the processor: datagrams of a file, again and again.
 *
 *     lab junk <address> <port> <rate>     rate: datagrams a second
 *
 * Each line of stdin is a command, answered by one line: {"ms":t,"sent":n,"replies":n,"cpuSeconds":s}, of the time since the one before.
 *
 *     victim <file>      datagrams go to the address; in the file each is a u16 of its length, in this machine's order, and its bytes
 *     ignored <file>     they go to a socket of this program's own that is never read, on the same address: what the junk itself costs
 *     none               none go
 *
 * The end of stdin ends it.
 */
#define _GNU_SOURCE
#include "junk.h"
#include "lines.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  TICK_NS = 1000000,
  BATCH = 64,
  MAX_DATAGRAMS = 4096,
  MAX_FILE = 1 << 28,
  /* Of a second: who was late sends no more than this at once. */
  LATE_PART = 20,
};

static struct iovec datagrams[MAX_DATAGRAMS];
static int count, next;
static uint8_t *content;
static int sending, ignoring;
static struct sockaddr_in victim, ignored, *to;
static double rate, credit;
static uint64_t sent, replies;

static int fail(const char *what) {
  perror(what);
  return 1;
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int load(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return fail(path);
  free(content);
  content = NULL;
  if (fseek(file, 0, SEEK_END) < 0) return fail(path);
  long length = ftell(file);
  rewind(file);
  int read = length >= 0 && length <= MAX_FILE && (content = malloc(length + 1)) != NULL &&
             fread(content, 1, length, file) == (size_t)length;
  fclose(file);
  if (!read) return fail(path);
  count = next = 0;
  for (long at = 0; at + 2 <= length && count < MAX_DATAGRAMS;) {
    uint16_t bytes;
    memcpy(&bytes, content + at, 2);
    at += 2;
    if (at + bytes > length) break;
    datagrams[count++] = (struct iovec){content + at, bytes};
    at += bytes;
  }
  if (count == 0) fprintf(stderr, "%s: no datagrams\n", path);
  return count == 0;
}

static void send_due(void) {
  while (credit >= 1) {
    static struct mmsghdr messages[BATCH];
    int batch = credit < BATCH ? (int)credit : BATCH;
    for (int i = 0; i < batch; i++) {
      memset(&messages[i], 0, sizeof messages[i]);
      messages[i].msg_hdr.msg_name = to;
      messages[i].msg_hdr.msg_namelen = sizeof *to;
      messages[i].msg_hdr.msg_iov = &datagrams[(next + i) % count];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    int done = sendmmsg(sending, messages, batch, MSG_DONTWAIT);
    if (done <= 0) return;
    next = (next + done) % count;
    credit -= done;
    sent += done;
  }
}

static void take_replies(void) {
  uint8_t byte;
  while (recv(sending, &byte, 1, MSG_DONTWAIT) >= 0) replies++;
}

static int command(char *line) {
  static double cpu;
  char *word = strtok(line, " "), *path = strtok(NULL, "");
  take_replies();
  double used = cpu_seconds();
  printf("{\"ms\":%.3f,\"sent\":%lu,\"replies\":%lu,\"cpuSeconds\":%.6f}\n", seconds() * 1000, sent, replies, used - cpu);
  cpu = used;
  sent = replies = 0;
  to = NULL;
  credit = 0;
  if (word == NULL || path == NULL) return 0;
  if (load(path) != 0) return 1;
  to = strcmp(word, "ignored") == 0 ? &ignored : &victim;
  return 0;
}

int junk(int argc, char **argv) {
  if (argc != 5) return 2;
  victim = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
  if (inet_pton(AF_INET, argv[2], &victim.sin_addr) != 1) return 2;
  rate = atof(argv[4]);
  ignored = victim;
  ignored.sin_port = 0;
  sending = socket(AF_INET, SOCK_DGRAM, 0);
  ignoring = socket(AF_INET, SOCK_DGRAM, 0);
  socklen_t length = sizeof ignored;
  if (sending < 0 || bind(ignoring, (struct sockaddr *)&ignored, sizeof ignored) < 0) return fail("bind");
  if (getsockname(ignoring, (struct sockaddr *)&ignored, &length) < 0) return fail("getsockname");
  prctl(PR_SET_TIMERSLACK, 1);
  /* What comes from a network does not wait for who has much to compute. */
  struct sched_param first = {.sched_priority = 1};
  sched_setscheduler(0, SCHED_FIFO, &first);
  struct pollfd input = {.fd = 0, .events = POLLIN};
  for (double last = seconds();;) {
    struct timespec tick = {0, TICK_NS};
    if (ppoll(&input, 1, to == NULL ? NULL : &tick, NULL) < 0 && errno != EINTR) return fail("poll");
    if (input.revents) {
      take_lines(command);
      /* What it was idle for is no credit. */
      last = seconds();
    }
    double t = seconds();
    credit += (t - last) * rate;
    if (credit > rate / LATE_PART) credit = rate / LATE_PART;
    last = t;
    if (to == NULL) {
      credit = 0;
      continue;
    }
    send_due();
    take_replies();
  }
}
