/*
 * The table of codecs: a row's name in two places.
 */
#include "codec.h"

extern const bnc_codec bnc_jpeg;

const bnc_codec *const bnc_codecs[] = {&bnc_jpeg, NULL};
