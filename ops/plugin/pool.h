/*
 * Coders kept warm between the calls of one kernel. ONNX Runtime may run a
 * kernel on many threads at once; each call takes a coder for itself. Taking
 * and giving back is one atomic exchange, and the pool never holds more than
 * BNC_POOL_SLOTS coders.
 */
#ifndef BNC_POOL_H
#define BNC_POOL_H

#include "../payload.h"

#include <stdatomic.h>

#define BNC_POOL_SLOTS 16

/* Zero is an empty pool. */
typedef struct bnc_pool {
  _Atomic(bnc_coder *) slots[BNC_POOL_SLOTS];
} bnc_pool;

/* Takes a warm coder or makes one as bnc_coder_new does; NULL with err filled. */
bnc_coder *bnc_pool_take(bnc_pool *p, const bnc_codec *codec, const bnc_value *values, bnc_error *err);

/* Gives a coder back, or frees it where the pool is full. */
void bnc_pool_give(bnc_pool *p, bnc_coder *c);

/* Frees what the pool holds. No coder may be out. */
void bnc_pool_clear(bnc_pool *p);

#endif
