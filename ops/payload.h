/*
 * Payloads: what codecs make of the tiles of a batch, framed.
 *
 *   payload = one record an image
 *   record  = length part..., a part for each crossing tensor
 *   part    = length [lo hi] data; the last, which is often the only one, has no
 *             length: the record's tells it
 *   length  = of what follows, as LEB128 varint, unsigned, shortest form, at most
 *             BNC_VARINT_MAX bytes
 *   lo, hi  = float32, little-endian, finite; only where the range is dynamic
 *   data    = what the tensor's codec makes of its tile
 *
 * No function keeps global state. A bnc_coder serves one thread at a time;
 * different coders may be used at once.
 */
#ifndef BNC_PAYLOAD_H
#define BNC_PAYLOAD_H

#include "codec.h"

#define BNC_VARINT_MAX 5  /* bytes; holds the longest possible record */
#define BNC_RANGE_BYTES 8 /* lo and hi */

/* A codec with its parameters. */
typedef struct bnc_coder {
  const bnc_codec *codec;
  void *state;
  bnc_buffer payload; /* room for the payloads of who has the coder */
} bnc_coder;

/*
 * Makes a coder of one value for each of the codec's parameters; NULL, with err
 * filled, where they or memory forbid it. The values need not last.
 */
bnc_coder *bnc_coder_new(const bnc_codec *codec, const bnc_value *values, bnc_error *err);

/* Frees a coder and its payload; NULL is allowed. */
void bnc_coder_free(bnc_coder *c);

/* Gives back a payload buffer too large to keep for a call that may not come. */
void bnc_coder_trim(bnc_coder *c);

/* A crossing tensor: what both sides know of its tiles without being told. */
typedef struct bnc_part {
  bnc_coder *coder;
  int64_t height, width; /* of a tile: 1..BNC_MAX_SIDE, together BNC_MAX_PIXELS at most */
  bool dynamic;          /* each part carries its lo and hi */
} bnc_part;

/* Refuses a tile outside its limits with BNC_INVALID. */
bnc_status bnc_tile_check(int64_t height, int64_t width, bnc_error *err);

/*
 * Encodes count >= 1 images of n >= 1 crossing tensors. tiles[i] holds the tiles
 * of tensor i (count * height * width bytes, rows without gaps); ranges[i] lo, hi
 * of each where it is dynamic, and is NULL otherwise. sizes, where not NULL,
 * receives the length of each whole record. The payload replaces what out holds.
 */
bnc_status bnc_encode(const bnc_part *parts, size_t n, size_t count,
                      const uint8_t *const *tiles, const float *const *ranges,
                      int64_t *sizes, bnc_buffer *out, bnc_error *err);

/*
 * Counts the records of a payload and checks their framing, so that the caller
 * can allocate what bnc_decode fills: a record of tensor i takes at least the
 * least of its codec. An empty payload is damaged. The parts' coders are not used
 * beyond their codecs.
 */
bnc_status bnc_count(const bnc_part *parts, size_t n, const uint8_t *payload,
                     size_t length, size_t *count, bnc_error *err);

/*
 * Decodes the count records that bnc_count found: tiles[i] receives count *
 * height * width bytes; ranges[i], which may be NULL and must be where the range
 * is static, 2 * count numbers. On failure their contents are undefined.
 */
bnc_status bnc_decode(const bnc_part *parts, size_t n, const uint8_t *payload,
                      size_t length, size_t count, uint8_t *const *tiles,
                      float *const *ranges, bnc_error *err);

/*
 * Puts the data of one more tensor in front of every record: first holds records of
 * that tensor alone, rest those of the others, for the same images in the same
 * order. Applied from the last tensor to the first this is what bnc_encode writes of
 * all. The payload replaces what out holds.
 */
bnc_status bnc_join(const uint8_t *first, size_t first_length, const uint8_t *rest, size_t rest_length,
                    bnc_buffer *out, bnc_error *err);

/* Undoes bnc_join. What the parts hold is not looked at. */
bnc_status bnc_unjoin(const uint8_t *payload, size_t length, bnc_buffer *first, bnc_buffer *rest,
                      bnc_error *err);

/* The length of the record that bnc_join makes of records of these lengths. */
int64_t bnc_joined_size(int64_t first, int64_t rest);

#endif
