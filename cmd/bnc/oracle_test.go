package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/runtime/ort"
)

// oracle runs a script of testdata with the oracle's Python (onnx, onnxruntime,
// numpy, Pillow), gives it job as JSON and demands that it did at least the
// wanted number of checks and found nothing. It skips the test, naming what is
// missing, where that Python or the op library is not there.
func oracle(t *testing.T, script string, job any, wanted int) {
	t.Helper()
	var found struct {
		Checks   int
		Problems []string
	}
	askOracle(t, script, job, &found)
	for _, p := range found.Problems {
		t.Error(p)
	}
	if found.Checks < wanted {
		t.Errorf("%s did %d checks, expected at least %d", script, found.Checks, wanted)
	}
}

// askOracle is oracle for scripts that answer something else.
func askOracle(t *testing.T, script string, job, answer any) {
	t.Helper()
	askPython(t, cached(t, "BNC_ORACLE_PYTHON", "oracle/bin/python", "make deps-oracle"), script, job, answer)
}

// askPython is askOracle with the Python of another environment.
func askPython(t *testing.T, python, script string, job, answer any) {
	t.Helper()
	in, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	// -B: no compiled modules in the repository.
	c := exec.Command(python, "-B", filepath.Join("testdata", script), plugin(t))
	c.Stdin = bytes.NewReader(in)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, answer); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// plugin returns the op library: where package ort looks, or as make build
// leaves it.
func plugin(t *testing.T) string {
	t.Helper()
	if found := ort.FindPlugin(); found.Path != "" {
		return found.Path
	}
	built, err := filepath.Abs("../../bin/libbnc_ops.so")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(built); err != nil {
		t.Skipf("no op library (%v): make build", err)
	}
	t.Setenv("BNC_OPS_LIB", built)
	return built
}

// cached returns the file that an environment variable names, if any, or else
// path below bnc's cache folder, and skips the test without it.
func cached(t *testing.T, variable, path, target string) string {
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

// shared returns the path of something beside the repository, which is no part
// of the project.
func shared(t *testing.T, path string) string {
	t.Helper()
	full := filepath.Join("../../../shared", filepath.FromSlash(path))
	if _, err := os.Stat(full); err != nil {
		t.Skipf("../shared/%s is not beside the repository: %v", path, err)
	}
	return full
}
