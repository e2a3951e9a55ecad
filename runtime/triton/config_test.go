package triton

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// parse reads a configuration with Triton's own messages and prints it as JSON.
const parse = `
import sys
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2
config = text_format.Parse(sys.stdin.buffer.read().decode(), model_config_pb2.ModelConfig())
print(json_format.MessageToJson(config, preserving_proto_field_name=True))
`

// read parses text with Triton's model_config.proto.
func read(t *testing.T, text []byte) map[string]any {
	t.Helper()
	python := os.Getenv("BNC_PYTRITON_PYTHON")
	if python == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Skip(err)
		}
		python = filepath.Join(cache, "bnc", "pytriton", "bin", "python")
	}
	if _, err := os.Stat(python); err != nil {
		t.Skipf("no Python with tritonclient: run make deps-oracle or set BNC_PYTRITON_PYTHON: %v", err)
	}
	c := exec.Command(python, "-B", "-c", parse)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		in.Write(text)
		in.Close()
	}()
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var config map[string]any
	if err := json.Unmarshal(out, &config); err != nil {
		t.Fatal(err)
	}
	return config
}

// TestText: Triton reads what Config says, whatever characters are in it.
func TestText(t *testing.T) {
	const odd = "a \"b\" \\ c\n\t\x01\x7f é 模型 # { }"
	config := Config{
		Name: odd, MaxBatch: 16, MaxDelay: 1500 * time.Microsecond, Instances: 2, Kind: GPU, Plugin: "/a b/" + odd,
		Inputs:  []Port{{Name: odd, DType: tensor.Uint8, Dims: []int64{-1}, Ragged: true}},
		Lengths: []Lengths{{Name: "n", Of: odd}, {Name: "e", Of: odd, Accumulated: true}},
		Outputs: []Port{{Name: "y", DType: tensor.Float16, Dims: []int64{3, -1}}},
		Warmup: []Sample{{Name: odd, Batch: 4, Inputs: []SampleInput{
			{Name: odd, DType: tensor.Uint8, Dims: []int64{5}, File: odd},
			{Name: "z", DType: tensor.Int64, Dims: []int64{1, 2}},
		}}},
		Parameters: map[string]string{odd: odd, "b": "", "a": "1"},
	}
	got := read(t, config.Text())
	want := map[string]any{
		"name": odd, "backend": "onnxruntime", "default_model_filename": "model.onnx", "max_batch_size": 16,
		"version_policy": map[string]any{"latest": map[string]any{"num_versions": 1}},
		"input":          []any{map[string]any{"name": odd, "data_type": "TYPE_UINT8", "dims": []any{"-1"}, "allow_ragged_batch": true}},
		"batch_input": []any{
			map[string]any{"target_name": []any{"n"}, "data_type": "TYPE_INT32", "source_input": []any{odd}},
			map[string]any{"kind": "BATCH_ACCUMULATED_ELEMENT_COUNT", "target_name": []any{"e"}, "data_type": "TYPE_INT32", "source_input": []any{odd}},
		},
		"output": []any{map[string]any{"name": "y", "data_type": "TYPE_FP16", "dims": []any{"3", "-1"}}},
		"dynamic_batching": map[string]any{
			"max_queue_delay_microseconds": "1500",
			"default_queue_policy":         map[string]any{"allow_timeout_override": true}, // REJECT is the default
		},
		"instance_group":   []any{map[string]any{"count": 2, "kind": "KIND_GPU"}},
		"model_operations": map[string]any{"op_library_filename": []any{"/a b/" + odd}},
		"model_warmup": []any{map[string]any{"name": odd, "batch_size": 4, "inputs": map[string]any{
			odd: map[string]any{"data_type": "TYPE_UINT8", "dims": []any{"5"}, "input_data_file": odd},
			"z": map[string]any{"data_type": "TYPE_INT64", "dims": []any{"1", "2"}, "zero_data": true},
		}}},
		"parameters": map[string]any{odd: map[string]any{"string_value": odd}, "a": map[string]any{"string_value": "1"}, "b": map[string]any{}},
	}
	a, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(want, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Errorf("Triton reads\n%s\nexpected\n%s", a, b)
	}
}

// TestTypes: every element type that Supports admits is one of Triton's.
func TestTypes(t *testing.T) {
	for d := tensor.Undefined; d < 30; d++ {
		if !Supports(d) {
			continue
		}
		config := read(t, Config{Inputs: []Port{{Name: "x", DType: d, Dims: []int64{1}}}, Kind: CPU}.Text())
		input := config["input"].([]any)[0].(map[string]any)
		if name, ok := input["data_type"].(string); !ok || name != string(dataTypes[d]) {
			t.Errorf("%v: %v", d, input)
		}
	}
}
