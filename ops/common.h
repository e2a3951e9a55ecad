/*
 * What the C files share: how a call ended, and growing bytes.
 */
#ifndef BNC_COMMON_H
#define BNC_COMMON_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum bnc_status {
  BNC_OK = 0,
  BNC_INVALID,   /* an argument is out of its limits */
  BNC_DAMAGED,   /* the payload is not one that bnc_encode writes */
  BNC_NO_MEMORY, /* an allocation failed */
  BNC_INTERNAL,  /* a library did what this code does not expect of it */
  BNC_STOPPED,   /* the caller wanted no more of it */
} bnc_status;

/* What went wrong. record and offset mean something for BNC_DAMAGED only. */
typedef struct bnc_error {
  bnc_status status;
  size_t record;   /* index of the record */
  size_t offset;   /* of the record's first byte in the payload */
  char text[192];  /* what was expected and what was found */
} bnc_error;

/* Fills err with a status and a printf-style text; returns the status. */
__attribute__((format(printf, 3, 4)))
static inline bnc_status bnc_fail(bnc_error *err, bnc_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(err->text, sizeof err->text, format, args);
  va_end(args);
  err->status = status;
  return status;
}

/* Growing bytes; zero is an empty one. */
typedef struct bnc_buffer {
  uint8_t *bytes;
  size_t length, capacity;
} bnc_buffer;

/* Makes room for capacity bytes in all; false where there is no memory. */
static inline bool bnc_buffer_grow(bnc_buffer *b, size_t capacity) {
  if (capacity <= b->capacity)
    return true;
  uint8_t *bytes = (uint8_t *)realloc(b->bytes, capacity);
  if (!bytes)
    return false;
  b->bytes = bytes;
  b->capacity = capacity;
  return true;
}

static inline void bnc_buffer_free(bnc_buffer *b) {
  free(b->bytes);
  *b = (bnc_buffer){0};
}

#endif
