#include "pool.h"

bnc_codec *bnc_pool_take(bnc_pool *p, int64_t quality, bnc_error *err) {
  for (size_t i = 0; i < BNC_POOL_SLOTS; i++) {
    bnc_codec *c = atomic_exchange(&p->slots[i], NULL);
    if (c)
      return c;
  }
  return bnc_codec_new(quality, err);
}

void bnc_pool_give(bnc_pool *p, bnc_codec *c) {
  bnc_codec_trim(c);
  for (size_t i = 0; i < BNC_POOL_SLOTS; i++) {
    bnc_codec *empty = NULL;
    if (atomic_compare_exchange_strong(&p->slots[i], &empty, c))
      return;
  }
  bnc_codec_free(c);
}

void bnc_pool_clear(bnc_pool *p) {
  for (size_t i = 0; i < BNC_POOL_SLOTS; i++)
    bnc_codec_free(atomic_exchange(&p->slots[i], NULL));
}
