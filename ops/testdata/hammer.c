/*
 * Hammers the codec: hammer SEED ROUNDS THREADS
 *
 * Each thread encodes random tiles with codecs of one shared pool, decodes
 * them, decodes damaged copies and checks what must hold. Buffers that libjpeg
 * reads and writes end at a page without access, so that its code, which no
 * sanitizer instruments, cannot overrun them unseen. Any failure aborts.
 */
#define _GNU_SOURCE
#include "../codec.h"
#include "../plugin/pool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_SIDE 80
#define MAX_TILES 3
#define AREA (1 << 20) /* bytes of a guarded buffer; a whole number of pages */
#define PAGE 65536     /* at least a page on any system */

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);   \
      abort();                                                                    \
    }                                                                             \
  } while (0)

typedef struct worker {
  pthread_t thread;
  uint64_t state; /* of the random numbers */
  long rounds;
  bnc_pool *pools; /* one a quality, 1..100 */
  long refused, accepted;
} worker;

static uint64_t next(worker *w) { /* xorshift64 */
  w->state ^= w->state << 13;
  w->state ^= w->state >> 7;
  w->state ^= w->state << 17;
  return w->state;
}

static uint64_t below(worker *w, uint64_t n) { return next(w) % n; }

static uint8_t *guarded(void) {
  uint8_t *p = mmap(NULL, AREA + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(p != MAP_FAILED);
  CHECK(mprotect(p + AREA, PAGE, PROT_NONE) == 0);
  return p;
}

/* The last n bytes in front of the page without access. */
static uint8_t *tail(uint8_t *area, size_t n) {
  CHECK(n <= AREA);
  return area + AREA - n;
}

/* Changes, cuts or lengthens a copy of a payload in place; returns its length. */
static size_t damage(worker *w, uint8_t *area, const uint8_t *payload, size_t n) {
  size_t length = n;
  if (below(w, 4) == 0)
    length = below(w, n + 1);
  else if (below(w, 4) == 0)
    length = n + below(w, 40);
  uint8_t *copy = tail(area, length);
  for (size_t i = 0; i < length; i++)
    copy[i] = i < n ? payload[i] : (uint8_t)next(w);
  for (uint64_t changes = below(w, 4); length > 0 && changes > 0; changes--)
    copy[below(w, length)] = (uint8_t)next(w);
  return length;
}

static void *run(void *argument) {
  worker *w = argument;
  uint8_t *in = guarded(), *out = guarded(), *wire = guarded();
  float ranges[2 * MAX_TILES], got_ranges[2 * MAX_TILES];
  int64_t sizes[MAX_TILES];
  for (long round = 0; round < w->rounds; round++) {
    const bnc_geometry g = {
        .height = 1 + (int64_t)below(w, MAX_SIDE),
        .width = 1 + (int64_t)below(w, MAX_SIDE),
        .quality = 1 + (int64_t)below(w, 100),
        .dynamic = below(w, 2),
    };
    const size_t pixels = (size_t)(g.height * g.width);
    const size_t count = 1 + below(w, MAX_TILES);
    uint8_t *tiles = tail(in, count * pixels);
    const uint64_t span = 1 + below(w, 256);
    for (size_t i = 0; i < count * pixels; i++)
      tiles[i] = (uint8_t)below(w, span);
    for (size_t i = 0; i < 2 * count; i++)
      ranges[i] = (float)below(w, 1000) / 8;

    bnc_error err;
    bnc_codec *c = bnc_pool_take(&w->pools[g.quality - 1], g.quality, &err);
    CHECK(c);
    const uint8_t *payload;
    size_t length, found;
    CHECK(!bnc_encode(c, &g, count, tiles, g.dynamic ? ranges : NULL, sizes, &payload, &length, &err));
    uint8_t *copy = memcpy(tail(wire, length), payload, length);
    CHECK(!bnc_count(&g, copy, length, &found, &err));
    CHECK(found == count);
    CHECK(!bnc_decode(c, &g, copy, length, count, tail(out, count * pixels),
                      g.dynamic ? got_ranges : NULL, &err));
    CHECK(!g.dynamic || memcmp(ranges, got_ranges, count * 2 * sizeof *ranges) == 0);

    for (int i = 0; i < 8; i++) {
      const size_t n = damage(w, wire, payload, length);
      const uint8_t *bad = tail(wire, n);
      if (!bnc_count(&g, bad, n, &found, &err)) {
        CHECK(found * pixels < 86 * n);
        if (found <= MAX_TILES &&
            !bnc_decode(c, &g, bad, n, found, tail(out, found * pixels), NULL, &err)) {
          w->accepted++;
          continue;
        }
        if (found > MAX_TILES)
          continue;
      }
      CHECK(err.status == BNC_DAMAGED && err.offset <= n);
      w->refused++;
    }

    /* An error must leave the codec as good as new. */
    const uint8_t *again;
    size_t again_length;
    memcpy(tail(wire, length), payload, length); /* payload is overwritten next */
    CHECK(!bnc_encode(c, &g, count, tiles, g.dynamic ? ranges : NULL, NULL, &again, &again_length, &err));
    CHECK(again_length == length && memcmp(again, tail(wire, length), length) == 0);
    bnc_pool_give(&w->pools[g.quality - 1], c);
  }
  munmap(in, AREA + PAGE);
  munmap(out, AREA + PAGE);
  munmap(wire, AREA + PAGE);
  return NULL;
}

int main(int argc, char **argv) {
  CHECK(argc == 4);
  const uint64_t seed = strtoull(argv[1], NULL, 10);
  const int threads = atoi(argv[3]);
  bnc_pool *pools = calloc(100, sizeof *pools);
  worker *workers = calloc((size_t)threads, sizeof *workers);
  CHECK(pools && workers);
  for (int i = 0; i < threads; i++) {
    workers[i] = (worker){
        .state = (seed + (uint64_t)i + 1) * 0x9e3779b97f4a7c15u,
        .rounds = atol(argv[2]),
        .pools = pools,
    };
    CHECK(!pthread_create(&workers[i].thread, NULL, run, &workers[i]));
  }
  long refused = 0, accepted = 0;
  for (int i = 0; i < threads; i++) {
    CHECK(!pthread_join(workers[i].thread, NULL));
    refused += workers[i].refused;
    accepted += workers[i].accepted;
  }
  for (int i = 0; i < 100; i++)
    bnc_pool_clear(&pools[i]);
  free(pools);
  free(workers);
  printf("%ld damaged payloads refused, %ld accepted\n", refused, accepted);
  CHECK(refused > 0 && accepted > 0);
  return 0;
}
