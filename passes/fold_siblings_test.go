package passes_test

import (
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/passes"
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
		r.check(t, passes.FoldConstants)
	}
}

func sparse(v float32) *ir.Sparse {
	dims := []int64{4}
	return &ir.Sparse{Proto: &onnxpb.SparseTensorProto{Dims: dims}, Values: ir.Float32s([]float32{v}, 1), Indices: ir.Int64s(2)}
}

// TestSparseConstantsStayApart: nodes with different sparse values are two.
func TestSparseConstantsStayApart(t *testing.T) {
	m := parse(t, header+`g (float[4] x) => (float[4] y) { p = Add (x, x) y = Add (p, x) }`)
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
	if changed := apply(t, m, passes.CommonSubexpressions); changed != 0 {
		t.Errorf("%d nodes merged, expected none", changed)
	}
}

// TestSparseInitializersKept: a sparse initializer is written under its new name,
// and goes with a network that is grafted.
func TestSparseInitializersKept(t *testing.T) {
	model := func() *ir.Model {
		m := parse(t, header+`g (float[4] x) => (float[4] y) { y = Add (x, x) }`)
		v := m.Graph.Temp("w", nil)
		m.Graph.SetSparseInit(v, sparse(3))
		m.Graph.Nodes()[0].SetInput(1, v)
		return m
	}
	m := model()
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
	m = model()
	at, err := passes.Graft(m, model(), "teacher.", func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if v := at["y"].Producer().Input(1); v == nil || v.SparseInit() == nil {
		t.Error("the grafted node lost its sparse constant")
	}
}

// TestHalfPrecisionKeepsSmallAndLarge: what float16 cannot hold is computed in
// float32 until the numbers are near 1 again.
func TestHalfPrecisionKeepsSmallAndLarge(t *testing.T) {
	m := parse(t, header+`g (float[1,2,4,4] x) => (float[1,2,4,4] y, float[1,2,4,4] z) <float eps = {1e-8}, float mask = {-1e9}> {
		r = Relu (x)
		q = Mul (r, r)
		m = ReduceMean <axes = [1], keepdims = 1> (q)
		e = Add (m, eps)
		s = Sqrt (e)
		d = Div (r, s)
		y = Relu (d)
		a = Add (r, mask)
		p = Softmax (a)
		z = Relu (p)
	}`)
	apply(t, m, passes.HalfPrecision)
	want := map[string]ir.DType{"q": ir.Float32, "m": ir.Float32, "e": ir.Float32, "s": ir.Float32, "d": ir.Float32, "a": ir.Float32, "p": ir.Float32}
	for name := range want {
		for _, v := range m.Graph.Value(name).Producer().Inputs() {
			if p := v.Producer(); v.DType() == ir.Float16 || p != nil && p.Op == "Cast" && ir.DType(p.Int("to", 0)) == ir.Float16 {
				t.Errorf("%s reads %q in float16", name, v.Name())
			}
		}
	}
}
