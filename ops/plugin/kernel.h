/*
 * The custom ops of domain "bnc": what kernels.c computes and register.c
 * shows to ONNX Runtime.
 */
#ifndef BNC_KERNEL_H
#define BNC_KERNEL_H

#include "pool.h"

#include <onnxruntime_c_api.h>

#define BNC_DOMAIN "bnc"
#define BNC_MAX_TENSORS 2 /* inputs, or outputs, of any op */

typedef struct bnc_kernel bnc_kernel;
typedef struct bnc_call bnc_call; /* one run of a kernel */

/* What an operator looks like and does, whatever the codec. */
typedef struct bnc_op {
  const char *name; /* of an operator of no codec; a codec's have those of its row */
  size_t inputs, required_inputs;
  ONNXTensorElementDataType input_types[BNC_MAX_TENSORS];
  size_t outputs, required_outputs;
  ONNXTensorElementDataType output_types[BNC_MAX_TENSORS];
  bool sized; /* attributes height, width and dynamic_range, beside the codec's parameters */
  OrtStatus *(*compute)(bnc_call *call);
} bnc_op;

/* One node of one session. Immutable after its creation but for the pool. */
struct bnc_kernel {
  const OrtApi *api;
  const bnc_op *op;
  const bnc_codec *codec; /* NULL for an operator of none */
  const char *name;       /* the operator's */
  bnc_value values[BNC_MAX_PARAMETERS]; /* of the codec's parameters; bytes are the kernel's */
  bnc_part part; /* from the attributes, zero where not sized; the coder is the call's */
  bool staged;           /* outputs appear only once the whole call has succeeded */
  bnc_pool pool;
};

/* A codec's operators, and those of none: what several crossing tensors need. */
extern const bnc_op bnc_ops[BNC_OPERATORS];
#define BNC_FRAMING_OPERATORS 3
extern const bnc_op bnc_framing_ops[BNC_FRAMING_OPERATORS];

/* Makes a status "bnc.op: text" with a printf-style text. */
__attribute__((format(printf, 4, 5)))
OrtStatus *bnc_refuse(const OrtApi *api, const char *op, OrtErrorCode code, const char *format, ...);

/* The same from an error of the codec. */
OrtStatus *bnc_refuse_error(const OrtApi *api, const char *op, const bnc_error *err);

/* Runs the kernel's op once, with a coder of its pool where it is a codec's. NULL is success. */
OrtStatus *bnc_compute(bnc_kernel *k, OrtKernelContext *context);

/* Returns the status of an ONNX Runtime call from the calling function. */
#define BNC_TRY(call)            \
  do {                           \
    OrtStatus *status_ = (call); \
    if (status_)                 \
      return status_;            \
  } while (0)

#endif
