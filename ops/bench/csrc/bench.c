/*
 * Measures the codec ops inside ONNX Runtime against bare libjpeg-turbo:
 *
 *   bench LIBRARY PLUGIN ENCODE_MODEL DECODE_MODEL HEIGHT WIDTH QUALITY TILES
 *
 * TILES is a file of whole tiles. Both code the same tiles in turn, in rounds
 * that alternate. Each output line is one round: "encode|decode BARE OP", the
 * time of one image in nanoseconds.
 */
#include "bare.h"
#include "cli.h"
#include "rawort.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <onnxruntime_c_api.h>

#define TILES 16
#define ROUNDS 41
#define ROUND_PIXELS 2000000 /* coded in a round: some 10 ms */
#define HEADER 25            /* of a stream of bare_encode; a trailer of 2 ends it */

static raw_session *open_model(const char *library, const char *plugin, const char *path) {
  size_t length;
  void *model = cli_read_file(path, &length);
  raw_session *session;
  cli_must(raw_open(library, plugin, model, length, &session));
  free(model);
  return session;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc != 9)
    cli_die("expected 8 arguments");
  raw_session *encode = open_model(argv[1], argv[2], argv[3]);
  raw_session *decode = open_model(argv[1], argv[2], argv[4]);
  const int height = atoi(argv[5]), width = atoi(argv[6]), quality = atoi(argv[7]);
  const size_t pixels = (size_t)height * width;
  size_t length;
  uint8_t *tiles = cli_read_file(argv[8], &length);
  if (length != TILES * pixels)
    cli_die("TILES has another size");

  /* The two must do the same work: the same data, the same pixels. */
  bare *b = bare_new(height, width, quality);
  raw_tensor tile_inputs[TILES], payloads[TILES];
  uint8_t *streams[TILES], *back = malloc(pixels);
  size_t lengths[TILES];
  for (int i = 0; i < TILES; i++) {
    tile_inputs[i] = (raw_tensor){
        .name = "tile", .type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
        .rank = 4, .dims = {1, 1, height, width}, .data = tiles + i * pixels, .bytes = pixels,
    };
    payloads[i] = (raw_tensor){.name = "payload"};
    cli_must(raw_run(encode, &tile_inputs[i], 1, &payloads[i], 1));
    const uint8_t *stream = bare_encode(b, tile_inputs[i].data, &lengths[i]);
    streams[i] = memcpy(malloc(lengths[i]), stream, lengths[i]);
    const size_t data = lengths[i] - HEADER - 2;
    if (data > payloads[i].bytes ||
        memcmp((uint8_t *)payloads[i].data + payloads[i].bytes - data, stream + HEADER, data) != 0)
      cli_die("the op encodes other bytes");
    raw_tensor decoded = {.name = "tile"};
    cli_must(raw_run(decode, &payloads[i], 1, &decoded, 1));
    bare_decode(b, streams[i], lengths[i], back);
    if (decoded.bytes != pixels || memcmp(decoded.data, back, pixels) != 0)
      cli_die("the op decodes other pixels");
    free(decoded.data);
  }

  const int runs = (int)(1 + ROUND_PIXELS / (pixels + 500));
  for (int round = -1; round < ROUNDS; round++) { /* the first one warms up */
    int64_t op_encode, op_decode;
    double start = now();
    for (int i = 0; i < runs; i++)
      bare_encode(b, tile_inputs[i % TILES].data, &length);
    const double bare_encode_ns = now() - start;
    cli_must(raw_time(encode, tile_inputs, TILES, "payload", runs, &op_encode));
    start = now();
    for (int i = 0; i < runs; i++)
      bare_decode(b, streams[i % TILES], lengths[i % TILES], back);
    const double bare_decode_ns = now() - start;
    cli_must(raw_time(decode, payloads, TILES, "tile", runs, &op_decode));
    if (round < 0)
      continue;
    printf("encode %.1f %.1f\n", bare_encode_ns / runs, (double)op_encode / runs);
    printf("decode %.1f %.1f\n", bare_decode_ns / runs, (double)op_decode / runs);
  }
  for (int i = 0; i < TILES; i++) {
    free(streams[i]);
    free(payloads[i].data);
  }
  free(back);
  free(tiles);
  bare_free(b);
  raw_close(encode);
  raw_close(decode);
  return 0;
}
