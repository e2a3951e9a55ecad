/*
 * A libFuzzer target of codec "transform", both directions: any table and any payload are
 * decoded or refused; what any table that is taken makes of any tile is decoded again, the
 * same every time, and in as many bytes as may be.
 *
 *   clang -std=c11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
 *     ops/testdata/fuzz_transform.c ops/transform.c -o fuzz_transform
 */
#include "../codec.h"

#include <string.h>

extern const bnc_codec bnc_transform;

#define MAX_SIDE 48
#define MAX_PLANES 5
#define HEAD 12
#define LEAST_TABLE 8 /* as the codec's row says */
#define MAX_TABLE (6 + MAX_PLANES * (1 + 2 * MAX_SIDE * MAX_SIDE))
#define MAX_PIXELS (MAX_PLANES * MAX_SIDE * MAX_SIDE)

static void must(bool true_) {
  if (!true_)
    abort();
}

/* Fills a table for the sizes in head from the fuzzer's bytes, sound but for its contents. */
static size_t make_table(uint8_t *table, const uint8_t *head, const uint8_t *data, size_t length) {
  memcpy(table, head, 6);
  size_t n = 6;
  const size_t numbers = (size_t)head[1] * (1 + 2 * (size_t)head[4] * head[5]);
  for (size_t i = 0; i < numbers; i++) {
    const uint8_t v = length ? data[i % length] : 0;
    /* a step of 0 would begin a run */
    table[n++] = i >= head[1] && (i - head[1]) % 2 == 0 && v == 0 ? 1 : v;
  }
  return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
  static uint8_t table[MAX_TABLE], tile[MAX_PIXELS], back[MAX_PIXELS], again[MAX_PIXELS];
  if (length < HEAD)
    return 0;
  const uint8_t planes = 1 + data[0] % MAX_PLANES, height = 1 + data[1] % MAX_SIDE, width = 1 + data[2] % MAX_SIDE;
  const uint8_t head[] = {1, planes, height, width, 1 + data[3] % (height < 14 ? height : 14), 1 + data[4] % (width < 14 ? width : 14)};
  const bool sound = data[5] & 1, encodes = data[5] & 2, bounded = data[5] & 4;
  const int64_t bound = bounded ? data[6] * 8 : 0;
  size_t split = (size_t)(data[7] | data[8] << 8);
  const uint8_t *rest = data + HEAD;
  size_t left = length - HEAD;
  split = split < left ? split : left;
  bnc_value values[] = {
      {.number = 1 + data[9] % 100}, {.number = (data[5] >> 3) & 1}, {.number = bound},
      {.bytes = rest, .length = split},
  };
  if (sound) {
    values[3].bytes = table;
    values[3].length = make_table(table, head, rest, split);
  }
  if (values[3].length < LEAST_TABLE)
    return 0;
  rest += split;
  left -= split;
  bnc_error err;
  void *codec = bnc_transform.open(values, &err);
  must(codec || (!sound && err.text[0]));
  if (!codec)
    return 0;
  const int rows = planes * height;
  if (!encodes) {
    const bnc_status first = bnc_transform.decode(codec, rows, width, rest, left, back, &err);
    const bnc_status second = bnc_transform.decode(codec, rows, width, rest, left, again, &err);
    must(first == second && (first || !memcmp(back, again, (size_t)rows * width)));
  } else {
    for (int i = 0; i < rows * width; i++)
      tile[i] = left ? rest[(size_t)i % left] : 128;
    bnc_buffer a = {0}, b = {0};
    const bnc_status first = bnc_transform.encode(codec, rows, width, tile, &a, &err);
    must(first == bnc_transform.encode(codec, rows, width, tile, &b, &err));
    must(first || (a.length == b.length && !memcmp(a.bytes, b.bytes, a.length)));
    must(!first || bounded || !sound);
    if (!first) {
      must(!bnc_transform.decode(codec, rows, width, a.bytes, a.length, back, &err));
      must(!bound || !values[1].number || a.length <= (size_t)bound);
    }
    free(a.bytes);
    free(b.bytes);
  }
  bnc_transform.close(codec);
  return 0;
}
