package ort

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

// The head of ONNX Runtime's OrtApiBase.
typedef struct {
	const void *(*get_api)(unsigned);
	const char *(*get_version)(void);
} api_base;

// symbol returns a library's function, or NULL with the reason in *error. The
// library stays loaded.
static void *symbol(const char *path, const char *name, const char **error) {
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *found = library ? dlsym(library, name) : NULL;
	*error = found ? NULL : dlerror();
	return found;
}

static const char *runtime_version(const char *path, const char **error) {
	const api_base *(*get_base)(void) = symbol(path, "OrtGetApiBase", error);
	const api_base *base = get_base ? get_base() : NULL;
	return base ? base->get_version() : NULL;
}

static const char *use_shim(const char *shim, const char *runtime) {
	const char *error;
	const char *(*use)(const char *) = symbol(shim, "bnc_ort_shim_use", &error);
	return use ? use(runtime) : error;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"
)

const (
	bindingAPI  = 29 // the C API that the binding asks for: ONNX Runtime 1.29's
	logLevelAPI = 14 // the first in which an environment's log level can be set
)

// runtimeVersion loads the library at path and returns its version, "1.30.0".
func runtimeVersion(path string) (string, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var reason *C.char
	version := C.runtime_version(name, &reason)
	switch {
	case version != nil:
		return C.GoString(version), nil
	case reason != nil:
		return "", errors.New(C.GoString(reason))
	}
	return "", errors.New("it is no ONNX Runtime: it gives no OrtApiBase")
}

// apiOf returns the C API that a version of ONNX Runtime has: its minor number.
// A version that does not say has none.
func apiOf(version string) int {
	var major, minor int
	if fmt.Sscanf(version, "%d.%d", &major, &minor); major > 1 {
		return bindingAPI
	}
	return minor
}

// bridge puts the shim before an ONNX Runtime that is too old for the binding
// and returns the shim's path.
func bridge(library, version string) (string, error) {
	shim := FindShim()
	if shim.Path == "" {
		return "", fmt.Errorf("version %s is older than 1.%d, which bnc asks for, and %s, which would stand between them, is not there (looked at %s): run make build, name the file in BNC_ORT_SHIM, or use ONNX Runtime %s (make deps)",
			version, bindingAPI, shimFile, strings.Join(shim.Tried, ", "), Version)
	}
	shimPath, runtimePath := C.CString(shim.Path), C.CString(library)
	defer C.free(unsafe.Pointer(shimPath))
	defer C.free(unsafe.Pointer(runtimePath))
	if reason := C.use_shim(shimPath, runtimePath); reason != nil {
		return "", fmt.Errorf("through %s (%s): %s", shim.Path, shim.From, C.GoString(reason))
	}
	return shim.Path, nil
}
