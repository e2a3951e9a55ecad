/*
 * Lets a program that was made for today's ONNX Runtime use an older one.
 *
 * Such a program asks for the function table (OrtApi) of the version in its
 * header, and a runtime that is older has none to give. The table only ever
 * grows at its end, so the shim hands out a full-size one: the entries that the
 * runtime has are the runtime's own, each of the others returns an error that
 * says what is missing. The one newer function that the program cannot do
 * without, RegisterCustomOpsLibrary_V2, is made of its predecessor.
 *
 * The program opens the shim in the runtime's place, after it has told which
 * runtime that is with bnc_ort_shim_use.
 */
#include "onnxruntime_c_api.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define OLDEST_API 11 /* of JetPack 4.6; the plugin's oldest as well */
#define EXPORT __attribute__((visibility("default")))

/*
 * The last member of each version's table, as onnxruntime_c_api.cc asserts it.
 * Versions that added nothing are left out.
 */
#define UP_TO(member) (offsetof(OrtApi, member) + sizeof(void *))
static const struct {
  unsigned api;
  size_t bytes;
} tables[] = {
    {11, UP_TO(SessionOptionsAppendExecutionProvider_MIGraphX)},
    {12, UP_TO(ReleaseKernelInfo)},
    {13, UP_TO(ReleaseCANNProviderOptions)},
    {14, UP_TO(GetSessionConfigEntry)},
    {15, UP_TO(GetBuildInfoString)},
    {16, UP_TO(KernelContext_GetResource)},
    {17, UP_TO(SessionOptionsAppendExecutionProvider_OpenVINO_V2)},
    {18, UP_TO(AddExternalInitializersFromFilesInMemory)},
    {20, UP_TO(SetEpDynamicOptions)},
    {22, UP_TO(GetEpApi)},
    {23, UP_TO(CreateExternalInitializerInfo)},
    {24, UP_TO(RunOptionsSetSyncStream)},
    {25, UP_TO(SetPerSessionThreadPoolCallbacks)},
    {27, UP_TO(SessionReleaseCapturedGraph)},
    {28, UP_TO(KernelContext_GetSyncStream)},
    {ORT_API_VERSION, sizeof(OrtApi)},
};

static struct {
  const OrtApiBase *base;
  const OrtApi *api; /* its newest */
  unsigned version;  /* of api */
  OrtApi full;
} runtime;

static OrtStatus *missing(const char *function) {
  char text[256];
  snprintf(text, sizeof text, "ONNX Runtime %s has no %s: a newer one is needed for that",
           runtime.base->GetVersionString(), function);
  return runtime.api->CreateStatus(ORT_NOT_IMPLEMENTED, text);
}

/*
 * One function for each member, in place of those that the runtime lacks. They
 * are called with the member's arguments and ignore them, which the calling
 * conventions of x86-64 and AArch64 allow. build.sh lists the members as
 * STATUS(name) where they return an OrtStatus, as OTHER(name) where they do
 * not: those free or describe objects that cannot be made without the others.
 */
#define STATUS(name) \
  static OrtStatus *missing_##name(void) { return missing(#name); }
#define OTHER(name) \
  static void *missing_##name(void) { return NULL; }
#include "members.inc"
#undef STATUS
#undef OTHER

#define STATUS(name) .name = (void *)missing_##name,
#define OTHER STATUS
static const OrtApi nothing = {
#include "members.inc"
};
#undef STATUS

#define STATUS(name) +1
_Static_assert((
#include "members.inc"
) * sizeof(void *) == sizeof(OrtApi), "build.sh does not find every member of OrtApi");

/* RegisterCustomOpsLibrary_V2 of API 14. The library stays loaded, as a session may use it to the end. */
static OrtStatus *register_library(OrtSessionOptions *options, const ORTCHAR_T *path) {
  void *handle;
  return runtime.api->RegisterCustomOpsLibrary(options, path, &handle);
}

static size_t table_bytes(unsigned version) {
  size_t bytes = 0;
  for (size_t i = 0; i < sizeof tables / sizeof *tables && tables[i].api <= version; i++)
    bytes = tables[i].bytes;
  return bytes;
}

static const OrtApi *get_api(uint32_t version) {
  if (version <= runtime.version)
    return runtime.base->GetApi(version);
  return version <= ORT_API_VERSION ? &runtime.full : NULL;
}

static const char *get_version(void) { return runtime.base->GetVersionString(); }

static char error[512];

__attribute__((format(printf, 1, 2)))
static const char *fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(error, sizeof error, format, args);
  va_end(args);
  return error;
}

/*
 * Names the runtime's library. Returns NULL, or what is wrong in words that
 * hold until the next call. Not to be called by two threads at once.
 */
EXPORT const char *bnc_ort_shim_use(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return fail("%s", dlerror());
  const OrtApiBase *(*get_base)(void) = (const OrtApiBase *(*)(void))dlsym(library, "OrtGetApiBase");
  if (!get_base)
    return fail("%s is no ONNX Runtime: it has no OrtGetApiBase", path);
  const OrtApiBase *base = get_base();
  unsigned major = 0, minor = 0;
  if (sscanf(base->GetVersionString(), "%u.%u", &major, &minor) != 2 || major != 1 || minor < OLDEST_API)
    return fail("ONNX Runtime %s cannot be used: 1.%d is the oldest that can", base->GetVersionString(), OLDEST_API);
  unsigned version = minor < ORT_API_VERSION ? minor : ORT_API_VERSION;
  const OrtApi *api = base->GetApi(version);
  if (!api)
    return fail("ONNX Runtime %s has no C API %u", base->GetVersionString(), version);

  runtime.base = base;
  runtime.api = api;
  runtime.version = version;
  runtime.full = nothing;
  memcpy(&runtime.full, api, table_bytes(version));
  if (version < 14)
    runtime.full.RegisterCustomOpsLibrary_V2 = register_library;
  return NULL;
}

/* ONNX Runtime's entry point; NULL before bnc_ort_shim_use. */
EXPORT const OrtApiBase *OrtGetApiBase(void) {
  static const OrtApiBase base = {get_api, get_version};
  return runtime.base ? &base : NULL;
}
