package model_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/model"
)

// show joins the ports' descriptions.
func show(ports []model.Port) string {
	var words []string
	for _, p := range ports {
		words = append(words, p.String())
	}
	return strings.Join(words, "; ")
}

func TestReadFile(t *testing.T) {
	tests := []struct{ file, inputs, outputs string }{
		{"add.onnx", "x float32[n 2]; y float32[n 2]", "sum float32[n 2]"},
		{"scalar.onnx", "x float32[n]", "sum float32[]"},
		{"scalar_undeclared.onnx", "x float32[n]", "sum float32 of any shape"},
		{"ir3.onnx", "x float32[2]", "y float32[2]"},
		{"noinput.onnx", "", "one float32[2]"},
		{"zipmap.onnx", "scores float32[n 3]", "label string[n]; maps sequence"},
		{"graph-static/cloud.onnx", "payload uint8 of any shape", "logits float32[batch 5]"},
	}
	for _, test := range tests {
		m, err := model.ReadFile(rttest.Data(test.file))
		if err != nil {
			t.Errorf("%s: %v", test.file, err)
			continue
		}
		if got := show(m.Inputs); got != test.inputs {
			t.Errorf("%s: inputs %q, want %q", test.file, got, test.inputs)
		}
		if got := show(m.Outputs); got != test.outputs {
			t.Errorf("%s: outputs %q, want %q", test.file, got, test.outputs)
		}
	}
}

// TestNamelessSymbols: "?" stands for any size, another one wherever it is written.
func TestNamelessSymbols(t *testing.T) {
	b, err := os.ReadFile(rttest.Data("add.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	symbol := func(name byte) []byte { return []byte{2<<3 | 2, 1, name} } // dim_param of one letter
	path := filepath.Join(t.TempDir(), "nameless.onnx")
	if err := os.WriteFile(path, bytes.ReplaceAll(b, symbol('n'), symbol('?')), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := model.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Inputs[0].Shape; !slices.Equal(got, []model.Dim{{Size: -1}, {Size: 2}}) || m.Inputs[0].String() != "x float32[? 2]" {
		t.Errorf("%v is %#v", m.Inputs[0], got)
	}
}

func TestReadHead(t *testing.T) {
	m, err := model.ReadFile(rttest.Data("add.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if m.IRVersion != 8 || m.Producer != "bnc test" || m.Graph != "add" {
		t.Errorf("%+v", m)
	}
	if want := map[string]string{"greeting": "hello", "empty": ""}; !maps.Equal(m.Metadata, want) {
		t.Errorf("metadata %v, want %v", m.Metadata, want)
	}
	m, err = model.ReadFile(rttest.Data("graph-static/mobile.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]int64{"": 13, "bnc": 1}; !maps.Equal(m.Opsets, want) {
		t.Errorf("opsets %v, want %v", m.Opsets, want)
	}
	if got := m.Inputs[0].Sizes(); !slices.Equal(got, []int64{-1, 3, 32, 32}) {
		t.Errorf("sizes %v", got)
	}
}

// TestSkipsWeights reads a file whose single weight claims three gigabytes (a
// hole in a sparse file), with the metadata behind it.
func TestSkipsWeights(t *testing.T) {
	const weight = 3 << 30
	small, err := os.ReadFile(rttest.Data("add.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	// graph { initializer { raw_data: 3 GB } }, which merges with the graph in small.
	head := protowire.AppendTag(nil, 9, protowire.BytesType)
	head = protowire.AppendVarint(head, weight)
	head = append(lengthAhead(5, len(head)+weight), head...)
	head = append(lengthAhead(7, len(head)+weight), head...)
	path := filepath.Join(t.TempDir(), "big.onnx")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(head); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(small, int64(len(head))+weight); err != nil {
		t.Skipf("no sparse file of 3 GB here: %v", err)
	}
	allocated := testing.AllocsPerRun(1, func() {
		m, err := model.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if m.Metadata["greeting"] != "hello" || len(m.Inputs) != 2 {
			t.Errorf("%+v", m)
		}
	})
	// The small model by itself takes some 100 allocations; reading the hole
	// in windows of 4 KiB would take 800,000 reads.
	if allocated > 1000 {
		t.Errorf("%.0f allocations", allocated)
	}
}

// lengthAhead is the tag and length of a message of n bytes.
func lengthAhead(num protowire.Number, n int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.BytesType), uint64(n))
}

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := model.ReadFile(filepath.Join(dir, "absent.onnx")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := model.ReadFile(dir); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("a folder: %v", err)
	}
	for name, data := range map[string][]byte{
		"empty":    nil,
		"text":     []byte("this is not a model at all, but some text"),
		"no graph": protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 8),
		"huge":     append(lengthAhead(7, 1<<40), 1, 2, 3),
	} {
		if m, err := model.ReadBytes(data); err == nil {
			t.Errorf("%s: read as %+v", name, m)
		}
	}
}

// TestEveryPrefix cuts a model at each byte: what is read must be an error,
// or (cut between two fields) a model.
func TestEveryPrefix(t *testing.T) {
	data, err := os.ReadFile(rttest.Data("identity.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	for n := range data {
		if _, err := model.ReadBytes(data[:n]); err == nil {
			whole++
		}
	}
	// The fields after the graph are the opset imports: one cut is before them.
	if whole != 1 {
		t.Errorf("%d prefixes of the model were taken for a model, want 1", whole)
	}
}

func FuzzReadBytes(f *testing.F) {
	for _, name := range []string{"add.onnx", "zipmap.onnx", "ir3.onnx"} {
		data, err := os.ReadFile(rttest.Data(name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := model.ReadBytes(data)
		if err == nil && (m.Opsets == nil || m.Metadata == nil) {
			t.Error("a model without its maps")
		}
	})
}
