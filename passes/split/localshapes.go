package split

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

// LocalShapes makes what lies behind a cut independent of the shapes of
// activations before it: such a shape is folded where it is static and rebuilt
// from the shapes of the cut's tensors otherwise. Behind the cut, the tensors at stand
// for those (they are the restored ones where there are bottlenecks).
func LocalShapes(a *cut.Analysis, c *cut.Cut, at Tensors) passes.Pass {
	return passes.Pass{
		Name:     "local-shapes",
		Requires: []passes.Requirement{{Property: passes.NoFormalInputs, Reason: "it adds constants"}},
		Breaks:   []*passes.Property{opt.NoDeadCode},
		Run: func(m *ir.Model) (int, error) {
			found, err := at(m)
			if err != nil {
				return 0, err
			}
			l := localizer{
				Emitter: ir.Emitter{Graph: m.Graph, Opset: m.Opset(""), Prefix: "bnc.shape."}, a: a, c: c, at: map[*ir.Value]*ir.Value{},
				done: map[*ir.Value]*ir.Value{}, shapes: map[*ir.Value]*ir.Value{}, dims: map[dimension]*ir.Value{},
			}
			for i, t := range c.Tensors {
				l.at[t.Value] = found[i]
			}
			uses := a.ShapeUses(c)
			local := make([]*ir.Value, len(uses))
			for i, u := range uses { // all before any edit: the analysis knows the graph as it was
				var err error
				if local[i], err = l.local(u.Value); err != nil {
					return 0, err
				}
			}
			changed := 0
			for i, u := range uses {
				var err error
				w := local[i]
				if w == u.Value {
					continue
				}
				changed++
				if u.Node != nil {
					err = u.Value.ReplaceIn(u.Node, w)
				} else {
					err = l.output(u.Value, w)
				}
				if err != nil {
					return changed, err
				}
			}
			if changed == 0 {
				return 0, nil
			}
			return changed, m.Graph.Sort()
		},
	}
}

type localizer struct {
	ir.Emitter
	a      *cut.Analysis
	c      *cut.Cut
	at     map[*ir.Value]*ir.Value // what stands for each of the cut's tensors
	shapes map[*ir.Value]*ir.Value // of what stands for them
	dims   map[dimension]*ir.Value // elements of those, int64 [1]
	done   map[*ir.Value]*ir.Value
}

// dimension is one of a tensor of the cut.
type dimension struct {
	of   *ir.Value
	axis int
}

// output makes w the output of the model that v is, under v's name.
func (l *localizer) output(v, w *ir.Value) error {
	old := l.Graph.Temp(l.Prefix+v.Name()+".old", v.Type())
	v.Producer().SetOutput(v.Index(), old)
	if err := v.Replace(old); err != nil {
		return err
	}
	l.Graph.NewNode("", "Identity", []*ir.Value{w}, []*ir.Value{v}).SetName(l.Prefix + v.Name())
	return nil
}

// local returns a value equal to the shape-only value v that nothing before the
// cut goes into.
func (l *localizer) local(v *ir.Value) (*ir.Value, error) {
	if w := l.done[v]; w != nil {
		return w, nil
	}
	w, err := l.make(v)
	l.done[v] = w
	return w, err
}

func (l *localizer) make(v *ir.Value) (*ir.Value, error) {
	if !l.a.CrossesShape(l.c, v, l.replaced()) {
		return v, nil
	}
	if t := l.a.Info.Of(v); l.a.Computable(l.c, t) {
		return l.contents(v.Name(), t), nil
	}
	old := v.Producer()
	inputs := old.Inputs()
	for i, r := range inputs {
		if r == nil {
			continue
		}
		switch {
		case l.at[r] != nil:
			inputs[i] = l.at[r]
		case l.a.IsShape(r):
			w, err := l.local(r)
			if err != nil {
				return nil, err
			}
			inputs[i] = w
		}
	}
	if len(old.Bodies()) > 0 {
		return nil, fmt.Errorf("%s: a shape that is computed in a body is read across the cut", old.Label())
	}
	outputs := old.Outputs()
	for i, o := range outputs {
		if o != nil {
			outputs[i] = l.Graph.Temp(l.Prefix+o.Name(), o.Type())
			l.done[o] = outputs[i]
		}
	}
	n := l.Graph.NewNode(old.Domain, old.Op, inputs, outputs, old.Attrs()...)
	n.Overload, n.Proto = old.Overload, old.Proto
	n.SetName(l.Prefix + v.Name())
	return l.done[v], nil
}

// contents makes an integer tensor of the contents t tells.
func (l *localizer) contents(name string, t shape.Type) *ir.Value {
	if numbers, ok := t.Ints(); ok {
		c := ir.Int64s(numbers...)
		dims, _ := t.Shape()
		w := l.Graph.Const(l.Prefix+name, ir.NewTensor(ir.Int64, dims, c.Raw))
		return l.typed(name, w, t)
	}
	var parts []*ir.Value
	for _, d := range t.Content {
		parts = append(parts, l.dim(d))
	}
	w := parts[0]
	if len(parts) > 1 {
		w = l.Op(name, "Concat", parts, ir.IntAttr("axis", 0))
	}
	if len(t.Dims) == 0 {
		w = l.Reshape(name+".scalar", w)
	}
	return l.typed(name, w, t)
}

func (l *localizer) typed(name string, w *ir.Value, t shape.Type) *ir.Value {
	if t.DType == ir.Int64 {
		return w
	}
	return l.Cast(name+".cast", w, t.DType)
}

// dim makes the number d, int64 [1], from the cut tensor's shape.
func (l *localizer) dim(d shape.Dim) *ir.Value {
	if n, ok := d.Int(); ok {
		return l.Ints("const", n)
	}
	if v := l.find(d); v != nil {
		return v
	}
	var sum *ir.Value
	add := func(v *ir.Value) {
		if sum == nil {
			sum = v
		} else {
			sum = l.Binary("add", "Add", sum, v)
		}
	}
	for _, term := range d.Terms() {
		var product *ir.Value
		if term.Coef != 1 {
			product = l.Ints("coef", term.Coef)
		}
		for _, atom := range term.Atoms {
			v := l.atom(atom)
			if product == nil {
				product = v
			} else {
				product = l.Binary("mul", "Mul", product, v)
			}
		}
		add(product)
	}
	if n := d.Constant(); n != 0 {
		add(l.Ints("const", n))
	}
	return sum
}

var atomOps = map[shape.AtomOp]string{shape.FloorDiv: "Div", shape.Max: "Max"}

func (l *localizer) atom(a *shape.Atom) *ir.Value {
	if v := l.find(a.Dim()); v != nil {
		return v
	}
	op, ok := atomOps[a.Op]
	if !ok {
		panic(fmt.Sprintf("BUG: shape atom %v is not expressible", a.Dim()))
	}
	var args []*ir.Value
	for _, x := range a.Args {
		args = append(args, l.dim(x))
	}
	return l.Op(op, op, args)
}

// find returns d, int64 [1], where it is a dimension of one of the cut's tensors, else nil.
func (l *localizer) find(d shape.Dim) *ir.Value {
	for _, t := range l.c.Tensors {
		for axis, have := range t.Type.Dims {
			if d.Equal(have) {
				return l.element(dimension{t.Value, axis})
			}
		}
	}
	return nil
}

// element makes a dimension of what stands for a tensor of the cut, int64 [1].
func (l *localizer) element(d dimension) *ir.Value {
	if l.shapes[d.of] == nil {
		l.shapes[d.of] = l.Unary("cut", "Shape", l.at[d.of])
	}
	if l.dims[d] == nil {
		l.dims[d] = l.Slice(fmt.Sprintf("cut.%d", d.axis), l.shapes[d.of], 0, int64(d.axis), int64(d.axis)+1)
	}
	return l.dims[d]
}

// replaced reports whether other tensors stand for the cut's.
func (l *localizer) replaced() bool {
	for v, w := range l.at {
		if v != w {
			return true
		}
	}
	return false
}
