/*
 * Records and payloads: framing around the data that jpeg.c codes.
 */
#include "codec.h"
#include "jpeg.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The largest buffer kept between calls; the payload of a large batch. */
#define KEEP_BYTES (1 << 20)

struct bnc_codec {
  bnc_jpeg *jpeg;
  bnc_buffer payload;
  int64_t quality;
};

/* One record of a payload: where its parts are. */
typedef struct record {
  const uint8_t *range; /* NULL where the range is static */
  const uint8_t *data;
  size_t length; /* of data */
  size_t end;    /* offset of the next record in the payload */
} record;

bnc_status bnc_geometry_check(const bnc_geometry *g, bnc_error *err) {
  if (g->height < 1 || g->height > BNC_MAX_SIDE || g->width < 1 || g->width > BNC_MAX_SIDE)
    return bnc_fail(err, BNC_INVALID, "tile is %" PRId64 "x%" PRId64 ", expected sides of 1..%d",
                    g->height, g->width, BNC_MAX_SIDE);
  if (g->height * g->width > BNC_MAX_PIXELS)
    return bnc_fail(err, BNC_INVALID, "tile of %" PRId64 "x%" PRId64 " has %" PRId64
                    " pixels, expected at most %ld", g->height, g->width,
                    g->height * g->width, BNC_MAX_PIXELS);
  if (g->quality < 1 || g->quality > 100)
    return bnc_fail(err, BNC_INVALID, "quality is %" PRId64 ", expected 1..100", g->quality);
  return BNC_OK;
}

size_t bnc_min_data(const bnc_geometry *g) {
  const size_t blocks = (size_t)((g->height + 7) / 8) * ((g->width + 7) / 8);
  return (blocks * 6 + 7) / 8;
}

bnc_codec *bnc_codec_new(int64_t quality, bnc_error *err) {
  const bnc_geometry g = {.height = 1, .width = 1, .quality = quality};
  if (bnc_geometry_check(&g, err))
    return NULL;
  bnc_codec *c = calloc(1, sizeof *c);
  if (!c) {
    bnc_fail(err, BNC_NO_MEMORY, "not enough memory for a codec");
    return NULL;
  }
  c->quality = quality;
  c->jpeg = bnc_jpeg_new((int)quality, err);
  if (!c->jpeg) {
    free(c);
    return NULL;
  }
  return c;
}

void bnc_codec_free(bnc_codec *c) {
  if (!c)
    return;
  bnc_jpeg_free(c->jpeg);
  free(c->payload.bytes);
  free(c);
}

void bnc_codec_trim(bnc_codec *c) {
  if (c->payload.capacity <= KEEP_BYTES)
    return;
  free(c->payload.bytes);
  c->payload = (bnc_buffer){0};
}

static size_t put_varint(uint64_t value, uint8_t *to) {
  size_t n = 0;
  for (; value >= 0x80; value >>= 7)
    to[n++] = (uint8_t)(value | 0x80);
  to[n++] = (uint8_t)value;
  return n;
}

static void put_float(float value, uint8_t *to) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  for (int i = 0; i < 4; i++)
    to[i] = (uint8_t)(bits >> 8 * i);
}

static float get_float(const uint8_t *from) {
  uint32_t bits = 0;
  for (int i = 0; i < 4; i++)
    bits |= (uint32_t)from[i] << 8 * i;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/*
 * Turns the stream that starts at start, the last of the buffer, into a
 * record. The prefix is shorter than the stream's header, so it fits in front
 * of the data, which moves down to meet it.
 */
static void frame(bnc_buffer *b, size_t start, const float *range) {
  uint8_t *stream = b->bytes + start;
  const uint8_t *data = stream + BNC_HEADER_BYTES;
  const size_t length = b->length - start - BNC_HEADER_BYTES - BNC_TRAILER_BYTES;
  size_t prefix = put_varint(length + (range ? BNC_RANGE_BYTES : 0), stream);
  if (range) {
    put_float(range[0], stream + prefix);
    put_float(range[1], stream + prefix + BNC_RANGE_BYTES / 2);
    prefix += BNC_RANGE_BYTES;
  }
  memmove(stream + prefix, data, length);
  b->length = start + prefix + length;
}

bnc_status bnc_encode(bnc_codec *c, const bnc_geometry *g, size_t count,
                      const uint8_t *tiles, const float *ranges,
                      int64_t *sizes, const uint8_t **payload, size_t *length,
                      bnc_error *err) {
  bnc_status status = bnc_geometry_check(g, err);
  if (status)
    return status;
  if (g->quality != c->quality)
    return bnc_fail(err, BNC_INTERNAL, "codec has quality %" PRId64 ", asked for %" PRId64,
                    c->quality, g->quality);
  if (count < 1)
    return bnc_fail(err, BNC_INVALID, "no tiles, expected at least 1");
  if (g->dynamic != (ranges != NULL))
    return bnc_fail(err, BNC_INVALID, "ranges are %s, expected %s",
                    ranges ? "given" : "missing", g->dynamic ? "lo and hi of each tile" : "none");
  c->payload.length = 0;
  for (size_t i = 0; i < count; i++) {
    const float *range = ranges ? ranges + 2 * i : NULL;
    if (range && !(isfinite(range[0]) && isfinite(range[1])))
      return bnc_fail(err, BNC_INVALID, "range of tile %zu is %g to %g, expected finite numbers",
                      i, range[0], range[1]);
    const size_t start = c->payload.length;
    const uint8_t *tile = tiles + i * (size_t)(g->height * g->width);
    status = bnc_jpeg_encode(c->jpeg, (int)g->height, (int)g->width, tile, &c->payload, err);
    if (status)
      return status;
    frame(&c->payload, start, range);
    if (sizes)
      sizes[i] = (int64_t)(c->payload.length - start);
  }
  *payload = c->payload.bytes;
  *length = c->payload.length;
  return BNC_OK;
}

/* Reads the varint at *offset and moves *offset behind it. */
static bnc_status get_varint(const uint8_t *payload, size_t length, size_t *offset,
                             uint64_t *value, bnc_error *err) {
  *value = 0;
  for (int i = 0; i < BNC_VARINT_MAX; i++) {
    if (*offset == length)
      return bnc_fail(err, BNC_DAMAGED, "the payload ends inside the record's length");
    const uint8_t byte = payload[(*offset)++];
    *value |= (uint64_t)(byte & 0x7f) << 7 * i;
    if (byte & 0x80)
      continue;
    if (byte == 0 && i > 0)
      return bnc_fail(err, BNC_DAMAGED, "the record's length is not in its shortest form");
    return BNC_OK;
  }
  return bnc_fail(err, BNC_DAMAGED, "the record's length takes more than %d bytes", BNC_VARINT_MAX);
}

/* Finds the parts of the record at offset and checks that they can be there. */
static bnc_status get_record(const bnc_geometry *g, const uint8_t *payload, size_t length,
                             size_t offset, record *r, bnc_error *err) {
  uint64_t announced;
  bnc_status status = get_varint(payload, length, &offset, &announced, err);
  if (status)
    return status;
  if (announced > length - offset)
    return bnc_fail(err, BNC_DAMAGED, "the record announces %" PRIu64 " bytes, the payload has %zu left",
                    announced, length - offset);
  const size_t prefix = g->dynamic ? BNC_RANGE_BYTES : 0;
  const size_t least = prefix + bnc_min_data(g);
  if (announced < least)
    return bnc_fail(err, BNC_DAMAGED, "the record has %" PRIu64 " bytes, a %" PRId64 "x%" PRId64
                    " tile%s takes at least %zu", announced, g->height, g->width,
                    g->dynamic ? " with its range" : "", least);
  *r = (record){
      .range = g->dynamic ? payload + offset : NULL,
      .data = payload + offset + prefix,
      .length = (size_t)announced - prefix,
      .end = offset + (size_t)announced,
  };
  return BNC_OK;
}

/* Refuses markers: in the data of one scan FF is always followed by 00. */
static bnc_status check_stuffing(const record *r, bnc_error *err) {
  const uint8_t *end = r->data + r->length;
  for (const uint8_t *p = r->data; (p = memchr(p, 0xff, (size_t)(end - p))); p += 2) {
    if (p + 1 == end)
      return bnc_fail(err, BNC_DAMAGED, "the data ends with half a stuffed byte");
    if (p[1] != 0)
      return bnc_fail(err, BNC_DAMAGED, "the data holds a marker, ff%02x", p[1]);
  }
  return BNC_OK;
}

/* Says which record err is about; returns its status. */
static bnc_status locate(bnc_error *err, size_t record, size_t offset) {
  err->record = record;
  err->offset = offset;
  return err->status;
}

bnc_status bnc_count(const bnc_geometry *g, const uint8_t *payload, size_t length,
                     size_t *count, bnc_error *err) {
  if (bnc_geometry_check(g, err))
    return err->status;
  if (length == 0) {
    bnc_fail(err, BNC_DAMAGED, "the payload is empty, expected at least one record");
    return locate(err, 0, 0);
  }
  size_t n = 0;
  record r;
  for (size_t offset = 0; offset < length; offset = r.end, n++)
    if (get_record(g, payload, length, offset, &r, err))
      return locate(err, n, offset);
  *count = n;
  return BNC_OK;
}

static bnc_status decode_record(bnc_codec *c, const bnc_geometry *g, const record *r,
                                uint8_t *tile, float *range, bnc_error *err) {
  if (r->range) {
    const float lo = get_float(r->range), hi = get_float(r->range + BNC_RANGE_BYTES / 2);
    if (!(isfinite(lo) && isfinite(hi)))
      return bnc_fail(err, BNC_DAMAGED, "the range is %g to %g, expected finite numbers", lo, hi);
    if (range) {
      range[0] = lo;
      range[1] = hi;
    }
  }
  bnc_status status = check_stuffing(r, err);
  if (status)
    return status;
  return bnc_jpeg_decode(c->jpeg, (int)g->height, (int)g->width, r->data, r->length, tile, err);
}

bnc_status bnc_decode(bnc_codec *c, const bnc_geometry *g, const uint8_t *payload,
                      size_t length, size_t count, uint8_t *tiles, float *ranges,
                      bnc_error *err) {
  if (bnc_geometry_check(g, err))
    return err->status;
  if (g->quality != c->quality)
    return bnc_fail(err, BNC_INTERNAL, "codec has quality %" PRId64 ", asked for %" PRId64,
                    c->quality, g->quality);
  if (ranges && !g->dynamic)
    return bnc_fail(err, BNC_INVALID, "ranges are asked of records that carry none");
  size_t offset = 0;
  record r;
  for (size_t i = 0; i < count; i++, offset = r.end) {
    uint8_t *tile = tiles + i * (size_t)(g->height * g->width);
    float *range = ranges ? ranges + 2 * i : NULL;
    if (get_record(g, payload, length, offset, &r, err) ||
        decode_record(c, g, &r, tile, range, err))
      return locate(err, i, offset);
  }
  return BNC_OK;
}
