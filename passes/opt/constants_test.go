package opt_test

import (
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/passes/internal/passtest"
	"github.com/bottlenet/bnc/passes/opt"
)

// TestFoldConstantsOfHugeShapes: what no file could hold stays a node, and what
// is empty folds whatever its other sizes are.
func TestFoldConstantsOfHugeShapes(t *testing.T) {
	for _, r := range []rewrite{
		{"too large", `g (float[N] x) => (float[N] y) <int64[1] s = {4611686018427387904}> { a = ConstantOfShape (s) b = Size (a) y = Mul (x, a) }`,
			`g (float[N] x) => (float[N] y) <int64[1] s = {4611686018427387904}, int64 b = {4611686018427387904}> { a = ConstantOfShape (s) y = Mul (x, a) }`, 1},
		{"empty", `g (float[N] x) => (float[N] y) <int64[2] s = {4611686018427387904, 0}> { a = ConstantOfShape (s) y = Mul (x, a) }`,
			`g (float[N] x) => (float[N] y) <int64[2] s = {4611686018427387904, 0}, float[4611686018427387904, 0] a = {}> { y = Mul (x, a) }`, 1},
	} {
		r.check(t, opt.FoldConstants)
	}
}

func sparse(v float32) *ir.Sparse {
	dims := []int64{4}
	return &ir.Sparse{Proto: &onnxpb.SparseTensorProto{Dims: dims}, Values: ir.Float32s([]float32{v}, 1), Indices: ir.Int64s(2)}
}

// TestSparseConstantsStayApart: nodes with different sparse values are two.
func TestSparseConstantsStayApart(t *testing.T) {
	m := passtest.Parse(t, passtest.Header+`g (float[4] x) => (float[4] y) { p = Add (x, x) y = Add (p, x) }`)
	for i, n := range m.Graph.Nodes() {
		v := m.Graph.Temp("c", nil)
		a := &ir.Attr{Proto: &onnxpb.AttributeProto{Type: onnxpb.AttributeProto_SPARSE_TENSOR.Enum()}, Sparse: []*ir.Sparse{sparse(float32(i))}}
		name := "sparse_value"
		a.Proto.Name = &name
		m.Graph.NewNode("", "Constant", nil, []*ir.Value{v}, a)
		n.SetInput(1, v)
	}
	if err := m.Graph.Sort(); err != nil {
		t.Fatal(err)
	}
	if changed := passtest.Apply(t, m, opt.CommonSubexpressions); changed != 0 {
		t.Errorf("%d nodes merged, expected none", changed)
	}
}

// TestSparseInitializersKept: a sparse initializer is written under its new name.
func TestSparseInitializersKept(t *testing.T) {
	m := passtest.Parse(t, passtest.Header+`g (float[4] x) => (float[4] y) { y = Add (x, x) }`)
	v := m.Graph.Temp("w", nil)
	m.Graph.SetSparseInit(v, sparse(3))
	m.Graph.Nodes()[0].SetInput(1, v)
	m.Graph.Rename(m.Graph.Value("w"), "other")
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	read, err := onnx.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if v := read.Graph.Value("other"); v == nil || v.SparseInit() == nil {
		t.Error("the renamed sparse initializer is not in the file")
	}
}
