package ort

import (
	"fmt"
	"sync"

	yalue "github.com/yalue/onnxruntime_go"
)

// environment is the process's one ONNX Runtime: the C library keeps its own
// global state, and this mirrors whether and from where it was loaded.
var environment struct {
	sync.Mutex
	path string
	shim string // what stands between, "" for an ONNX Runtime that is new enough
}

// Load finds and loads ONNX Runtime unless that has been done, and returns
// the library's path. One that is older than the binding asks for, down to
// 1.11, is loaded through bnc's shim. Open calls it; calling it first only
// moves the cost. A failed Load can be repeated.
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
	shim, err := initialize(found.Path)
	if err != nil {
		return "", fmt.Errorf("loading ONNX Runtime from %s (%s): %w", found.Path, found.From, err)
	}
	environment.path, environment.shim = found.Path, shim
	return found.Path, nil
}

// initialize loads the library through the binding, and tells which shim stands
// between the two.
func initialize(library string) (shim string, err error) {
	version, err := runtimeVersion(library)
	if err != nil {
		return "", err
	}
	api, opened := apiOf(version), library
	if api < bindingAPI {
		if shim, err = bridge(library, version); err != nil {
			return "", err
		}
		opened = shim
	}
	var options []yalue.EnvironmentOption
	if api >= logLevelAPI { // sessions have a level of their own in any version
		options = append(options, yalue.WithLogLevelFatal())
	}
	yalue.SetSharedLibraryPath(opened)
	return shim, yalue.InitializeEnvironment(options...)
}

// throughShim returns the shim's path, "" where none is in use.
func throughShim() string {
	environment.Lock()
	defer environment.Unlock()
	return environment.shim
}
