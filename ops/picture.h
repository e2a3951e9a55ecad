/*
 * JPEG files, as cameras write them, to pixels, at the whole of their size or a
 * half, a quarter, an eighth of it: libjpeg-turbo leaves out the frequencies that
 * a smaller picture does not have, which is faster than decoding them.
 *
 * No function keeps global state; all may run at once.
 */
#ifndef BNC_PICTURE_H
#define BNC_PICTURE_H

#include <stdatomic.h>

#include "common.h"

/* Scans of a progressive file: each goes over all of the picture, whatever its bytes. */
#define BNC_MAX_SCANS 500

/* What a file's header says. */
typedef struct bnc_picture {
  int width, height; /* in pixels, 1..BNC_MAX_SIDE */
  int components;    /* 1 grey, 3 colour; others are not decoded */
  size_t memory;     /* bytes that decoding needs beside the pixels, but for a few rows */
} bnc_picture;

/* Reads the header: BNC_DAMAGED where it cannot be read. */
bnc_status bnc_picture_head(const uint8_t *file, size_t length, bnc_picture *head,
                            bnc_error *err);

/*
 * Decodes a file whose header is head at 1 / denominator (1, 2, 4, 8) of its size,
 * ceil(width / denominator) x ceil(height / denominator) pixels without gaps: a byte
 * of grey each, or the bytes R G B 255. It ends with BNC_STOPPED soon after *stop is
 * no longer 0.
 *
 * A file that is cut off or whose data are damaged is BNC_DAMAGED. Data between
 * markers and orders of scans that change no pixel are let pass.
 */
bnc_status bnc_picture_decode(const uint8_t *file, size_t length, const bnc_picture *head,
                              int denominator, const atomic_int *stop, uint8_t *pixels,
                              bnc_error *err);

#endif
