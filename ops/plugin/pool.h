/*
 * Codecs kept warm between the calls of one kernel. ONNX Runtime may run a
 * kernel on many threads at once; each call takes a codec for itself. Taking
 * and giving back is one atomic exchange, and the pool never holds more than
 * BNC_POOL_SLOTS codecs.
 */
#ifndef BNC_POOL_H
#define BNC_POOL_H

#include "../codec.h"

#include <stdatomic.h>

#define BNC_POOL_SLOTS 16

/* Zero is an empty pool. */
typedef struct bnc_pool {
  _Atomic(bnc_codec *) slots[BNC_POOL_SLOTS];
} bnc_pool;

/* Takes a warm codec or makes one of this quality; NULL with err filled. */
bnc_codec *bnc_pool_take(bnc_pool *p, int64_t quality, bnc_error *err);

/* Gives a codec back, or frees it where the pool is full. */
void bnc_pool_give(bnc_pool *p, bnc_codec *c);

/* Frees what the pool holds. No codec may be out. */
void bnc_pool_clear(bnc_pool *p);

#endif
