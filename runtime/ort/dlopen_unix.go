//go:build unix

package ort

/*
#cgo linux LDFLAGS: -ldl
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
	"unsafe"
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

// useShim puts a shim before the library at path.
func useShim(shim, path string) error {
	shimPath, runtimePath := C.CString(shim), C.CString(path)
	defer C.free(unsafe.Pointer(shimPath))
	defer C.free(unsafe.Pointer(runtimePath))
	if reason := C.use_shim(shimPath, runtimePath); reason != nil {
		return errors.New(C.GoString(reason))
	}
	return nil
}
