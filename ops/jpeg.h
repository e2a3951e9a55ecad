/*
 * libjpeg-turbo behind a small face: one grey tile to an abbreviated JPEG
 * stream and back. Private to the codec; payload.c is its only user.
 */
#ifndef BNC_JPEG_H
#define BNC_JPEG_H

#include "codec.h"

/* The stream around the data: SOI, SOF0, SOS before it, EOI after it. */
#define BNC_HEADER_BYTES 25
#define BNC_TRAILER_BYTES 2

/* Growing bytes; zero is an empty one. */
typedef struct bnc_buffer {
  uint8_t *bytes;
  size_t length, capacity;
} bnc_buffer;

typedef struct bnc_jpeg bnc_jpeg;

bnc_jpeg *bnc_jpeg_new(int quality, bnc_error *err);
void bnc_jpeg_free(bnc_jpeg *j);

/* Appends header, data and trailer of one height x width tile to out. */
bnc_status bnc_jpeg_encode(bnc_jpeg *j, int height, int width,
                           const uint8_t *tile, bnc_buffer *out, bnc_error *err);

/* Decodes data, given without header and trailer, into one tile. */
bnc_status bnc_jpeg_decode(bnc_jpeg *j, int height, int width,
                           const uint8_t *data, size_t length, uint8_t *tile,
                           bnc_error *err);

/* Fills err with a status and a printf-style text; returns the status. */
__attribute__((format(printf, 3, 4)))
bnc_status bnc_fail(bnc_error *err, bnc_status status, const char *format, ...);

#endif
