package onnx

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// everything is a model with one of each thing that the format has: every
// element type in raw and typed fields, bodies, functions, sparse tensors,
// annotations, training info, unknown operators, attributes and fields.
func everything() *onnxpb.ModelProto {
	s := proto.String
	kv := func(k, v string) []*onnxpb.StringStringEntryProto {
		return []*onnxpb.StringStringEntryProto{{Key: s(k), Value: s(v)}}
	}
	value := func(name string, d ir.DType, dims ...ir.Dim) *onnxpb.ValueInfoProto {
		return &onnxpb.ValueInfoProto{Name: s(name), Type: ir.TensorType(d, dims), DocString: s("doc of " + name), MetadataProps: kv("k", name)}
	}
	raw := func(name string, d int32, n int64) *onnxpb.TensorProto {
		return &onnxpb.TensorProto{Name: s(name), DataType: proto.Int32(d), Dims: []int64{n},
			RawData: bytes.Repeat([]byte{1}, int(ir.DType(d).Bytes(n))), DocString: s("doc"), MetadataProps: kv("t", name)}
	}
	g := &onnxpb.GraphProto{Name: s("main"), DocString: s("graph"), MetadataProps: kv("g", "1")}
	for number := range onnxpb.TensorProto_DataType_name {
		if ir.DType(number).Bits() > 0 {
			g.Initializer = append(g.Initializer, raw("raw_"+onnxpb.TensorProto_DataType_name[number], number, 9))
		}
	}
	g.Initializer = append(g.Initializer, raw("large", 1, 5000),
		&onnxpb.TensorProto{Name: s("typed_float"), DataType: proto.Int32(1), Dims: []int64{2}, FloatData: []float32{1, 2}},
		&onnxpb.TensorProto{Name: s("typed_double"), DataType: proto.Int32(11), Dims: []int64{1}, DoubleData: []float64{3}},
		&onnxpb.TensorProto{Name: s("typed_half"), DataType: proto.Int32(10), Dims: []int64{2}, Int32Data: []int32{15360, 0}},
		&onnxpb.TensorProto{Name: s("typed_int4"), DataType: proto.Int32(22), Dims: []int64{3}, Int32Data: []int32{33, 3}},
		&onnxpb.TensorProto{Name: s("typed_uint32"), DataType: proto.Int32(12), Dims: []int64{1}, Uint64Data: []uint64{7}},
		&onnxpb.TensorProto{Name: s("typed_complex"), DataType: proto.Int32(14), Dims: []int64{1}, FloatData: []float32{1, 2}},
		&onnxpb.TensorProto{Name: s("text"), DataType: proto.Int32(8), Dims: []int64{2}, StringData: [][]byte{[]byte("a\x00b"), []byte("\xff")}},
		&onnxpb.TensorProto{Name: s("empty"), DataType: proto.Int32(1), Dims: []int64{0}},
	)
	g.SparseInitializer = []*onnxpb.SparseTensorProto{{Dims: []int64{10}, Values: raw("sparse", 1, 2), Indices: raw("", 7, 2)}}
	g.Input = []*onnxpb.ValueInfoProto{value("x", ir.Float32, ir.Sym("batch"), ir.Dim{N: 3}, ir.UnknownDim), value("large", ir.Float32, ir.Dim{N: 5000})}
	g.Output = []*onnxpb.ValueInfoProto{value("y", ir.Float32), {Name: s("seq"), Type: &onnxpb.TypeProto{Denotation: s("d"),
		Value: &onnxpb.TypeProto_SequenceType{SequenceType: &onnxpb.TypeProto_Sequence{ElemType: ir.TensorType(ir.String, nil)}}}}}
	g.ValueInfo = []*onnxpb.ValueInfoProto{value("a", ir.Float32), value("stale", ir.Float32)}
	g.QuantizationAnnotation = []*onnxpb.TensorAnnotation{{TensorName: s("a"), QuantParameterTensorNames: kv("SCALE_TENSOR", "typed_float")}}
	body := &onnxpb.GraphProto{Name: s("then"), Initializer: []*onnxpb.TensorProto{raw("inner", 1, 4)}, Output: []*onnxpb.ValueInfoProto{{Name: s("p")}},
		Node: []*onnxpb.NodeProto{{OpType: s("Add"), Input: []string{"a", "inner"}, Output: []string{"p"}}}}
	strange := &onnxpb.NodeProto{OpType: s("Strange"), Domain: s("com.example"), Name: s("n"), DocString: s("node"), MetadataProps: kv("n", "1"),
		Input: []string{"a", "", "x"}, Output: []string{"seq", "", "y"}, Overload: s("o"), Attribute: []*onnxpb.AttributeProto{
			{Name: s("tensor"), Type: onnxpb.AttributeProto_TENSOR.Enum(), T: raw("named", 1, 2000)},
			{Name: s("tensors"), Type: onnxpb.AttributeProto_TENSORS.Enum(), Tensors: []*onnxpb.TensorProto{raw("", 6, 3), raw("", 7, 1)}},
			{Name: s("strings"), Type: onnxpb.AttributeProto_STRINGS.Enum(), Strings: [][]byte{{0xff, 0}, nil}},
			{Name: s("sparse"), Type: onnxpb.AttributeProto_SPARSE_TENSOR.Enum(), SparseTensor: &onnxpb.SparseTensorProto{Dims: []int64{4}, Values: raw("v", 1, 1), Indices: raw("", 7, 1)}},
			{Name: s("graph"), Type: onnxpb.AttributeProto_GRAPH.Enum(), G: body},
			{Name: s("type"), Type: onnxpb.AttributeProto_TYPE_PROTO.Enum(), Tp: ir.TensorType(ir.Float16, nil)},
			{Name: s("ref"), Type: onnxpb.AttributeProto_INT.Enum(), RefAttrName: s("outer")},
			{Name: s("untyped"), I: proto.Int64(3)},
		}}
	g.Node = []*onnxpb.NodeProto{{OpType: s("Relu"), Domain: s("ai.onnx"), Input: []string{"x"}, Output: []string{"a"}, Name: s("")}, strange}
	unknown := func(m protoreflect.ProtoMessage) {
		m.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 999, protowire.BytesType), "later"))
	}
	m := &onnxpb.ModelProto{IrVersion: proto.Int64(14), ProducerName: s("test"), ModelVersion: proto.Int64(2), DocString: s("model"), Graph: g,
		OpsetImport:   []*onnxpb.OperatorSetIdProto{{Domain: s(""), Version: proto.Int64(17)}, {Domain: s("com.example"), Version: proto.Int64(1)}, {Domain: s("f"), Version: proto.Int64(1)}},
		MetadataProps: append(kv("b", "2"), kv("a", "1")...),
		TrainingInfo:  []*onnxpb.TrainingInfoProto{{Initialization: &onnxpb.GraphProto{Initializer: []*onnxpb.TensorProto{raw("t", 1, 3000)}}}},
		Functions: []*onnxpb.FunctionProto{{Name: s("F"), Domain: s("f"), Input: []string{"v"}, Output: []string{"w"}, Attribute: []string{"alpha"},
			AttributeProto: []*onnxpb.AttributeProto{{Name: s("beta"), Type: onnxpb.AttributeProto_TENSOR.Enum(), T: raw("", 1, 2)}},
			OpsetImport:    []*onnxpb.OperatorSetIdProto{{Domain: s(""), Version: proto.Int64(17)}}, DocString: s("function"), Overload: s("o"), MetadataProps: kv("f", "1"),
			ValueInfo: []*onnxpb.ValueInfoProto{value("w", ir.Float32)},
			Node:      []*onnxpb.NodeProto{{OpType: s("Neg"), Input: []string{"v"}, Output: []string{"w"}}}}},
		Configuration: []*onnxpb.DeviceConfigurationProto{{Name: s("one"), NumDevices: proto.Int32(1)}},
	}
	for _, message := range []protoreflect.ProtoMessage{m, g, strange, body, g.Initializer[0], g.Input[0], strange.Attribute[0], m.Functions[0]} {
		unknown(message)
	}
	return m
}

// TestNothingIsLost loads and saves a model with everything in it, from file and
// from memory, cloned, and through external data.
func TestNothingIsLost(t *testing.T) {
	original, err := marshal.Marshal(everything())
	if err != nil {
		t.Fatal(err)
	}
	want := normal(t, original)
	dir := t.TempDir()
	path := filepath.Join(dir, "model.onnx")
	if err := os.WriteFile(path, original, 0o644); err != nil {
		t.Fatal(err)
	}
	fromFile, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	fromMemory, err := Parse(original)
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*ir.Model{"file": fromFile, "memory": fromMemory, "clone": fromFile.Clone()} {
		got, err := Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(normal(t, got), want) {
			t.Errorf("from %s: the bytes differ after normalisation", name)
		}
	}

	external := filepath.Join(dir, "external.onnx")
	if err := Save(t.Context(), external, fromFile, SaveOptions{External: true}); err != nil {
		t.Fatal(err)
	}
	data, err := os.Stat(external + ".data")
	if err != nil || data.Size() < 5000*4+2000*4 {
		t.Errorf("external data: %v, %v", data, err)
	}
	again, err := Load(external)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Marshal(again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(normal(t, got), want) {
		t.Error("through external data: the bytes differ after normalisation")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v (%v)", left, err)
	}
}

// TestDamagedFiles gives a clear error for each kind of damage.
func TestDamagedFiles(t *testing.T) {
	change := func(edit func(*onnxpb.ModelProto)) []byte {
		m := everything()
		edit(m)
		b, err := marshal.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	whole := change(func(*onnxpb.ModelProto) {})
	for message, b := range map[string][]byte{
		"broken field":    whole[:len(whole)-3],
		"Git LFS pointer": []byte("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
		"no graph":        change(func(m *onnxpb.ModelProto) { m.Graph = nil }),
		"IR version 2":    change(func(m *onnxpb.ModelProto) { m.IrVersion = proto.Int64(2) }),
		"expected 20000 bytes, found 19999": change(func(m *onnxpb.ModelProto) {
			for _, t := range m.Graph.Initializer {
				if t.GetName() == "large" {
					t.RawData = t.RawData[:19999]
				}
			}
		}),
		"negative or too large": change(func(m *onnxpb.ModelProto) { m.Graph.Initializer[0].Dims = []int64{1 << 40, 1 << 40} }),
		`"a" is defined twice`: change(func(m *onnxpb.ModelProto) {
			m.Graph.Node = append(m.Graph.Node, proto.Clone(m.Graph.Node[0]).(*onnxpb.NodeProto))
		}),
		`"nowhere" is not defined`: change(func(m *onnxpb.ModelProto) { m.Graph.Node[0].Input[0] = "nowhere" }),
		"cycle":                    change(func(m *onnxpb.ModelProto) { m.Graph.Node[0].Input[0] = "y" }),
		`domain "com.example"`:     change(func(m *onnxpb.ModelProto) { m.OpsetImport = m.OpsetImport[:1] }),
		"external data in a model that is not a file": change(func(m *onnxpb.ModelProto) {
			m.Graph.Initializer[0].DataLocation = onnxpb.TensorProto_EXTERNAL.Enum()
		}),
	} {
		if _, err := Parse(b); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("expected %q, found %v", message, err)
		}
	}
}
