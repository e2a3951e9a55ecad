package ir_test

import (
	"math"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
)

// TestStoredNumbers reads elements from the fields in which onnx.proto has them for each
// type where they are not packed.
func TestStoredNumbers(t *testing.T) {
	for d, c := range map[ir.DType]struct {
		stored *onnxpb.TensorProto
		ints   []int64
		floats []float64
	}{
		ir.Int8:     {&onnxpb.TensorProto{Int32Data: []int32{-1, 127}}, []int64{-1, 127}, nil},
		ir.Uint8:    {&onnxpb.TensorProto{Int32Data: []int32{200, 0}}, []int64{200, 0}, nil},
		ir.Bool:     {&onnxpb.TensorProto{Int32Data: []int32{1, 0}}, []int64{1, 0}, nil},
		ir.Int16:    {&onnxpb.TensorProto{Int32Data: []int32{-2, 30000}}, []int64{-2, 30000}, nil},
		ir.Uint16:   {&onnxpb.TensorProto{Int32Data: []int32{65535, 1}}, []int64{65535, 1}, nil},
		ir.Int32:    {&onnxpb.TensorProto{Int32Data: []int32{math.MinInt32, 1}}, []int64{math.MinInt32, 1}, nil},
		ir.Uint32:   {&onnxpb.TensorProto{Uint64Data: []uint64{math.MaxUint32, 1}}, []int64{math.MaxUint32, 1}, nil},
		ir.Int64:    {&onnxpb.TensorProto{Int64Data: []int64{math.MinInt64, 1}}, []int64{math.MinInt64, 1}, nil},
		ir.Uint64:   {&onnxpb.TensorProto{Uint64Data: []uint64{math.MaxInt64, 1}}, []int64{math.MaxInt64, 1}, nil},
		ir.Float32:  {&onnxpb.TensorProto{FloatData: []float32{-0.5, 3}}, nil, []float64{-0.5, 3}},
		ir.Float64:  {&onnxpb.TensorProto{DoubleData: []float64{-0.5, 3}}, nil, []float64{-0.5, 3}},
		ir.Float16:  {&onnxpb.TensorProto{Int32Data: []int32{0xb800, 0x4200}}, nil, []float64{-0.5, 3}}, // IEEE 754 binary16
		ir.BFloat16: {&onnxpb.TensorProto{Int32Data: []int32{0xbf00, 0x4040}}, nil, []float64{-0.5, 3}}, // the upper half of a float32
	} {
		c.stored.DataType, c.stored.Dims = proto.Int32(int32(d)), []int64{2}
		stored := &ir.Tensor{Proto: c.stored}
		bytes, err := stored.Bytes()
		if err != nil || int64(len(bytes)) != stored.Size() {
			t.Fatalf("%v: %d bytes, %v; expected %d", d, len(bytes), err, stored.Size())
		}
		for form, tensor := range map[string]*ir.Tensor{"stored": stored, "packed": ir.NewTensor(d, []int64{2}, ir.Memory(bytes))} {
			ints, err := tensor.Ints()
			if (err == nil) != (c.ints != nil) || !slices.Equal(ints, c.ints) {
				t.Errorf("%v, %s: integers %v, %v; expected %v", d, form, ints, err, c.ints)
			}
			floats, err := tensor.Float64s()
			if (err == nil) != (c.floats != nil) || !slices.Equal(floats, c.floats) {
				t.Errorf("%v, %s: floats %v, %v; expected %v", d, form, floats, err, c.floats)
			}
		}
		c.stored.Dims = []int64{3}
		if _, err := stored.Bytes(); err == nil {
			t.Errorf("%v: two elements are taken for three", d)
		}
	}
}

// TestElements: a product that overflows, or would as bytes, is no number of elements.
func TestElements(t *testing.T) {
	for _, c := range []struct {
		dims []int64
		want int64
	}{
		{nil, 1}, {[]int64{2, 3}, 6}, {[]int64{2, 0, math.MaxInt64}, 0}, {[]int64{-1}, -1}, {[]int64{1 << 40, 1 << 40}, -1}, {[]int64{math.MaxInt64}, -1},
	} {
		if got := ir.Elements(c.dims); got != c.want {
			t.Errorf("%v: %d elements, expected %d", c.dims, got, c.want)
		}
	}
}

// TestConstants: which values are constants depends on who may give others.
func TestConstants(t *testing.T) {
	for _, c := range []struct {
		name     string
		version  int64
		listed   bool
		constant bool
	}{
		{"an initializer", 8, false, true},
		{"a default", 8, true, false},
		{"an initializer of IR 3, which has to be listed", 3, true, true},
	} {
		m := ir.NewModel(c.version, 8)
		m.SetIRVersion(c.version)
		v := m.Graph.Const("v", ir.Int64s(1, 2))
		if c.listed {
			m.Graph.AddInput(v, nil)
		}
		if got := v.Const() != nil; got != c.constant || v.Overridable() == c.constant || slices.Contains(m.Graph.Feeds(), v) {
			t.Errorf("%s: constant %v, may be overridden %v, expected the first %v", c.name, got, v.Overridable(), c.constant)
		}
	}
	ints := func(a *ir.Attr, dims int) bool {
		g := ir.NewGraph("g")
		got := g.Op1("c", "Constant", nil, nil, a).Const()
		if got == nil {
			return false
		}
		numbers, err := got.Ints()
		return err == nil && numbers[0] == 7 && len(got.Dims()) == dims
	}
	floats := func(a *ir.Attr, dims int) bool {
		g := ir.NewGraph("g")
		got := g.Op1("c", "Constant", nil, nil, a).Const()
		if got == nil {
			return false
		}
		numbers, err := got.Floats()
		return err == nil && numbers[0] == 7 && len(got.Dims()) == dims
	}
	list := ir.IntsAttr("value_floats")
	list.Proto.Floats = []float32{7, 8}
	if !ints(ir.TensorAttr("value", ir.Int64s(7, 8)), 1) || !ints(ir.IntAttr("value_int", 7), 0) || !ints(ir.IntsAttr("value_ints", 7, 8), 1) ||
		!floats(ir.FloatAttr("value_float", 7), 0) || !floats(list, 1) || ints(ir.StringAttr("value_string", "7"), 0) {
		t.Error("Constant nodes have other constants than their attributes say")
	}
}

// TestImportsAndMetadata: what is set is what is there, once, in the order in which it
// came.
func TestImportsAndMetadata(t *testing.T) {
	m := ir.NewModel(8, 17)
	m.Proto.OpsetImport[0].Domain = proto.String("ai.onnx") // the other spelling of ""
	m.SetOpset("far", 1)
	m.SetOpset("far", 2)
	m.SetOpset("", 18)
	if m.Opset("") != 18 || m.Opset("far") != 2 || m.Opset("near") != 0 || len(m.Proto.OpsetImport) != 2 {
		t.Errorf("imports %v", m.Proto.OpsetImport)
	}
	if n := m.DropOpset("far"); n != 1 || m.Opset("far") != 0 {
		t.Errorf("%d imports dropped, version %d is left", n, m.Opset("far"))
	}
	for _, kv := range [][2]string{{"a", "1"}, {"b", "2"}, {"a", "3"}} {
		m.SetMeta(kv[0], kv[1])
	}
	if a, ok := m.Meta("a"); a != "3" || !ok || m.Proto.MetadataProps[0].GetKey() != "a" || len(m.Proto.MetadataProps) != 2 {
		t.Errorf("metadata %v", m.Proto.MetadataProps)
	}
	m.DelMeta(func(key string) bool { return key == "a" })
	if _, ok := m.Meta("a"); ok || len(m.Proto.MetadataProps) != 1 {
		t.Errorf("metadata %v", m.Proto.MetadataProps)
	}
}

// TestPorts: a type that is set is declared wherever the value is listed; lists keep
// their order.
func TestPorts(t *testing.T) {
	g := ir.NewGraph("g")
	x, y := g.Temp("x", ir.TensorType(ir.Float32, ir.Fixed(2))), g.Temp("y", nil)
	g.AddInput(x, nil)
	g.AddInput(y, nil)
	z := g.Op1("z", "Add", []*ir.Value{x, y}, nil)
	g.AddInfo(z, &onnxpb.ValueInfoProto{DocString: proto.String("kept")})
	g.AddInfo(nil, &onnxpb.ValueInfoProto{Name: proto.String("gone")})
	g.AddOutput(z, nil)
	g.SetType(z, ir.TensorType(ir.Int64, []ir.Dim{ir.Sym("n"), ir.UnknownDim}))
	for where, ports := range map[string][]ir.Port{"outputs": g.Outputs(), "infos": g.Infos()} {
		if d := ir.DType(ports[0].Info.GetType().GetTensorType().GetElemType()); d != ir.Int64 || z.DType() != ir.Int64 {
			t.Errorf("%s declare %v", where, d)
		}
	}
	if dims, ranked := z.Shape(); !ranked || !slices.Equal(dims, []ir.Dim{ir.Sym("n"), ir.UnknownDim}) || g.Infos()[0].Info.GetDocString() != "kept" {
		t.Errorf("z is declared %v", dims)
	}
	if g.DropStaleInfos(); len(g.Infos()) != 1 {
		t.Errorf("%d infos are left", len(g.Infos()))
	}
	if g.SetInputs(y); g.Inputs()[0].Value != y || g.Inputs()[1].Value != x {
		t.Error("y is not the first input")
	}
	g.SetInit(y, ir.Float32s([]float32{1}, 1))
	if g.UnlistInput(y); y.IsInput() || y.Init() == nil || !slices.Equal(g.Feeds(), []*ir.Value{x}) {
		t.Error("y is an input still, or no initializer any more")
	}
}

// TestEmitterSpells: bounds are attributes or inputs, as the operator set has them.
func TestEmitterSpells(t *testing.T) {
	for opset, inputs := range map[int64][2]int{9: {1, 1}, 10: {1, 4}, 11: {3, 4}} {
		m := ir.NewModel(8, opset)
		x := m.Graph.Temp("x", nil)
		m.Graph.AddInput(x, nil)
		e := ir.Emitter{Graph: m.Graph, Opset: opset, Prefix: "p."}
		clip, slice := e.Clip("clip", x, 0, 1).Producer(), e.Slice("slice", x, 0, 1, 2).Producer()
		if got := [2]int{clip.NumInputs(), slice.NumInputs()}; got != inputs || clip.Name != "p.clip" {
			t.Errorf("operator set %d: %v inputs, expected %v", opset, got, inputs)
		}
		if n := len(clip.Attrs()) + clip.NumInputs(); n != 3 {
			t.Errorf("operator set %d: Clip has %d inputs and attributes, expected 3", opset, n)
		}
	}
}
