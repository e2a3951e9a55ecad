/* The table of codecs of a plugin that also has codec "raw". */
#include "../raw.c"

extern const bnc_codec bnc_jpeg;
extern const bnc_codec bnc_transform;

const bnc_codec *const bnc_codecs[] = {&bnc_jpeg, &bnc_transform, &bnc_raw, NULL};
