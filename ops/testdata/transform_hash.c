/*
 * Prints what codec "transform" makes of pseudo-random tensors: transform_hash COUNT
 *
 * One line: the hash of all payloads and that of all decoded tiles. On every machine it
 * must be the same.
 */
#include "../codec.h"

#include <inttypes.h>
#include <string.h>

extern const bnc_codec bnc_transform;

#define MAX_SIDE 40
#define MAX_PLANES 6
#define MAX_TABLE (16 + MAX_PLANES * (1 + 2 * 14 * 14))

static uint32_t below(uint64_t *state, uint32_t n) { /* xorshift64* */
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return (uint32_t)((*state * 0x2545f4914f6cdd1du) >> 32) % n;
}

static uint64_t hash(uint64_t h, const uint8_t *bytes, size_t n) { /* FNV-1a */
  for (size_t i = 0; i < n; i++)
    h = (h ^ bytes[i]) * 0x100000001b3u;
  return h;
}

static void must(bool sound, const bnc_error *err) {
  if (sound)
    return;
  fprintf(stderr, "%s\n", err->text);
  exit(1);
}

int main(int argc, char **argv) {
  static uint8_t table[MAX_TABLE], tile[MAX_PLANES * MAX_SIDE * MAX_SIDE], back[sizeof tile];
  const long count = argc == 2 ? atol(argv[1]) : 0;
  uint64_t payloads = 0xcbf29ce484222325u, tiles = payloads, state = 1;
  bnc_error err;
  bnc_buffer data = {0};
  for (long i = 0; i < count; i++) {
    const uint32_t planes = 1 + below(&state, MAX_PLANES);
    const uint32_t height = 1 + below(&state, MAX_SIDE), width = 1 + below(&state, MAX_SIDE);
    const uint32_t block_height = 1 + below(&state, height < 14 ? height : 14);
    const uint32_t block_width = 1 + below(&state, width < 14 ? width : 14);
    const uint8_t head[] = {1, (uint8_t)planes, (uint8_t)height, (uint8_t)width, (uint8_t)block_height,
                            (uint8_t)block_width};
    size_t n = sizeof head;
    memcpy(table, head, n);
    for (uint32_t k = 0; k < planes; k++)
      table[n++] = (uint8_t)below(&state, 256);
    const uint32_t least = 30 + below(&state, 120); /* from half a level to what nothing reaches */
    for (uint32_t k = 0; k < planes * block_height * block_width; k++) {
      const uint32_t step = least + below(&state, 30);
      table[n++] = (uint8_t)step;
      table[n++] = (uint8_t)(step + below(&state, 80) - 20);
    }
    const bnc_value values[] = {
        {.number = 1 + below(&state, 100)},
        {.number = below(&state, 2)},
        {.number = below(&state, 2) ? below(&state, 300) : 0},
        {.bytes = table, .length = n},
    };
    /* Planes one above another, of a slope and noise. */
    const uint32_t noise = 1 + below(&state, 256);
    for (uint32_t y = 0; y < planes * height; y++)
      for (uint32_t x = 0; x < width; x++)
        tile[y * width + x] = (uint8_t)(3 * x + 2 * y + below(&state, noise));
    void *codec = bnc_transform.open(values, &err);
    must(codec != NULL, &err);
    data.length = 0;
    must(!bnc_transform.encode(codec, (int)(planes * height), (int)width, tile, &data, &err), &err);
    must(!bnc_transform.decode(codec, (int)(planes * height), (int)width, data.bytes, data.length, back, &err), &err);
    bnc_transform.close(codec);
    payloads = hash(payloads, data.bytes, data.length);
    tiles = hash(tiles, back, (size_t)planes * height * width);
  }
  bnc_buffer_free(&data);
  printf("%016" PRIx64 " %016" PRIx64 "\n", payloads, tiles);
  return 0;
}
