package onnx

import (
	"bytes"
	"runtime"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Reading and writing a model takes memory in proportion to the file: an empty
// message of two bytes (a node, an attribute) becomes a struct and its typed
// twin, some 700 bytes, in each of the four times that FuzzParse makes it.
const (
	parseBytesPerByte = 4096
	parseBytesAlways  = 1 << 20
)

// FuzzParse reads any bytes. What is a model is written and read again: nothing
// may be lost but the order of nodes, and the second time not a byte changes.
func FuzzParse(f *testing.F) {
	for _, m := range seeds() {
		b, err := marshal.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := Parse(b)
		if err != nil {
			return
		}
		out, err := Marshal(m)
		if err != nil {
			t.Fatalf("a model in memory cannot be written: %v", err)
		}
		runtime.ReadMemStats(&after)
		if got, bound := after.TotalAlloc-before.TotalAlloc, uint64(len(b))*parseBytesPerByte+parseBytesAlways; got > bound {
			t.Errorf("%d bytes of input allocated %d bytes, bound %d", len(b), got, bound)
		}
		if got, want := unordered(t, out), unordered(t, b); !proto.Equal(got, want) {
			t.Errorf("read\n%v\nwritten\n%v", want, got)
		}
		m, err = Parse(out)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if again, err := Marshal(m); err != nil || !bytes.Equal(again, out) {
			t.Errorf("the second time other bytes are written (%v):\n%x\n%x", err, out, again)
		}
	})
}

// seeds returns the parts of everything, each a model small enough to mutate.
func seeds() []*onnxpb.ModelProto {
	base := func() *onnxpb.ModelProto {
		m := everything()
		m.Functions, m.TrainingInfo, m.Configuration = nil, nil, nil
		g := m.Graph
		g.Node, g.Output, g.Initializer, g.SparseInitializer = g.Node[:1], nil, nil, nil
		g.Input, g.ValueInfo, g.QuantizationAnnotation = g.Input[:1], nil, nil
		return m
	}
	whole := everything()
	seeds := []*onnxpb.ModelProto{base()}
	add := func(edit func(*onnxpb.ModelProto)) {
		m := base()
		edit(m)
		seeds = append(seeds, m)
	}
	for _, t := range whole.Graph.Initializer {
		if len(t.RawData) < 200 {
			add(func(m *onnxpb.ModelProto) { m.Graph.Initializer = []*onnxpb.TensorProto{t} })
		}
	}
	for _, a := range whole.Graph.Node[1].Attribute {
		if len(a.GetT().GetRawData()) < 200 && a.GetG() == nil {
			add(func(m *onnxpb.ModelProto) { m.Graph.Node[0].Attribute = []*onnxpb.AttributeProto{a} })
		}
	}
	add(func(m *onnxpb.ModelProto) { m.Graph.SparseInitializer = whole.Graph.SparseInitializer })
	add(func(m *onnxpb.ModelProto) { m.Functions = whole.Functions })
	add(func(m *onnxpb.ModelProto) { m.Graph.ValueInfo = whole.Graph.ValueInfo })
	return seeds
}

// unordered unmarshals b and sorts the nodes of all its graphs by their bytes:
// Parse brings them into topological order.
func unordered(t *testing.T, b []byte) *onnxpb.ModelProto {
	t.Helper()
	m := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatal(err)
	}
	byBytes := func(a, b *onnxpb.NodeProto) int { return bytes.Compare(encoded(t, a), encoded(t, b)) }
	walk(m.ProtoReflect(), func(m protoreflect.Message) {
		switch x := m.Interface().(type) {
		case *onnxpb.GraphProto:
			slices.SortFunc(x.Node, byBytes)
		case *onnxpb.FunctionProto:
			slices.SortFunc(x.Node, byBytes)
		}
	})
	return m
}

func encoded(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := marshal.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
