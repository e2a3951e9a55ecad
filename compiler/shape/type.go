package shape

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
)

// Kind tells what a value is.
type Kind uint8

// The kinds of values ONNX has. Unknown is that of an unknown operator's output
// about which the file says nothing.
const (
	Unknown Kind = iota
	Tensor
	SparseTensor
	Sequence
	Map
	Optional
)

// Type is what is known about a value.
type Type struct {
	Kind Kind
	// DType is a tensor's element type and a map's key type; Undefined where it
	// is not known.
	DType ir.DType
	// Ranked reports whether Dims are a tensor's dimensions; none are unknown then.
	Ranked bool
	Dims   []Dim
	// Content holds the elements, row-major, of an integer or bool tensor of at
	// most 1024 elements whose contents are known; single elements may be
	// unknown. It is nil where the contents are not known.
	Content []Dim
	// Elem is a sequence's or optional's element type and a map's value type; nil
	// where it is not known.
	Elem *Type

	reals []real // Content of a float tensor
}

// maxContent is the number of elements up to which contents are followed.
const maxContent = 1024

// TensorOf returns the type of a tensor of known rank.
func TensorOf(d ir.DType, dims ...Dim) Type {
	return Type{Kind: Tensor, DType: d, Ranked: true, Dims: dims}
}

// Unranked returns the type of a tensor of unknown rank.
func Unranked(d ir.DType) Type { return Type{Kind: Tensor, DType: d} }

func sequenceOf(elem *Type) Type { return Type{Kind: Sequence, Elem: elem} }

// Rank returns the number of dimensions, and false where it is not known.
func (t Type) Rank() (int, bool) { return len(t.Dims), t.Ranked }

// Proto returns a tensor's type as a file declares it.
func (t Type) Proto() *onnxpb.TypeProto {
	var dims []ir.Dim
	for _, d := range t.Dims {
		dims = append(dims, d.Declared())
	}
	p := ir.TensorType(t.DType, dims)
	if !t.Ranked {
		p.GetTensorType().Shape = nil
	}
	return p
}

// Declared returns d as a file can state it: expressions are left open.
func (d Dim) Declared() ir.Dim {
	if n, ok := d.Int(); ok {
		return ir.Dim{N: n}
	}
	if s, ok := d.Symbol(); ok {
		return ir.Sym(s)
	}
	return ir.UnknownDim
}

// Shape returns the dimensions as numbers, and false where one is symbolic or
// the rank is not known.
func (t Type) Shape() ([]int64, bool) { return constants(t.Dims, t.Ranked) }

// Ints returns the known contents as numbers, and false where one is symbolic
// or not known.
func (t Type) Ints() ([]int64, bool) { return constants(t.Content, t.Content != nil) }

func constants(dims []Dim, known bool) ([]int64, bool) {
	if !known {
		return nil, false
	}
	out := make([]int64, len(dims))
	for i, d := range dims {
		v, ok := d.Int()
		if !ok {
			return nil, false
		}
		out[i] = v
	}
	return out, true
}

// Elements returns the number of elements, unknown where the rank is not known.
func (t Type) Elements() Dim {
	if !t.Ranked {
		return Dim{}
	}
	return Product(t.Dims)
}

// Product multiplies dimensions; that of none is 1.
func Product(dims []Dim) Dim {
	n := Const(1)
	for _, d := range dims {
		n = n.Mul(d)
	}
	return n
}

// String returns t as text, for example float32[batch,64,56,56], int64[],
// float32[...] for an unknown rank, seq(float32[3]).
func (t Type) String() string {
	elem := "?"
	if t.Elem != nil {
		elem = t.Elem.String()
	}
	switch t.Kind {
	case Tensor, SparseTensor:
		return t.DType.String() + dimsString(t.Dims, t.Ranked)
	case Sequence:
		return "seq(" + elem + ")"
	case Map:
		return fmt.Sprintf("map(%v,%s)", t.DType, elem)
	case Optional:
		return "optional(" + elem + ")"
	}
	return "?"
}

func dimsString(dims []Dim, ranked bool) string {
	if !ranked {
		return "[...]"
	}
	texts := make([]string, len(dims))
	for i, d := range dims {
		texts[i] = d.String()
	}
	return "[" + strings.Join(texts, ",") + "]"
}

// data is the contents of a small tensor without its shape.
type data struct {
	ints  []Dim
	reals []real
}

func (t Type) data() data { return data{t.Content, t.reals} }

func (d data) known() bool { return d.ints != nil || d.reals != nil }

// with returns t with contents d, if they fit t's shape.
func (t Type) with(d data) Type {
	t.Content, t.reals = nil, nil
	n, ok := t.Elements().Int()
	if !ok || n > maxContent {
		return t
	}
	if d.ints != nil && len(d.ints) == int(n) {
		t.Content = d.ints
	}
	if d.reals != nil && len(d.reals) == int(n) {
		t.reals = d.reals
	}
	return t
}

// pick returns the elements at the given positions; those outside are unknown.
func (d data) pick(at []int) data {
	return data{pick(d.ints, at), pick(d.reals, at)}
}

func pick[T any](from []T, at []int) []T {
	if from == nil {
		return nil
	}
	out := make([]T, len(at))
	for i, j := range at {
		if j >= 0 && j < len(from) {
			out[i] = from[j]
		}
	}
	return out
}

// join returns the elements of all parts in order, unknown contents where those
// of one part are.
func join(parts []data) data {
	var out data
	out.ints = joinAll(parts, func(d data) []Dim { return d.ints })
	out.reals = joinAll(parts, func(d data) []real { return d.reals })
	return out
}

func joinAll[T any](parts []data, of func(data) []T) []T {
	out := []T{}
	for _, p := range parts {
		elems := of(p)
		if elems == nil {
			return nil
		}
		out = append(out, elems...)
	}
	return out
}

// merge returns what is true of both a and b: the type of a value that is one
// or the other. The differing dimensions are unknown.
func merge(a, b Type) Type {
	if a.Kind != b.Kind {
		return Type{}
	}
	out := Type{Kind: a.Kind}
	if a.DType == b.DType {
		out.DType = a.DType
	}
	if a.Elem != nil && b.Elem != nil {
		elem := merge(*a.Elem, *b.Elem)
		out.Elem = &elem
	}
	if !a.Ranked || !b.Ranked || len(a.Dims) != len(b.Dims) {
		return out
	}
	out.Ranked = true
	out.Dims = slices.Clone(a.Dims)
	for i, d := range b.Dims {
		if !d.Equal(out.Dims[i]) {
			out.Dims[i] = Dim{}
		}
	}
	if len(a.Content) == len(b.Content) && a.Content != nil && b.Content != nil {
		content := slices.Clone(a.Content)
		for i, d := range b.Content {
			if !d.Equal(content[i]) {
				content[i] = Dim{}
			}
		}
		out = out.with(data{ints: content})
	}
	return out
}

// Contradicts reports whether no value can be of both types: kinds, element types,
// ranks or sizes that are known of both differ.
func (t Type) Contradicts(u Type) bool {
	if t.Kind == Unknown || u.Kind == Unknown {
		return false
	}
	if t.Kind != u.Kind || t.DType != ir.Undefined && u.DType != ir.Undefined && t.DType != u.DType {
		return true
	}
	if !t.Ranked || !u.Ranked {
		return false
	}
	if len(t.Dims) != len(u.Dims) {
		return true
	}
	for i, d := range t.Dims {
		a, known := d.Int()
		if b, ok := u.Dims[i].Int(); known && ok && a != b {
			return true
		}
	}
	return false
}

func (t Type) withoutContent() Type {
	t.Content, t.reals = nil, nil
	return t
}

// sameAs reports whether t and u are the same but for their contents; two
// unknown dimensions are the same here.
func (t Type) sameAs(u Type) bool {
	if t.Kind != u.Kind || t.DType != u.DType || t.Ranked != u.Ranked || (t.Elem == nil) != (u.Elem == nil) {
		return false
	}
	if t.Elem != nil && !t.Elem.sameAs(*u.Elem) {
		return false
	}
	return slices.EqualFunc(t.Dims, u.Dims, func(a, b Dim) bool { return !a.known && !b.known || a.Equal(b) })
}

// since returns t with those dims unknown that depend on a fresh symbol made
// after the given mark.
func (t Type) since(mark int) Type {
	if slices.ContainsFunc(t.Dims, func(d Dim) bool { return d.newest() > mark }) {
		t.Dims = slices.Clone(t.Dims)
		for i, d := range t.Dims {
			if d.newest() > mark {
				t.Dims[i] = Dim{}
			}
		}
	}
	if t.Elem != nil {
		elem := t.Elem.since(mark)
		t.Elem = &elem
	}
	return t
}
