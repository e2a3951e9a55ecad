/*
 * The codecs of a BottleNet pair, one row each: how the grey image ("tile") of a
 * crossing tensor becomes bytes and back.
 *
 * To add a codec here, write a C file that defines its row, as jpeg.c defines
 * bnc_jpeg, and name the row in codecs.c. The plugin's operators, package ops'
 * Go face, framing, limits and error messages are made from the row.
 *
 * No function keeps global state. A codec's state serves one thread at a time;
 * different states may be used at once.
 */
#ifndef BNC_CODEC_H
#define BNC_CODEC_H

#include "common.h"

#define BNC_MAX_SIDE 65500         /* of a tile, in pixels: libjpeg's own limit */
#define BNC_MAX_PIXELS (1L << 28)  /* of one tile */
#define BNC_MAX_PARAMETERS 8       /* of a codec */

/*
 * A parameter that both sides of a codec must agree on, such as a quality or a
 * table. Numbers are integers: what two machines compute from them is the same.
 */
typedef struct bnc_parameter {
  const char *name;    /* of the operators' attribute and in metadata bnc.codec */
  bool bytes;          /* a byte string (ONNX STRING), and not a number (ONNX INT) */
  int64_t least, most; /* limits of the number, or of the byte string's length */
} bnc_parameter;

/* The value of a parameter: a number, or length bytes. */
typedef struct bnc_value {
  int64_t number;
  const uint8_t *bytes;
  size_t length;
} bnc_value;

/* The operators of a codec; index of bnc_codec.operators. */
typedef enum bnc_operator {
  BNC_ENCODE,     /* tile, range? -> payload */
  BNC_DECODE,     /* payload -> tile, range? */
  BNC_ROUND_TRIP, /* tile, range? -> tile, payload_bytes */
  BNC_OPERATORS
} bnc_operator;

typedef struct bnc_codec {
  const char *name;                     /* in metadata bnc.codec: "jpeg" */
  const char *operators[BNC_OPERATORS]; /* their types in domain bnc: "JpegEncode", ... */
  bnc_parameter parameters[BNC_MAX_PARAMETERS + 1]; /* the last has no name */

  /*
   * The fewest bytes that can hold one tile, 0 where it can be none. It bounds
   * how large tiles are that come out of a payload.
   */
  size_t (*least)(int64_t height, int64_t width);

  /*
   * Makes an encoder and decoder of parameters that are within their limits, one
   * value for each in the row's order. What it needs of byte strings it copies.
   * NULL with err filled: BNC_INVALID where they do not fit together.
   */
  void *(*open)(const bnc_value *values, bnc_error *err);
  void (*close)(void *state);

  /* Appends the bytes of one tile (rows without gaps) to out. */
  bnc_status (*encode)(void *state, int height, int width, const uint8_t *tile,
                       bnc_buffer *out, bnc_error *err);

  /*
   * Decodes data, all of which belongs to one tile. BNC_DAMAGED where encode does
   * not write such data; tile is undefined then, and the state as good as new.
   */
  bnc_status (*decode)(void *state, int height, int width, const uint8_t *data,
                       size_t length, uint8_t *tile, bnc_error *err);
} bnc_codec;

/* The table of codecs (codecs.c); NULL behind the last. */
extern const bnc_codec *const bnc_codecs[];

/* How many parameters a codec has. */
static inline size_t bnc_parameter_count(const bnc_codec *codec) {
  size_t n = 0;
  while (codec->parameters[n].name)
    n++;
  return n;
}

#endif
