// Package rttest finds what the runtime's tests need from the machine, and
// skips the test, naming what is missing, where it is not there.
package rttest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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

// Plugin skips the test unless bnc's op library is there: where package ort
// looks, or as make build leaves it in the repository's bin.
func Plugin(t testing.TB) {
	t.Helper()
	Library(t)
	if ort.FindPlugin().Path != "" {
		return
	}
	built := filepath.Join(root(), "bin", "libbnc_ops.so")
	if _, err := os.Stat(built); err != nil {
		t.Skip("bnc's op library is missing: run make build or set BNC_OPS_LIB")
	}
	t.Setenv("BNC_OPS_LIB", built)
}

// Data returns the path of a file in runtime/testdata.
func Data(name ...string) string {
	return filepath.Join(append([]string{root(), "runtime", "testdata"}, name...)...)
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

// Python runs a script with the oracle's Python, which has onnx, onnxruntime,
// numpy and pillow, and returns what it prints. It skips the test where that
// Python is not there.
func Python(t testing.TB, script string, args ...string) []byte {
	t.Helper()
	python := os.Getenv("BNC_ORACLE_PYTHON")
	if cache, err := os.UserCacheDir(); python == "" && err == nil {
		python = filepath.Join(cache, "bnc", "oracle", "bin", "python")
	}
	if _, err := os.Stat(python); err != nil {
		t.Skip("the oracle's Python is missing: run make deps-oracle or set BNC_ORACLE_PYTHON")
	}
	command := exec.Command(python, append([]string{"-c", script}, args...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("oracle: %v\n%s", err, stderr.Bytes())
	}
	return out
}

// root returns the repository's folder.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}
