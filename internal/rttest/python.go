package rttest

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// OraclePython returns the oracle's Python, which has onnx, onnxruntime, numpy and
// pillow.
func OraclePython(t testing.TB) string {
	t.Helper()
	return Cached(t, "BNC_ORACLE_PYTHON", "oracle/bin/python", "make deps-oracle")
}

// TorchPython returns a Python that has PyTorch.
func TorchPython(t testing.TB) string {
	t.Helper()
	python := os.Getenv("BNC_TORCH_PYTHON")
	if python == "" {
		python = "/usr/bin/python3"
	}
	if out, err := exec.Command(python, "-c", "import torch").CombinedOutput(); err != nil {
		t.Skipf("no PyTorch: make deps-oracle, or let BNC_TORCH_PYTHON name a Python that has it (%v)\n%s", err, out)
	}
	return python
}

// Python runs a script with the oracle's Python and returns what it prints.
func Python(t testing.TB, script string, args ...string) []byte {
	t.Helper()
	return output(t, exec.Command(OraclePython(t), append([]string{"-c", script}, args...)...))
}

// PythonOn is Python of a script whose one argument is a file with job as JSON.
func PythonOn(t testing.TB, script string, job any) []byte {
	t.Helper()
	text, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "job.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return Python(t, script, file)
}

// Ask runs the file of a script, gives it job as JSON and reads answer from what it
// prints behind its last line.
func Ask(t testing.TB, python, script string, job, answer any, args ...string) {
	t.Helper()
	in, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	// -B: no compiled modules in the repository.
	c := exec.Command(python, append([]string{"-B", script}, args...)...)
	c.Stdin = bytes.NewReader(in)
	out := output(t, c)
	// What libraries write to stdout themselves ends with a line.
	if err := json.Unmarshal(out[bytes.LastIndexByte(bytes.TrimSpace(out), '\n')+1:], answer); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

func output(t testing.TB, c *exec.Cmd) []byte {
	t.Helper()
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", c, err, stderr.Bytes())
	}
	return out
}

// AskOracle asks a script of the repository's testdata, which is told of bnc's op
// library.
func AskOracle(t testing.TB, script string, job, answer any) {
	t.Helper()
	python := OraclePython(t)
	Ask(t, python, Source("testdata", script), job, answer, Plugin(t))
}

// Oracle is AskOracle for scripts that check: it demands that the script did at
// least the wanted number of checks and found nothing.
func Oracle(t testing.TB, script string, job any, wanted int) {
	t.Helper()
	var found struct {
		Checks   int
		Problems []string
	}
	AskOracle(t, script, job, &found)
	for _, p := range found.Problems {
		t.Error(p)
	}
	if found.Checks < wanted {
		t.Errorf("%s did %d checks, expected at least %d", script, found.Checks, wanted)
	}
}

// AskTorch asks a script of the repository's testdata with PyTorch.
func AskTorch(t testing.TB, script string, job, answer any, args ...string) {
	t.Helper()
	Ask(t, TorchPython(t), Source("testdata", script), job, answer, args...)
}
