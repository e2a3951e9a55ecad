#include "hammer.h"

#include "../picture.h"

#include <string.h>

#include <jpeglib.h>

#define MAX_SIDE 70

/* Writes a random picture as a JPEG file of a random kind; returns its length. */
static size_t make_file(uint64_t *state, uint8_t **file, bnc_picture *head) {
  struct jpeg_compress_struct enc;
  struct jpeg_error_mgr handlers;
  enc.err = jpeg_std_error(&handlers);
  jpeg_create_compress(&enc);
  unsigned long length = 0;
  *file = NULL;
  jpeg_mem_dest(&enc, file, &length);
  enc.image_width = 1 + below(state, MAX_SIDE);
  enc.image_height = 1 + below(state, MAX_SIDE);
  enc.input_components = below(state, 2) ? 3 : 1;
  enc.in_color_space = enc.input_components == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&enc);
  jpeg_set_quality(&enc, 1 + (int)below(state, 100), TRUE);
  if (below(state, 2))
    jpeg_simple_progression(&enc);
  *head = (bnc_picture){.width = enc.image_width, .height = enc.image_height, .components = enc.input_components};
  jpeg_start_compress(&enc, TRUE);
  uint8_t row[3 * MAX_SIDE];
  const uint64_t span = 1 + below(state, 256);
  while (enc.next_scanline < enc.image_height) {
    for (size_t i = 0; i < sizeof row; i++)
      row[i] = (uint8_t)below(state, span);
    JSAMPROW rows = row;
    jpeg_write_scanlines(&enc, &rows, 1);
  }
  jpeg_finish_compress(&enc);
  jpeg_destroy_compress(&enc);
  return length;
}

static size_t pixel_bytes(const bnc_picture *head, int denominator) {
  const size_t width = (size_t)(head->width + denominator - 1) / denominator;
  const size_t height = (size_t)(head->height + denominator - 1) / denominator;
  return width * height * (head->components == 1 ? 1 : 4);
}

void hammer_picture(uint64_t *state, uint8_t *area, uint8_t *pixels, tally *t) {
  bnc_picture made, head;
  bnc_error err;
  uint8_t *file;
  const size_t length = make_file(state, &file, &made);
  const atomic_int go_on = 0, stop = 1;
  const uint8_t *copy = memcpy(tail(area, length), file, length);
  CHECK(!bnc_picture_head(copy, length, &head, &err));
  CHECK(head.width == made.width && head.height == made.height && head.components == made.components);
  const int denominator = 1 << below(state, 4);
  uint8_t *out = tail(pixels, pixel_bytes(&head, denominator));
  CHECK(!bnc_picture_decode(copy, length, &head, denominator, &go_on, out, &err));
  CHECK(bnc_picture_decode(copy, length, &head, denominator, &stop, out, &err) == BNC_STOPPED);

  for (int i = 0; i < 4; i++) {
    const size_t n = damage(state, area, file, length);
    const uint8_t *bad = tail(area, n);
    bnc_status status = bnc_picture_head(bad, n, &head, &err);
    if (!status) {
      if (pixel_bytes(&head, denominator) > AREA || (head.components != 1 && head.components != 3))
        continue;
      out = tail(pixels, pixel_bytes(&head, denominator));
      status = bnc_picture_decode(bad, n, &head, denominator, &go_on, out, &err);
    }
    CHECK(status == BNC_OK || status == BNC_DAMAGED);
    *(status ? &t->refused : &t->accepted) += 1;
  }
  free(file);
}
