package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/triton"
)

// contents reads every file below dir.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		found[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestExportTritonRepository: the same inputs give the same bytes, what is there
// already stays or is replaced whole, and nothing else is left behind.
func TestExportTritonRepository(t *testing.T) {
	plugin(t)
	dir, source := exportPair(t, "pair", "--c", "4")
	folder := t.TempDir()
	first, second := filepath.Join(folder, "a"), filepath.Join(folder, "b")
	mustBnc(t, "export", "triton", dir, source, "-o", first)
	mustBnc(t, "export", "triton", source, "-o", second)
	mine := filepath.Join(second, "other", "config.pbtxt")
	if err := os.MkdirAll(filepath.Dir(mine), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mine, []byte("backend: \"python\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	mustBnc(t, "export", "triton", dir, source, "-o", second, "--max-batch", "2") // something else first
	mustBnc(t, "export", "triton", dir, source, "-o", second)
	got, want := contents(t, second), contents(t, first)
	if got[filepath.Join("other", "config.pbtxt")] == "" {
		t.Error("another model was touched")
	}
	delete(got, filepath.Join("other", "config.pbtxt"))
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s differs", name)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("more files: %d", len(got))
	}
	for _, name := range []string{"config.pbtxt", "1/model.onnx", "warmup/payload", "libbnc_ops.so"} {
		if want["pair/"+name] == "" {
			t.Errorf("no %s", name)
		}
	}
	for name, text := range want {
		if filepath.Base(name) == "config.pbtxt" && strings.Contains(text, folder) {
			t.Errorf("%s has a path of this machine", name)
		}
	}
	left, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 2 {
		t.Errorf("%v was left", left)
	}
}

// TestExportTritonRefuses: what cannot be exported is said, with the contract's
// exit codes, and nothing is written.
func TestExportTritonRefuses(t *testing.T) {
	plugin(t)
	dir, source := exportPair(t, "pair", "--c", "4")
	folder := t.TempDir()
	foreign := filepath.Join(folder, "foreign")
	if err := os.MkdirAll(filepath.Join(foreign, "pair", "2"), 0o755); err != nil {
		t.Fatal(err)
	}
	grown := filepath.Join(folder, "grown")
	mustBnc(t, "export", "triton", dir, "-o", grown)
	if err := os.Mkdir(filepath.Join(grown, "pair", "2"), 0o755); err != nil {
		t.Fatal(err)
	}
	unknown := fromText(t, `<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
	net (float[batch,3,32,32] x) => (y) { y = own.Op (x) }`, nil)
	empty := t.TempDir()
	repo := filepath.Join(folder, "repo")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{dir}, exitUsage, "triton"},
		{[]string{"triton", "-o", repo}, exitUsage, "bundle"},
		{[]string{"triton", dir}, exitUsage, "-o"},
		{[]string{"triton", dir, "-o", repo, "--max-batch", "0"}, exitUsage, "--max-batch"},
		{[]string{"triton", dir, "-o", repo, "--kind", "tpu"}, exitUsage, "tpu"},
		{[]string{"triton", dir, dir, "-o", repo}, exitUsage, "twice|both"},
		{[]string{"triton", dir, "-o", foreign}, exitUsage, "not replaced"},
		{[]string{"triton", dir, "-o", grown}, exitUsage, "holds 2"},
		{[]string{"triton", dir, empty, "-o", repo}, exitUnusable, "no bundle"},
		{[]string{"triton", source, filepath.Join(folder, "none.onnx"), "-o", repo}, exitUnusable, "none.onnx"},
		{[]string{"triton", source, unknown, "-o", repo}, exitUnusable, "output y"},
	} {
		_, stderr, code := tryBnc(t, append([]string{"export"}, c.args...)...)
		said := slices.ContainsFunc(strings.Split(c.says, "|"), func(s string) bool { return strings.Contains(stderr, s) })
		if code != c.code || !said {
			t.Errorf("%v: exit code %d, expected %d; %s", c.args[1:], code, c.code, stderr)
		}
	}
	if _, err := os.Stat(repo); err == nil {
		t.Error("a refused export left a repository")
	}
}

// TestExportTritonWithoutBatch: a batch that is built into the model, and an
// output that has no row for each image, leave no room for the server's batching.
func TestExportTritonWithoutBatch(t *testing.T) {
	plugin(t)
	text := strings.ReplaceAll(`<ir_version: 8, opset_import: ["" : 17]>
	net (float[BATCH,3,32,32] x) => (float[BATCH,3,1,1] y, float[] mean) {
		a = Relu (x)
		y = GlobalAveragePool (a)
		mean = ReduceMean <keepdims = 0> (y)
	}`, "BATCH", "n")
	scalar := fromText(t, text, nil)
	fixed := filepath.Join(t.TempDir(), "fixed.onnx")
	_, source := exportPair(t, "pair", "--c", "4")
	for _, c := range []struct {
		path  string
		input []int64
	}{{scalar, []int64{-1, 3, 32, 32}}, {fixed, []int64{2, 3, 32, 32}}} {
		if c.path == fixed {
			mustBnc(t, "split", source, "--after", "rb3", "--plain", "--input", "input=2x3x32x32", "-o", strings.TrimSuffix(fixed, ".onnx"))
			c.path, c.input = strings.TrimSuffix(fixed, ".onnx"), []int64{2, 16, 32, 32}
		}
		repo := filepath.Join(t.TempDir(), "repo")
		out, stderr, code := tryBnc(t, "export", "triton", c.path, "-o", repo, "--json")
		if code != exitDone || !strings.Contains(stderr, "no batching") {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		var report struct {
			Repository string
			Models     []triton.Summary
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatal(err)
		}
		row := report.Models[0]
		if row.MaxBatch != 0 || !slices.Equal(row.Inputs[0].Shape, c.input) || row.Plugin != "" {
			t.Errorf("%+v", row)
		}
		m := askTriton(t, tritonJob{row.Path, nil})[0]
		if m.MaxBatch != 0 || len(m.Warmups) != 1 {
			t.Errorf("%s: batch %d, warm-ups %v", m.Name, m.MaxBatch, m.Warmups)
		}
	}
}
