#include "way.h"

#include <stdio.h>
#include <string.h>

void way_init(struct way *way, int number) {
  way->rate = 1e9;
  way->queue = 1e6;
  way->late = 10;
  way_set(way, number, "seed", 1);
}

/* xorshift64*: uniform in [0, 1). */
static double draw(struct way *way) {
  way->random ^= way->random >> 12;
  way->random ^= way->random << 25;
  way->random ^= way->random >> 27;
  return (double)((way->random * 0x2545F4914F6CDD1DULL) >> 11) / 9007199254740992.0;
}

int way_set(struct way *way, int number, const char *name, double value) {
  const struct { const char *name; double *field; } settings[] = {
    {"rate", &way->rate}, {"queue", &way->queue}, {"delay", &way->delay}, {"jitter", &way->jitter}, {"loss", &way->loss},
    {"reorder", &way->reorder}, {"late", &way->late}, {"duplicate", &way->duplicate}, {"mtu", &way->mtu},
  };
  if (strcmp(name, "seed") == 0) {
    /* Never 0, and not alike for two ways. */
    way->random = ((uint64_t)value * 2 * MAX_ENDS + number) * 0x9E3779B97F4A7C15ULL + 1;
    return 1;
  }
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    if (strcmp(name, settings[i].name) != 0) continue;
    *settings[i].field = value;
    return 1;
  }
  return 0;
}

int way_cross(struct way *way, int from, int length, nanoseconds t, nanoseconds *at) {
  if (way->mtu > 0 && length > way->mtu) {
    way->too_long++;
    return 0;
  }
  nanoseconds wait = way->free_at > t ? way->free_at - t : 0;
  if (wait * way->rate / 8 / SECOND + length > way->queue) {
    way->overflowed++;
    return 0;
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
    return 0;
  }
  way->delivered[from] += length;
  *at = way->free_at + (nanoseconds)((way->delay + way->jitter * draw(way)) * MS);
  /* Jitter alone keeps the order; who is late is overtaken. */
  if (*at < way->last_at) *at = way->last_at;
  if (draw(way) < way->reorder) *at += (nanoseconds)(way->late * draw(way) * MS);
  else way->last_at = *at;
  return draw(way) < way->duplicate ? 2 : 1;
}

static double percentile(const struct way *way, double part) {
  uint64_t seen = 0;
  for (int i = 0; i <= DELAY_BINS; i++) {
    seen += way->waits[i];
    if (seen > 0 && seen >= part * way->packets) return i / 10.0;
  }
  return 0;
}

void way_count(struct way *way, int ends) {
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
