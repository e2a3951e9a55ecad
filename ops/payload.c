/*
 * Coders and payloads: the framing around the data that codecs make.
 */
#include "payload.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* The largest buffer kept between calls; the payload of a large batch. */
#define KEEP_BYTES (1 << 20)

static bnc_status check_value(const bnc_parameter *p, const bnc_value *v, bnc_error *err) {
  const int64_t size = p->bytes ? (int64_t)v->length : v->number;
  if (size >= p->least && size <= p->most)
    return BNC_OK;
  return bnc_fail(err, BNC_INVALID, "%s %s %" PRId64 "%s, expected %" PRId64 "..%" PRId64, p->name,
                  p->bytes ? "has" : "is", size, p->bytes ? " bytes" : "", p->least, p->most);
}

bnc_coder *bnc_coder_new(const bnc_codec *codec, const bnc_value *values, bnc_error *err) {
  for (size_t i = 0; i < bnc_parameter_count(codec); i++)
    if (check_value(&codec->parameters[i], &values[i], err))
      return NULL;
  bnc_coder *c = calloc(1, sizeof *c);
  if (!c) {
    bnc_fail(err, BNC_NO_MEMORY, "not enough memory for a codec");
    return NULL;
  }
  c->codec = codec;
  c->state = codec->open(values, err);
  if (!c->state) {
    free(c);
    return NULL;
  }
  return c;
}

void bnc_coder_free(bnc_coder *c) {
  if (!c)
    return;
  c->codec->close(c->state);
  bnc_buffer_free(&c->payload);
  free(c);
}

void bnc_coder_trim(bnc_coder *c) {
  if (c->payload.capacity > KEEP_BYTES)
    bnc_buffer_free(&c->payload);
}

bnc_status bnc_tile_check(int64_t height, int64_t width, bnc_error *err) {
  if (height < 1 || height > BNC_MAX_SIDE || width < 1 || width > BNC_MAX_SIDE)
    return bnc_fail(err, BNC_INVALID, "tile is %" PRId64 "x%" PRId64 ", expected sides of 1..%d",
                    height, width, BNC_MAX_SIDE);
  if (height * width > BNC_MAX_PIXELS)
    return bnc_fail(err, BNC_INVALID, "tile of %" PRId64 "x%" PRId64 " has %" PRId64
                    " pixels, expected at most %ld", height, width, height * width, BNC_MAX_PIXELS);
  return BNC_OK;
}

static bnc_status check_parts(const bnc_part *parts, size_t n, bnc_error *err) {
  if (n < 1)
    return bnc_fail(err, BNC_INVALID, "no crossing tensor, expected at least 1");
  for (size_t i = 0; i < n; i++)
    if (bnc_tile_check(parts[i].height, parts[i].width, err))
      return err->status;
  return BNC_OK;
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

/* Leaves room for a length and returns where it is; seal fills it. */
static bnc_status reserve(bnc_buffer *out, size_t bytes, bnc_error *err) {
  if (!bnc_buffer_grow(out, out->length + bytes))
    return bnc_fail(err, BNC_NO_MEMORY, "not enough memory for the payload");
  out->length += bytes;
  return BNC_OK;
}

/* Puts the length of what follows the room at start into it and closes the gap. */
static void seal(bnc_buffer *out, size_t start) {
  const size_t length = out->length - start - BNC_VARINT_MAX;
  const size_t prefix = put_varint(length, out->bytes + start);
  memmove(out->bytes + start + prefix, out->bytes + start + BNC_VARINT_MAX, length);
  out->length = start + prefix + length;
}

/* Appends a part without its length: image i of a tensor. */
static bnc_status append_part(const bnc_part *p, size_t i, const uint8_t *tiles, const float *ranges,
                              bnc_buffer *out, bnc_error *err) {
  if (ranges) {
    const float *range = ranges + 2 * i;
    if (!(isfinite(range[0]) && isfinite(range[1])))
      return bnc_fail(err, BNC_INVALID, "range of tile %zu is %g to %g, expected finite numbers",
                      i, range[0], range[1]);
    if (reserve(out, BNC_RANGE_BYTES, err))
      return err->status;
    put_float(range[0], out->bytes + out->length - BNC_RANGE_BYTES);
    put_float(range[1], out->bytes + out->length - BNC_RANGE_BYTES / 2);
  }
  const uint8_t *tile = tiles + i * (size_t)(p->height * p->width);
  return p->coder->codec->encode(p->coder->state, (int)p->height, (int)p->width, tile, out, err);
}

/* Appends the record of image i. */
static bnc_status append_record(const bnc_part *parts, size_t n, size_t i, const uint8_t *const *tiles,
                                const float *const *ranges, bnc_buffer *out, bnc_error *err) {
  const size_t start = out->length;
  if (reserve(out, BNC_VARINT_MAX, err))
    return err->status;
  for (size_t k = 0; k < n; k++) {
    const size_t part = out->length;
    const bool sized = k + 1 < n;
    if ((sized && reserve(out, BNC_VARINT_MAX, err)) ||
        append_part(&parts[k], i, tiles[k], ranges[k], out, err))
      return err->status;
    if (sized)
      seal(out, part);
  }
  seal(out, start);
  return BNC_OK;
}

bnc_status bnc_encode(const bnc_part *parts, size_t n, size_t count,
                      const uint8_t *const *tiles, const float *const *ranges,
                      int64_t *sizes, bnc_buffer *out, bnc_error *err) {
  if (check_parts(parts, n, err))
    return err->status;
  if (count < 1)
    return bnc_fail(err, BNC_INVALID, "no tiles, expected at least 1");
  for (size_t k = 0; k < n; k++)
    if (parts[k].dynamic != (ranges[k] != NULL))
      return bnc_fail(err, BNC_INVALID, "ranges are %s, expected %s", ranges[k] ? "given" : "missing",
                      parts[k].dynamic ? "lo and hi of each tile" : "none");
  out->length = 0;
  for (size_t i = 0; i < count; i++) {
    const size_t start = out->length;
    if (append_record(parts, n, i, tiles, ranges, out, err))
      return err->status;
    if (sizes)
      sizes[i] = (int64_t)(out->length - start);
  }
  return BNC_OK;
}

/* Bytes being read: a payload, or a record of one. */
typedef struct bytes {
  const uint8_t *at, *end;
} bytes;

/* A part of a record. */
typedef struct part_bytes {
  const uint8_t *range; /* NULL where the range is static */
  const uint8_t *data;
  size_t length; /* of data */
} part_bytes;

static size_t left(const bytes *b) { return (size_t)(b->end - b->at); }

/* Takes the varint that b begins with: the length of what ("record", "part"). */
static bnc_status take_varint(bytes *b, const char *what, uint64_t *value, bnc_error *err) {
  *value = 0;
  for (int i = 0; i < BNC_VARINT_MAX; i++) {
    if (b->at == b->end)
      return bnc_fail(err, BNC_DAMAGED, "the payload ends inside the %s's length", what);
    const uint8_t byte = *b->at++;
    *value |= (uint64_t)(byte & 0x7f) << 7 * i;
    if (byte & 0x80)
      continue;
    if (byte == 0 && i > 0)
      return bnc_fail(err, BNC_DAMAGED, "the %s's length is not in its shortest form", what);
    return BNC_OK;
  }
  return bnc_fail(err, BNC_DAMAGED, "the %s's length takes more than %d bytes", what, BNC_VARINT_MAX);
}

/* Takes the record that payload begins with, without its length. */
static bnc_status take_record(bytes *payload, bytes *record, bnc_error *err) {
  uint64_t announced;
  if (take_varint(payload, "record", &announced, err))
    return err->status;
  if (announced > left(payload))
    return bnc_fail(err, BNC_DAMAGED, "the record announces %" PRIu64 " bytes, the payload has %zu left",
                    announced, left(payload));
  *record = (bytes){payload->at, payload->at + announced};
  payload->at = record->end;
  return BNC_OK;
}

/* Takes the part that a record goes on with and checks that it can be there. */
static bnc_status take_part(const bnc_part *p, bool last, bool only, bytes *record, part_bytes *part,
                            bnc_error *err) {
  uint64_t length = left(record);
  if (!last) {
    if (take_varint(record, "part", &length, err))
      return err->status;
    if (length > left(record))
      return bnc_fail(err, BNC_DAMAGED, "a part announces %" PRIu64 " bytes, the record has %zu left",
                      length, left(record));
  }
  const size_t prefix = p->dynamic ? BNC_RANGE_BYTES : 0;
  const size_t least = prefix + p->coder->codec->least(p->height, p->width);
  if (length < least)
    return bnc_fail(err, BNC_DAMAGED, "%s has %" PRIu64 " bytes, a %" PRId64 "x%" PRId64
                    " tile%s takes at least %zu", only ? "the record" : "a part", length, p->height,
                    p->width, p->dynamic ? " with its range" : "", least);
  *part = (part_bytes){
      .range = p->dynamic ? record->at : NULL,
      .data = record->at + prefix,
      .length = (size_t)length - prefix,
  };
  record->at += length;
  return BNC_OK;
}

/* Says which record err is about; returns its status. */
static bnc_status locate(bnc_error *err, size_t record, size_t offset) {
  err->record = record;
  err->offset = offset;
  return err->status;
}

static bnc_status count_parts(const bnc_part *parts, size_t n, bytes *payload, bnc_error *err) {
  bytes record;
  part_bytes part;
  if (take_record(payload, &record, err))
    return err->status;
  for (size_t k = 0; k < n; k++)
    if (take_part(&parts[k], k + 1 == n, n == 1, &record, &part, err))
      return err->status;
  return BNC_OK;
}

bnc_status bnc_count(const bnc_part *parts, size_t n, const uint8_t *payload,
                     size_t length, size_t *count, bnc_error *err) {
  if (check_parts(parts, n, err))
    return err->status;
  if (length == 0) {
    bnc_fail(err, BNC_DAMAGED, "the payload is empty, expected at least one record");
    return locate(err, 0, 0);
  }
  bytes rest = {payload, payload + length};
  for (*count = 0; left(&rest) > 0; ++*count) {
    const size_t offset = length - left(&rest);
    if (count_parts(parts, n, &rest, err))
      return locate(err, *count, offset);
  }
  return BNC_OK;
}

/* Decodes image i of a tensor. */
static bnc_status decode_part(const bnc_part *p, const part_bytes *part, size_t i, uint8_t *tiles,
                              float *ranges, bnc_error *err) {
  if (part->range) {
    const float lo = get_float(part->range), hi = get_float(part->range + BNC_RANGE_BYTES / 2);
    if (!(isfinite(lo) && isfinite(hi)))
      return bnc_fail(err, BNC_DAMAGED, "the range is %g to %g, expected finite numbers", lo, hi);
    if (ranges) {
      ranges[2 * i] = lo;
      ranges[2 * i + 1] = hi;
    }
  }
  uint8_t *tile = tiles + i * (size_t)(p->height * p->width);
  return p->coder->codec->decode(p->coder->state, (int)p->height, (int)p->width, part->data,
                                 part->length, tile, err);
}

/* Decodes the record of image i, which payload begins with. */
static bnc_status decode_record(const bnc_part *parts, size_t n, size_t i, bytes *payload,
                                uint8_t *const *tiles, float *const *ranges, bnc_error *err) {
  bytes record;
  part_bytes part;
  if (take_record(payload, &record, err))
    return err->status;
  for (size_t k = 0; k < n; k++)
    if (take_part(&parts[k], k + 1 == n, n == 1, &record, &part, err) ||
        decode_part(&parts[k], &part, i, tiles[k], ranges[k], err))
      return err->status;
  return BNC_OK;
}

bnc_status bnc_decode(const bnc_part *parts, size_t n, const uint8_t *payload,
                      size_t length, size_t count, uint8_t *const *tiles,
                      float *const *ranges, bnc_error *err) {
  if (check_parts(parts, n, err))
    return err->status;
  for (size_t k = 0; k < n; k++)
    if (ranges[k] && !parts[k].dynamic)
      return bnc_fail(err, BNC_INVALID, "ranges are asked of records that carry none");
  bytes rest = {payload, payload + length};
  for (size_t i = 0; i < count; i++) {
    const size_t offset = length - left(&rest);
    if (decode_record(parts, n, i, &rest, tiles, ranges, err))
      return locate(err, i, offset);
  }
  return BNC_OK;
}

/* Appends length bytes. */
static bnc_status append(bnc_buffer *out, const uint8_t *bytes, size_t length, bnc_error *err) {
  if (reserve(out, length, err))
    return err->status;
  if (length > 0)
    memcpy(out->bytes + out->length - length, bytes, length);
  return BNC_OK;
}

/* Appends the length of a record or part. */
static bnc_status append_varint(bnc_buffer *out, uint64_t value, bnc_error *err) {
  uint8_t varint[BNC_VARINT_MAX];
  return append(out, varint, put_varint(value, varint), err);
}

bnc_status bnc_join(const uint8_t *first, size_t first_length, const uint8_t *rest, size_t rest_length,
                    bnc_buffer *out, bnc_error *err) {
  bytes a = {first, first + first_length}, b = {rest, rest + rest_length};
  out->length = 0;
  if (!bnc_buffer_grow(out, first_length + rest_length + BNC_VARINT_MAX)) /* about what it takes */
    return bnc_fail(err, BNC_NO_MEMORY, "not enough memory for the payload");
  for (size_t i = 0; left(&a) > 0 || left(&b) > 0; i++) {
    if (left(&a) == 0 || left(&b) == 0)
      return bnc_fail(err, BNC_INVALID, "one tensor has %zu records, the others have %s, expected as many", i,
                      left(&a) > 0 ? "fewer" : "more");
    const size_t at_a = first_length - left(&a), at_b = rest_length - left(&b);
    bytes part, others;
    if (take_record(&a, &part, err))
      return locate(err, i, at_a);
    if (take_record(&b, &others, err))
      return locate(err, i, at_b);
    const size_t sized = (size_t)(a.at - first) - at_a; /* the part with its length */
    const uint64_t length = (uint64_t)sized + left(&others);
    if (length >> 7 * BNC_VARINT_MAX)
      return bnc_fail(err, BNC_INVALID, "a record of %" PRIu64 " bytes is too long", length);
    if (append_varint(out, length, err) || append(out, first + at_a, sized, err) ||
        append(out, others.at, left(&others), err))
      return err->status;
  }
  return BNC_OK;
}

bnc_status bnc_unjoin(const uint8_t *payload, size_t length, bnc_buffer *first, bnc_buffer *rest,
                      bnc_error *err) {
  first->length = rest->length = 0;
  if (length == 0) {
    bnc_fail(err, BNC_DAMAGED, "the payload is empty, expected at least one record");
    return locate(err, 0, 0);
  }
  if (!bnc_buffer_grow(first, length) || !bnc_buffer_grow(rest, length))
    return bnc_fail(err, BNC_NO_MEMORY, "not enough memory for the payload");
  bytes all = {payload, payload + length};
  for (size_t i = 0; left(&all) > 0; i++) {
    const size_t offset = length - left(&all);
    bytes record;
    uint64_t part;
    if (take_record(&all, &record, err))
      return locate(err, i, offset);
    const uint8_t *start = record.at;
    if (take_varint(&record, "part", &part, err))
      return locate(err, i, offset);
    if (part > left(&record)) {
      bnc_fail(err, BNC_DAMAGED, "a part announces %" PRIu64 " bytes, the record has %zu left", part, left(&record));
      return locate(err, i, offset);
    }
    record.at += part;
    if (append(first, start, (size_t)(record.at - start), err) || append_varint(rest, left(&record), err) ||
        append(rest, record.at, left(&record), err))
      return err->status;
  }
  return BNC_OK;
}

/* How many bytes a length takes. */
static int64_t varint_size(int64_t value) {
  int64_t n = 1;
  while (value >>= 7)
    n++;
  return n;
}

int64_t bnc_joined_size(int64_t first, int64_t rest) {
  int64_t content = rest - 1; /* of the others' record */
  while (content + varint_size(content) > rest)
    content--;
  const int64_t length = first + content;
  return varint_size(length) + length;
}
