/*
 * The codec of a BottleNet pair: grey images ("tiles") to payloads and back.
 *
 * A payload is one record an image:
 *
 *   record  = varint(length of what follows) [lo hi] data
 *   varint  = LEB128, unsigned, shortest form, at most BNC_VARINT_MAX bytes
 *   lo, hi  = float32, little-endian, finite; only where the range is dynamic
 *   data    = the entropy-coded segment of a baseline JPEG of one grey image
 *             with the standard tables of its quality (ITU-T T.81, annex K)
 *
 * Headers and tables do not travel: height, width and quality rebuild them.
 *
 * No function keeps global state. A bnc_codec serves one thread at a time;
 * different codecs may run at once.
 */
#ifndef BNC_CODEC_H
#define BNC_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BNC_MAX_SIDE 65500         /* libjpeg's own limit of a side, in pixels */
#define BNC_MAX_PIXELS (1L << 28)  /* of one tile */
#define BNC_VARINT_MAX 5           /* bytes; holds the longest possible record */
#define BNC_RANGE_BYTES 8          /* lo and hi */

typedef enum bnc_status {
  BNC_OK = 0,
  BNC_INVALID,   /* an argument is out of its limits */
  BNC_DAMAGED,   /* the payload is not one that bnc_encode writes */
  BNC_NO_MEMORY, /* an allocation failed */
  BNC_INTERNAL,  /* libjpeg did what this code does not expect of it */
  BNC_STOPPED,   /* the caller wanted no more of it */
} bnc_status;

/* What went wrong. record and offset mean something for BNC_DAMAGED only. */
typedef struct bnc_error {
  bnc_status status;
  size_t record;   /* index of the record */
  size_t offset;   /* of the record's first byte in the payload */
  char text[192];  /* what was expected and what was found */
} bnc_error;

/* What both sides know of each tile without being told by the payload. */
typedef struct bnc_geometry {
  int64_t height; /* 1..BNC_MAX_SIDE */
  int64_t width;  /* 1..BNC_MAX_SIDE */
  int64_t quality; /* libjpeg's scale, 1..100 */
  bool dynamic;   /* each record carries its lo and hi */
} bnc_geometry;

/* Refuses a geometry outside its limits with BNC_INVALID. */
bnc_status bnc_geometry_check(const bnc_geometry *g, bnc_error *err);

/*
 * The fewest bytes of data that can hold one tile: every 8x8 block takes at
 * least 6 bits (2 for a DC difference of zero, 4 for the end of block). It
 * bounds what a decoder allocates: tiles are at most 64 / 0.75 < 86 times as
 * long as the payload they come from.
 */
size_t bnc_min_data(const bnc_geometry *g);

/* An encoder and a decoder with the tables of one quality. */
typedef struct bnc_codec bnc_codec;

/* Makes a codec; NULL, with err filled, where quality or memory forbids it. */
bnc_codec *bnc_codec_new(int64_t quality, bnc_error *err);

/* Frees a codec and the payload it holds; NULL is allowed. */
void bnc_codec_free(bnc_codec *c);

/* Gives back a payload buffer too large to keep for a call that may not come. */
void bnc_codec_trim(bnc_codec *c);

/*
 * Encodes count >= 1 tiles (count * height * width bytes, rows without gaps).
 * ranges holds lo, hi of each tile where g->dynamic, and is NULL otherwise.
 * sizes, where not NULL, receives the length of each whole record.
 * *payload belongs to the codec and lasts until its next call.
 * g->quality must be the codec's.
 */
bnc_status bnc_encode(bnc_codec *c, const bnc_geometry *g, size_t count,
                      const uint8_t *tiles, const float *ranges,
                      int64_t *sizes, const uint8_t **payload, size_t *length,
                      bnc_error *err);

/*
 * Counts the records of a payload and checks their framing, so that the
 * caller can allocate what bnc_decode fills. An empty payload is damaged.
 */
bnc_status bnc_count(const bnc_geometry *g, const uint8_t *payload,
                     size_t length, size_t *count, bnc_error *err);

/*
 * Decodes the count records that bnc_count found: tiles receives
 * count * height * width bytes; ranges, which may be NULL and must be where the
 * range is static, 2 * count numbers. On failure their contents are undefined.
 *
 * Strict: any libjpeg warning, a marker inside the data, or bytes left over
 * are errors. Two damages cannot be seen: data that is another valid image
 * (integrity is the transport's), and surplus bytes that fit into libjpeg's
 * bit buffer of 8 bytes.
 */
bnc_status bnc_decode(bnc_codec *c, const bnc_geometry *g,
                      const uint8_t *payload, size_t length, size_t count,
                      uint8_t *tiles, float *ranges, bnc_error *err);

#endif
