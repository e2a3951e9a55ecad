/*
 * The ops as ONNX Runtime's custom op interface wants them.
 *
 * The interface has two ages. Up to ONNX Runtime 1.15 a kernel has no way to
 * return a status; from 1.16 on it has. The plugin shows whichever the loading
 * runtime has, so that one file serves 1.11 (JetPack 4.6) and today's.
 *
 * On an old runtime a kernel that fails prints its message to stderr and
 * leaves its outputs unset, so that the next node, or who reads the output,
 * fails. An output once made cannot be taken back: kernels stage theirs there.
 */
#include "kernel.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define CLASSIC_API 11 /* the oldest that is supported */
#define STATUS_API 16  /* the first with CreateKernelV2 and KernelComputeV2 */

/* ONNX Runtime hands callbacks the first member's address. */
typedef struct registered {
  OrtCustomOp ort;
  const bnc_op *op;
} registered;

static const bnc_op *op_of(const OrtCustomOp *ort) { return ((const registered *)ort)->op; }

static const char *get_name(const OrtCustomOp *ort) { return op_of(ort)->name; }

static const char *get_provider(const OrtCustomOp *ort) {
  (void)ort;
  return NULL; /* the CPU's */
}

static size_t get_input_count(const OrtCustomOp *ort) { return op_of(ort)->inputs; }

static size_t get_output_count(const OrtCustomOp *ort) { return op_of(ort)->outputs; }

static ONNXTensorElementDataType get_input_type(const OrtCustomOp *ort, size_t i) {
  return op_of(ort)->input_types[i];
}

static ONNXTensorElementDataType get_output_type(const OrtCustomOp *ort, size_t i) {
  return op_of(ort)->output_types[i];
}

static OrtCustomOpInputOutputCharacteristic get_input_kind(const OrtCustomOp *ort, size_t i) {
  return i < op_of(ort)->required_inputs ? INPUT_OUTPUT_REQUIRED : INPUT_OUTPUT_OPTIONAL;
}

static OrtCustomOpInputOutputCharacteristic get_output_kind(const OrtCustomOp *ort, size_t i) {
  return i < op_of(ort)->required_outputs ? INPUT_OUTPUT_REQUIRED : INPUT_OUTPUT_OPTIONAL;
}

static OrtMemType get_input_memory(const OrtCustomOp *ort, size_t i) {
  (void)ort;
  (void)i;
  return OrtMemTypeDefault;
}

static OrtStatus *get_attribute(const OrtApi *api, const bnc_op *op, const OrtKernelInfo *info,
                                const char *name, int64_t *value) {
  OrtStatus *status = api->KernelInfoGetAttribute_int64(info, name, value);
  if (!status)
    return NULL;
  OrtStatus *named = bnc_refuse(api, op, ORT_INVALID_ARGUMENT, "attribute %s is missing, expected an int (%s)",
                                name, api->GetErrorMessage(status));
  api->ReleaseStatus(status);
  return named;
}

/* The one attribute with a default: absent means 0. */
static OrtStatus *get_dynamic_range(const OrtApi *api, const bnc_op *op, const OrtKernelInfo *info,
                                    bool *dynamic) {
  int64_t value = 0;
  OrtStatus *absent = api->KernelInfoGetAttribute_int64(info, "dynamic_range", &value);
  if (absent) {
    api->ReleaseStatus(absent);
    value = 0;
  }
  if (value != 0 && value != 1)
    return bnc_refuse(api, op, ORT_INVALID_ARGUMENT,
                      "attribute dynamic_range is %" PRId64 ", expected 0 or 1", value);
  *dynamic = value == 1;
  return NULL;
}

static OrtStatus *get_geometry(const OrtApi *api, const bnc_op *op, const OrtKernelInfo *info,
                               bnc_geometry *g) {
  BNC_TRY(get_attribute(api, op, info, "quality", &g->quality));
  if (op->sized) {
    BNC_TRY(get_attribute(api, op, info, "height", &g->height));
    BNC_TRY(get_attribute(api, op, info, "width", &g->width));
    BNC_TRY(get_dynamic_range(api, op, info, &g->dynamic));
  }
  bnc_geometry known = *g;
  if (!op->sized)
    known.height = known.width = 1; /* each call brings its own */
  bnc_error err;
  if (bnc_geometry_check(&known, &err))
    return bnc_refuse_error(api, op, &err);
  return NULL;
}

static OrtStatus *create_kernel(const OrtCustomOp *ort, const OrtApi *api,
                                const OrtKernelInfo *info, void **kernel) {
  const bnc_op *op = op_of(ort);
  bnc_geometry g = {0};
  BNC_TRY(get_geometry(api, op, info, &g));
  bnc_kernel *k = calloc(1, sizeof *k);
  if (!k)
    return bnc_refuse(api, op, ORT_FAIL, "not enough memory for a kernel");
  k->api = api;
  k->op = op;
  k->geometry = g;
  *kernel = k;
  return NULL;
}

static OrtStatus *compute(void *kernel, OrtKernelContext *context) {
  return bnc_compute(kernel, context);
}

static void destroy_kernel(void *kernel) {
  bnc_kernel *k = kernel;
  if (!k)
    return;
  bnc_pool_clear(&k->pool);
  free(k);
}

static void print_status(const OrtApi *api, OrtStatus *status) {
  fprintf(stderr, "%s\n", api->GetErrorMessage(status));
  api->ReleaseStatus(status);
}

static void *create_kernel_classic(const OrtCustomOp *ort, const OrtApi *api,
                                   const OrtKernelInfo *info) {
  void *kernel;
  OrtStatus *status = create_kernel(ort, api, info, &kernel);
  if (status) {
    print_status(api, status);
    return NULL;
  }
  ((bnc_kernel *)kernel)->staged = true;
  return kernel;
}

/* kernel is NULL where its creation failed, which has been printed. */
static void compute_classic(void *kernel, OrtKernelContext *context) {
  bnc_kernel *k = kernel;
  if (!k)
    return;
  OrtStatus *status = bnc_compute(k, context);
  if (status)
    print_status(k->api, status);
}

#define CALLBACKS                               \
  .GetName = get_name,                          \
  .GetExecutionProviderType = get_provider,     \
  .GetInputType = get_input_type,               \
  .GetInputTypeCount = get_input_count,         \
  .GetOutputType = get_output_type,             \
  .GetOutputTypeCount = get_output_count,       \
  .GetInputCharacteristic = get_input_kind,     \
  .GetOutputCharacteristic = get_output_kind,   \
  .GetInputMemoryType = get_input_memory,       \
  .KernelDestroy = destroy_kernel

#define CLASSIC(i)                              \
  {{.version = CLASSIC_API, CALLBACKS,          \
    .CreateKernel = create_kernel_classic,      \
    .KernelCompute = compute_classic}, &bnc_ops[i]}

#define WITH_STATUS(i)                          \
  {{.version = STATUS_API, CALLBACKS,           \
    .CreateKernelV2 = create_kernel,            \
    .KernelComputeV2 = compute}, &bnc_ops[i]}

static const registered classic_ops[BNC_OPS] = {CLASSIC(0), CLASSIC(1), CLASSIC(2)};
static const registered status_ops[BNC_OPS] = {WITH_STATUS(0), WITH_STATUS(1), WITH_STATUS(2)};

static OrtStatus *make_domain(const OrtApi *api, const registered ops[BNC_OPS],
                              OrtCustomOpDomain **domain) {
  BNC_TRY(api->CreateCustomOpDomain(BNC_DOMAIN, domain));
  for (size_t i = 0; i < BNC_OPS; i++) {
    OrtStatus *status = api->CustomOpDomain_Add(*domain, &ops[i].ort);
    if (status) {
      api->ReleaseCustomOpDomain(*domain);
      return status;
    }
  }
  return NULL;
}

/*
 * Registers the domain with session options. ONNX Runtime refers to a domain
 * for as long as any session made of the options lives and never says when
 * that ends, so each age of the interface has one domain that lasts as long as
 * the process (the plugin is linked to stay loaded).
 */
static OrtStatus *add_domain(const OrtApi *api, OrtSessionOptions *options,
                             const registered ops[BNC_OPS], _Atomic(OrtCustomOpDomain *) *shared) {
  OrtCustomOpDomain *domain = atomic_load(shared);
  if (!domain) {
    OrtCustomOpDomain *made;
    BNC_TRY(make_domain(api, ops, &made));
    if (atomic_compare_exchange_strong(shared, &domain, made))
      domain = made;
    else
      api->ReleaseCustomOpDomain(made); /* another thread was first */
  }
  return api->AddCustomOpDomain(options, domain);
}

/* The entry point: called by RegisterCustomOpsLibrary of every version. */
__attribute__((visibility("default")))
OrtStatus *ORT_API_CALL RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base) {
  static _Atomic(OrtCustomOpDomain *) classic_domain, status_domain;
  int major = 0, minor = 0;
  sscanf(base->GetVersionString(), "%d.%d", &major, &minor);
  /* GetApi prints a complaint when asked for more than the runtime has. */
  if (major > 1 || minor >= STATUS_API)
    return add_domain(base->GetApi(STATUS_API), options, status_ops, &status_domain);
  if (minor >= CLASSIC_API)
    return add_domain(base->GetApi(CLASSIC_API), options, classic_ops, &classic_domain);
  return base->GetApi(1)->CreateStatus(
      ORT_FAIL, "the bnc ops need ONNX Runtime 1.11 or newer, this one is older");
}
