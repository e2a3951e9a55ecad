package ort

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Version is the release of ONNX Runtime that bnc is built and tested with,
// and the one whose folder in the user's cache is searched.
const Version = "1.30.0"

// Domain is the operator domain of bnc's codec; a model that imports it needs
// the op library.
const Domain = "bnc"

// pluginFile is the op library's file name.
const pluginFile = "libbnc_ops.so"

// shimFile is the name of the library that stands before an old ONNX Runtime.
const shimFile = "libbnc_ort_shim.so"

// Found tells where a library was looked for and which file is taken.
type Found struct {
	Path  string   // empty if there is none
	From  string   // what led to it: "BNC_ORT_LIB", "beside bnc", ...
	Tried []string // every place, in the order of search
}

// place is one step of a search: where it looks, in words, and the file there.
type place struct{ from, path string }

// FindLibrary looks for ONNX Runtime's shared library: the file that
// BNC_ORT_LIB names, then libonnxruntime.so* beside the executable, then
// libonnxruntime.so in bnc/onnxruntime-1.30.0 below the user's cache folder.
// A BNC_ORT_LIB that names no file ends the search, as it would hide a
// mistake otherwise.
func FindLibrary() Found {
	var places []place
	if dir := executableDir(); dir != "" {
		beside, _ := filepath.Glob(filepath.Join(dir, "libonnxruntime.so*"))
		slices.Sort(beside)
		places = append(places, place{"beside bnc", filepath.Join(dir, "libonnxruntime.so")})
		for _, path := range beside {
			places = append(places, place{"beside bnc", path})
		}
	}
	if cache, err := os.UserCacheDir(); err == nil {
		places = append(places, place{"the cache of make deps",
			filepath.Join(cache, "bnc", "onnxruntime-"+Version, "libonnxruntime.so")})
	}
	return search("BNC_ORT_LIB", places)
}

// FindPlugin looks for bnc's op library libbnc_ops.so: the file that
// BNC_OPS_LIB names, then beside the executable, then in ../bin from there.
func FindPlugin() Found { return findOwn("BNC_OPS_LIB", pluginFile) }

// FindShim looks for libbnc_ort_shim.so, which only an ONNX Runtime older than
// the binding needs: the file that BNC_ORT_SHIM names, then as FindPlugin.
func FindShim() Found { return findOwn("BNC_ORT_SHIM", shimFile) }

// findOwn looks for a library that is built with bnc.
func findOwn(variable, file string) Found {
	var places []place
	if dir := executableDir(); dir != "" {
		places = []place{
			{"beside bnc", filepath.Join(dir, file)},
			{"../bin from bnc", filepath.Join(dir, "..", "bin", file)},
		}
	}
	return search(variable, places)
}

// search takes the file that the environment variable names, or else the
// first of places that exists.
func search(variable string, places []place) Found {
	if path := os.Getenv(variable); path != "" {
		places = []place{{variable, path}}
	}
	var found Found
	for _, p := range places {
		if !slices.Contains(found.Tried, p.path) {
			found.Tried = append(found.Tried, p.path)
		}
		if stat, err := os.Stat(p.path); err != nil || stat.IsDir() {
			continue
		}
		// The dynamic linker searches its own folders for a name without a slash.
		if abs, err := filepath.Abs(p.path); err == nil {
			p.path = abs
		}
		found.Path, found.From = p.path, p.from
		break
	}
	return found
}

// missing is the error for a library that was not found.
func (f Found) missing(what, variable, next string) error {
	return fmt.Errorf("%s not found (looked at %s): %s, or name the file in %s",
		what, strings.Join(f.Tried, ", "), next, variable)
}

// executableDir returns the folder of the running program, "" if unknown.
func executableDir() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	return filepath.Dir(path)
}
