/*
 * The operators of all codecs, and those of none, as ONNX Runtime's custom op interface wants them.
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
  const bnc_codec *codec; /* NULL for an operator of none */
  const bnc_op *op;
  const char *name;
} registered;

static const registered *registered_of(const OrtCustomOp *ort) { return (const registered *)ort; }

static const bnc_op *op_of(const OrtCustomOp *ort) { return registered_of(ort)->op; }

static const char *get_name(const OrtCustomOp *ort) { return registered_of(ort)->name; }

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

/* What ONNX Runtime said of an attribute that it did not give. */
static OrtStatus *refuse_attribute(const bnc_kernel *k, const char *name, const char *type, OrtStatus *status) {
  OrtStatus *named = bnc_refuse(k->api, k->name, ORT_INVALID_ARGUMENT, "attribute %s is missing, expected %s (%s)",
                                name, type, k->api->GetErrorMessage(status));
  k->api->ReleaseStatus(status);
  return named;
}

static OrtStatus *get_number(const bnc_kernel *k, const OrtKernelInfo *info, const char *name, int64_t *number) {
  OrtStatus *status = k->api->KernelInfoGetAttribute_int64(info, name, number);
  return status ? refuse_attribute(k, name, "an int", status) : NULL;
}

/* ONNX Runtime ends a string with a zero byte that is not of it. */
static OrtStatus *get_bytes(const bnc_kernel *k, const OrtKernelInfo *info, const char *name, bnc_value *value) {
  size_t size = 0;
  OrtStatus *status = k->api->KernelInfoGetAttribute_string(info, name, NULL, &size);
  if (status)
    return refuse_attribute(k, name, "a string", status);
  char *bytes = malloc(size);
  if (!bytes)
    return bnc_refuse(k->api, k->name, ORT_FAIL, "not enough memory for attribute %s", name);
  value->bytes = (uint8_t *)bytes;
  value->length = size - 1;
  status = k->api->KernelInfoGetAttribute_string(info, name, bytes, &size);
  return status ? refuse_attribute(k, name, "a string", status) : NULL;
}

/* The one attribute with a default: absent means 0. */
static OrtStatus *get_dynamic_range(const bnc_kernel *k, const OrtKernelInfo *info, bool *dynamic) {
  int64_t value = 0;
  OrtStatus *absent = k->api->KernelInfoGetAttribute_int64(info, "dynamic_range", &value);
  if (absent) {
    k->api->ReleaseStatus(absent);
    value = 0;
  }
  if (value != 0 && value != 1)
    return bnc_refuse(k->api, k->name, ORT_INVALID_ARGUMENT,
                      "attribute dynamic_range is %" PRId64 ", expected 0 or 1", value);
  *dynamic = value == 1;
  return NULL;
}

/* Reads the attributes, and makes the first coder of them: so they fit together. */
static OrtStatus *configure(bnc_kernel *k, const OrtKernelInfo *info) {
  if (!k->codec)
    return NULL;
  for (size_t i = 0; i < bnc_parameter_count(k->codec); i++) {
    const bnc_parameter *p = &k->codec->parameters[i];
    BNC_TRY(p->bytes ? get_bytes(k, info, p->name, &k->values[i])
                     : get_number(k, info, p->name, &k->values[i].number));
  }
  bnc_error err;
  if (k->op->sized) {
    BNC_TRY(get_number(k, info, "height", &k->part.height));
    BNC_TRY(get_number(k, info, "width", &k->part.width));
    BNC_TRY(get_dynamic_range(k, info, &k->part.dynamic));
    if (bnc_tile_check(k->part.height, k->part.width, &err))
      return bnc_refuse_error(k->api, k->name, &err);
  }
  bnc_coder *first = bnc_pool_take(&k->pool, k->codec, k->values, &err);
  if (!first)
    return bnc_refuse_error(k->api, k->name, &err);
  bnc_pool_give(&k->pool, first);
  return NULL;
}

static void destroy_kernel(void *kernel) {
  bnc_kernel *k = kernel;
  if (!k)
    return;
  bnc_pool_clear(&k->pool);
  for (size_t i = 0; i < BNC_MAX_PARAMETERS; i++)
    free((void *)k->values[i].bytes);
  free(k);
}

static OrtStatus *create_kernel(const OrtCustomOp *ort, const OrtApi *api,
                                const OrtKernelInfo *info, void **kernel) {
  bnc_kernel *k = calloc(1, sizeof *k);
  if (!k)
    return bnc_refuse(api, get_name(ort), ORT_FAIL, "not enough memory for a kernel");
  k->api = api;
  k->op = op_of(ort);
  k->codec = registered_of(ort)->codec;
  k->name = get_name(ort);
  OrtStatus *status = configure(k, info);
  if (status)
    destroy_kernel(k);
  else
    *kernel = k;
  return status;
}

static OrtStatus *compute(void *kernel, OrtKernelContext *context) {
  return bnc_compute(kernel, context);
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

static const OrtCustomOp classic = {
    .version = CLASSIC_API, CALLBACKS,
    .CreateKernel = create_kernel_classic, .KernelCompute = compute_classic,
};

static const OrtCustomOp with_status = {
    .version = STATUS_API, CALLBACKS,
    .CreateKernelV2 = create_kernel, .KernelComputeV2 = compute,
};

/* All operators, which a domain refers to for as long as it is. */
typedef struct domain {
  OrtCustomOpDomain *ort;
  registered ops[];
} domain;

static void free_domain(const OrtApi *api, domain *d) {
  if (d->ort)
    api->ReleaseCustomOpDomain(d->ort);
  free(d);
}

static OrtStatus *fill_domain(const OrtApi *api, const OrtCustomOp *face, domain *d) {
  BNC_TRY(api->CreateCustomOpDomain(BNC_DOMAIN, &d->ort));
  registered *next = d->ops;
  for (const bnc_codec *const *codec = bnc_codecs; *codec; codec++)
    for (bnc_operator which = 0; which < BNC_OPERATORS; which++, next++) {
      *next = (registered){*face, *codec, &bnc_ops[which], (*codec)->operators[which]};
      BNC_TRY(api->CustomOpDomain_Add(d->ort, &next->ort));
    }
  for (size_t i = 0; i < BNC_FRAMING_OPERATORS; i++, next++) {
    *next = (registered){*face, NULL, &bnc_framing_ops[i], bnc_framing_ops[i].name};
    BNC_TRY(api->CustomOpDomain_Add(d->ort, &next->ort));
  }
  return NULL;
}

static OrtStatus *make_domain(const OrtApi *api, const OrtCustomOp *face, domain **made) {
  size_t n = 0;
  while (bnc_codecs[n])
    n++;
  domain *d = calloc(1, sizeof *d + (n * BNC_OPERATORS + BNC_FRAMING_OPERATORS) * sizeof *d->ops);
  if (!d)
    return api->CreateStatus(ORT_FAIL, "not enough memory for domain " BNC_DOMAIN);
  OrtStatus *status = fill_domain(api, face, d);
  if (status)
    free_domain(api, d);
  else
    *made = d;
  return status;
}

/*
 * Registers the domain with session options. ONNX Runtime refers to a domain
 * for as long as any session made of the options lives and never says when
 * that ends, so each age of the interface has one domain that lasts as long as
 * the process (the plugin is linked to stay loaded).
 */
static OrtStatus *add_domain(const OrtApi *api, OrtSessionOptions *options,
                             const OrtCustomOp *face, _Atomic(domain *) *shared) {
  domain *d = atomic_load(shared);
  if (!d) {
    domain *made = NULL;
    BNC_TRY(make_domain(api, face, &made));
    if (atomic_compare_exchange_strong(shared, &d, made))
      d = made;
    else
      free_domain(api, made); /* another thread was first */
  }
  return api->AddCustomOpDomain(options, d->ort);
}

/* The entry point: called by RegisterCustomOpsLibrary of every version. */
__attribute__((visibility("default")))
OrtStatus *ORT_API_CALL RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base) {
  static _Atomic(domain *) classic_domain, status_domain;
  int major = 0, minor = 0;
  sscanf(base->GetVersionString(), "%d.%d", &major, &minor);
  /* GetApi prints a complaint when asked for more than the runtime has. */
  if (major > 1 || minor >= STATUS_API)
    return add_domain(base->GetApi(STATUS_API), options, &with_status, &status_domain);
  if (minor >= CLASSIC_API)
    return add_domain(base->GetApi(CLASSIC_API), options, &classic, &classic_domain);
  return base->GetApi(1)->CreateStatus(
      ORT_FAIL, "the bnc ops need ONNX Runtime 1.11 or newer, this one is older");
}
