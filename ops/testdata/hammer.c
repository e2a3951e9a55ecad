/*
 * Hammers the C source: hammer SEED ROUNDS THREADS
 *
 * Each thread encodes random tiles of one to three tensors with coders of shared
 * pools, of every codec of the table, decodes them, decodes damaged copies and
 * checks what must hold; and so with pictures. Any failure aborts.
 */
#define _GNU_SOURCE
#include "hammer.h"

#include "../plugin/pool.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_SIDE 80
#define MAX_TILES 3
#define MAX_PARTS 3
#define SETTINGS 100   /* of a codec */
#define MAX_BYTES 4096 /* of a parameter */
#define PAGE 65536     /* at least a page on any system */

/* A codec with random parameters, and the coders that all threads share. */
typedef struct setting {
  const bnc_codec *codec;
  bnc_value values[BNC_MAX_PARAMETERS];
  uint8_t bytes[BNC_MAX_PARAMETERS][MAX_BYTES];
  int64_t height, width; /* of tiles, 0 where any will do */
  bnc_pool pool;
} setting;

typedef struct worker {
  pthread_t thread;
  uint64_t state; /* of the random numbers */
  long rounds;
  setting *settings;
  size_t count; /* of settings */
  tally payloads, pictures;
  uint8_t *in[MAX_PARTS], *out[MAX_PARTS], *wire; /* guarded */
} worker;

/* A batch of images. */
typedef struct batch {
  size_t n, count; /* tensors, images */
  bnc_part parts[MAX_PARTS];
  setting *settings[MAX_PARTS];
  uint8_t *tiles[MAX_PARTS], *decoded[MAX_PARTS];
  float ranges[MAX_PARTS][2 * MAX_TILES], decoded_ranges[MAX_PARTS][2 * MAX_TILES];
  const float *given[MAX_PARTS];
  float *taken[MAX_PARTS];
  size_t least; /* bytes that a record has at least */
} batch;

uint64_t next(uint64_t *state) { /* xorshift64 */
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

uint64_t below(uint64_t *state, uint64_t n) { return next(state) % n; }

uint8_t *guarded(void) {
  uint8_t *p = mmap(NULL, AREA + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(p != MAP_FAILED);
  CHECK(mprotect(p + AREA, PAGE, PROT_NONE) == 0);
  return p;
}

void release(uint8_t *area) { munmap(area, AREA + PAGE); }

uint8_t *tail(uint8_t *area, size_t n) {
  CHECK(n <= AREA);
  return area + AREA - n;
}

size_t damage(uint64_t *state, uint8_t *area, const uint8_t *bytes, size_t n) {
  size_t length = n;
  if (below(state, 4) == 0)
    length = below(state, n + 1);
  else if (below(state, 4) == 0)
    length = n + below(state, 40);
  uint8_t *copy = tail(area, length);
  for (size_t i = 0; i < length; i++)
    copy[i] = i < n ? bytes[i] : (uint8_t)next(state);
  for (uint64_t changes = below(state, 4); length > 0 && changes > 0; changes--)
    copy[below(state, length)] = (uint8_t)next(state);
  return length;
}

/* Where decoded tiles go. */
static void make_room(worker *w, batch *b, size_t count) {
  for (size_t i = 0; i < b->n; i++)
    b->decoded[i] = tail(w->out[i], count * (size_t)(b->parts[i].height * b->parts[i].width));
}

static void make_batch(worker *w, batch *b) {
  b->n = below(&w->state, 2) ? 1 : 1 + below(&w->state, MAX_PARTS);
  b->count = 1 + below(&w->state, MAX_TILES);
  b->least = 0;
  for (size_t i = 0; i < b->n; i++) {
    setting *s = b->settings[i] = &w->settings[below(&w->state, w->count)];
    bnc_error err;
    bnc_part *p = &b->parts[i];
    *p = (bnc_part){
        .coder = bnc_pool_take(&s->pool, s->codec, s->values, &err),
        .height = s->height ? s->height : 1 + (int64_t)below(&w->state, MAX_SIDE),
        .width = s->width ? s->width : 1 + (int64_t)below(&w->state, MAX_SIDE),
        .dynamic = below(&w->state, 2),
    };
    CHECK(p->coder);
    b->least += s->codec->least(p->height, p->width) + (p->dynamic ? BNC_RANGE_BYTES : 0);
    const size_t bytes = b->count * (size_t)(p->height * p->width);
    b->tiles[i] = tail(w->in[i], bytes);
    const uint64_t span = 1 + below(&w->state, 256);
    for (size_t k = 0; k < bytes; k++)
      b->tiles[i][k] = (uint8_t)below(&w->state, span);
    for (size_t k = 0; k < 2 * b->count; k++)
      b->ranges[i][k] = (float)below(&w->state, 1000) / 8;
    b->given[i] = p->dynamic ? b->ranges[i] : NULL;
    b->taken[i] = p->dynamic ? b->decoded_ranges[i] : NULL;
  }
  make_room(w, b, b->count);
}

static void encode(const batch *b, int64_t *sizes, bnc_buffer *payload) {
  bnc_error err;
  CHECK(!bnc_encode(b->parts, b->n, b->count, (const uint8_t *const *)b->tiles, b->given, sizes, payload, &err));
}

/* A payload of one batch, sound and damaged. */
static void check_payload(worker *w, batch *b, const bnc_buffer *payload) {
  bnc_error err;
  size_t found;
  const size_t length = payload->length;
  const uint8_t *copy = memcpy(tail(w->wire, length), payload->bytes, length);
  CHECK(!bnc_count(b->parts, b->n, copy, length, &found, &err));
  CHECK(found == b->count);
  CHECK(!bnc_decode(b->parts, b->n, copy, length, b->count, b->decoded, b->taken, &err));
  for (size_t i = 0; i < b->n; i++)
    CHECK(!b->taken[i] || memcmp(b->ranges[i], b->taken[i], b->count * 2 * sizeof(float)) == 0);

  float *const nowhere[MAX_PARTS] = {NULL};
  for (int i = 0; i < 8; i++) {
    const size_t n = damage(&w->state, w->wire, payload->bytes, length);
    const uint8_t *bad = tail(w->wire, n);
    if (!bnc_count(b->parts, b->n, bad, n, &found, &err)) {
      CHECK(found * b->least <= n);
      if (found > MAX_TILES)
        continue;
      make_room(w, b, found);
      if (!bnc_decode(b->parts, b->n, bad, n, found, b->decoded, nowhere, &err)) {
        w->payloads.accepted++;
        continue;
      }
    }
    CHECK(err.status == BNC_DAMAGED && err.offset <= n);
    w->payloads.refused++;
  }
}

static void *run(void *argument) {
  worker *w = argument;
  w->wire = guarded();
  for (int i = 0; i < MAX_PARTS; i++) {
    w->in[i] = guarded();
    w->out[i] = guarded();
  }
  bnc_buffer again = {0};
  for (long round = 0; round < w->rounds; round++) {
    batch b;
    make_batch(w, &b);
    bnc_buffer *payload = &b.parts[0].coder->payload;
    int64_t sizes[MAX_TILES], sum = 0;
    encode(&b, sizes, payload);
    for (size_t i = 0; i < b.count; i++)
      sum += sizes[i];
    CHECK(sum == (int64_t)payload->length);
    check_payload(w, &b, payload);

    /* An error must leave the coders as good as new. */
    encode(&b, NULL, &again);
    CHECK(again.length == payload->length && memcmp(again.bytes, payload->bytes, again.length) == 0);
    for (size_t i = 0; i < b.n; i++)
      bnc_pool_give(&b.settings[i]->pool, b.parts[i].coder);
    hammer_picture(&w->state, w->wire, w->out[0], &w->pictures);
  }
  bnc_buffer_free(&again);
  release(w->wire);
  for (int i = 0; i < MAX_PARTS; i++) {
    release(w->in[i]);
    release(w->out[i]);
  }
  return NULL;
}

/* Writes a table of codec "transform" of up to 5 planes and says what tiles it is for. */
static size_t make_table(uint64_t *state, setting *s, uint8_t *to) {
  const uint8_t planes = 1 + below(state, 5), height = 1 + below(state, 30), width = 1 + below(state, 30);
  const uint8_t block_height = 1 + below(state, height < 14 ? height : 14);
  const uint8_t block_width = 1 + below(state, width < 14 ? width : 14);
  const uint8_t head[] = {1, planes, height, width, block_height, block_width};
  size_t n = sizeof head;
  memcpy(to, head, n);
  for (int i = 0; i < planes; i++)
    to[n++] = (uint8_t)next(state);
  const size_t coefficients = (size_t)planes * block_height * block_width;
  for (size_t i = 0; i < coefficients; i++) {
    const uint8_t step = below(state, 8) ? 48 + below(state, 140) : 0;
    to[n++] = step;
    to[n++] = step ? (uint8_t)(step + below(state, 60) - 20) : 1; /* one is left out */
  }
  const int64_t columns = 1 + (int64_t)below(state, planes);
  s->height = (planes + columns - 1) / columns * height;
  s->width = columns * width;
  return n;
}

/* Gives a setting random parameters. */
static void set(uint64_t *state, setting *s, const bnc_codec *codec) {
  s->codec = codec;
  for (size_t i = 0; i < bnc_parameter_count(codec); i++) {
    const bnc_parameter *p = &codec->parameters[i];
    const int64_t most = p->bytes && p->most > MAX_BYTES ? MAX_BYTES : p->most;
    const int64_t size = p->least + (int64_t)below(state, (uint64_t)(most - p->least) + 1);
    if (!p->bytes) { /* limits of bytes that matter are small */
      s->values[i].number = most > MAX_BYTES && below(state, 2) ? size % 200 : size;
      continue;
    }
    s->values[i].bytes = s->bytes[i];
    s->values[i].length = (size_t)size;
    if (strcmp(codec->name, "transform") == 0) {
      s->values[i].length = make_table(state, s, s->bytes[i]);
      continue;
    }
    for (int64_t k = 0; k < size; k++)
      s->bytes[i][k] = (uint8_t)next(state);
  }
}

static void report(const char *what, const tally *t) {
  printf("damaged %s: %ld refused, %ld accepted\n", what, t->refused, t->accepted);
  CHECK(t->refused > 0 && t->accepted > 0);
}

static void add(tally *to, const tally *t) {
  to->refused += t->refused;
  to->accepted += t->accepted;
}

int main(int argc, char **argv) {
  CHECK(argc == 4);
  uint64_t state = (strtoull(argv[1], NULL, 10) + 1) * 0x9e3779b97f4a7c15u;
  const int threads = atoi(argv[3]);
  size_t codecs = 0;
  while (bnc_codecs[codecs])
    codecs++;
  const size_t count = codecs * SETTINGS;
  setting *settings = calloc(count, sizeof *settings);
  worker *workers = calloc((size_t)threads, sizeof *workers);
  CHECK(settings && workers);
  for (size_t i = 0; i < count; i++)
    set(&state, &settings[i], bnc_codecs[i / SETTINGS]);
  for (int i = 0; i < threads; i++) {
    workers[i] = (worker){.state = next(&state), .rounds = atol(argv[2]), .settings = settings, .count = count};
    CHECK(!pthread_create(&workers[i].thread, NULL, run, &workers[i]));
  }
  tally payloads = {0}, pictures = {0};
  for (int i = 0; i < threads; i++) {
    CHECK(!pthread_join(workers[i].thread, NULL));
    add(&payloads, &workers[i].payloads);
    add(&pictures, &workers[i].pictures);
  }
  for (size_t i = 0; i < count; i++)
    bnc_pool_clear(&settings[i].pool);
  free(settings);
  free(workers);
  report("payloads", &payloads);
  report("pictures", &pictures);
  return 0;
}
