/*
 * A link between TUN devices, for kernels without netem: real TCP and chunkmesh cross it alike.
 *
 *     lab --pairs <n> --mtu <bytes>        n ends on the left (10.99.0.1, .3 ..), n on the right (10.99.0.2, .4 ..), one bottleneck each way
 *     lab --star <n> --mtu <bytes>         n ends (10.99.0.1, .2 ..), each with a link of its own, up and down, to where all of them meet
 *         --tick <us>                      packets are taken and given so far apart, several at a time, as a card does that moderates its interrupts:
 *                                          else many ends on few cores are busy with nothing but waking each other
 *     lab --loopback --mtu <bytes>         one end without a link: its own loopback has that MTU
 *     lab enter <namespace> <program> ..   runs a program at an end; it dies with whoever started it
 *     lab sink | source ..                 see tcp.c
 *     lab junk ..                          see junk.c
 *
 * In the environment CHUNKMESH_LAB_OWNER is the pid of who started it: without him it does not begin.
 *
 * Each end is a network namespace of its own, without a name: it is /proc/<pid>/fd/<fd> of this process, and goes with it and those that
 * entered it, so that nothing is left to clean up, however this ends. Needs root.
 *
 * First it prints one line, {"ends":[fd, ..]}. Then each line of stdin is a command, answered by one line:
 *
 *     <way> <name>=<value> ..   way: right (to the right ends), left, both; of a star up, down, both, or of one end up0, down0, both0;
 *                               names as in `struct way`, times in ms, rate in bit/s
 *     count                     what happened each way since the last `count`, as JSON
 *
 * The end of stdin ends it. A packet waits in the queue (drop-tail), takes its time on the wire, may be lost there, and arrives `delay`
 * later. Bytes are those of IP packets. What is drawn at random comes from the seed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "junk.h"
#include "lines.h"
#include "tcp.h"
#include "way.h"

enum {
  MAX_PACKET = 9216,
  /* 1 s of 200 Mbit/s in packets of 1,500 bytes, and room for small ones. */
  MAX_HELD = 1 << 16,
};

struct packet {
  nanoseconds at;
  uint64_t order;
  /* Whether it is at its end then, or at a second way. */
  int from, to, arrives, length;
  uint8_t *bytes;
};

/* Of pairs: to the right ends, to the left ends. Of a star: up from each end, then down to each. */
static struct way ways[2 * MAX_ENDS];
static int tuns[MAX_ENDS], namespaces[MAX_ENDS], ends, star, mtu = 1500;
static nanoseconds tick;
static struct packet heap[MAX_HELD];
static int held;
static uint64_t orders;

static void fail(const char *what) {
  fprintf(stderr, "lab: %s: %s\n", what, strerror(errno));
  exit(1);
}

static nanoseconds now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * SECOND + t.tv_nsec;
}

/* The packets on their way, the first to arrive at the top. */

static int before(const struct packet *a, const struct packet *b) {
  return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct packet packet) {
  int i = held++;
  while (i > 0 && before(&packet, &heap[(i - 1) / 2])) {
    heap[i] = heap[(i - 1) / 2];
    i = (i - 1) / 2;
  }
  heap[i] = packet;
}

static struct packet pop(void) {
  struct packet top = heap[0], last = heap[--held];
  int i = 0;
  for (;;) {
    int child = 2 * i + 1;
    if (child >= held) break;
    if (child + 1 < held && before(&heap[child + 1], &heap[child])) child++;
    if (!before(&heap[child], &last)) break;
    heap[i] = heap[child];
    i = child;
  }
  heap[i] = last;
  return top;
}

static void hold(struct way *way, nanoseconds at, int from, int to, int arrives, const uint8_t *bytes, int length) {
  if (held == MAX_HELD) {
    way->overflowed++;
    return;
  }
  struct packet packet = {at, orders++, from, to, arrives, length, malloc(length)};
  if (packet.bytes == NULL) fail("malloc");
  memcpy(packet.bytes, bytes, length);
  push(packet);
}

/* The end that an IPv4 packet is for, or -1. */
static int destination(const uint8_t *bytes, int length) {
  if (length < 20 || bytes[0] >> 4 != 4 || memcmp(bytes + 16, "\x0a\x63\x00", 3) != 0) return -1;
  int end = bytes[19] - 1;
  return end >= 0 && end < ends ? end : -1;
}

static void cross(struct way *way, int from, int to, int arrives, const uint8_t *bytes, int length, nanoseconds t) {
  nanoseconds at;
  for (int copies = way_cross(way, from, length, t, &at); copies > 0; copies--) hold(way, at, from, to, arrives, bytes, length);
}

static void enter_link(int from, const uint8_t *bytes, int length, nanoseconds t) {
  int to = destination(bytes, length);
  /* What an end says to itself, to its own side, or to nobody, does not cross. */
  if (to < 0 || to == from || (!star && (to & 1) == (from & 1))) return;
  if (star) cross(&ways[from], from, to, 0, bytes, length, t);
  else cross(&ways[from & 1], from, to, 1, bytes, length, t);
}

static void deliver(nanoseconds t) {
  while (held > 0 && heap[0].at <= t) {
    struct packet packet = pop();
    /* Of a star: through one's own link up, then the other's down. */
    if (!packet.arrives) cross(&ways[MAX_ENDS + packet.to], packet.from, packet.to, 1, packet.bytes, packet.length, packet.at);
    /* A device that takes no more drops it, as a card would. */
    else if (write(tuns[packet.to], packet.bytes, packet.length) < 0 && errno != EAGAIN && errno != EIO) fail("write");
    free(packet.bytes);
  }
}

/* Commands. */

/* The ways of a name: first, last, and how far from one to the next. */
static int named(const char *name, int *first, int *last, int *step) {
  char side[8];
  int end = -1;
  if (sscanf(name, "%7[a-z]%d", side, &end) < 1) return 0;
  int right = strcmp(side, star ? "up" : "right") == 0, left = strcmp(side, star ? "down" : "left") == 0;
  if ((!right && !left && strcmp(side, "both") != 0) || end >= (star ? ends : 0)) return 0;
  int apart = star ? MAX_ENDS : 1;
  *first = (left ? apart : 0) + (end < 0 ? 0 : end);
  *last = (right ? 0 : apart) + (end >= 0 ? end : star ? ends - 1 : 0);
  *step = end < 0 ? 1 : apart;
  return 1;
}

static void count(const char *name, int first, int ways_of_it) {
  printf(",\"%s\":%s", name, star ? "[" : "");
  for (int i = 0; i < ways_of_it; i++) {
    if (i > 0) printf(",");
    way_count(&ways[first + i], ends);
  }
  if (star) printf("]");
}

static int command(char *line) {
  char *word = strtok(line, " ");
  if (word == NULL) return 0;
  if (strcmp(word, "count") == 0) {
    printf("{\"ms\":%.3f", (double)now() / MS);
    count(star ? "up" : "right", 0, star ? ends : 1);
    count(star ? "down" : "left", star ? MAX_ENDS : 1, star ? ends : 1);
    printf("}\n");
    return 0;
  }
  int first, last, step;
  if (!named(word, &first, &last, &step)) {
    printf("{\"error\":\"%s is no way\"}\n", word);
    return 0;
  }
  while ((word = strtok(NULL, " ")) != NULL) {
    char *value = strchr(word, '=');
    if (value == NULL) break;
    *value++ = 0;
    for (int i = first; i <= last; i += step) {
      /* Between the ends that there are and MAX_ENDS is nothing. */
      if (star && i % MAX_ENDS >= ends) continue;
      if (way_set(&ways[i], i, word, atof(value))) continue;
      printf("{\"error\":\"%s is no setting\"}\n", word);
      return 0;
    }
  }
  printf("{}\n");
  return 0;
}

/* Setting up. */

static void configure(int control, const char *name, const char *address, int bytes) {
  struct ifreq request = {0};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_mtu = bytes;
  if (ioctl(control, SIOCSIFMTU, &request) < 0) fail("MTU");
  struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;
  memset(in, 0, sizeof *in);
  in->sin_family = AF_INET;
  inet_pton(AF_INET, address, &in->sin_addr);
  if (ioctl(control, SIOCSIFADDR, &request) < 0) fail("address");
  if (strcmp(name, "lo") != 0) {
    inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
    if (ioctl(control, SIOCSIFNETMASK, &request) < 0) fail("mask");
  }
  if (ioctl(control, SIOCGIFFLAGS, &request) < 0) fail("flags");
  request.ifr_flags |= IFF_UP | IFF_RUNNING;
  if (ioctl(control, SIOCSIFFLAGS, &request) < 0) fail("up");
}

/* The kernel's settings of the namespace that this process is in. */
static void sysctl(const char *path, const char *value) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd >= 0 && write(fd, value, strlen(value)) < 0) fprintf(stderr, "lab: %s: %s\n", path, strerror(errno));
  if (fd >= 0) close(fd);
}

static int open_tun(void) {
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  strcpy(request.ifr_name, "lab");
  int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (tun < 0) fail("/dev/net/tun");
  if (ioctl(tun, TUNSETIFF, &request) < 0) fail("TUN");
  return tun;
}

static void make_end(int i, int linked) {
  if (unshare(CLONE_NEWNET) < 0) fail("unshare");
  namespaces[i] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (namespaces[i] < 0 || control < 0) fail("namespace");
  sysctl("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
  /* Nothing of one connection is carried over to the next. */
  sysctl("/proc/sys/net/ipv4/tcp_no_metrics_save", "1");
  configure(control, "lo", "127.0.0.1", linked ? 65536 : mtu);
  if (linked) {
    char address[32];
    snprintf(address, sizeof address, "10.99.0.%d", i + 1);
    tuns[i] = open_tun();
    configure(control, "lab", address, mtu);
  }
  close(control);
}

static void set_up(int argc, char **argv) {
  int made = 2, loopback = 0;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--loopback") == 0) loopback = 1;
    else if (strcmp(argv[i], "--pairs") == 0 && i + 1 < argc) made = 2 * atoi(argv[++i]);
    else if (strcmp(argv[i], "--star") == 0 && i + 1 < argc) star = made = atoi(argv[++i]);
    else if (strcmp(argv[i], "--tick") == 0 && i + 1 < argc) tick = atoi(argv[++i]) * 1000LL;
    else if (strcmp(argv[i], "--mtu") == 0 && i + 1 < argc) mtu = atoi(argv[++i]);
  }
  if (made < 2 || made > MAX_ENDS || mtu < 68 || mtu > MAX_PACKET) {
    fprintf(stderr, "lab: 2 to %d ends, an MTU of 68 to %d\n", MAX_ENDS, MAX_PACKET);
    exit(2);
  }
  for (int i = 0; i < 2 * MAX_ENDS; i++) way_init(&ways[i], i);
  if (loopback) made = 1;
  for (int i = 0; i < made; i++) make_end(i, !loopback);
  ends = loopback ? 0 : made;
  printf("{\"ends\":[");
  for (int i = 0; i < made; i++) printf("%s%d", i > 0 ? "," : "", namespaces[i]);
  printf("]}\n");
}

static int enter(const char *path, char **command) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int end = open(path, O_RDONLY | O_CLOEXEC);
  if (end < 0 || setns(end, CLONE_NEWNET) < 0) fail(path);
  execvp(command[0], command);
  fail(command[0]);
  return 1;
}

int main(int argc, char **argv) {
  static uint8_t bytes[MAX_PACKET];
  setvbuf(stdout, NULL, _IOLBF, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  /* Who started this may have ended before it asked to go with it. */
  const char *owner = getenv("CHUNKMESH_LAB_OWNER");
  if (owner == NULL || getppid() != atoi(owner)) return 1;
  if (argc > 3 && strcmp(argv[1], "enter") == 0) return enter(argv[2], argv + 3);
  if (argc > 1 && strcmp(argv[1], "junk") == 0) return junk(argc, argv);
  if (argc > 1 && argv[1][0] != '-') return tcp_end(argc, argv);
  prctl(PR_SET_TIMERSLACK, 1);
  set_up(argc, argv);
  /* A link does not wait for who has much to compute. */
  struct sched_param first = {.sched_priority = 1};
  sched_setscheduler(0, SCHED_FIFO, &first);
  struct pollfd fds[MAX_ENDS + 1];
  for (int i = 0; i < ends; i++) fds[i] = (struct pollfd){.fd = tuns[i], .events = POLLIN};
  fds[ends] = (struct pollfd){.fd = 0, .events = POLLIN};
  for (;;) {
    nanoseconds wait = held > 0 ? heap[0].at - now() : SECOND;
    if (wait < tick) wait = tick;
    struct timespec sleep = {wait > 0 ? wait / SECOND : 0, wait > 0 ? wait % SECOND : 0}, pause = {0, tick}, none = {0, 0};
    int ready = ppoll(fds, ends + 1, &sleep, NULL);
    if (ready > 0 && tick > 0) {
      nanosleep(&pause, NULL);
      ready = ppoll(fds, ends + 1, &none, NULL);
    }
    if (ready < 0 && errno != EINTR) fail("poll");
    nanoseconds t = now();
    for (int i = 0; i < ends; i++) {
      if (!(fds[i].revents & POLLIN)) continue;
      for (ssize_t length; (length = read(tuns[i], bytes, sizeof bytes)) > 0;) enter_link(i, bytes, (int)length, t);
    }
    if (fds[ends].revents) take_lines(command);
    deliver(now());
  }
}
