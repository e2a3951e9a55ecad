#include "rawort.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <onnxruntime_c_api.h>

#define API 11

struct raw_session {
  const OrtApi *api;
  OrtEnv *env;
  OrtSessionOptions *options;
  void *plugin;
  OrtSession *session;
  OrtMemoryInfo *memory;
};

/* Turns a status into an error text; NULL stays NULL. */
static char *text_of(const OrtApi *api, OrtStatus *status) {
  if (!status)
    return NULL;
  char *text = strdup(api->GetErrorMessage(status));
  api->ReleaseStatus(status);
  return text;
}

#define TRY(call)                       \
  do {                                  \
    char *text_ = text_of(s->api, call); \
    if (text_)                          \
      return text_;                     \
  } while (0)

static size_t element_size(int type) {
  switch (type) {
  case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
    return 4;
  case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
    return 1;
  case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
    return 8;
  }
  return 0;
}

static char *open_session(raw_session *s, const char *library, const char *plugin,
                          const void *model, size_t length) {
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    return strdup(dlerror());
  const OrtApiBase *(*get_base)(void) = (const OrtApiBase *(*)(void))dlsym(handle, "OrtGetApiBase");
  if (!get_base)
    return strdup("the library has no OrtGetApiBase");
  s->api = get_base()->GetApi(API);
  if (!s->api)
    return strdup("the library is older than ONNX Runtime 1.11");
  TRY(s->api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "rawort", &s->env));
  TRY(s->api->CreateSessionOptions(&s->options));
  TRY(s->api->SetIntraOpNumThreads(s->options, 1));
  TRY(s->api->RegisterCustomOpsLibrary(s->options, plugin, &s->plugin));
  TRY(s->api->CreateSessionFromArray(s->env, model, length, s->options, &s->session));
  TRY(s->api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &s->memory));
  return NULL;
}

char *raw_open(const char *library, const char *plugin, const void *model, size_t length,
               raw_session **session) {
  raw_session *s = calloc(1, sizeof *s);
  if (!s)
    return strdup("not enough memory for a session");
  char *error = open_session(s, library, plugin, model, length);
  if (error)
    raw_close(s);
  else
    *session = s;
  return error;
}

void raw_close(raw_session *s) {
  if (s->api) {
    s->api->ReleaseMemoryInfo(s->memory);
    s->api->ReleaseSession(s->session);
    s->api->ReleaseSessionOptions(s->options);
    s->api->ReleaseEnv(s->env);
  }
  if (s->plugin)
    dlclose(s->plugin);
  free(s);
}

static char *make_value(raw_session *s, const raw_tensor *t, OrtValue **value) {
  TRY(s->api->CreateTensorWithDataAsOrtValue(s->memory, t->data, t->bytes, t->dims, t->rank, t->type, value));
  return NULL;
}

/* Copies shape and contents of a value into t, whose name stays. */
static char *read_value(raw_session *s, OrtValue *value, raw_tensor *t) {
  OrtTensorTypeAndShapeInfo *info;
  TRY(s->api->GetTensorTypeAndShape(value, &info));
  ONNXTensorElementDataType type;
  size_t count = 0;
  OrtStatus *status = s->api->GetTensorElementType(info, &type);
  if (!status)
    status = s->api->GetDimensionsCount(info, &t->rank);
  if (!status && t->rank > RAW_MAX_RANK)
    status = s->api->CreateStatus(ORT_FAIL, "the output's rank is above 4");
  if (!status)
    status = s->api->GetDimensions(info, t->dims, t->rank);
  if (!status)
    status = s->api->GetTensorShapeElementCount(info, &count);
  s->api->ReleaseTensorTypeAndShapeInfo(info);
  TRY(status);
  void *data;
  TRY(s->api->GetTensorMutableData(value, &data));
  t->type = type;
  t->bytes = count * element_size(type);
  t->data = malloc(t->bytes + 1);
  if (!t->data)
    return strdup("not enough memory for an output");
  memcpy(t->data, data, t->bytes);
  return NULL;
}

static void release_values(raw_session *s, OrtValue **values, size_t n) {
  for (size_t i = 0; i < n; i++)
    s->api->ReleaseValue(values[i]);
}

char *raw_run(raw_session *s, const raw_tensor *inputs, size_t n_inputs,
              raw_tensor *outputs, size_t n_outputs) {
  OrtValue *in[RAW_MAX_TENSORS] = {NULL}, *out[RAW_MAX_TENSORS] = {NULL};
  const char *in_names[RAW_MAX_TENSORS], *out_names[RAW_MAX_TENSORS];
  char *error = NULL;
  for (size_t i = 0; i < n_inputs && !error; i++) {
    in_names[i] = inputs[i].name;
    error = make_value(s, &inputs[i], &in[i]);
  }
  for (size_t i = 0; i < n_outputs; i++)
    out_names[i] = outputs[i].name;
  if (!error)
    error = text_of(s->api, s->api->Run(s->session, NULL, in_names, (const OrtValue *const *)in,
                                        n_inputs, out_names, n_outputs, out));
  for (size_t i = 0; i < n_outputs && !error; i++)
    error = read_value(s, out[i], &outputs[i]);
  release_values(s, in, n_inputs);
  release_values(s, out, n_outputs);
  return error;
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

char *raw_time(raw_session *s, const raw_tensor *inputs, size_t n, const char *output,
               int rounds, int64_t *ns) {
  OrtValue **values = calloc(n, sizeof *values);
  if (!values)
    return strdup("not enough memory for the inputs");
  char *error = NULL;
  for (size_t i = 0; i < n && !error; i++)
    error = make_value(s, &inputs[i], &values[i]);
  const int64_t start = now();
  for (int i = 0; i < rounds && !error; i++) {
    const OrtValue *in = values[(size_t)i % n];
    OrtValue *out = NULL;
    error = text_of(s->api, s->api->Run(s->session, NULL, &inputs[0].name, &in, 1, &output, 1, &out));
    s->api->ReleaseValue(out);
  }
  *ns = now() - start;
  release_values(s, values, n);
  free(values);
  return error;
}
