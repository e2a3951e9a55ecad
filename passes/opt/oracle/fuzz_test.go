//go:build cgo

package oracle

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// FuzzFolding compares what the compiler computes without running the model with
// what ONNX Runtime computes: the types and contents that inference finds, and
// the outputs of the model once constants are folded and common subexpressions
// merged. The input chooses a graph of operators over integers and small tensors
// ([foldGraph]), or with its first byte one of foldFindings.
func FuzzFolding(f *testing.F) {
	for i := range foldFindings {
		f.Add([]byte{byte(i)})
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 0 && int(b[0]) < len(foldFindings) {
			m, err := onnxtext.Parse(foldFindings[b[0]])
			if err != nil {
				t.Fatal(err)
			}
			if err := checkFolding(t, m); err != nil {
				t.Errorf("a finding that is not compared: %v", err)
			}
			return
		}
		checkFolding(t, foldGraph(b)) // what is refused before or as it was is no wrong graph
	})
}

// foldSizes are the sizes that the models' symbols have when they run.
var foldSizes = map[string]int64{"N": 3, "H": 6}

// checkFolding runs a model as it is and after folding. It returns why there is
// nothing to compare: inference or ONNX Runtime refuses the model as it is.
func checkFolding(t *testing.T, m *ir.Model) error {
	var printed strings.Builder
	if err := onnxtext.Print(&printed, m); err != nil {
		t.Fatal(err)
	}
	text := printed.String()
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return err
	}
	// An output of the model stays an output of a node: what can be folded has to
	// lie before it.
	var values []*ir.Value
	for _, n := range m.Graph.Nodes() {
		values = append(values, n.Outputs()...)
	}
	flat := m.Graph.Const("flat", ir.Int64s(-1))
	for _, v := range values {
		d := info.Of(v).DType
		if d == ir.Undefined {
			return fmt.Errorf("the element type of %q is not known", v.Name())
		}
		// The binding wants scalars declared, and shapes of float16: elements and
		// shape go out as vectors.
		if d == ir.Float16 {
			d = ir.Float32
		}
		elements := v
		if d != info.Of(v).DType {
			elements = m.Graph.Op1("wide."+v.Name(), "Cast", []*ir.Value{v}, nil, ir.IntAttr("to", int64(d)))
		}
		vector := func(d ir.DType) *onnxpb.TypeProto { return ir.TensorType(d, []ir.Dim{ir.UnknownDim}) }
		m.Graph.AddOutput(m.Graph.Op1("out."+v.Name(), "Reshape", []*ir.Value{elements, flat}, vector(d)), nil)
		m.Graph.AddOutput(m.Graph.Op1("shape."+v.Name(), "Shape", []*ir.Value{v}, vector(ir.Int64)), nil)
	}
	want, err := runFolded(m)
	if err != nil {
		return err
	}
	for i, v := range values {
		checkInferred(t, text, v.Name(), info.Of(v), want[2*i], integers(want[2*i+1]))
	}
	folded := m.Clone()
	if _, err := passes.Run(folded, []passes.Pass{opt.FoldConstants, opt.CommonSubexpressions, opt.FoldConstants, opt.Identities(), opt.DeadCode}, nil); err != nil {
		t.Fatalf("folding fails: %v\n%s", err, text)
	}
	got, err := runFolded(folded)
	if err != nil {
		t.Fatalf("what is folded does not run: %v\n%s", err, text)
	}
	for i, out := range want {
		if v := values[i/2]; !slices.Equal(got[i].Shape, out.Shape) || got[i].DType != out.DType || !bytes.Equal(got[i].Data, out.Data) {
			t.Errorf("%q: folded %v %v, ONNX Runtime computes %v %v\n%s", v.Name(), got[i], got[i].Data, out, out.Data, text)
		}
	}
	return nil
}

// runFolded runs m without ONNX Runtime's own optimisations. Inputs count up from
// -1.
func runFolded(m *ir.Model) ([]*tensor.Tensor, error) {
	b, err := onnx.Marshal(m)
	if err != nil {
		return nil, err
	}
	s, err := ort.OpenBytes("folded", b, ort.Options{Threads: 1, Optimize: ort.OptimizeNone})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	feed := ort.Feed{}
	for _, v := range m.Graph.Feeds() {
		dims, _ := v.Shape()
		var sizes []int64
		n := int64(1)
		for _, d := range dims {
			if d.Symbol != "" {
				d.N = foldSizes[d.Symbol]
			}
			sizes = append(sizes, d.N)
			n *= d.N
		}
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(i - 1)
		}
		feed[v.Name()] = tensor.Of(sizes, x)
	}
	results, err := s.Run(context.Background(), feed)
	if err != nil {
		return nil, err
	}
	var out []*tensor.Tensor
	for _, r := range results {
		out = append(out, r.Tensor)
	}
	return out, nil
}

// checkInferred compares an inferred type, and the contents that it knows, with
// the elements and the shape that a run gave. Symbolic quotients are inferred as
// those of sizes, and may differ where the dividend is negative.
func checkInferred(t *testing.T, text, name string, inferred shape.Type, elements *tensor.Tensor, dims []int64) {
	value := func(a *shape.Atom) (int64, bool) {
		n, ok := foldSizes[a.Name]
		return n, ok
	}
	if got := inferred.DType; got != ir.Float16 && got.String() != elements.DType.String() {
		t.Errorf("%q: inferred %v, is %v\n%s", name, inferred, elements, text)
	}
	if inferred.Ranked && len(inferred.Dims) != len(dims) {
		t.Errorf("%q: inferred %v, is %v\n%s", name, inferred, dims, text)
		return
	}
	for i, d := range inferred.Dims {
		if n, known := d.Eval(value); known && n != dims[i] {
			t.Errorf("%q: inferred %v, is %v\n%s", name, inferred, dims, text)
		}
	}
	if inferred.Content == nil {
		return
	}
	ints := integers(elements)
	for i, d := range inferred.Content {
		if n, known := d.Eval(value); known && n != ints[i] && !hasQuotient(d) {
			t.Errorf("%q: inferred contents %v, are %v\n%s", name, inferred.Content, ints, text)
			return
		}
	}
}

// hasQuotient reports whether d divides a symbol.
func hasQuotient(d shape.Dim) bool {
	return slices.ContainsFunc(d.Terms(), func(term shape.Term) bool {
		return slices.ContainsFunc(term.Atoms, func(a *shape.Atom) bool {
			return a.Op == shape.FloorDiv || slices.ContainsFunc(a.Args, hasQuotient)
		})
	})
}

// integers returns the elements of an integer or bool tensor.
func integers(x *tensor.Tensor) []int64 {
	t, err := ir.NewTensor(foldTypes[x.DType.String()], x.Shape, ir.Memory(x.Data)).Ints()
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return t
}

var foldTypes = map[string]ir.DType{"int64": ir.Int64, "int32": ir.Int32, "int8": ir.Int8, "uint8": ir.Uint8, "bool": ir.Bool}

// foldFindings are models that once were folded wrongly, or inferred so.
var foldFindings = []string{
	// Narrow integers wrap.
	`<ir_version: 8, opset_import: ["" : 17]> g (float[N] x) => () <uint8[1] a = {200}, uint8[1] b = {100}> { s = Add (a, b) t = Cast <to = 7> (s) }`,
	`<ir_version: 8, opset_import: ["" : 17]> g (float[N] x) => () <int32 a = {2147483647}> { s = Mul (a, a) t = Cast <to = 7> (s) }`,
	`<ir_version: 8, opset_import: ["" : 17]> g (float[N] x) => () <int8[1] a = {-128}> { s = Abs (a) t = Neg (s) u = Cast <to = 7> (t) }`,
	// What is behind a part of symbolic size lies at an unknown place.
	`<ir_version: 8, opset_import: ["" : 17]> g (float[N] x) => () <int64[5] a = {1, 2, 3, 4, 5}, int64[1] one = {1}, int64[1] four = {4}> {
		n = Shape (x) m = Sub (four, n) sizes = Concat <axis = 0> (n, one, m) p, q, r = Split (a, sizes) }`,
	// float64 constants are no float32, and float16 rounds.
	`<ir_version: 8, opset_import: ["" : 17]> g (float[N] x) => () <double a = {0.1}, double b = {10.0}> { s = Mul (a, b) t = Floor (s) u = Cast <to = 7> (t) }`,
	`<ir_version: 8, opset_import: ["" : 17]> g (float[N] x) => () <int64 a = {2049}> { s = Cast <to = 10> (a) t = Cast <to = 7> (s) }`,
	// ONNX Runtime computes these in float64.
	`<ir_version: 8, opset_import: ["" : 17]> g (float[N] x) => () <int64 a = {9223372036854775807}, int64 b = {-2}> { s = Mod <fmod = 1> (a, b) }`,
	`<ir_version: 8, opset_import: ["" : 17]> g (float[N] x) => () <int64[3] a = {-9223372036854775808, 2, 1}> { s = ReduceSum (a) }`,
	`<ir_version: 8, opset_import: ["" : 17]> g (float[N] x) => () <int32[3] a = {65536, 65536, 7}> { s = ReduceProd (a) t = Cast <to = 7> (s) }`,
	// What an operation on the least int64 gives no int64 for.
	`<ir_version: 8, opset_import: ["" : 17]> g (float[N] x) => () <int64 a = {-9223372036854775808}, int64 b = {-2}> { s = Mod (a, b) }`,
	`<ir_version: 8, opset_import: ["" : 17]> g (float[N] x) => () <int64 a = {1}, int64 b = {-3}, int64 c = {-9223372036854775808}> { s = Range (a, b, c) }`,
	// Backwards, ONNX Runtime reads the largest end as the beginning.
	`<ir_version: 8, opset_import: ["" : 17]> g (float[N] x) => () <int64[2] a = {1, 2}, int64[1] from = {-1}, int64[1] to = {9223372036854775807}, int64[1] ax = {0}, int64[1] by = {-2}> {
		s = Slice (a, from, to, ax, by) }`,
	// Nothing is left of an axis without elements, or an axis of 1.
	`<ir_version: 8, opset_import: ["" : 17]> g (float[N] x) => () <int32[0] a = {}, int64[1] ax = {-1}> { s = ReduceSum <keepdims = 0> (a, ax) }`,
}
