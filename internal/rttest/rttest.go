// Package rttest finds what tests need from the machine, and skips the test,
// naming what is missing, where it is not there.
package rttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/ort"
)

// Library skips the test unless ONNX Runtime's library is there.
func Library(t testing.TB) {
	t.Helper()
	if ort.FindLibrary().Path == "" {
		t.Skipf("ONNX Runtime %s is missing: run make deps or set BNC_ORT_LIB", ort.Version)
	}
}

// Plugin returns bnc's op library: where package ort looks, or as make build leaves
// it in the repository's bin. It skips the test where there is none.
func Plugin(t testing.TB) string {
	t.Helper()
	Library(t)
	if found := ort.FindPlugin(); found.Path != "" {
		return found.Path
	}
	built := filepath.Join(root, "bin", "libbnc_ops.so")
	if _, err := os.Stat(built); err != nil {
		t.Skip("bnc's op library is missing: run make build or set BNC_OPS_LIB")
	}
	t.Setenv("BNC_OPS_LIB", built)
	return built
}

// Cached returns the file that an environment variable names, if any, or else
// path below bnc's cache folder, where a target of make puts it. It skips the test
// without it.
func Cached(t testing.TB, variable, path, target string) string {
	t.Helper()
	file := os.Getenv(variable)
	if file == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Skipf("%s is not set and there is no cache folder: %v", variable, err)
		}
		file = filepath.Join(cache, "bnc", filepath.FromSlash(path))
	}
	if _, err := os.Stat(file); err != nil {
		t.Skipf("%v: %s", err, target)
	}
	return file
}

// OldLibrary returns the ONNX Runtime of JetPack 4.6.
func OldLibrary(t testing.TB) string {
	t.Helper()
	return Cached(t, "BNC_ORT_OLD_LIB", "onnxruntime-1.11.0/libonnxruntime.so", "make deps-oracle")
}

// Shared returns the path of something beside the repository, which is no part of
// the project, and skips the test without it.
func Shared(t testing.TB, path string) string {
	t.Helper()
	full := filepath.Join(root, "..", "shared", filepath.FromSlash(path))
	if _, err := os.Stat(full); err != nil {
		t.Skipf("../shared/%s is not beside the repository: %v", path, err)
	}
	return full
}

// Data returns the path of a file in runtime/testdata.
func Data(name ...string) string {
	return Source(append([]string{"runtime", "testdata"}, name...)...)
}

// GoImage returns the path of a picture that comes with Go, and skips the test
// where the distribution left it out.
func GoImage(t testing.TB, name string) string {
	t.Helper()
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skipf("no go command to ask for GOROOT: %v", err)
	}
	path := filepath.Join(strings.TrimSpace(string(goroot)), "src", "image", "testdata", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("this Go comes without its test pictures: %v", err)
	}
	return path
}

// Source returns the path of one of the repository's files.
func Source(name ...string) string { return filepath.Join(append([]string{root}, name...)...) }

// root is the repository's folder: the nearest one with a go.mod, from where go test
// starts a package's tests.
var root = func() string {
	start, _ := os.Getwd()
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
	}
}()
