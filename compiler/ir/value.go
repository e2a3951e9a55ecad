package ir

import (
	"slices"
	"strings"
	"unicode"

	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
)

// Value is a tensor (or sequence, map, optional) that flows through a graph:
// an input, an initializer, or an output of a node.
type Value struct {
	name     string
	graph    *Graph
	producer *Node
	index    int // among the producer's outputs
	uses     []Use
	init     *Tensor
	sparse   *Sparse
	typ      *onnxpb.TypeProto
}

// Use is one place where a value is read: input Index of Node.
type Use struct {
	Node  *Node
	Index int
}

// Name returns the value's name.
func (v *Value) Name() string { return v.name }

// Graph returns the graph the value belongs to, nil once it was removed.
func (v *Value) Graph() *Graph { return v.graph }

// Producer returns the node whose output v is, nil for inputs and initializers.
func (v *Value) Producer() *Node { return v.producer }

// Index returns v's position among its producer's outputs.
func (v *Value) Index() int { return v.index }

// Uses returns every read of v by a node, in bodies of nested graphs too. Graph
// outputs are not among them: see [Value.IsOutput].
func (v *Value) Uses() []Use { return slices.Clone(v.uses) }

// Used reports whether any node or graph output reads v.
func (v *Value) Used() bool { return len(v.uses) > 0 || v.IsOutput() }

// Init returns the constant that an initializer holds, a default (see
// [Value.Overridable]) included, nil for other values.
func (v *Value) Init() *Tensor { return v.init }

// SparseInit returns the constant of a sparse initializer, else nil.
func (v *Value) SparseInit() *Sparse { return v.sparse }

// IsInput reports whether v is an input of its graph. In IR 3 files an
// initializer is an input as well.
func (v *Value) IsInput() bool { return v.graph != nil && hasValue(v.graph.inputs, v) }

// IsOutput reports whether v is an output of its graph or, captured, of a graph
// nested in it.
func (v *Value) IsOutput() bool { return v.graph != nil && v.graph.outputCount[v] > 0 }

// Overridable reports whether v is an initializer that is only a default: from IR
// 4 on a caller may give another value for one that the model's graph lists as an
// input.
func (v *Value) Overridable() bool {
	return (v.init != nil || v.sparse != nil) && v.graph != nil && v.graph.owner == nil && !v.graph.formal && v.IsInput()
}

// Const returns the constant that v is: its initializer, unless a caller may
// override it, or the value of the Constant node that produces it.
func (v *Value) Const() *Tensor {
	if v.init != nil && !v.Overridable() {
		return v.init
	}
	if v.producer != nil && v.producer.Op == "Constant" && v.producer.Domain == "" {
		return v.producer.constant()
	}
	return nil
}

// Type returns the declared type, nil where the file says nothing.
func (v *Value) Type() *onnxpb.TypeProto { return v.typ }

// DType returns the declared element type of a tensor, Undefined where the file
// says nothing. Initializers have that of their constant.
func (v *Value) DType() DType {
	if v.init != nil {
		return v.init.DType()
	}
	return DType(v.typ.GetTensorType().GetElemType())
}

// Port is a place where a graph lists a value with its type: input, output or
// value_info.
type Port struct {
	Value *Value
	// Info is the message of the file without the name, nil in functions.
	Info *onnxpb.ValueInfoProto
}

// Name returns the name that is listed.
func (p Port) Name() string {
	if p.Value == nil {
		return p.Info.GetName()
	}
	return p.Value.name
}

func hasValue(ports []Port, v *Value) bool {
	return slices.ContainsFunc(ports, func(p Port) bool { return p.Value == v })
}

// Dim is one dimension of a declared tensor type: a number, a symbol, or
// unknown (the zero Dim with N < 0).
type Dim struct {
	N      int64
	Symbol string
}

// UnknownDim is a dimension of which nothing is known.
var UnknownDim = Dim{N: -1}

// Fixed returns dimensions that are all numbers.
func Fixed(dims ...int64) []Dim {
	out := make([]Dim, len(dims))
	for i, n := range dims {
		out[i] = Dim{N: n}
	}
	return out
}

// Sym returns a symbolic dimension.
func Sym(name string) Dim { return Dim{N: -1, Symbol: name} }

// TensorType returns the type of a dense tensor.
func TensorType(d DType, dims []Dim) *onnxpb.TypeProto {
	shape := &onnxpb.TensorShapeProto{}
	for _, dim := range dims {
		p := &onnxpb.TensorShapeProto_Dimension{}
		switch {
		case dim.Symbol != "":
			p.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: dim.Symbol}
		case dim.N >= 0:
			p.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: dim.N}
		}
		shape.Dim = append(shape.Dim, p)
	}
	return &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
		TensorType: &onnxpb.TypeProto_Tensor{ElemType: proto.Int32(int32(d)), Shape: shape},
	}}
}

// Shape returns the declared dimensions of a tensor and whether its rank is
// known. Initializers have those of their constant, but where a caller may
// override them those of the declaration.
func (v *Value) Shape() ([]Dim, bool) {
	if v.init != nil && (v.typ == nil || !v.Overridable()) {
		return Fixed(v.init.Dims()...), true
	}
	return DeclaredShape(v.typ)
}

// namesSize reports whether r can be part of a symbol's name. Converters write
// "?" and "-1" for sizes that they do not know, any two of which may differ.
func namesSize(r rune) bool { return unicode.IsLetter(r) || r == '_' }

// DeclaredShape returns the dimensions that a tensor type states and whether it
// states a rank.
func DeclaredShape(t *onnxpb.TypeProto) ([]Dim, bool) {
	tt := t.GetTensorType()
	if tt == nil || tt.Shape == nil {
		return nil, false
	}
	dims := make([]Dim, len(tt.Shape.Dim))
	for i, d := range tt.Shape.Dim {
		dims[i] = UnknownDim
		switch x := d.Value.(type) {
		case *onnxpb.TensorShapeProto_Dimension_DimValue:
			if x.DimValue >= 0 { // some exporters write -1 for unknown
				dims[i] = Dim{N: x.DimValue}
			}
		case *onnxpb.TensorShapeProto_Dimension_DimParam:
			if strings.ContainsFunc(x.DimParam, namesSize) {
				dims[i] = Sym(x.DimParam)
			}
		}
	}
	return dims, true
}
