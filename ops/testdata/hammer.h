/*
 * What the hammers share: random numbers, and buffers that end at a page without
 * access, so that libjpeg, which no sanitizer instruments, cannot overrun them
 * unseen.
 */
#ifndef BNC_HAMMER_H
#define BNC_HAMMER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define AREA (1 << 20) /* bytes of a guarded buffer; a whole number of pages */

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);   \
      abort();                                                                    \
    }                                                                             \
  } while (0)

/* What came of damaged data: both must happen. */
typedef struct tally {
  long refused, accepted;
} tally;

uint64_t next(uint64_t *state);
uint64_t below(uint64_t *state, uint64_t n);

uint8_t *guarded(void);
void release(uint8_t *area);

/* The last n bytes in front of the page without access. */
uint8_t *tail(uint8_t *area, size_t n);

/* Changes, cuts or lengthens a copy of n bytes in area; returns its length. */
size_t damage(uint64_t *state, uint8_t *area, const uint8_t *bytes, size_t n);

/* Encodes and decodes one random picture and damaged copies of it. */
void hammer_picture(uint64_t *state, uint8_t *file, uint8_t *pixels, tally *t);

#endif
