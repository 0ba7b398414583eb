/*
 * A link between TUN devices, for kernels without netem: real TCP and chunkmesh cross it alike.
 *
 *     lab --pairs <n> --mtu <bytes>        n ends on the left (10.99.0.1, .3 ..), n on the right (10.99.0.2, .4 ..), one bottleneck each way
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
 *     <way> <name>=<value> ..   way: right (to the right ends), left, both; names as in `struct way`, times in ms, rate in bit/s
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

enum {
  MAX_PAIRS = 8,
  MAX_PACKET = 9216,
  /* 1 s of 200 Mbit/s in packets of 1,500 bytes, and room for small ones. */
  MAX_HELD = 1 << 16,
  /* Queueing delays are counted by the tenth of a millisecond, up to 2 s. */
  DELAY_BINS = 20000,
};

typedef int64_t nanoseconds;
static const nanoseconds MS = 1000000, SECOND = 1000000000;

struct packet {
  nanoseconds at;
  uint64_t order;
  int to, length;
  uint8_t *bytes;
};

/* One way over the bottleneck. */
struct way {
  /* Settings. */
  double rate, queue, delay, jitter, loss, reorder, late, duplicate, mtu;
  /* State. */
  nanoseconds free_at, last_at;
  uint64_t random;
  /* Counts. */
  uint64_t packets, bytes, delivered[2 * MAX_PAIRS], overflowed, lost, too_long, waits[DELAY_BINS + 1];
  double wait_sum, wait_max;
};

static struct way ways[2]; /* To the right ends, to the left ends. */
static int tuns[2 * MAX_PAIRS], namespaces[2 * MAX_PAIRS], ends, mtu = 1500;
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

/* xorshift64*: uniform in [0, 1). */
static double draw(struct way *way) {
  way->random ^= way->random >> 12;
  way->random ^= way->random << 25;
  way->random ^= way->random >> 27;
  return (double)((way->random * 0x2545F4914F6CDD1DULL) >> 11) / 9007199254740992.0;
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

static void hold(struct way *way, nanoseconds at, int to, const uint8_t *bytes, int length) {
  if (held == MAX_HELD) {
    way->overflowed++;
    return;
  }
  struct packet packet = {at, orders++, to, length, malloc(length)};
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

static void cross(int from, const uint8_t *bytes, int length, nanoseconds t) {
  int to = destination(bytes, length);
  /* What an end says to its own side, or to nobody, does not cross. */
  if (to < 0 || (to & 1) == (from & 1)) return;
  struct way *way = &ways[from & 1];
  if (way->mtu > 0 && length > way->mtu) {
    way->too_long++;
    return;
  }
  nanoseconds wait = way->free_at > t ? way->free_at - t : 0;
  if (wait * way->rate / 8 / SECOND + length > way->queue) {
    way->overflowed++;
    return;
  }
  way->free_at = t + wait + (nanoseconds)(length * 8.0 / way->rate * SECOND);
  double wait_ms = (double)wait / MS;
  way->wait_sum += wait_ms;
  if (wait_ms > way->wait_max) way->wait_max = wait_ms;
  way->waits[wait_ms * 10 < DELAY_BINS ? (int)(wait_ms * 10) : DELAY_BINS]++;
  way->packets++;
  way->bytes += length;
  if (draw(way) < way->loss) {
    way->lost++;
    return;
  }
  way->delivered[from] += length;
  nanoseconds at = way->free_at + (nanoseconds)((way->delay + way->jitter * draw(way)) * MS);
  /* Jitter alone keeps the order; who is late is overtaken. */
  if (at < way->last_at) at = way->last_at;
  if (draw(way) < way->reorder) at += (nanoseconds)(way->late * draw(way) * MS);
  else way->last_at = at;
  hold(way, at, to, bytes, length);
  if (draw(way) < way->duplicate) hold(way, at, to, bytes, length);
}

static void deliver(nanoseconds t) {
  while (held > 0 && heap[0].at <= t) {
    struct packet packet = pop();
    /* A device that takes no more drops it, as a card would. */
    if (write(tuns[packet.to], packet.bytes, packet.length) < 0 && errno != EAGAIN && errno != EIO) fail("write");
    free(packet.bytes);
  }
}

/* Commands. */

static int set(struct way *way, const char *name, double value) {
  const struct { const char *name; double *field; } settings[] = {
    {"rate", &way->rate}, {"queue", &way->queue}, {"delay", &way->delay}, {"jitter", &way->jitter}, {"loss", &way->loss},
    {"reorder", &way->reorder}, {"late", &way->late}, {"duplicate", &way->duplicate}, {"mtu", &way->mtu},
  };
  if (strcmp(name, "seed") == 0) {
    /* Never 0, and not alike for the two ways. */
    way->random = ((uint64_t)value * 2 + (way - ways)) * 0x9E3779B97F4A7C15ULL + 1;
    return 1;
  }
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    if (strcmp(name, settings[i].name) != 0) continue;
    *settings[i].field = value;
    return 1;
  }
  return 0;
}

static double percentile(const struct way *way, double part) {
  uint64_t seen = 0;
  for (int i = 0; i <= DELAY_BINS; i++) {
    seen += way->waits[i];
    if (seen > 0 && seen >= part * way->packets) return i / 10.0;
  }
  return 0;
}

static void count_way(struct way *way) {
  printf("{\"packets\":%lu,\"bytes\":%lu,\"overflowed\":%lu,\"lost\":%lu,\"tooLong\":%lu,", way->packets, way->bytes,
         way->overflowed, way->lost, way->too_long);
  printf("\"waitMs\":{\"mean\":%.3f,\"p50\":%.1f,\"p95\":%.1f,\"max\":%.1f},\"delivered\":[",
         way->packets > 0 ? way->wait_sum / way->packets : 0, percentile(way, 0.5), percentile(way, 0.95), way->wait_max);
  for (int i = 0; i < ends; i++) printf("%s%lu", i > 0 ? "," : "", way->delivered[i]);
  printf("]}");
  way->packets = way->bytes = way->overflowed = way->lost = way->too_long = 0;
  memset(way->delivered, 0, sizeof way->delivered);
  memset(way->waits, 0, sizeof way->waits);
  way->wait_sum = way->wait_max = 0;
}

static int command(char *line) {
  char *word = strtok(line, " ");
  if (word == NULL) return 0;
  if (strcmp(word, "count") == 0) {
    printf("{\"ms\":%.3f,\"right\":", (double)now() / MS);
    count_way(&ways[0]);
    printf(",\"left\":");
    count_way(&ways[1]);
    printf("}\n");
    return 0;
  }
  int first = strcmp(word, "left") == 0, last = strcmp(word, "right") != 0;
  while ((word = strtok(NULL, " ")) != NULL) {
    char *value = strchr(word, '=');
    if (value == NULL) break;
    *value++ = 0;
    for (int i = first; i <= last; i++) {
      if (set(&ways[i], word, atof(value))) continue;
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
  int pairs = 1, loopback = 0;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--loopback") == 0) loopback = 1;
    else if (strcmp(argv[i], "--pairs") == 0 && i + 1 < argc) pairs = atoi(argv[++i]);
    else if (strcmp(argv[i], "--mtu") == 0 && i + 1 < argc) mtu = atoi(argv[++i]);
  }
  if (pairs < 1 || pairs > MAX_PAIRS || mtu < 68 || mtu > MAX_PACKET) {
    fprintf(stderr, "lab: 1 to %d pairs, an MTU of 68 to %d\n", MAX_PAIRS, MAX_PACKET);
    exit(2);
  }
  for (int i = 0; i < 2; i++) {
    ways[i].rate = 1e9;
    ways[i].queue = 1e6;
    ways[i].late = 10;
    set(&ways[i], "seed", 1);
  }
  int made = loopback ? 1 : 2 * pairs;
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
  struct pollfd fds[2 * MAX_PAIRS + 1];
  for (int i = 0; i < ends; i++) fds[i] = (struct pollfd){.fd = tuns[i], .events = POLLIN};
  fds[ends] = (struct pollfd){.fd = 0, .events = POLLIN};
  for (;;) {
    nanoseconds wait = held > 0 ? heap[0].at - now() : SECOND;
    struct timespec sleep = {wait > 0 ? wait / SECOND : 0, wait > 0 ? wait % SECOND : 0};
    if (ppoll(fds, ends + 1, &sleep, NULL) < 0 && errno != EINTR) fail("poll");
    nanoseconds t = now();
    for (int i = 0; i < ends; i++) {
      if (!(fds[i].revents & POLLIN)) continue;
      for (ssize_t length; (length = read(tuns[i], bytes, sizeof bytes)) > 0;) cross(i, bytes, (int)length, t);
    }
    if (fds[ends].revents) take_lines(command);
    deliver(now());
  }
}
