/*
 * The operators of a codec X, whichever it is:
 *
 * XEncode     (tile uint8 [N,1,H,W], range? float32 [N,2]) -> payload uint8 [L]
 * XDecode     (payload uint8 [L] or [1,L]) -> tile uint8 [N,1,H,W], range? float32 [N,2]
 * XRoundTrip  (tile, range?) -> tile uint8 [N,1,H,W], payload_bytes int64 [N]
 *
 * And those that make one payload of several tensors' and take it apart, applied from the
 * last tensor to the first and the other way round (bnc_join):
 *
 * JoinRecords  (first uint8 [L], rest uint8 [L]) -> payload uint8 [L]
 * SplitRecords (payload uint8 [L] or [1,L]) -> first uint8 [L], rest uint8 [L]
 * JoinBytes    (first int64 [N], rest int64 [N]) -> payload_bytes int64 [N]
 *
 * The images of a call are coded one after another on the calling thread.
 */
#include "kernel.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RANK 4

/* A tensor's contents; data is NULL where an optional one is absent. */
typedef struct tensor {
  void *data;
  size_t rank;
  int64_t dims[MAX_RANK];
} tensor;

/* An output that ONNX Runtime does not know of yet; data NULL where there is none. */
typedef struct staged_output {
  tensor t;
  size_t bytes;
} staged_output;

struct bnc_call {
  bnc_kernel *k;
  OrtKernelContext *context;
  bnc_coder *coder; /* NULL in an operator of no codec */
  staged_output staged[BNC_MAX_TENSORS];
};

#define SHAPE_TEXT 96

/* Writes "[1,28,28]" into text and returns it. */
static const char *show_shape(const tensor *t, char text[SHAPE_TEXT]) {
  size_t n = 0;
  for (size_t i = 0; i < t->rank; i++)
    n += (size_t)snprintf(text + n, SHAPE_TEXT - n, "%s%" PRId64, i ? "," : "[", t->dims[i]);
  snprintf(text + n, SHAPE_TEXT - n, t->rank ? "]" : "[]");
  return text;
}

OrtStatus *bnc_refuse(const OrtApi *api, const char *op, OrtErrorCode code, const char *format, ...) {
  char text[384];
  int n = snprintf(text, sizeof text, BNC_DOMAIN ".%s: ", op);
  va_list args;
  va_start(args, format);
  vsnprintf(text + n, sizeof text - (size_t)n, format, args);
  va_end(args);
  return api->CreateStatus(code, text);
}

OrtStatus *bnc_refuse_error(const OrtApi *api, const char *op, const bnc_error *err) {
  switch (err->status) {
  case BNC_INVALID:
    return bnc_refuse(api, op, ORT_INVALID_ARGUMENT, "%s", err->text);
  case BNC_DAMAGED:
    return bnc_refuse(api, op, ORT_INVALID_ARGUMENT, "payload record %zu at byte %zu: %s",
                      err->record, err->offset, err->text);
  default:
    return bnc_refuse(api, op, ORT_FAIL, "%s", err->text);
  }
}

static OrtStatus *get_input(const bnc_call *call, size_t index, tensor *t) {
  const bnc_kernel *k = call->k;
  *t = (tensor){0};
  size_t inputs;
  BNC_TRY(k->api->KernelContext_GetInputCount(call->context, &inputs));
  if (index >= inputs)
    return NULL;
  const OrtValue *value;
  BNC_TRY(k->api->KernelContext_GetInput(call->context, index, &value));
  if (!value)
    return NULL;
  OrtTensorTypeAndShapeInfo *info;
  BNC_TRY(k->api->GetTensorTypeAndShape(value, &info));
  OrtStatus *status = k->api->GetDimensionsCount(info, &t->rank);
  if (!status && t->rank > MAX_RANK)
    status = bnc_refuse(k->api, k->name, ORT_INVALID_ARGUMENT, "input %zu has rank %zu, expected at most %d",
                        index, t->rank, MAX_RANK);
  if (!status)
    status = k->api->GetDimensions(info, t->dims, t->rank);
  k->api->ReleaseTensorTypeAndShapeInfo(info);
  if (!status)
    status = k->api->GetTensorMutableData((OrtValue *)value, &t->data);
  return status;
}

/* Makes ONNX Runtime's output and points t->data at its contents. */
static OrtStatus *make_output(const bnc_call *call, size_t index, tensor *t) {
  const bnc_kernel *k = call->k;
  OrtValue *value;
  BNC_TRY(k->api->KernelContext_GetOutput(call->context, index, t->dims, t->rank, &value));
  if (!value)
    return bnc_refuse(k->api, k->name, ORT_INVALID_ARGUMENT, "output %zu is not connected", index);
  return k->api->GetTensorMutableData(value, &t->data);
}

/*
 * Gives an op room for an output of t's shape. Ops come here once their inputs
 * have been checked, but may still fail later.
 */
static OrtStatus *get_output(bnc_call *call, size_t index, tensor *t, size_t element_size) {
  if (!call->k->staged)
    return make_output(call, index, t);
  staged_output *s = &call->staged[index];
  s->bytes = element_size;
  for (size_t i = 0; i < t->rank; i++)
    s->bytes *= (size_t)t->dims[i];
  t->data = malloc(s->bytes);
  if (!t->data)
    return bnc_refuse(call->k->api, call->k->name, ORT_FAIL, "not enough memory for output %zu", index);
  s->t = *t;
  return NULL;
}

/* Hands the staged outputs of a successful call over. */
static OrtStatus *deliver(const bnc_call *call) {
  for (size_t i = 0; i < BNC_MAX_TENSORS; i++) {
    const staged_output *s = &call->staged[i];
    if (!s->t.data)
      continue;
    tensor out = s->t;
    BNC_TRY(make_output(call, i, &out));
    memcpy(out.data, s->t.data, s->bytes);
  }
  return NULL;
}

/* Reads a payload and its length. */
static OrtStatus *get_payload(const bnc_call *call, size_t index, tensor *t, size_t *length) {
  char text[SHAPE_TEXT];
  BNC_TRY(get_input(call, index, t));
  if (!(t->rank == 1 || (t->rank == 2 && t->dims[0] == 1)))
    return bnc_refuse(call->k->api, call->k->name, ORT_INVALID_ARGUMENT, "payload has shape %s, expected [L] or [1,L]",
                      show_shape(t, text));
  *length = (size_t)t->dims[t->rank - 1];
  return NULL;
}

/* Gives an op an output of a payload. */
static OrtStatus *put_payload(bnc_call *call, size_t index, const bnc_buffer *payload) {
  tensor out = {.rank = 1, .dims = {(int64_t)payload->length}};
  BNC_TRY(get_output(call, index, &out, 1));
  if (payload->length > 0)
    memcpy(out.data, payload->bytes, payload->length);
  return NULL;
}

/* Encodes the tiles of a call into the coder's payload. */
static bnc_status encode(const bnc_call *call, const bnc_part *part, const tensor *tile, const tensor *range,
                         int64_t *sizes, bnc_error *err) {
  const uint8_t *tiles[] = {tile->data};
  const float *ranges[] = {range->data};
  return bnc_encode(part, 1, (size_t)tile->dims[0], tiles, ranges, sizes, &call->coder->payload, err);
}

/*
 * Reads tile and the optional range of an encoding op; *part becomes what they
 * are of.
 */
static OrtStatus *get_tiles(const bnc_call *call, tensor *tile, tensor *range, bnc_part *part) {
  const bnc_kernel *k = call->k;
  char text[SHAPE_TEXT];
  BNC_TRY(get_input(call, 0, tile));
  if (tile->rank != 4 || tile->dims[0] < 1 || tile->dims[1] != 1)
    return bnc_refuse(k->api, k->name, ORT_INVALID_ARGUMENT,
                      "tile has shape %s, expected [N,1,H,W] with N at least 1", show_shape(tile, text));
  BNC_TRY(get_input(call, 1, range));
  if (range->data && (range->rank != 2 || range->dims[0] != tile->dims[0] || range->dims[1] != 2))
    return bnc_refuse(k->api, k->name, ORT_INVALID_ARGUMENT, "range has shape %s, expected [%" PRId64 ",2]",
                      show_shape(range, text), tile->dims[0]);
  *part = (bnc_part){
      .coder = call->coder,
      .height = tile->dims[2],
      .width = tile->dims[3],
      .dynamic = range->data != NULL,
  };
  return NULL;
}

static OrtStatus *compute_encode(bnc_call *call) {
  const bnc_kernel *k = call->k;
  tensor tile, range;
  bnc_part part;
  BNC_TRY(get_tiles(call, &tile, &range, &part));
  bnc_error err;
  if (encode(call, &part, &tile, &range, NULL, &err))
    return bnc_refuse_error(k->api, k->name, &err);
  return put_payload(call, 0, &call->coder->payload);
}

static OrtStatus *compute_decode(bnc_call *call) {
  const bnc_kernel *k = call->k;
  bnc_part part = k->part;
  part.coder = call->coder;
  tensor payload;
  size_t length;
  BNC_TRY(get_payload(call, 0, &payload, &length));
  size_t outputs;
  BNC_TRY(k->api->KernelContext_GetOutputCount(call->context, &outputs));
  if (outputs != (part.dynamic ? 2u : 1u))
    return bnc_refuse(k->api, k->name, ORT_INVALID_ARGUMENT, "the node has %zu outputs, expected %s", outputs,
                      part.dynamic ? "tile and range (dynamic_range is 1)" : "only tile (dynamic_range is 0)");
  size_t count;
  bnc_error err;
  if (bnc_count(&part, 1, payload.data, length, &count, &err))
    return bnc_refuse_error(k->api, k->name, &err);
  tensor tiles = {.rank = 4, .dims = {(int64_t)count, 1, part.height, part.width}};
  tensor ranges = {.rank = 2, .dims = {(int64_t)count, 2}};
  BNC_TRY(get_output(call, 0, &tiles, 1));
  if (part.dynamic)
    BNC_TRY(get_output(call, 1, &ranges, sizeof(float)));
  uint8_t *const tile_data[] = {tiles.data};
  float *const range_data[] = {ranges.data};
  if (bnc_decode(&part, 1, payload.data, length, count, tile_data, range_data, &err))
    return bnc_refuse_error(k->api, k->name, &err);
  return NULL;
}

static OrtStatus *compute_round_trip(bnc_call *call) {
  const bnc_kernel *k = call->k;
  tensor tile, range;
  bnc_part part;
  BNC_TRY(get_tiles(call, &tile, &range, &part));
  tensor decoded = tile, sizes = {.rank = 1, .dims = {tile.dims[0]}};
  BNC_TRY(get_output(call, 0, &decoded, 1));
  BNC_TRY(get_output(call, 1, &sizes, sizeof(int64_t)));
  const bnc_buffer *payload = &call->coder->payload;
  uint8_t *const tiles[] = {decoded.data};
  float *const no_ranges[] = {NULL};
  bnc_error err;
  if (encode(call, &part, &tile, &range, sizes.data, &err) ||
      bnc_decode(&part, 1, payload->bytes, payload->length, (size_t)tile.dims[0], tiles, no_ranges, &err))
    return bnc_refuse_error(k->api, k->name, &err);
  return NULL;
}

static OrtStatus *compute_join(bnc_call *call) {
  tensor first, rest;
  size_t first_length, rest_length;
  BNC_TRY(get_payload(call, 0, &first, &first_length));
  BNC_TRY(get_payload(call, 1, &rest, &rest_length));
  bnc_buffer out = {0};
  bnc_error err;
  OrtStatus *status;
  if (bnc_join(first.data, first_length, rest.data, rest_length, &out, &err))
    status = bnc_refuse_error(call->k->api, call->k->name, &err);
  else
    status = put_payload(call, 0, &out);
  bnc_buffer_free(&out);
  return status;
}

static OrtStatus *compute_unjoin(bnc_call *call) {
  tensor payload;
  size_t length;
  BNC_TRY(get_payload(call, 0, &payload, &length));
  bnc_buffer first = {0}, rest = {0};
  bnc_error err;
  OrtStatus *status;
  if (bnc_unjoin(payload.data, length, &first, &rest, &err))
    status = bnc_refuse_error(call->k->api, call->k->name, &err);
  else
    status = put_payload(call, 0, &first);
  if (!status)
    status = put_payload(call, 1, &rest);
  bnc_buffer_free(&first);
  bnc_buffer_free(&rest);
  return status;
}

static OrtStatus *compute_joined_sizes(bnc_call *call) {
  const bnc_kernel *k = call->k;
  tensor first, rest;
  BNC_TRY(get_input(call, 0, &first));
  BNC_TRY(get_input(call, 1, &rest));
  if (first.rank != 1 || rest.rank != 1 || first.dims[0] != rest.dims[0])
    return bnc_refuse(k->api, k->name, ORT_INVALID_ARGUMENT, "expected the bytes of as many records twice, int64 [N]");
  tensor out = first;
  BNC_TRY(get_output(call, 0, &out, sizeof(int64_t)));
  const int64_t *a = first.data, *b = rest.data;
  int64_t *sum = out.data;
  for (int64_t i = 0; i < first.dims[0]; i++) {
    if (a[i] < 1 || b[i] < 1)
      return bnc_refuse(k->api, k->name, ORT_INVALID_ARGUMENT, "record %" PRId64 " has %" PRId64 " and %" PRId64
                        " bytes, expected at least 1", i, a[i], b[i]);
    sum[i] = bnc_joined_size(a[i], b[i]);
  }
  return NULL;
}

OrtStatus *bnc_compute(bnc_kernel *k, OrtKernelContext *context) {
  bnc_call call = {.k = k, .context = context};
  bnc_error err;
  if (k->codec && !(call.coder = bnc_pool_take(&k->pool, k->codec, k->values, &err)))
    return bnc_refuse_error(k->api, k->name, &err);
  OrtStatus *status = k->op->compute(&call);
  if (call.coder)
    bnc_pool_give(&k->pool, call.coder);
  if (!status)
    status = deliver(&call);
  for (size_t i = 0; i < BNC_MAX_TENSORS; i++)
    free(call.staged[i].t.data);
  return status;
}

#define U8 ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8
#define F32 ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
#define I64 ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64

const bnc_op bnc_ops[BNC_OPERATORS] = {
    [BNC_ENCODE] = {
     .compute = compute_encode,
     .inputs = 2, .required_inputs = 1, .input_types = {U8, F32},
     .outputs = 1, .required_outputs = 1, .output_types = {U8}},
    [BNC_DECODE] = {
     .compute = compute_decode, .sized = true,
     .inputs = 1, .required_inputs = 1, .input_types = {U8},
     .outputs = 2, .required_outputs = 1, .output_types = {U8, F32}},
    [BNC_ROUND_TRIP] = {
     .compute = compute_round_trip,
     .inputs = 2, .required_inputs = 1, .input_types = {U8, F32},
     .outputs = 2, .required_outputs = 2, .output_types = {U8, I64}},
};

const bnc_op bnc_framing_ops[BNC_FRAMING_OPERATORS] = {
    {.name = "JoinRecords", .compute = compute_join,
     .inputs = 2, .required_inputs = 2, .input_types = {U8, U8},
     .outputs = 1, .required_outputs = 1, .output_types = {U8}},
    {.name = "SplitRecords", .compute = compute_unjoin,
     .inputs = 1, .required_inputs = 1, .input_types = {U8},
     .outputs = 2, .required_outputs = 2, .output_types = {U8, U8}},
    {.name = "JoinBytes", .compute = compute_joined_sizes,
     .inputs = 2, .required_inputs = 2, .input_types = {I64, I64},
     .outputs = 1, .required_outputs = 1, .output_types = {I64}},
};
