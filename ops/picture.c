#include "picture.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

typedef struct reader {
  struct jpeg_decompress_struct dec;
  struct jpeg_error_mgr handlers;
  struct jpeg_progress_mgr progress;
  struct jpeg_source_mgr src;
  jmp_buf escape;
  const atomic_int *stop; /* NULL: nobody stops it */
  bnc_status stopped;     /* why progress ended it, BNC_OK where it did not */
} reader;

/* What libjpeg's messages mean; errors of other codes are BNC_DAMAGED too. */
static const struct message {
  int code;
  bnc_status status;
  const char *text;
} messages[] = {
    {JERR_OUT_OF_MEMORY, BNC_NO_MEMORY, "not enough memory for the picture"},
    {JERR_NO_SOI, BNC_DAMAGED, "the file does not begin as a JPEG file does"},
    {JERR_EMPTY_IMAGE, BNC_DAMAGED, "the picture has no pixels"},
    {JERR_SOF_UNSUPPORTED, BNC_DAMAGED, "this kind of JPEG (lossless, hierarchical) is not read"},
    {JERR_BAD_PRECISION, BNC_DAMAGED, "samples of other than 8 bits are not read"},
    {JWRN_JPEG_EOF, BNC_DAMAGED, "the file ends before the picture is complete"},
    {JWRN_HIT_MARKER, BNC_DAMAGED, "the data end before the picture is complete"},
    {JWRN_HUFF_BAD_CODE, BNC_DAMAGED, "the data hold a bad Huffman code"},
    {JWRN_ARITH_BAD_CODE, BNC_DAMAGED, "the data hold a bad arithmetic code"},
    {JWRN_MUST_RESYNC, BNC_DAMAGED, "a restart marker is missing"},
};

static const struct message *find(int code) {
  for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
    if (messages[i].code == code)
      return &messages[i];
  return NULL;
}

static bnc_status fail(const reader *r, bnc_error *err) {
  if (r->stopped == BNC_STOPPED)
    return bnc_fail(err, BNC_STOPPED, "stopped before the picture was decoded");
  if (r->stopped != BNC_OK)
    return bnc_fail(err, r->stopped, "the file has more than %d scans", BNC_MAX_SCANS);
  const struct message *m = find(r->handlers.msg_code);
  if (m)
    return bnc_fail(err, m->status, "%s", m->text);
  return bnc_fail(err, BNC_DAMAGED, "not a sound JPEG file (libjpeg's message %d)", r->handlers.msg_code);
}

static void error_exit(j_common_ptr common) {
  reader *r = common->client_data;
  longjmp(r->escape, 1);
}

/* Warnings of the table are damage; others, and traces, change no pixel. */
static void emit_message(j_common_ptr common, int level) {
  if (level < 0 && find(common->err->msg_code))
    error_exit(common);
}

static void output_message(j_common_ptr common) { (void)common; }

static void format_message(j_common_ptr common, char *text) {
  (void)common;
  *text = 0;
}

static void reset_error_mgr(j_common_ptr common) { common->err->msg_code = 0; }

static void progress_monitor(j_common_ptr common) {
  reader *r = common->client_data;
  if (r->stop && atomic_load_explicit(r->stop, memory_order_relaxed))
    r->stopped = BNC_STOPPED;
  else if (r->dec.input_scan_number > BNC_MAX_SCANS)
    r->stopped = BNC_DAMAGED;
  if (r->stopped != BNC_OK)
    error_exit(common);
}

/* The whole file is in src from the start. */
static void init_source(j_decompress_ptr dec) { (void)dec; }

static boolean fill_input_buffer(j_decompress_ptr dec) {
  ERREXIT(dec, JWRN_JPEG_EOF);
  return FALSE;
}

static void skip_input_data(j_decompress_ptr dec, long bytes) {
  if (bytes <= 0)
    return;
  if ((size_t)bytes > dec->src->bytes_in_buffer)
    ERREXIT(dec, JWRN_JPEG_EOF);
  dec->src->next_input_byte += bytes;
  dec->src->bytes_in_buffer -= bytes;
}

static void term_source(j_decompress_ptr dec) { (void)dec; }

/* Points r at a file. What libjpeg allocates, jpeg_destroy_decompress frees. */
static void prepare(reader *r, const uint8_t *file, size_t length, const atomic_int *stop) {
  memset(r, 0, sizeof *r);
  r->stop = stop;
  r->handlers = (struct jpeg_error_mgr){
      .error_exit = error_exit,
      .emit_message = emit_message,
      .output_message = output_message,
      .format_message = format_message,
      .reset_error_mgr = reset_error_mgr,
  };
  r->progress.progress_monitor = progress_monitor;
  r->src = (struct jpeg_source_mgr){
      .next_input_byte = file,
      .bytes_in_buffer = length,
      .init_source = init_source,
      .fill_input_buffer = fill_input_buffer,
      .skip_input_data = skip_input_data,
      .resync_to_restart = jpeg_resync_to_restart,
      .term_source = term_source,
  };
  r->dec.err = &r->handlers;
  r->dec.client_data = r;
}

/* Creates the decoder and reads the header; error_exit is armed. */
static void open_file(reader *r, bnc_picture *head) {
  jpeg_create_decompress(&r->dec);
  r->dec.src = &r->src;
  r->dec.progress = &r->progress;
  jpeg_read_header(&r->dec, TRUE);
  *head = (bnc_picture){
      .width = r->dec.image_width,
      .height = r->dec.image_height,
      .components = r->dec.num_components,
  };
  if (jpeg_has_multiple_scans(&r->dec)) /* then all coefficients are kept */
    for (int i = 0; i < r->dec.num_components; i++) {
      const jpeg_component_info *c = &r->dec.comp_info[i];
      head->memory += (size_t)c->width_in_blocks * c->height_in_blocks * sizeof(JBLOCK);
    }
}

bnc_status bnc_picture_head(const uint8_t *file, size_t length, bnc_picture *head,
                            bnc_error *err) {
  reader r;
  prepare(&r, file, length, NULL);
  bnc_status status;
  if (setjmp(r.escape)) {
    status = fail(&r, err);
  } else {
    open_file(&r, head);
    status = BNC_OK;
  }
  jpeg_destroy_decompress(&r.dec);
  return status;
}

/* Decodes the rows of an opened file. */
static bnc_status read_rows(reader *r, int denominator, uint8_t *pixels, bnc_error *err) {
  struct jpeg_decompress_struct *dec = &r->dec;
  const int components = dec->num_components;
  dec->scale_num = 1;
  dec->scale_denom = denominator;
  dec->out_color_space = components == 1 ? JCS_GRAYSCALE : JCS_EXT_RGBA;
  jpeg_start_decompress(dec);
  const size_t stride = (size_t)dec->output_width * (components == 1 ? 1 : 4);
  const JDIMENSION width = (dec->image_width + denominator - 1) / denominator;
  const JDIMENSION height = (dec->image_height + denominator - 1) / denominator;
  if (dec->output_width != width || dec->output_height != height)
    return bnc_fail(err, BNC_INTERNAL, "libjpeg makes %u x %u pixels, expected %u x %u",
                    dec->output_width, dec->output_height, width, height);
  while (dec->output_scanline < height) {
    JSAMPROW row = pixels + dec->output_scanline * stride;
    jpeg_read_scanlines(dec, &row, 1);
  }
  jpeg_finish_decompress(dec);
  return BNC_OK;
}

bnc_status bnc_picture_decode(const uint8_t *file, size_t length, const bnc_picture *head,
                              int denominator, const atomic_int *stop, uint8_t *pixels,
                              bnc_error *err) {
  if ((head->components != 1 && head->components != 3) ||
      (denominator != 1 && denominator != 2 && denominator != 4 && denominator != 8))
    return bnc_fail(err, BNC_INVALID, "%d components at 1/%d are not decoded: expected 1 or 3, at 1/1, 1/2, 1/4 or 1/8",
                    head->components, denominator);
  reader r;
  prepare(&r, file, length, stop);
  bnc_status status;
  bnc_picture found = {0};
  if (setjmp(r.escape)) {
    status = fail(&r, err);
  } else {
    open_file(&r, &found);
    if (found.width != head->width || found.height != head->height || found.components != head->components)
      status = bnc_fail(err, BNC_INVALID, "the header is that of another file");
    else
      status = read_rows(&r, denominator, pixels, err);
  }
  jpeg_destroy_decompress(&r.dec);
  return status;
}
