package shape

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
)

// fix takes over the shapes given for inputs.
func (s *inferrer) fix(g *ir.Graph, given map[string][]int64) error {
	s.fixed, s.inputs = map[string]int64{}, map[*ir.Value][]int64{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		dims := given[name]
		v := g.Value(name)
		if v == nil || !slices.Contains(g.Feeds(), v) {
			var names []string
			for _, v := range g.Feeds() {
				names = append(names, v.Name())
			}
			return fmt.Errorf("input %q: the model has no such input, its inputs are %s", name, strings.Join(names, ", "))
		}
		if i := slices.IndexFunc(dims, func(n int64) bool { return n < 0 }); i >= 0 {
			return fmt.Errorf("input %q: expected dimensions of 0 or more, found %v", name, dims)
		}
		s.inputs[v] = dims
		declared, ranked := v.Shape()
		if !ranked {
			continue
		}
		if len(declared) != len(dims) {
			return fmt.Errorf("input %q: expected %d dimensions, found %d in %v; give as many as the model declares",
				name, len(declared), len(dims), dims)
		}
		for i, d := range declared {
			if d.Symbol == "" {
				s.trust = s.trust && (d.N < 0 || d.N == dims[i])
				continue
			}
			if old, ok := s.fixed[d.Symbol]; ok && old != dims[i] {
				return fmt.Errorf("input %q: expected %d for dimension %q, which another input fixes, found %d",
					name, old, d.Symbol, dims[i])
			}
			s.fixed[d.Symbol] = dims[i]
		}
	}
	return nil
}

// defaulted returns the type of an initializer that a caller may override.
func (s *inferrer) defaulted(v *ir.Value) Type {
	if t := s.declared(v); t.Kind == Tensor && t.Ranked {
		return s.named(v, t)
	}
	return TensorOf(v.Init().DType(), constDims(v.Init().Dims())...)
}

// settle joins what was computed for v with what the file declares.
func (s *inferrer) settle(n *ir.Node, v *ir.Value, t Type) (Type, error) {
	for i, d := range t.Dims {
		if size, ok := d.Int(); ok && size < 0 {
			return Type{}, fmt.Errorf("%s: output %q: expected sizes of 0 or more, found %d in dimension %d of %v; give a larger input",
				n.Label(), v.Name(), size, i, t)
		}
	}
	if v.Type() == nil {
		return s.named(v, t), nil
	}
	decl := s.declared(v)
	if t.Kind == Unknown {
		return s.named(v, decl), nil
	}
	if t.Kind != decl.Kind {
		return s.named(v, t), nil
	}
	if t.DType == ir.Undefined {
		t.DType = decl.DType
	} else if decl.DType != ir.Undefined && decl.DType != t.DType && t.Kind == Tensor {
		return Type{}, fmt.Errorf("%s: output %q: expected %v as the file declares, found %v; correct the declaration",
			n.Label(), v.Name(), decl.DType, t.DType)
	}
	if t.Elem == nil {
		t.Elem = decl.Elem
	}
	if !t.Ranked {
		t.Ranked, t.Dims = decl.Ranked, decl.Dims
	} else if decl.Ranked && len(decl.Dims) == len(t.Dims) && slices.ContainsFunc(t.Dims, unknownDim) {
		t.Dims = slices.Clone(t.Dims)
		for i, d := range t.Dims {
			if !d.known {
				t.Dims[i] = decl.Dims[i]
			}
		}
	}
	return s.named(v, t), nil
}

func unknownDim(d Dim) bool { return !d.known }

// named gives the unknown dims of v's type symbols of their own.
func (s *inferrer) named(v *ir.Value, t Type) Type {
	if !slices.ContainsFunc(t.Dims, unknownDim) {
		return t
	}
	t.Dims = slices.Clone(t.Dims)
	for i, d := range t.Dims {
		if !d.known {
			t.Dims[i] = s.freshDim(v.Name(), i)
		}
	}
	return t
}

// freshDim returns a symbol that nothing else has, named after a value and an
// axis.
func (s *inferrer) freshDim(value string, axis int) Dim {
	name := fmt.Sprintf("%s.%d", value, axis)
	count := s.fresh[name]
	s.fresh[name] = count + 1
	if count > 0 { // a body seen again, or the same name in another one
		name = fmt.Sprintf("%s'%d", name, count)
	}
	s.serial++
	return freshSym(name, s.serial)
}

// declared returns what the file says about v, with the fixed sizes put in.
func (s *inferrer) declared(v *ir.Value) Type {
	t := s.protoType(v.Type())
	if dims, ok := s.inputs[v]; ok {
		t.Kind, t.Ranked, t.Dims = Tensor, true, constDims(dims)
		return t
	}
	if s.computed && v.Producer() != nil {
		t.Ranked, t.Dims = false, nil
	} else if !s.trust && v.Producer() != nil {
		t.Dims = make([]Dim, len(t.Dims))
	}
	return t
}

// protoType converts a declared type.
func (s *inferrer) protoType(p *onnxpb.TypeProto) Type {
	switch x := p.GetValue().(type) {
	case *onnxpb.TypeProto_TensorType:
		t := Unranked(ir.DType(x.TensorType.GetElemType()))
		dims, ranked := ir.DeclaredShape(p)
		t.Ranked = ranked
		for _, d := range dims {
			t.Dims = append(t.Dims, s.declaredDim(d))
		}
		return t
	case *onnxpb.TypeProto_SparseTensorType:
		return Type{Kind: SparseTensor, DType: ir.DType(x.SparseTensorType.GetElemType())}
	case *onnxpb.TypeProto_SequenceType:
		elem := s.protoType(x.SequenceType.GetElemType())
		return Type{Kind: Sequence, Elem: &elem}
	case *onnxpb.TypeProto_OptionalType:
		elem := s.protoType(x.OptionalType.GetElemType())
		return Type{Kind: Optional, Elem: &elem}
	case *onnxpb.TypeProto_MapType:
		elem := s.protoType(x.MapType.GetValueType())
		return Type{Kind: Map, DType: ir.DType(x.MapType.GetKeyType()), Elem: &elem}
	}
	return Type{}
}

func (s *inferrer) declaredDim(d ir.Dim) Dim {
	if d.Symbol != "" {
		if n, ok := s.fixed[d.Symbol]; ok {
			return Const(n)
		}
		return Sym(d.Symbol)
	}
	if d.N >= 0 {
		return Const(d.N)
	}
	return Dim{}
}
