package convert

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

// SymbolicBatch gives a model whose image input has a batch size built in
// ([1,3,224,224]) a symbolic one, called batch. Reshape, Expand and Resize nodes
// that state the old size are corrected. It then holds for any number of images
// that each row of an output is what the model as it was computes for that image
// (where the built-in size is above 1: for a batch of it). What cannot be done
// is an [passes.UnsuitableError] that names the node; the model is of no use then. A
// model with a symbolic batch is left alone.
var SymbolicBatch = passes.Pass{
	Name:      "symbolic-batch",
	Breaks:    []*passes.Property{opt.NoDeadCode},
	Interface: true,
	Run:       symbolicBatch,
}

func symbolicBatch(m *ir.Model) (int, error) {
	old, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return 0, err
	}
	inputs, size := fixedBatch(m, old)
	if inputs == nil {
		return 0, nil
	}
	if _, err := Initializers.Run(m); err != nil { // IR 3 has no room for new constants
		return 0, err
	}
	b := batcher{
		Emitter: ir.Emitter{Graph: m.Graph, Opset: m.Opset(""), Prefix: "bnc.batch."}, old: old, size: size,
		name: freeSymbol(m, "batch"), batched: map[*ir.Value]bool{}, fixed: map[*ir.Node]bool{},
	}
	b.batch = shape.Sym(b.name)
	var declared []*ir.Value
	for _, n := range m.Graph.Nodes() {
		for _, v := range n.Outputs() {
			if v != nil && v.Type().GetTensorType() != nil {
				declared = append(declared, v)
				m.Graph.SetType(v, shape.Unranked(v.DType()).Proto())
			}
		}
	}
	for _, v := range inputs {
		dims, _ := v.Shape()
		dims = slices.Clone(dims)
		dims[0] = ir.Sym(b.name)
		m.Graph.SetType(v, ir.TensorType(v.DType(), dims))
		b.batched[v] = true
	}
	for more := true; more; {
		if b.info, err = shape.Infer(m, shape.Options{}); err != nil {
			return len(b.fixed), err
		}
		if more, err = b.round(); err != nil {
			return len(b.fixed), err
		}
		if err := m.Graph.Sort(); err != nil {
			return len(b.fixed), err
		}
	}
	for _, v := range declared {
		if t := b.info.Of(v); t.Ranked && t.DType != ir.Undefined {
			m.Graph.SetType(v, t.Proto())
		}
	}
	return len(inputs) + len(b.fixed), b.checkOutputs()
}

// fixedBatch returns the inputs with the built-in batch size as leading
// dimension, and that size; none where the first image input has a symbol there.
func fixedBatch(m *ir.Model, info *shape.Info) ([]*ir.Value, int64) {
	images := info.ImageInputs(m)
	if len(images) == 0 {
		return nil, 0
	}
	dims, _ := info.Dims(images[0])
	if len(dims) < 2 {
		return nil, 0
	}
	size, ok := dims[0].Int()
	if !ok {
		return nil, 0
	}
	var inputs []*ir.Value
	for _, v := range m.Graph.Feeds() {
		if dims, _ := info.Dims(v); len(dims) >= 2 && dims[0].Is(size) {
			inputs = append(inputs, v)
		}
	}
	return inputs, size
}

// freeSymbol returns hint, or hint with the first number that no input has as a
// symbol.
func freeSymbol(m *ir.Model, hint string) string {
	used := map[string]bool{}
	for _, v := range m.Graph.Feeds() {
		dims, _ := v.Shape()
		for _, d := range dims {
			used[d.Symbol] = true
		}
	}
	name := hint
	for i := 1; used[name]; i++ {
		name = fmt.Sprintf("%s_%d", hint, i)
	}
	return name
}

type batcher struct {
	ir.Emitter
	name    string // of the symbol
	batch   shape.Dim
	size    int64       // that was built in
	old     *shape.Info // of the model as it was
	info    *shape.Info // of the model as it is
	batched map[*ir.Value]bool
	fixed   map[*ir.Node]bool
}

// round corrects the nodes whose inputs have the symbol but whose outputs do
// not, and checks the others; what is behind a correction waits for the next
// round. It reports whether one is needed.
func (b *batcher) round() (bool, error) {
	pending := map[*ir.Value]bool{}
	for _, n := range b.Graph.Nodes() {
		if !slices.ContainsFunc(n.Reads(), func(v *ir.Value) bool { return b.batched[v] }) || shape.Of(n).Depends == shape.OnShape {
			continue
		}
		wait := slices.ContainsFunc(n.Reads(), func(v *ir.Value) bool { return pending[v] })
		if !wait {
			fix := batchFixes[n.Op]
			if n.Domain == "" && fix != nil && !b.fixed[n] {
				did, err := fix(b, n)
				if err != nil {
					return false, err
				}
				if did {
					b.fixed[n] = true
					wait = true
				}
			}
		}
		for _, v := range n.Outputs() {
			if v != nil {
				b.batched[v] = true
				pending[v] = wait
			}
		}
		if !wait {
			if err := b.checkRows(n); err != nil {
				return false, err
			}
		}
	}
	return slices.ContainsFunc(b.Graph.Nodes(), func(n *ir.Node) bool { return n.NumOutputs() > 0 && pending[n.Output(0)] }), nil
}

// axis returns the one axis of v that the batch is in, and how many rows of it
// belong to one image. It is false where no axis or several have the batch.
func (b *batcher) axis(v *ir.Value) (axis int, rows shape.Dim, ok bool) {
	dims, _ := b.info.Dims(v)
	axis = -1
	for i, d := range dims {
		if !b.mentions(d) {
			continue
		}
		rows = d.FloorDiv(b.batch)
		if axis >= 0 || b.mentions(rows) || !rows.Mul(b.batch).Equal(d) {
			return 0, shape.Dim{}, false
		}
		axis = i
	}
	return axis, rows, axis >= 0
}

// mentions reports whether d depends on the batch.
func (b *batcher) mentions(d shape.Dim) bool {
	for _, t := range d.Terms() {
		for _, a := range t.Atoms {
			if a.Op == shape.Symbol && !a.Fresh && a.Name == b.name || slices.ContainsFunc(a.Args, b.mentions) {
				return true
			}
		}
	}
	return false
}

func (b *batcher) refuse(n *ir.Node, format string, args ...any) error {
	return passes.Unsuitable(n.Label(), "the batch size %d that is built into the model cannot be made symbolic: %s; export the model with a dynamic batch",
		b.size, fmt.Sprintf(format, args...))
}

// checkOutputs demands one row an image of every output that images reach.
func (b *batcher) checkOutputs() error {
	for _, p := range b.Graph.Outputs() {
		axis, rows, ok := b.axis(p.Value)
		if b.batched[p.Value] && (!ok || axis != 0 || !rows.Is(1)) {
			return passes.Unsuitable(fmt.Sprintf("output %q", p.Name()), "expected one row an image, found %v, as the model has a batch size of %d built in; "+
				"export the model with a dynamic batch", b.info.Of(p.Value), b.size)
		}
	}
	return nil
}
