/*
 * The bare libjpeg-turbo calls that the ops are measured against: warm
 * structs, suppressed tables, memory that is already there, nothing checked.
 */
#ifndef BARE_H
#define BARE_H

#include <stddef.h>
#include <stdint.h>

typedef struct bare bare;

bare *bare_new(int height, int width, int quality);
void bare_free(bare *b);

/* Compresses one tile; returns the stream, which lasts until the next call. */
const uint8_t *bare_encode(bare *b, const uint8_t *tile, size_t *length);

/* Decompresses one stream of bare_encode into a tile. */
void bare_decode(bare *b, const uint8_t *stream, size_t length, uint8_t *tile);

#endif
