package shape_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// oraclePython returns a Python with onnx and onnxruntime, or skips.
func oraclePython(t *testing.T) string {
	t.Helper()
	path := os.Getenv("BNC_ORACLE_PYTHON")
	if path == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Skip("no cache folder: ", err)
		}
		path = filepath.Join(cache, "bnc", "oracle", "bin", "python")
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("no Python with onnx and onnxruntime at BNC_ORACLE_PYTHON or in the cache folder; `make deps-oracle` brings it")
	}
	return path
}

// python runs a script and decodes what it prints.
func python(t *testing.T, program string, args []string, stdin, result any) {
	t.Helper()
	if _, err := os.ReadFile(args[0]); err != nil { // read here so that go test runs again when it changes
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	if stdin != nil {
		b, err := json.Marshal(stdin)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdin = bytes.NewReader(b)
	}
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, log.Bytes())
	}
	if result == nil {
		return
	}
	if err := json.Unmarshal(out.Bytes(), result); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

// request asks the oracle to run a model.
type request struct {
	Model string            `json:"model"`
	Sizes map[string]int64  `json:"sizes"` // by symbol, or input.axis
	Feeds map[string]string `json:"feeds,omitempty"`
}

// realType is a value as ONNX Runtime produced it.
type realType struct {
	DType    string      `json:"dtype"`
	Dims     []int64     `json:"dims"`
	Ints     []int64     `json:"ints"` // the contents of small integer tensors
	Sequence []*realType `json:"sequence"`
}

type answer struct {
	Values map[string]*realType `json:"values"`
	Error  string               `json:"error"`
}

func runAll(t *testing.T, requests []request) []answer {
	t.Helper()
	var answers []answer
	python(t, oraclePython(t), []string{"testdata/oracle.py", "run"}, requests, &answers)
	return answers
}
