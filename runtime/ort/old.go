package ort

import (
	"fmt"
	"strings"
)

const (
	bindingAPI  = 29 // the C API that the binding asks for: ONNX Runtime 1.29's
	logLevelAPI = 14 // the first in which an environment's log level can be set
)

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
	if err := useShim(shim.Path, library); err != nil {
		return "", fmt.Errorf("through %s (%s): %w", shim.Path, shim.From, err)
	}
	return shim.Path, nil
}
