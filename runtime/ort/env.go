package ort

import (
	"fmt"
	"strings"
	"sync"

	yalue "github.com/yalue/onnxruntime_go"
)

// environment is the process's one ONNX Runtime: the C library keeps its own
// global state, and this mirrors whether and from where it was loaded.
var environment struct {
	sync.Mutex
	path string
}

// Load finds and loads ONNX Runtime unless that has been done, and returns
// the library's path. Open calls it; calling it first only moves the cost. A
// failed Load can be repeated.
func Load() (path string, err error) {
	environment.Lock()
	defer environment.Unlock()
	if environment.path != "" {
		return environment.path, nil
	}
	found := FindLibrary()
	if found.Path == "" {
		return "", found.missing("ONNX Runtime "+Version, "BNC_ORT_LIB", "run make deps")
	}
	yalue.SetSharedLibraryPath(found.Path)
	if err := yalue.InitializeEnvironment(yalue.WithLogLevelFatal()); err != nil {
		return "", fmt.Errorf("loading ONNX Runtime from %s (%s): %w", found.Path, found.From, explainLoad(err))
	}
	environment.path = found.Path
	return found.Path, nil
}

// explainLoad says in words what the binding says with a number: 2 is a
// library whose GetApi does not know the C API version that was asked for.
func explainLoad(err error) error {
	if strings.Contains(err.Error(), "Error setting ORT API base: 2") {
		return fmt.Errorf("this library is too old: bnc needs ONNX Runtime 1.29 or newer and is tested with %s; run make deps (%w)", Version, err)
	}
	return err
}
