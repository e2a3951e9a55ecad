/*
 * The table of codecs: a row's name in two places.
 */
#include "codec.h"

extern const bnc_codec bnc_jpeg;
extern const bnc_codec bnc_transform;

const bnc_codec *const bnc_codecs[] = {&bnc_jpeg, &bnc_transform, NULL};
