/*
 * Measures the ops of one codec inside ONNX Runtime:
 *
 *   alone LIBRARY PLUGIN ENCODE_MODEL DECODE_MODEL HEIGHT WIDTH TILES
 *
 * TILES is a file of whole tiles. The first line is "bytes MEAN", of a payload; each
 * other one is a round: "encode|decode NS", the time of one image in nanoseconds.
 */
#include "cli.h"
#include "rawort.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <onnxruntime_c_api.h>

#define TILES 16
#define ROUNDS 201
#define ROUND_PIXELS 100000 /* coded in a round: some ms, less than a slice of the scheduler */

static raw_session *open_model(const char *library, const char *plugin, const char *path) {
  size_t length;
  void *model = cli_read_file(path, &length);
  raw_session *session;
  cli_must(raw_open(library, plugin, model, length, &session));
  free(model);
  return session;
}

int main(int argc, char **argv) {
  if (argc != 8)
    cli_die("expected 7 arguments");
  raw_session *encode = open_model(argv[1], argv[2], argv[3]);
  raw_session *decode = open_model(argv[1], argv[2], argv[4]);
  const int height = atoi(argv[5]), width = atoi(argv[6]);
  const size_t pixels = (size_t)height * width;
  size_t length, bytes = 0;
  uint8_t *tiles = cli_read_file(argv[7], &length);
  if (length != TILES * pixels)
    cli_die("TILES has another size");
  raw_tensor inputs[TILES], payloads[TILES];
  for (int i = 0; i < TILES; i++) {
    inputs[i] = (raw_tensor){
        .name = "tile", .type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
        .rank = 4, .dims = {1, 1, height, width}, .data = tiles + i * pixels, .bytes = pixels,
    };
    payloads[i] = (raw_tensor){.name = "payload"};
    cli_must(raw_run(encode, &inputs[i], 1, &payloads[i], 1));
    bytes += payloads[i].bytes;
  }
  printf("bytes %zu\n", bytes / TILES);
  const int runs = (int)(1 + ROUND_PIXELS / (pixels + 500));
  for (int round = -1; round < ROUNDS; round++) { /* the first one warms up */
    int64_t encode_ns, decode_ns;
    cli_must(raw_time(encode, inputs, TILES, "payload", runs, &encode_ns));
    cli_must(raw_time(decode, payloads, TILES, "tile", runs, &decode_ns));
    if (round >= 0)
      printf("encode %" PRId64 "\ndecode %" PRId64 "\n", encode_ns / runs, decode_ns / runs);
  }
  for (int i = 0; i < TILES; i++)
    free(payloads[i].data);
  free(tiles);
  raw_close(encode);
  raw_close(decode);
  return 0;
}
