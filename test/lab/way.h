/* One way over a link: its rate, its queue, what it loses; and what happened there. */
#ifndef WAY_H
#define WAY_H
#include <stdint.h>

typedef int64_t nanoseconds;
static const nanoseconds MS = 1000000, SECOND = 1000000000;

enum {
  MAX_ENDS = 16,
  /* Queueing delays are counted by the tenth of a millisecond, up to 2 s. */
  DELAY_BINS = 20000,
};

struct way {
  /* Settings: bit/s, bytes, ms, parts of 1. */
  double rate, queue, delay, jitter, loss, reorder, late, duplicate, mtu;
  /* State. */
  nanoseconds free_at, last_at;
  uint64_t random;
  /* Counts. */
  uint64_t packets, bytes, delivered[MAX_ENDS], overflowed, lost, too_long, waits[DELAY_BINS + 1];
  double wait_sum, wait_max;
};

/* A wide way without loss. Two ways with other numbers draw apart. */
void way_init(struct way *way, int number);
/* Whether there is such a setting. */
int way_set(struct way *way, int number, const char *name, double value);
/* Whether a packet of an end comes through, when it arrives, and in how many copies. */
int way_cross(struct way *way, int from, int length, nanoseconds t, nanoseconds *at);
/* As JSON, and begins anew. */
void way_count(struct way *way, int ends);
#endif
