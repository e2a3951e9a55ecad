/*
 * Codec "transform": the planes of a crossing tensor, as they lie in its tile, by blocks:
 * a discrete cosine transform (DCT-II, orthonormal), a quantiser with a step for each
 * frequency of each plane, and a range coder with constant models. The table says what
 * each coefficient's step and mean magnitude are; it is as its parameter "table" below.
 *
 *   byte 1: the version
 *   varint planes, varint plane height, varint plane width (LEB128, shortest form)
 *   byte block height, byte block width: 1..14, at most the plane's
 *   a byte for each plane: its mean
 *   for each coefficient, planes outermost, then vertical, then horizontal frequencies:
 *     byte s 1..255, byte m 0..255: the step at quality 50 is 2^((s-64)/16) tile levels,
 *       the mean magnitude is 2^((m-64)/16) of them;
 *     or byte 0, byte n 1..255: this and the next n-1 are never coded and always zero
 *
 * Steps are 2^((50-quality)/16) times those. A coefficient is of a class by its mean
 * magnitude in steps, a quarter octave each: transform_tables.h has the constants of each.
 * Where the mean is below 1/8 step it is not coded at that quality.
 *
 * The data: with "variable" a byte, the quality of this tile (0: all coefficients are zero
 * and nothing follows); then one string of the range coder. Its decisions are, by rows of
 * blocks, then planes, then frequencies, of each coefficient that is coded: is the
 * magnitude 0? 1? ... 14?, what it is beyond 14 by an Exp-Golomb code, and, where it is
 * not 0, the sign. Large classes say the low bits of a magnitude apart. Classes are
 * shifted by how active the block has been (shift_of).
 * The data are the shortest string, and of those the smallest, that gives the decisions
 * when zeros follow it; no other is decoded. Data that are another tile's cannot be seen.
 *
 * All arithmetic is of integers: every machine writes the same bytes and gets the same
 * tile back. Coefficients have 3 fractional bits, where |x| <= 255 * 14 fits 16 bits.
 * Negative numbers are shifted to the right as all compilers do it, rounding down.
 */
#include "codec.h"
#include "transform_tables.h"

#include <inttypes.h>
#include <string.h>

#define VERSION 1
#define HEADER_BYTES 6 /* of a table, at least */
#define LANES 16       /* numbers that are computed at once; zeros behind a block's side */
#define X_BITS 3       /* fractional bits of a coefficient */
#define X_MOST 28672   /* magnitude of a coefficient; DC of a block is 255 * 14 * 8 at most */
#define COEFFICIENT_BYTES 40 /* that one takes at most: 15 decisions and an escape */

/* Places of the parameters in bnc_transform. */
enum { QUALITY, VARIABLE, MAX_BYTES, TABLE };

/* A coefficient of the table that can be coded. */
typedef struct entry {
  uint8_t place; /* in its block: vertical frequency * block width + horizontal */
  uint8_t step, mean;
} entry;

/* An entry at a quality. */
typedef struct coded {
  uint32_t step; /* Q8 tile levels */
  uint8_t at;    /* of its plane's entries */
  uint8_t v, u;  /* vertical and horizontal frequency */
  uint8_t class; /* by the table alone */
} coded;

/* Where a plane's entries begin, in both lists. The one behind the last is the end. */
typedef struct plane {
  size_t entries, coded;
  uint64_t expected; /* sum of the magnitudes of a block, in steps, Q8 */
  uint8_t mean;
} plane;

/* How large the magnitudes of a block are beside what was expected of them; Q8. */
typedef struct activity {
  uint64_t seen, expected;
} activity;

typedef struct transform {
  int64_t quality, max_bytes;
  bool variable;
  size_t planes;
  int plane_height, plane_width, block_height, block_width;
  int16_t down[MAX_BLOCK][LANES], across[MAX_BLOCK][LANES]; /* Q14 waves: frequency, position */
  int16_t onto[MAX_BLOCK][LANES]; /* across, transposed */
  plane *plane;     /* [planes + 1] */
  entry *entries;
  coded *coded;
  activity *above;  /* of each column of blocks, what is above in the grid of a plane */
  int planned;      /* the quality that coded is of */
  bnc_buffer levels; /* int16_t of each entry of each block of a tile, to be encoded */
} transform;

/* The tile as a grid of planes. */
typedef struct grid {
  int columns, width; /* planes across; pixels across */
  int block_rows, block_columns; /* of a plane */
  size_t blocks; /* of a plane */
} grid;

/* ---- the table ---- */

/* The table as it is read. */
typedef struct reader {
  const uint8_t *at, *end;
} reader;

static bool take_number(reader *r, int64_t most, int64_t *value) {
  *value = 0;
  for (int shift = 0; r->at < r->end && shift < 35; shift += 7) {
    const uint8_t byte = *r->at++;
    *value |= (int64_t)(byte & 0x7f) << shift;
    if (byte & 0x80)
      continue;
    return *value >= 1 && *value <= most && (byte != 0 || shift == 0);
  }
  return false;
}

static bnc_status take_geometry(reader *r, transform *t, bnc_error *err) {
  int64_t planes, height, width;
  if (*r->at++ != VERSION)
    return bnc_fail(err, BNC_INVALID, "table has version %d, expected %d", r->at[-1], VERSION);
  if (!take_number(r, BNC_MAX_PIXELS, &planes) || !take_number(r, BNC_MAX_SIDE, &height) ||
      !take_number(r, BNC_MAX_SIDE, &width) || planes * height > BNC_MAX_PIXELS / width)
    return bnc_fail(err, BNC_INVALID, "table does not begin with planes, their height and width, of %ld pixels at most",
                    BNC_MAX_PIXELS);
  if (r->end - r->at < 2 + planes)
    return bnc_fail(err, BNC_INVALID, "table ends before the means of its %" PRId64 " planes", planes);
  t->block_height = *r->at++;
  t->block_width = *r->at++;
  if (t->block_height < 1 || t->block_height > MAX_BLOCK || t->block_height > height ||
      t->block_width < 1 || t->block_width > MAX_BLOCK || t->block_width > width)
    return bnc_fail(err, BNC_INVALID, "table has blocks of %dx%d, expected sides of 1..%d that fit planes of %" PRId64
                    "x%" PRId64, t->block_height, t->block_width, MAX_BLOCK, height, width);
  t->planes = (size_t)planes;
  t->plane_height = (int)height;
  t->plane_width = (int)width;
  return BNC_OK;
}

/* Reads what is said of the coefficients. */
static bnc_status take_entries(reader *r, transform *t, bnc_error *err) {
  const uint32_t block = (uint32_t)(t->block_height * t->block_width);
  const uint64_t all = t->planes * (uint64_t)block;
  uint64_t i = 0;
  size_t n = 0, p = 0;
  for (; r->end - r->at >= 2 && i < all; r->at += 2) {
    for (; p * (uint64_t)block <= i; p++)
      t->plane[p].entries = n;
    if (r->at[0] > 0) {
      t->entries[n++] = (entry){.place = (uint8_t)(i++ % block), .step = r->at[0], .mean = r->at[1]};
      continue;
    }
    if (r->at[1] == 0 || r->at[1] > all - i)
      return bnc_fail(err, BNC_INVALID, "table leaves out %d coefficients from %" PRIu64 " on, expected 1..%" PRIu64,
                      r->at[1], i, all - i);
    i += r->at[1];
  }
  if (i < all || r->at < r->end)
    return bnc_fail(err, BNC_INVALID, "table tells of %" PRIu64 " coefficients and has %td bytes left, expected %" PRIu64
                    " and none", i, r->end - r->at, all);
  for (; p <= t->planes; p++)
    t->plane[p].entries = n;
  return BNC_OK;
}

static bnc_status read_table(const bnc_value *table, transform *t, bnc_error *err) {
  reader r = {table->bytes, table->bytes + table->length};
  if (take_geometry(&r, t, err))
    return err->status;
  const size_t most = (size_t)(r.end - r.at - (ptrdiff_t)t->planes) / 2 + 1;
  t->plane = calloc(t->planes + 1, sizeof *t->plane);
  t->entries = calloc(most, sizeof *t->entries);
  t->coded = calloc(most, sizeof *t->coded);
  t->above = calloc((size_t)t->plane_width, sizeof *t->above);
  if (!t->plane || !t->entries || !t->coded || !t->above)
    return bnc_fail(err, BNC_NO_MEMORY, "not enough memory for a codec");
  for (size_t p = 0; p < t->planes; p++)
    t->plane[p].mean = *r.at++;
  return take_entries(&r, t, err);
}

/* Fills the basis of n points from a quarter of its waves. */
static void make_basis(int n, int16_t basis[MAX_BLOCK][LANES]) {
  const int16_t *quarter = cosines + (n - 1) * (n + 2) / 2;
  for (int x = 0; x < n; x++)
    basis[0][x] = *quarter;
  quarter++;
  for (int u = 1; u < n; u++)
    for (int x = 0; x < n; x++) {
      int angle = (2 * x + 1) * u % (4 * n); /* in 2n-ths of pi */
      if (angle > 2 * n)
        angle = 4 * n - angle;
      const int value = angle < n ? quarter[angle] : angle > n ? -quarter[2 * n - angle] : 0;
      basis[u][x] = (int16_t)value;
    }
}

static void close_transform(void *state) {
  transform *t = state;
  bnc_buffer_free(&t->levels);
  free(t->plane);
  free(t->entries);
  free(t->coded);
  free(t->above);
  free(t);
}

static void *open_transform(const bnc_value *values, bnc_error *err) {
  transform *t = calloc(1, sizeof *t);
  if (!t) {
    bnc_fail(err, BNC_NO_MEMORY, "not enough memory for a codec");
    return NULL;
  }
  t->quality = values[QUALITY].number;
  t->variable = values[VARIABLE].number;
  t->max_bytes = values[MAX_BYTES].number;
  if (read_table(&values[TABLE], t, err)) {
    close_transform(t);
    return NULL;
  }
  make_basis(t->block_height, t->down);
  make_basis(t->block_width, t->across);
  for (int u = 0; u < t->block_width; u++)
    for (int x = 0; x < t->block_width; x++)
      t->onto[x][u] = t->across[u][x];
  return t;
}

/* ---- a quality ---- */

static int clamp(int value, int least, int most) { return value < least ? least : value > most ? most : value; }

/* What is known of a coefficient when it is coded. */
typedef struct model {
  uint32_t step;
  int class, low; /* low bits of a magnitude are told apart */
} model;

/* The model of a coefficient in a block that is shift quarter octaves larger than expected. */
static model model_of(const coded *c, int shift) {
  const int class = c->class + shift < 0 ? 0 : c->class + shift;
  const int low = class < CLASSES ? 0 : (class - CLASSES + 4) / 4;
  return (model){.step = c->step, .class = class - 4 * low, .low = low};
}

/* Makes the list of what is coded at a quality: nothing at 0, as in a new state. */
static void plan(transform *t, int quality) {
  if (t->planned == quality)
    return;
  size_t n = 0;
  for (size_t p = 0; p < t->planes; p++) {
    t->plane[p].coded = n;
    t->plane[p].expected = 0;
    const entry *first = t->entries + t->plane[p].entries, *end = t->entries + t->plane[p + 1].entries;
    for (const entry *e = first; e < end; e++) {
      const int exponent = clamp(e->step - 64 + 50 - quality, -16, 240);
      const int class = (e->mean - 64 - exponent + 4 * UNIT_CLASS + 2) >> 2;
      if (class < 0 || quality == 0)
        continue;
      const int shift = (exponent + 16) / 16; /* from an octave below 1 on */
      t->coded[n++] = (coded){
          .step = (uint32_t)((((uint64_t)mantissas[(exponent + 16) % 16] << shift) + 256) >> 9),
          .at = (uint8_t)(e - first),
          .v = (uint8_t)(e->place / t->block_width),
          .u = (uint8_t)(e->place % t->block_width),
          .class = (uint8_t)class,
      };
      const model m = model_of(&t->coded[n - 1], 0);
      t->plane[p].expected += (uint64_t)expectations[m.class] << m.low;
    }
  }
  t->plane[t->planes].coded = n;
  t->planned = quality;
}

/* The magnitude of a coefficient of |x| (X_BITS), in steps: the nearest. */
static uint32_t quantise(const model *m, uint32_t x) { return ((x << (9 - X_BITS)) + m->step) / (2 * m->step); }

/* What a magnitude stands for: |x| (X_BITS). */
static int32_t reconstruct(const model *m, uint32_t magnitude) {
  const uint64_t x = ((uint64_t)magnitude * m->step + (1 << (7 - X_BITS))) >> (8 - X_BITS);
  return x > X_MOST ? X_MOST : (int32_t)x;
}

/* ---- the range coder ---- */

#define RANGE_LEAST (1u << 24)

/* The data written are out from start on; low is the window of 4 bytes behind them. */
typedef struct encoder {
  bnc_buffer *out;
  uint32_t low, range;
} encoder;

/* Adds to what has been written and its window; the sum of all is below 1. */
static void add(encoder *e, uint32_t value) {
  e->low += value;
  if (e->low >= value)
    return;
  uint8_t *byte = e->out->bytes + e->out->length;
  while (++*--byte == 0) {
  }
}

static void shift_out(encoder *e) {
  for (; e->range < RANGE_LEAST; e->range <<= 8, e->low <<= 8)
    e->out->bytes[e->out->length++] = (uint8_t)(e->low >> 24);
}

/* Writes a decision whose probability of being true is p, Q15. */
static void put_decision(encoder *e, uint32_t p, bool yes) {
  const uint32_t bound = (e->range >> 15) * p;
  if (yes) {
    e->range = bound;
  } else {
    add(e, bound);
    e->range -= bound;
  }
  shift_out(e);
}

/* Writes bits (up to 16) of equal probability. */
static void put_bits(encoder *e, uint32_t value, int bits) {
  e->range >>= bits;
  add(e, value * e->range);
  shift_out(e);
}

/* Ends the data that begin at start with the fewest bytes. */
static void finish(encoder *e, size_t start) {
  bnc_buffer *out = e->out;
  uint64_t value = 0;
  int bytes = 0;
  for (; bytes <= 4; bytes++) {
    const uint64_t unit = (uint64_t)1 << (32 - 8 * bytes);
    value = (e->low + unit - 1) / unit * unit;
    if (value - e->low < e->range)
      break;
  }
  add(e, (uint32_t)(value - e->low));
  for (; bytes > 0; bytes--, e->low <<= 8)
    out->bytes[out->length++] = (uint8_t)(e->low >> 24);
  while (out->length > start && out->bytes[out->length - 1] == 0)
    out->length--;
}

/* The data read; code is what the window holds beyond the encoder's low. */
typedef struct decoder {
  const uint8_t *data;
  size_t length, taken; /* taken may be beyond length: zeros follow */
  uint32_t code, range;
  bool broken; /* what has been read is between two strings */
} decoder;

static void take_byte(decoder *d) {
  d->code = d->code << 8 | (d->taken < d->length ? d->data[d->taken] : 0);
  d->taken++;
}

static void begin(decoder *d) {
  while (d->taken < 4)
    take_byte(d);
  d->range = UINT32_MAX;
  d->broken = d->code == UINT32_MAX;
}

static void shift_in(decoder *d) {
  for (; d->range < RANGE_LEAST; d->range <<= 8)
    take_byte(d);
}

static bool get_decision(decoder *d, uint32_t p) {
  const uint32_t bound = (d->range >> 15) * p;
  const bool yes = d->code < bound;
  if (yes) {
    d->range = bound;
  } else {
    d->code -= bound;
    d->range -= bound;
  }
  shift_in(d);
  return yes;
}

static uint32_t get_bits(decoder *d, int bits) {
  d->range >>= bits;
  uint32_t value = d->code / d->range;
  if (value >> bits) { /* what the division left over */
    d->broken = true;
    value = 0;
  }
  d->code -= value * d->range;
  shift_in(d);
  return value;
}

/* Whether finish would have written the data. */
static bool finished(const decoder *d) {
  if (d->broken || d->length == 0)
    return !d->broken;
  const uint8_t last = d->data[d->length - 1];
  if (last == 0 || d->length > d->taken)
    return false;
  if (d->taken - d->length >= 4)
    return true;
  const uint64_t unit = (uint64_t)1 << 8 * (d->taken - d->length);
  return d->code < unit && d->code + (256 - last) * unit >= d->range;
}

/* ---- a coefficient ---- */

#define ESCAPE_MOST 14 /* bits: larger magnitudes than any coefficient has */

static void put_magnitude(encoder *e, const model *m, uint32_t magnitude) {
  const uint32_t high = magnitude >> m->low;
  const uint16_t *stop = stops[m->class];
  uint32_t j = 0;
  for (; j < DECISIONS && j < high; j++)
    put_decision(e, stop[j], false);
  if (j < DECISIONS) {
    put_decision(e, stop[j], true);
  } else {
    const uint32_t rest = high - DECISIONS + 1;
    int bits = 0;
    for (; rest >> (bits + 1); bits++)
      put_bits(e, 1, 1);
    put_bits(e, 0, 1);
    put_bits(e, rest - (1u << bits), bits);
  }
  if (m->low > 0)
    put_bits(e, magnitude & ((1u << m->low) - 1), m->low);
}

static uint32_t get_magnitude(decoder *d, const model *m) {
  const uint16_t *stop = stops[m->class];
  uint32_t high = 0;
  while (high < DECISIONS && !get_decision(d, stop[high]))
    high++;
  if (high == DECISIONS) {
    int bits = 0;
    while (bits < ESCAPE_MOST && get_bits(d, 1))
      bits++;
    high += (1u << bits) - 1 + get_bits(d, bits);
  }
  return m->low ? high << m->low | get_bits(d, m->low) : high;
}

/* ---- activity ---- */

#define PRIOR (2 << 8)  /* what is expected and seen of every block */
#define SHIFT_MOST 8    /* quarter octaves */

/* How many quarter octaves magnitudes are above what is expected: 2 log2 of the ratio, which is half of it. */
static int shift_of(const activity *neighbours, const activity *block) {
  const uint64_t seen = neighbours->seen + block->seen + PRIOR;
  const uint64_t expected = neighbours->expected + block->expected + PRIOR;
  int shift = 0;
  for (uint64_t bound = expected * 19 / 16; seen > bound && shift < SHIFT_MOST; bound = bound * 7 / 5)
    shift++;
  for (uint64_t bound = seen * 19 / 16; expected > bound && shift > -SHIFT_MOST; bound = bound * 7 / 5)
    shift--;
  return shift;
}

/* A quarter of what is known of the blocks on the left and above. */
static activity neighbours_of(const transform *t, const grid *g, size_t b) {
  activity a = {0};
  const size_t column = b % (size_t)g->block_columns;
  if (b >= (size_t)g->block_columns)
    a = t->above[column];
  if (column > 0) {
    a.seen += t->above[column - 1].seen;
    a.expected += t->above[column - 1].expected;
  }
  return (activity){.seen = a.seen / 4, .expected = a.expected / 4};
}

/* ---- blocks ---- */

static bnc_status make_grid(const transform *t, int height, int width, grid *g, bnc_error *err) {
  *g = (grid){
      .columns = width / t->plane_width, .width = width,
      .block_rows = (t->plane_height + t->block_height - 1) / t->block_height,
      .block_columns = (t->plane_width + t->block_width - 1) / t->block_width,
  };
  g->blocks = (size_t)g->block_rows * (size_t)g->block_columns;
  if (height % t->plane_height || width % t->plane_width ||
      (size_t)(height / t->plane_height) * (size_t)g->columns < t->planes)
    return bnc_fail(err, BNC_INVALID, "tile is %dx%d, expected a grid of %zu or more planes of %dx%d", height, width,
                    t->planes, t->plane_height, t->plane_width);
  return BNC_OK;
}

/* A block of a tile: where it begins, and how much of it is in its plane. */
typedef struct block {
  size_t at;
  int height, width;
} block;

static block find_block(const transform *t, const grid *g, size_t p, size_t b) {
  const int y = (int)(b / (size_t)g->block_columns) * t->block_height;
  const int x = (int)(b % (size_t)g->block_columns) * t->block_width;
  const size_t row = p / (size_t)g->columns * (size_t)t->plane_height + (size_t)y;
  const size_t column = p % (size_t)g->columns * (size_t)t->plane_width + (size_t)x;
  const int below = t->plane_height - y, right = t->plane_width - x;
  return (block){
      .at = row * (size_t)g->width + column,
      .height = below < t->block_height ? below : t->block_height,
      .width = right < t->block_width ? right : t->block_width,
  };
}

/*
 * The sums over n rows of weight times row, with a number of lanes that the compiler
 * knows. Rows are LANES long.
 */
__attribute__((always_inline))
static inline void combine(int lanes, int n, const int16_t *weights, const int16_t (*rows)[LANES], int32_t *sums) {
  for (int i = 0; i < n; i++) {
    const int16_t weight = weights[i];
    for (int k = 0; k < lanes; k++)
      sums[k] += weight * rows[i][k];
  }
}

static void combine_rows(int width, int n, const int16_t *weights, const int16_t (*rows)[LANES], int32_t *sums) {
  if (width <= LANES / 2)
    combine(LANES / 2, n, weights, rows, sums);
  else
    combine(LANES, n, weights, rows, sums);
}

/* Reads a block less the mean. The plane's last row and column go on where it ends inside. */
static void read_block(const transform *t, const grid *g, const block *b, const uint8_t *tile, int mean,
                       int16_t pixels[MAX_BLOCK][LANES]) {
  for (int y = 0; y < t->block_height; y++) {
    const uint8_t *from = tile + b->at + (size_t)(y < b->height ? y : b->height - 1) * (size_t)g->width;
    for (int x = 0; x < b->width; x++)
      pixels[y][x] = (int16_t)(from[x] - mean);
    for (int x = b->width; x < LANES; x++)
      pixels[y][x] = (int16_t)(x < t->block_width ? from[b->width - 1] - mean : 0);
  }
}

/*
 * Transforms a block, columns first, to 5 fractional bits; only rows of which something
 * is coded at the planned quality.
 */
static void forward(const transform *t, const grid *g, const block *b, const uint8_t *tile, const plane *p,
                    int16_t *levels) {
  const coded *c = t->coded + p->coded, *end = t->coded + p[1].coded;
  if (c == end)
    return;
  int16_t pixels[MAX_BLOCK][LANES];
  read_block(t, g, b, tile, p->mean, pixels);
  while (c < end) { /* those of a vertical frequency follow each other */
    const int v = c->v;
    int32_t sums[LANES] = {0};
    int16_t column[LANES];
    combine_rows(t->block_width, t->block_height, t->down[v], (const int16_t (*)[LANES])pixels, sums);
    for (int x = 0; x < LANES; x++)
      column[x] = (int16_t)((sums[x] + (1 << 8)) >> 9);
    memset(sums, 0, sizeof sums);
    combine_rows(t->block_width, t->block_width, column, t->onto, sums);
    for (; c < end && c->v == v; c++)
      levels[c->at] = (int16_t)((sums[c->u] + (1 << 15)) >> 16);
  }
}

/* The coefficients of a block that are not zero, added up by columns. */
typedef struct columns {
  uint32_t used; /* which horizontal frequencies */
  int32_t sums[MAX_BLOCK][LANES]; /* frequency, y; Q14 of X_BITS */
} columns;

/* Adds a coefficient. |x| is X_MOST at most, so that 14 of them do not leave 32 bits. */
static void add_coefficient(const transform *t, const coded *at, int32_t x, columns *c) {
  int32_t *sums = c->sums[at->u];
  if (!(c->used >> at->u & 1))
    memset(sums, 0, sizeof c->sums[0]);
  c->used |= 1u << at->u;
  for (int y = 0; y < t->block_height; y++)
    sums[y] += t->down[at->v][y] * x;
}

/* Transforms back. Between the passes 16 bits are enough for what encode writes. */
static void inverse(const transform *t, const grid *g, const block *b, int mean, const columns *c, uint8_t *tile) {
  int32_t rows[MAX_BLOCK][LANES] = {{0}};
  for (int u = 0; u < t->block_width; u++)
    for (int y = 0; c->used >> u & 1 && y < b->height; y++) {
      const int16_t value = (int16_t)clamp((c->sums[u][y] + (1 << 13)) >> 14, INT16_MIN, INT16_MAX);
      combine_rows(t->block_width, 1, &value, (const int16_t (*)[LANES])&t->across[u], rows[y]);
    }
  for (int y = 0; y < b->height; y++) {
    uint8_t *to = tile + b->at + (size_t)y * (size_t)g->width;
    for (int x = 0; x < b->width; x++)
      to[x] = (uint8_t)clamp(((rows[y][x] + (1 << (13 + X_BITS))) >> (14 + X_BITS)) + mean, 0, 255);
  }
}

/* ---- tiles ---- */

/* Appends the data of levels at the planned quality. */
static bnc_status code_levels(transform *t, const grid *g, bnc_buffer *out, bnc_error *err) {
  const size_t start = out->length;
  const int16_t *levels = (const int16_t *)(const void *)t->levels.bytes;
  encoder e = {.out = out, .range = UINT32_MAX};
  for (size_t b = 0; b < g->blocks; b++) {
    const activity neighbours = neighbours_of(t, g, b);
    activity block = {0};
    for (const plane *p = t->plane; p < t->plane + t->planes; levels += p[1].entries - p->entries, p++) {
      const coded *first = t->coded + p->coded, *end = t->coded + p[1].coded;
      const size_t most = out->length + (size_t)(end - first + 1) * COEFFICIENT_BYTES;
      if (most > out->capacity && !bnc_buffer_grow(out, most + out->capacity))
        return bnc_fail(err, BNC_NO_MEMORY, "not enough memory for the payload");
      const int shift = shift_of(&neighbours, &block);
      for (const coded *c = first; c < end; c++) {
        const model m = model_of(c, shift);
        const int32_t x = levels[c->at];
        const uint32_t magnitude = quantise(&m, (uint32_t)(x < 0 ? -x : x));
        put_magnitude(&e, &m, magnitude);
        if (magnitude > 0)
          put_bits(&e, x < 0, 1);
        block.seen += (uint64_t)magnitude << 8;
      }
      block.expected += p->expected;
    }
    t->above[b % (size_t)g->block_columns] = block;
  }
  if (!bnc_buffer_grow(out, out->length + 4))
    return bnc_fail(err, BNC_NO_MEMORY, "not enough memory for the payload");
  finish(&e, start);
  return BNC_OK;
}

/* Replaces what out holds from start on by the record of a quality. */
static bnc_status code_record(transform *t, const grid *g, int quality, size_t start, bnc_buffer *out,
                              bnc_error *err) {
  out->length = start;
  if (t->variable) {
    if (!bnc_buffer_grow(out, start + 1))
      return bnc_fail(err, BNC_NO_MEMORY, "not enough memory for the payload");
    out->bytes[out->length++] = (uint8_t)quality;
  }
  plan(t, quality);
  return code_levels(t, g, out, err);
}

static bnc_status encode_transform(void *state, int height, int width, const uint8_t *tile, bnc_buffer *out,
                                   bnc_error *err) {
  transform *t = state;
  grid g;
  if (make_grid(t, height, width, &g, err))
    return err->status;
  if (!bnc_buffer_grow(&t->levels, t->plane[t->planes].entries * g.blocks * sizeof(int16_t) + 1))
    return bnc_fail(err, BNC_NO_MEMORY, "not enough memory for the coefficients");
  int16_t *levels = (int16_t *)(void *)t->levels.bytes;
  plan(t, (int)t->quality); /* what is coded at a lower quality is coded here too */
  for (size_t i = 0; i < g.blocks; i++)
    for (size_t p = 0; p < t->planes; p++) {
      const block b = find_block(t, &g, p, i);
      forward(t, &g, &b, tile, &t->plane[p], levels);
      levels += t->plane[p + 1].entries - t->plane[p].entries;
    }

  /* By bisection: fits is a quality that does, high one that does not, or the next of all. */
  const size_t start = out->length;
  int fits = 0, high = (int)t->quality + 1, last = -1;
  const bool limited = t->variable && t->max_bytes > 0;
  for (int quality = (int)t->quality; high - fits > 1; quality = (fits + high) / 2) {
    if (code_record(t, &g, quality, start, out, err))
      return err->status;
    last = quality;
    if (limited && out->length - start > (uint64_t)t->max_bytes)
      high = quality;
    else
      fits = quality;
  }
  return last == fits ? BNC_OK : code_record(t, &g, fits, start, out, err);
}

/* Reads the coefficients of a plane's block. */
static bnc_status decode_block(const transform *t, const plane *p, int shift, decoder *d, activity *block,
                               columns *sums, bnc_error *err) {
  sums->used = 0;
  for (const coded *c = t->coded + p->coded, *end = t->coded + p[1].coded; c < end; c++) {
    const model m = model_of(c, shift);
    const uint32_t magnitude = get_magnitude(d, &m);
    if (magnitude == 0)
      continue;
    if (magnitude > quantise(&m, X_MOST))
      return bnc_fail(err, BNC_DAMAGED, "a coefficient is %" PRIu32 " steps, expected at most %" PRIu32, magnitude,
                      quantise(&m, X_MOST));
    const int32_t x = reconstruct(&m, magnitude);
    add_coefficient(t, c, get_bits(d, 1) ? -x : x, sums);
    block->seen += (uint64_t)magnitude << 8;
  }
  block->expected += p->expected;
  return BNC_OK;
}

static bnc_status decode_levels(const transform *t, const grid *g, decoder *d, uint8_t *tile, bnc_error *err) {
  begin(d);
  for (size_t i = 0; i < g->blocks; i++) {
    const activity neighbours = neighbours_of(t, g, i);
    activity seen = {0};
    for (size_t p = 0; p < t->planes; p++) {
      columns sums;
      if (decode_block(t, &t->plane[p], shift_of(&neighbours, &seen), d, &seen, &sums, err))
        return err->status;
      const block b = find_block(t, g, p, i);
      inverse(t, g, &b, t->plane[p].mean, &sums, tile);
    }
    t->above[i % (size_t)g->block_columns] = seen;
  }
  if (!finished(d))
    return bnc_fail(err, BNC_DAMAGED, "the data are not the shortest of their coefficients");
  return BNC_OK;
}

static bnc_status decode_transform(void *state, int height, int width, const uint8_t *data, size_t length,
                                   uint8_t *tile, bnc_error *err) {
  transform *t = state;
  grid g;
  if (make_grid(t, height, width, &g, err))
    return err->status;
  int quality = (int)t->quality;
  if (t->variable) {
    if (length == 0)
      return bnc_fail(err, BNC_DAMAGED, "the data are empty, expected a quality");
    quality = data[0];
    if (quality > 100)
      return bnc_fail(err, BNC_DAMAGED, "the data are of quality %d, expected 0..100", quality);
    if (quality == 0 && length > 1)
      return bnc_fail(err, BNC_DAMAGED, "the data go on after quality 0");
    data++;
    length--;
  }
  plan(t, quality);
  memset(tile, 0, (size_t)height * (size_t)width);
  decoder d = {.data = data, .length = length};
  return decode_levels(t, &g, &d, tile, err);
}

/* What is likely can take no byte at all. */
static size_t least_transform(int64_t height, int64_t width) {
  (void)height;
  (void)width;
  return 0;
}

const bnc_codec bnc_transform = {
    .name = "transform",
    .operators = {"TransformEncode", "TransformDecode", "TransformRoundTrip"},
    .parameters = {
        [QUALITY] = {.name = "quality", .least = 1, .most = 100},
        [VARIABLE] = {.name = "variable", .least = 0, .most = 1},
        [MAX_BYTES] = {.name = "max_bytes", .least = 0, .most = INT32_MAX},
        [TABLE] = {.name = "table", .bytes = true, .least = 8, .most = 1 << 24},
    },
    .least = least_transform,
    .open = open_transform,
    .close = close_transform,
    .encode = encode_transform,
    .decode = decode_transform,
};
