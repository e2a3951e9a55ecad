#include "pool.h"

bnc_coder *bnc_pool_take(bnc_pool *p, const bnc_codec *codec, const bnc_value *values, bnc_error *err) {
  for (size_t i = 0; i < BNC_POOL_SLOTS; i++) {
    bnc_coder *c = atomic_exchange(&p->slots[i], NULL);
    if (c)
      return c;
  }
  return bnc_coder_new(codec, values, err);
}

void bnc_pool_give(bnc_pool *p, bnc_coder *c) {
  bnc_coder_trim(c);
  for (size_t i = 0; i < BNC_POOL_SLOTS; i++) {
    bnc_coder *empty = NULL;
    if (atomic_compare_exchange_strong(&p->slots[i], &empty, c))
      return;
  }
  bnc_coder_free(c);
}

void bnc_pool_clear(bnc_pool *p) {
  for (size_t i = 0; i < BNC_POOL_SLOTS; i++)
    bnc_coder_free(atomic_exchange(&p->slots[i], NULL));
}
