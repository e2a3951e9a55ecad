/*
 * JpegEncode     (tile uint8 [N,1,H,W], range? float32 [N,2]) -> payload uint8 [L]
 * JpegDecode     (payload uint8 [L] or [1,L]) -> tile uint8 [N,1,H,W], range? float32 [N,2]
 * JpegRoundTrip  (tile, range?) -> tile uint8 [N,1,H,W], payload_bytes int64 [N]
 *
 * The images of a call are coded one after another on the calling thread.
 */
#include "kernel.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_RANK 4

/* A tensor's contents; data is NULL where an optional one is absent. */
typedef struct tensor {
  void *data;
  size_t rank;
  int64_t dims[MAX_RANK];
} tensor;

OrtStatus *bnc_refuse(const OrtApi *api, const bnc_op *op, OrtErrorCode code,
                      const char *format, ...) {
  char text[384];
  int n = snprintf(text, sizeof text, BNC_DOMAIN ".%s: ", op->name);
  va_list args;
  va_start(args, format);
  vsnprintf(text + n, sizeof text - (size_t)n, format, args);
  va_end(args);
  return api->CreateStatus(code, text);
}

OrtStatus *bnc_refuse_error(const OrtApi *api, const bnc_op *op, const bnc_error *err) {
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

static OrtStatus *get_input(const bnc_kernel *k, OrtKernelContext *context, size_t index, tensor *t) {
  *t = (tensor){0};
  size_t inputs;
  BNC_TRY(k->api->KernelContext_GetInputCount(context, &inputs));
  if (index >= inputs)
    return NULL;
  const OrtValue *value;
  BNC_TRY(k->api->KernelContext_GetInput(context, index, &value));
  if (!value)
    return NULL;
  OrtTensorTypeAndShapeInfo *info;
  BNC_TRY(k->api->GetTensorTypeAndShape(value, &info));
  OrtStatus *status = k->api->GetDimensionsCount(info, &t->rank);
  if (!status && t->rank > MAX_RANK)
    status = bnc_refuse(k->api, k->op, ORT_INVALID_ARGUMENT, "input %zu has rank %zu, expected at most %d",
                        index, t->rank, MAX_RANK);
  if (!status)
    status = k->api->GetDimensions(info, t->dims, t->rank);
  k->api->ReleaseTensorTypeAndShapeInfo(info);
  if (!status)
    status = k->api->GetTensorMutableData((OrtValue *)value, &t->data);
  return status;
}

static OrtStatus *make_output(const bnc_kernel *k, OrtKernelContext *context, size_t index,
                              const int64_t *dims, size_t rank, void *data) {
  OrtValue *value;
  BNC_TRY(k->api->KernelContext_GetOutput(context, index, dims, rank, &value));
  if (!value)
    return bnc_refuse(k->api, k->op, ORT_INVALID_ARGUMENT, "output %zu is not connected", index);
  return k->api->GetTensorMutableData(value, data);
}

/*
 * Reads tile and the optional range of an encoding op; *g becomes the
 * geometry of this call.
 */
static OrtStatus *get_tiles(const bnc_kernel *k, OrtKernelContext *context,
                            tensor *tile, tensor *range, bnc_geometry *g) {
  BNC_TRY(get_input(k, context, 0, tile));
  if (tile->rank != 4 || tile->dims[0] < 1 || tile->dims[1] != 1)
    return bnc_refuse(k->api, k->op, ORT_INVALID_ARGUMENT,
                      "tile has rank %zu and shape [%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64
                      "], expected [N,1,H,W] with N at least 1",
                      tile->rank, tile->dims[0], tile->dims[1], tile->dims[2], tile->dims[3]);
  BNC_TRY(get_input(k, context, 1, range));
  if (range->data && (range->rank != 2 || range->dims[0] != tile->dims[0] || range->dims[1] != 2))
    return bnc_refuse(k->api, k->op, ORT_INVALID_ARGUMENT,
                      "range has rank %zu and shape [%" PRId64 ",%" PRId64 "], expected [%" PRId64 ",2]",
                      range->rank, range->dims[0], range->dims[1], tile->dims[0]);
  *g = (bnc_geometry){
      .height = tile->dims[2],
      .width = tile->dims[3],
      .quality = k->geometry.quality,
      .dynamic = range->data != NULL,
  };
  return NULL;
}

static OrtStatus *compute_encode(bnc_kernel *k, OrtKernelContext *context, bnc_codec *codec) {
  tensor tile, range;
  bnc_geometry g;
  BNC_TRY(get_tiles(k, context, &tile, &range, &g));
  const uint8_t *payload;
  size_t length;
  bnc_error err;
  if (bnc_encode(codec, &g, (size_t)tile.dims[0], tile.data, range.data, NULL, &payload, &length, &err))
    return bnc_refuse_error(k->api, k->op, &err);
  const int64_t dims[] = {(int64_t)length};
  void *out;
  BNC_TRY(make_output(k, context, 0, dims, 1, &out));
  memcpy(out, payload, length);
  return NULL;
}

static OrtStatus *compute_decode(bnc_kernel *k, OrtKernelContext *context, bnc_codec *codec) {
  tensor payload;
  BNC_TRY(get_input(k, context, 0, &payload));
  if (!(payload.rank == 1 || (payload.rank == 2 && payload.dims[0] == 1)))
    return bnc_refuse(k->api, k->op, ORT_INVALID_ARGUMENT,
                      "payload has rank %zu and first dimension %" PRId64 ", expected [L] or [1,L]",
                      payload.rank, payload.dims[0]);
  const size_t length = (size_t)payload.dims[payload.rank - 1];
  const bnc_geometry *g = &k->geometry;
  size_t outputs;
  BNC_TRY(k->api->KernelContext_GetOutputCount(context, &outputs));
  if (outputs != (g->dynamic ? 2u : 1u))
    return bnc_refuse(k->api, k->op, ORT_INVALID_ARGUMENT,
                      "the node has %zu outputs, expected %s", outputs,
                      g->dynamic ? "tile and range (dynamic_range is 1)" : "only tile (dynamic_range is 0)");
  size_t count;
  bnc_error err;
  if (bnc_count(g, payload.data, length, &count, &err))
    return bnc_refuse_error(k->api, k->op, &err);
  const int64_t tile_dims[] = {(int64_t)count, 1, g->height, g->width};
  void *tiles;
  BNC_TRY(make_output(k, context, 0, tile_dims, 4, &tiles));
  void *ranges = NULL;
  if (g->dynamic) {
    const int64_t range_dims[] = {(int64_t)count, 2};
    BNC_TRY(make_output(k, context, 1, range_dims, 2, &ranges));
  }
  if (bnc_decode(codec, g, payload.data, length, count, tiles, ranges, &err))
    return bnc_refuse_error(k->api, k->op, &err);
  return NULL;
}

static OrtStatus *compute_round_trip(bnc_kernel *k, OrtKernelContext *context, bnc_codec *codec) {
  tensor tile, range;
  bnc_geometry g;
  BNC_TRY(get_tiles(k, context, &tile, &range, &g));
  const size_t count = (size_t)tile.dims[0];
  void *tiles, *sizes;
  BNC_TRY(make_output(k, context, 0, tile.dims, 4, &tiles));
  BNC_TRY(make_output(k, context, 1, tile.dims, 1, &sizes));
  const uint8_t *payload;
  size_t length;
  bnc_error err;
  if (bnc_encode(codec, &g, count, tile.data, range.data, sizes, &payload, &length, &err) ||
      bnc_decode(codec, &g, payload, length, count, tiles, NULL, &err))
    return bnc_refuse_error(k->api, k->op, &err);
  return NULL;
}

OrtStatus *bnc_compute(bnc_kernel *k, OrtKernelContext *context) {
  bnc_error err;
  bnc_codec *codec = bnc_pool_take(&k->pool, k->geometry.quality, &err);
  if (!codec)
    return bnc_refuse_error(k->api, k->op, &err);
  OrtStatus *status = k->op->compute(k, context, codec);
  bnc_pool_give(&k->pool, codec);
  return status;
}

#define U8 ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8
#define F32 ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
#define I64 ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64

const bnc_op bnc_ops[BNC_OPS] = {
    {.name = "JpegEncode", .compute = compute_encode,
     .inputs = 2, .required_inputs = 1, .input_types = {U8, F32},
     .outputs = 1, .required_outputs = 1, .output_types = {U8}},
    {.name = "JpegDecode", .compute = compute_decode, .sized = true,
     .inputs = 1, .required_inputs = 1, .input_types = {U8},
     .outputs = 2, .required_outputs = 1, .output_types = {U8, F32}},
    {.name = "JpegRoundTrip", .compute = compute_round_trip,
     .inputs = 2, .required_inputs = 1, .input_types = {U8, F32},
     .outputs = 2, .required_outputs = 2, .output_types = {U8, I64}},
};
