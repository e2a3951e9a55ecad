/* Codec "raw": the tile as it is, each byte with one of the key on top (xor). */
#include "../../ops/codec.h"

#include <string.h>

typedef struct raw {
  size_t length;
  uint8_t key[];
} raw;

enum { KEY };

static void *open_raw(const bnc_value *values, bnc_error *err) {
  raw *r = malloc(sizeof *r + values[KEY].length);
  if (!r) {
    bnc_fail(err, BNC_NO_MEMORY, "not enough memory for a key");
    return NULL;
  }
  r->length = values[KEY].length;
  memcpy(r->key, values[KEY].bytes, r->length);
  return r;
}

static size_t least_raw(int64_t height, int64_t width) { return (size_t)(height * width); }

static void apply(const raw *r, const uint8_t *from, size_t n, uint8_t *to) {
  for (size_t i = 0; i < n; i++)
    to[i] = from[i] ^ r->key[i % r->length];
}

static bnc_status encode_raw(void *state, int height, int width, const uint8_t *tile, bnc_buffer *out,
                             bnc_error *err) {
  const size_t n = (size_t)height * (size_t)width;
  if (!bnc_buffer_grow(out, out->length + n))
    return bnc_fail(err, BNC_NO_MEMORY, "not enough memory for the payload");
  apply(state, tile, n, out->bytes + out->length);
  out->length += n;
  return BNC_OK;
}

static bnc_status decode_raw(void *state, int height, int width, const uint8_t *data, size_t length,
                             uint8_t *tile, bnc_error *err) {
  const size_t n = (size_t)height * (size_t)width;
  if (length != n)
    return bnc_fail(err, BNC_DAMAGED, "the data have %zu bytes, expected %zu", length, n);
  apply(state, data, n, tile);
  return BNC_OK;
}

const bnc_codec bnc_raw = {
    .name = "raw",
    .operators = {"RawEncode", "RawDecode", "RawRoundTrip"},
    .parameters = {[KEY] = {.name = "key", .bytes = true, .least = 1, .most = 256}},
    .least = least_raw,
    .open = open_raw,
    .close = free,
    .encode = encode_raw,
    .decode = decode_raw,
};
