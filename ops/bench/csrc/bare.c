#include "bare.h"

#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

struct bare {
  struct jpeg_compress_struct enc;
  struct jpeg_decompress_struct dec;
  struct jpeg_error_mgr handlers;
  struct jpeg_destination_mgr dest;
  struct jpeg_source_mgr src;
  int height, width;
  uint8_t *out;
  size_t capacity;
  JSAMPROW *rows;
};

static void init_destination(j_compress_ptr enc) { (void)enc; }

static boolean empty_output_buffer(j_compress_ptr enc) {
  (void)enc;
  fputs("bare: the stream is longer than the tile allows\n", stderr);
  abort();
}

static void term_destination(j_compress_ptr enc) { (void)enc; }

static void init_source(j_decompress_ptr dec) { (void)dec; }

static boolean fill_input_buffer(j_decompress_ptr dec) {
  (void)dec;
  fputs("bare: the stream ends early\n", stderr);
  abort();
}

static void skip_input_data(j_decompress_ptr dec, long bytes) {
  (void)dec;
  (void)bytes;
}

static void term_source(j_decompress_ptr dec) { (void)dec; }

bare *bare_new(int height, int width, int quality) {
  bare *b = calloc(1, sizeof *b);
  b->height = height;
  b->width = width;
  b->capacity = 4096 + 4 * (size_t)height * width;
  b->out = malloc(b->capacity);
  b->rows = malloc((size_t)height * sizeof *b->rows);
  b->enc.err = b->dec.err = jpeg_std_error(&b->handlers);
  jpeg_create_compress(&b->enc);
  jpeg_create_decompress(&b->dec);
  b->dest = (struct jpeg_destination_mgr){
      .init_destination = init_destination,
      .empty_output_buffer = empty_output_buffer,
      .term_destination = term_destination,
  };
  b->src = (struct jpeg_source_mgr){
      .init_source = init_source,
      .fill_input_buffer = fill_input_buffer,
      .skip_input_data = skip_input_data,
      .resync_to_restart = jpeg_resync_to_restart,
      .term_source = term_source,
  };
  b->enc.dest = &b->dest;
  b->dec.src = &b->src;
  b->enc.image_height = height;
  b->enc.image_width = width;
  b->enc.in_color_space = JCS_GRAYSCALE;
  b->enc.input_components = 1;
  jpeg_set_defaults(&b->enc);
  jpeg_set_quality(&b->enc, quality, TRUE);
  b->enc.write_JFIF_header = FALSE;
  j_common_ptr dec = (j_common_ptr)&b->dec;
  *(b->dec.quant_tbl_ptrs[0] = jpeg_alloc_quant_table(dec)) = *b->enc.quant_tbl_ptrs[0];
  *(b->dec.dc_huff_tbl_ptrs[0] = jpeg_alloc_huff_table(dec)) = *b->enc.dc_huff_tbl_ptrs[0];
  *(b->dec.ac_huff_tbl_ptrs[0] = jpeg_alloc_huff_table(dec)) = *b->enc.ac_huff_tbl_ptrs[0];
  return b;
}

void bare_free(bare *b) {
  jpeg_destroy_compress(&b->enc);
  jpeg_destroy_decompress(&b->dec);
  free(b->out);
  free(b->rows);
  free(b);
}

const uint8_t *bare_encode(bare *b, const uint8_t *tile, size_t *length) {
  b->dest.next_output_byte = b->out;
  b->dest.free_in_buffer = b->capacity;
  for (int y = 0; y < b->height; y++)
    b->rows[y] = (JSAMPROW)tile + (size_t)y * b->width;
  jpeg_suppress_tables(&b->enc, TRUE);
  jpeg_start_compress(&b->enc, FALSE);
  for (int y = 0; y < b->height;)
    y += jpeg_write_scanlines(&b->enc, b->rows + y, b->height - y);
  jpeg_finish_compress(&b->enc);
  *length = b->capacity - b->dest.free_in_buffer;
  return b->out;
}

void bare_decode(bare *b, const uint8_t *stream, size_t length, uint8_t *tile) {
  b->src.next_input_byte = stream;
  b->src.bytes_in_buffer = length;
  for (int y = 0; y < b->height; y++)
    b->rows[y] = tile + (size_t)y * b->width;
  jpeg_read_header(&b->dec, TRUE);
  jpeg_start_decompress(&b->dec);
  for (int y = 0; y < b->height;)
    y += jpeg_read_scanlines(&b->dec, b->rows + y, b->height - y);
  jpeg_finish_decompress(&b->dec);
}
