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
// from the shape of the cut tensor otherwise. Behind the cut, tensor at stands
// for the cut tensor (it is the restored tensor where there is a bottleneck).
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
				Emitter: ir.Emitter{Graph: m.Graph, Opset: m.Opset(""), Prefix: "bnc.shape."}, a: a, c: c, at: found[0],
				done: map[*ir.Value]*ir.Value{}, dims: map[int]*ir.Value{},
			}
			uses := a.ShapeUses(c.Value)
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
	a     *cut.Analysis
	c     *cut.Cut
	at    *ir.Value
	whole *ir.Value         // Shape(at)
	dims  map[int]*ir.Value // its elements, int64 [1]
	done  map[*ir.Value]*ir.Value
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
	if !l.a.CrossesShape(l.c.Value, v, l.at != l.c.Value) {
		return v, nil
	}
	if t := l.a.Info.Of(v); l.a.Computable(l.c.Value, t) {
		return l.contents(v.Name(), t), nil
	}
	old := v.Producer()
	inputs := old.Inputs()
	for i, r := range inputs {
		if r == nil {
			continue
		}
		switch {
		case r == l.c.Value:
			inputs[i] = l.at
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
	for i, have := range l.c.Type.Dims {
		if d.Equal(have) {
			return l.element(i)
		}
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
	for i, have := range l.c.Type.Dims {
		if a.Dim().Equal(have) {
			return l.element(i)
		}
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

// element makes dimension i of the cut tensor, int64 [1].
func (l *localizer) element(i int) *ir.Value {
	if l.whole == nil {
		l.whole = l.Unary("cut", "Shape", l.at)
	}
	if l.dims[i] == nil {
		l.dims[i] = l.Slice(fmt.Sprintf("cut.%d", i), l.whole, 0, int64(i), int64(i)+1)
	}
	return l.dims[i]
}
