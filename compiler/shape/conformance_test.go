package shape_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
)

// conformanceCase is one of ONNX's own test cases; see testdata/onnxgo.
type conformanceCase struct {
	Title           string
	Model           []byte
	Inputs, Outputs []conformanceTensor
}

// conformanceTensor has little-endian contents. Onnx-go has scalars and tensors
// of one element alike, and single integers as float32.
type conformanceTensor struct {
	DType string
	Dims  []int64
	Raw   []byte
}

func conformanceCases(t *testing.T) []conformanceCase {
	cmd := exec.Command("go", "run", ".")
	cmd.Dir = "testdata/onnxgo"
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false")
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("testdata/onnxgo: %v\n%s", err, log.Bytes())
	}
	var cases []conformanceCase
	if err := json.Unmarshal(out.Bytes(), &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// TestConformance infers ONNX's own test cases as onnx-go v0.5.0 embeds them and
// compares with the expected outputs. Declarations of outputs are taken out
// first: they would give the answer. What could not be compared in full is
// listed with the reason in testdata/conformance.txt; UPDATE=1 writes it anew.
func TestConformance(t *testing.T) {
	cases := conformanceCases(t)
	if len(cases) < 300 { // fewer would prove little
		t.Fatalf("expected more than 300 cases, found %d", len(cases))
	}
	passed := 0
	var rest strings.Builder
	for _, c := range cases {
		reason, err := c.check()
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.Title, err)
		case reason != "":
			fmt.Fprintf(&rest, "%s: %s\n", c.Title, reason)
		default:
			passed++
		}
	}
	t.Logf("%d of %d cases have exactly the expected types", passed, len(cases))
	const golden = "testdata/conformance.txt"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(rest.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != rest.String() {
		t.Errorf("what cannot be compared in full differs from %s, expected\n%s\nfound\n%s", golden, want, rest.String())
	}
}

// check compares one case. A reason tells what kept a part of it from being
// compared.
func (c conformanceCase) check() (reason string, err error) {
	m, err := onnx.Parse(c.Model)
	if err != nil {
		return "", err
	}
	feeds, outputs := m.Graph.Feeds(), m.Graph.Outputs()
	if len(feeds) != len(c.Inputs) || len(outputs) != len(c.Outputs) {
		return "inputs or outputs are missing in the case", nil
	}
	for i, v := range feeds {
		if data := c.Inputs[i].constant(v); data != nil {
			m.Graph.SetInit(v, data)
		}
	}
	for _, p := range outputs {
		m.Graph.SetType(p.Value, nil)
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return "", err
	}
	for i, p := range outputs {
		want, got := c.Outputs[i], info.Of(p.Value)
		if got.Kind == shape.Unknown {
			return "the table has no such operator", nil
		}
		dims, known := got.Shape()
		single := known && len(want.Raw) <= 8 && !slices.ContainsFunc(dims, func(n int64) bool { return n != 1 })
		sameType := got.DType.String() == want.DType || single && got.DType == ir.Int64 && want.DType == "float32"
		if !sameType || known && !single && !slices.Equal(dims, want.Dims) {
			return "", fmt.Errorf("output %q: inferred %v, is %s%v", p.Value.Name(), got, want.DType, want.Dims)
		}
		if !known {
			reason = fmt.Sprintf("output %q: inferred %v, is %v", p.Value.Name(), got, want.Dims)
		}
	}
	return reason, nil
}

// constant returns the contents of a small input of v's declared shape, which
// may be a shape, an axis or scales; nil for others. Single integers are float32
// in onnx-go.
func (t conformanceTensor) constant(v *ir.Value) *ir.Tensor {
	const small = 16 // elements: more than any shape or list of scales has
	d := v.DType()
	declared, _ := v.Shape()
	dims := make([]int64, len(declared))
	for i, size := range declared {
		dims[i] = size.N
	}
	switch {
	case d == ir.Int64 && t.DType == "float32" && len(t.Raw) == 4:
		single := math.Float32frombits(binary.LittleEndian.Uint32(t.Raw))
		return ir.NewTensor(d, dims, ir.Int64s(int64(single)).Raw)
	case d.String() == t.DType && int64(len(t.Raw)) <= d.Bytes(small):
		return ir.NewTensor(d, dims, ir.Memory(t.Raw))
	}
	return nil
}
