/*
 * Codec "jpeg": the tile as one grey baseline JPEG (ITU-T T.81) of libjpeg-turbo,
 * with the standard tables of its quality (annex K). Its data are the entropy-coded
 * segment alone: headers and tables do not travel, since height, width and quality
 * rebuild them.
 *
 * Decoding is strict: any libjpeg warning, a marker inside the data, or bytes left
 * over are errors. Two damages cannot be seen: data that are another valid image
 * (integrity is the transport's), and surplus bytes that fit into libjpeg's bit
 * buffer of 8 bytes.
 *
 * libjpeg reports errors by calling error_exit, which must not return: here
 * it jumps back into the call that entered libjpeg. jpeg_std_error is never
 * referenced, since its default handlers print and exit the process.
 */
#include "codec.h"

#include <setjmp.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* Rows handed to libjpeg at once: a row of blocks. */
#define ROWS DCTSIZE

/* The stream around the data: SOI, SOF0, SOS before it, EOI after it. */
#define HEADER_BYTES 25
#define TRAILER_BYTES 2

/* A first buffer that holds a small tile and libjpeg's largest single write. */
#define FIRST_CAPACITY 4096

typedef struct jpeg {
  struct jpeg_compress_struct enc;
  struct jpeg_decompress_struct dec;
  struct jpeg_error_mgr handlers; /* shared: only one of the two runs */
  jmp_buf escape;
  struct jpeg_destination_mgr dest;
  bnc_buffer *out; /* where dest writes during encode */
  struct jpeg_source_mgr src;
  struct {
    const uint8_t *bytes;
    size_t length;
  } piece[3];     /* header, data, trailer: what src reads */
  int next_piece; /* index into piece */
  bnc_buffer strip; /* ROWS rows of whole blocks, where the tile has none */
} jpeg;

/* Places of the parameters in bnc_jpeg. */
enum { QUALITY };

/* What libjpeg's messages mean here; any other is BNC_INTERNAL. */
static const struct message {
  int code;
  bnc_status status;
  const char *text;
} messages[] = {
    {JERR_OUT_OF_MEMORY, BNC_NO_MEMORY, "not enough memory for libjpeg"},
    {JWRN_HIT_MARKER, BNC_DAMAGED, "the data ends before the tile is complete"},
    {JWRN_HUFF_BAD_CODE, BNC_DAMAGED, "the data holds a bad Huffman code"},
    {JWRN_EXTRANEOUS_DATA, BNC_DAMAGED, "the data goes on after the tile is complete"},
};

static bnc_status fail_with_message(const struct jpeg_error_mgr *handlers, bnc_error *err) {
  for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
    if (messages[i].code == handlers->msg_code)
      return bnc_fail(err, messages[i].status, "%s", messages[i].text);
  return bnc_fail(err, BNC_INTERNAL, "libjpeg stopped with message %d", handlers->msg_code);
}

static void error_exit(j_common_ptr common) {
  jpeg *j = common->client_data;
  longjmp(j->escape, 1);
}

/* Warnings have a negative level and are errors here; traces are dropped. */
static void emit_message(j_common_ptr common, int level) {
  if (level < 0)
    error_exit(common);
}

static void output_message(j_common_ptr common) { (void)common; }

static void format_message(j_common_ptr common, char *text) {
  (void)common;
  *text = 0;
}

static void reset_error_mgr(j_common_ptr common) { common->err->msg_code = 0; }

static void point_dest(jpeg *j) {
  j->dest.next_output_byte = j->out->bytes + j->out->length;
  j->dest.free_in_buffer = j->out->capacity - j->out->length;
}

static void init_destination(j_compress_ptr enc) { point_dest(enc->client_data); }

/* Called when the buffer is full to its last byte. */
static boolean empty_output_buffer(j_compress_ptr enc) {
  jpeg *j = enc->client_data;
  j->out->length = j->out->capacity;
  if (!bnc_buffer_grow(j->out, 2 * j->out->capacity))
    ERREXIT1(enc, JERR_OUT_OF_MEMORY, 0);
  point_dest(j);
  return TRUE;
}

static void term_destination(j_compress_ptr enc) {
  jpeg *j = enc->client_data;
  j->out->length = j->out->capacity - j->dest.free_in_buffer;
}

static void init_source(j_decompress_ptr dec) { (void)dec; }

static boolean fill_input_buffer(j_decompress_ptr dec) {
  jpeg *j = dec->client_data;
  if (j->next_piece == 3)
    ERREXIT(dec, JWRN_HIT_MARKER);
  j->src.next_input_byte = j->piece[j->next_piece].bytes;
  j->src.bytes_in_buffer = j->piece[j->next_piece].length;
  j->next_piece++;
  return TRUE;
}

/* libjpeg skips only over markers it does not know, and none are let in. */
static void skip_input_data(j_decompress_ptr dec, long bytes) {
  (void)bytes;
  ERREXIT(dec, JERR_UNKNOWN_MARKER);
}

static boolean resync_to_restart(j_decompress_ptr dec, int desired) {
  (void)desired;
  ERREXIT(dec, JERR_UNKNOWN_MARKER);
  return FALSE;
}

static void term_source(j_decompress_ptr dec) { (void)dec; }

/* The decoder's tables are the encoder's: both sides compute, none travel. */
static void share_tables(jpeg *j) {
  j_common_ptr dec = (j_common_ptr)&j->dec;
  j->dec.quant_tbl_ptrs[0] = jpeg_alloc_quant_table(dec);
  *j->dec.quant_tbl_ptrs[0] = *j->enc.quant_tbl_ptrs[0];
  j->dec.dc_huff_tbl_ptrs[0] = jpeg_alloc_huff_table(dec);
  *j->dec.dc_huff_tbl_ptrs[0] = *j->enc.dc_huff_tbl_ptrs[0];
  j->dec.ac_huff_tbl_ptrs[0] = jpeg_alloc_huff_table(dec);
  *j->dec.ac_huff_tbl_ptrs[0] = *j->enc.ac_huff_tbl_ptrs[0];
}

/* Apart from open_jpeg so that no local changes between setjmp and longjmp. */
static bnc_status create(jpeg *j, int quality, bnc_error *err) {
  if (setjmp(j->escape))
    return fail_with_message(&j->handlers, err);
  jpeg_create_compress(&j->enc);
  jpeg_create_decompress(&j->dec);
  j->enc.dest = &j->dest;
  j->dec.src = &j->src;
  j->enc.in_color_space = JCS_GRAYSCALE;
  j->enc.input_components = 1;
  jpeg_set_defaults(&j->enc);
  jpeg_set_quality(&j->enc, quality, TRUE);
  j->enc.write_JFIF_header = FALSE;
  j->enc.raw_data_in = TRUE;
  share_tables(j);
  return BNC_OK;
}

static void close_jpeg(void *state) {
  jpeg *j = state;
  jpeg_destroy_compress(&j->enc);
  jpeg_destroy_decompress(&j->dec);
  bnc_buffer_free(&j->strip);
  free(j);
}

static void *open_jpeg(const bnc_value *values, bnc_error *err) {
  /* Zeroed: close_jpeg must work on structs never created. */
  jpeg *j = calloc(1, sizeof *j);
  if (!j) {
    bnc_fail(err, BNC_NO_MEMORY, "not enough memory for a codec");
    return NULL;
  }
  j->handlers = (struct jpeg_error_mgr){
      .error_exit = error_exit,
      .emit_message = emit_message,
      .output_message = output_message,
      .format_message = format_message,
      .reset_error_mgr = reset_error_mgr,
  };
  j->dest = (struct jpeg_destination_mgr){
      .init_destination = init_destination,
      .empty_output_buffer = empty_output_buffer,
      .term_destination = term_destination,
  };
  j->src = (struct jpeg_source_mgr){
      .init_source = init_source,
      .fill_input_buffer = fill_input_buffer,
      .skip_input_data = skip_input_data,
      .resync_to_restart = resync_to_restart,
      .term_source = term_source,
  };
  j->enc.err = j->dec.err = &j->handlers;
  j->enc.client_data = j->dec.client_data = j;
  if (create(j, (int)values[QUALITY].number, err)) {
    close_jpeg(j);
    return NULL;
  }
  return j;
}

/* Writes what libjpeg writes before the data: SOI, SOF0 and SOS. */
static void make_header(int height, int width, uint8_t header[HEADER_BYTES]) {
  const uint8_t h1 = height >> 8, h0 = height & 0xff, w1 = width >> 8, w0 = width & 0xff;
  const uint8_t bytes[HEADER_BYTES] = {
      0xff, 0xd8,                                     /* SOI */
      0xff, 0xc0, 0, 11, 8, h1, h0, w1, w0,           /* SOF0: 8 bits, */
      1, 1, 0x11, 0,                                  /* one component */
      0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0,            /* SOS: all of it */
  };
  memcpy(header, bytes, sizeof bytes);
}

static const uint8_t trailer[TRAILER_BYTES] = {0xff, 0xd9}; /* EOI */

/*
 * Blocks go in and out raw, past libjpeg's colour conversion and resampling,
 * which for one grey plane only copy. So rows must be of whole blocks: where
 * the tile's are not, they pass through the strip.
 */
static int whole_blocks(int width) { return (width + DCTSIZE - 1) / DCTSIZE * DCTSIZE; }

/* The tile's edge is repeated into the rest of its last blocks, as libjpeg does. */
static void write_rows(jpeg *j, int height, int width, const uint8_t *tile) {
  const int stride = whole_blocks(width);
  JSAMPROW rows[ROWS];
  JSAMPARRAY plane = rows;
  for (int y = 0; y < height; y += ROWS) {
    for (int i = 0; i < ROWS; i++) {
      const int source = y + i < height ? y + i : height - 1;
      rows[i] = (JSAMPROW)tile + (size_t)source * width;
      if (stride == width)
        continue;
      uint8_t *row = j->strip.bytes + (size_t)i * stride;
      memcpy(row, rows[i], width);
      memset(row + width, row[width - 1], stride - width);
      rows[i] = row;
    }
    jpeg_write_raw_data(&j->enc, &plane, ROWS);
  }
}

static void read_rows(jpeg *j, int height, int width, uint8_t *tile) {
  const int stride = whole_blocks(width);
  JSAMPROW rows[ROWS];
  JSAMPARRAY plane = rows;
  for (int y = 0; y < height; y += ROWS) {
    const int wanted = height - y < ROWS ? height - y : ROWS;
    uint8_t *to = tile + (size_t)y * width;
    for (int i = 0; i < ROWS; i++)
      rows[i] = stride == width && i < wanted ? to + (size_t)i * width
                                              : j->strip.bytes + (size_t)i * stride;
    jpeg_read_raw_data(&j->dec, &plane, ROWS);
    for (int i = 0; i < wanted && stride != width; i++)
      memcpy(to + (size_t)i * width, rows[i], width);
  }
}

static bnc_status encode_jpeg(void *state, int height, int width, const uint8_t *tile,
                              bnc_buffer *out, bnc_error *err) {
  jpeg *j = state;
  const size_t start = out->length;
  if (!bnc_buffer_grow(out, start + FIRST_CAPACITY) ||
      !bnc_buffer_grow(&j->strip, (size_t)ROWS * whole_blocks(width)))
    return bnc_fail(err, BNC_NO_MEMORY, "not enough memory for the payload");
  j->out = out;
  if (setjmp(j->escape)) {
    bnc_status status = fail_with_message(&j->handlers, err);
    jpeg_abort_compress(&j->enc);
    return status;
  }
  j->enc.image_height = height;
  j->enc.image_width = width;
  jpeg_suppress_tables(&j->enc, TRUE);
  jpeg_start_compress(&j->enc, FALSE);
  write_rows(j, height, width, tile);
  jpeg_finish_compress(&j->enc);

  uint8_t header[HEADER_BYTES];
  make_header(height, width, header);
  if (out->length < start + HEADER_BYTES + TRAILER_BYTES ||
      memcmp(out->bytes + start, header, sizeof header) != 0)
    return bnc_fail(err, BNC_INTERNAL, "libjpeg wrote a header that cannot be rebuilt");
  out->length -= HEADER_BYTES + TRAILER_BYTES;
  memmove(out->bytes + start, out->bytes + start + HEADER_BYTES, out->length - start);
  return BNC_OK;
}

/* Refuses markers: in the data of one scan FF is always followed by 00. */
static bnc_status check_stuffing(const uint8_t *data, size_t length, bnc_error *err) {
  const uint8_t *end = data + length;
  for (const uint8_t *p = data; (p = memchr(p, 0xff, (size_t)(end - p))); p += 2) {
    if (p + 1 == end)
      return bnc_fail(err, BNC_DAMAGED, "the data ends with half a stuffed byte");
    if (p[1] != 0)
      return bnc_fail(err, BNC_DAMAGED, "the data holds a marker, ff%02x", p[1]);
  }
  return BNC_OK;
}

static bnc_status decode_jpeg(void *state, int height, int width, const uint8_t *data,
                              size_t length, uint8_t *tile, bnc_error *err) {
  jpeg *j = state;
  if (check_stuffing(data, length, err))
    return err->status;
  if (!bnc_buffer_grow(&j->strip, (size_t)ROWS * whole_blocks(width)))
    return bnc_fail(err, BNC_NO_MEMORY, "not enough memory for a row of blocks");
  uint8_t header[HEADER_BYTES];
  make_header(height, width, header);
  j->piece[0].bytes = header;
  j->piece[0].length = sizeof header;
  j->piece[1].bytes = data;
  j->piece[1].length = length;
  j->piece[2].bytes = trailer;
  j->piece[2].length = sizeof trailer;
  j->next_piece = 0;
  j->src.bytes_in_buffer = 0;
  if (setjmp(j->escape)) {
    bnc_status status = fail_with_message(&j->handlers, err);
    jpeg_abort_decompress(&j->dec);
    return status;
  }
  jpeg_read_header(&j->dec, TRUE);
  j->dec.raw_data_out = TRUE;
  jpeg_start_decompress(&j->dec);
  read_rows(j, height, width, tile);
  jpeg_finish_decompress(&j->dec);
  return BNC_OK;
}

/*
 * Every 8x8 block takes at least 6 bits: 2 for a DC difference of zero, 4 for the
 * end of block. So tiles are at most 64 / 0.75 < 86 times as long as their data.
 */
static size_t least_jpeg(int64_t height, int64_t width) {
  const size_t blocks = (size_t)((height + 7) / 8) * (size_t)((width + 7) / 8);
  return (blocks * 6 + 7) / 8;
}

const bnc_codec bnc_jpeg = {
    .name = "jpeg",
    .operators = {"JpegEncode", "JpegDecode", "JpegRoundTrip"},
    .parameters = {[QUALITY] = {.name = "quality", .least = 1, .most = 100}}, /* libjpeg's scale */
    .least = least_jpeg,
    .open = open_jpeg,
    .close = close_jpeg,
    .encode = encode_jpeg,
    .decode = decode_jpeg,
};
