package grad

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ends"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

// Sensitivity tells how much the outputs of a network feel its inputs: the gradients of
// random directions of its outputs.
type Sensitivity struct {
	// Model computes them, of one image: its inputs are the network's and those of each
	// Direction, its first outputs the tensors of the Directions in their order, followed by
	// the gradients of the inputs that are asked for in theirs, float32 of their shapes.
	Model      *ir.Model
	Directions []Direction
}

// Direction is that in which an output is moved: noise times scale. Of the scores of
// classes the expected square of the gradient is the Fisher matrix of the distribution that
// they stand for, of others the Gauss-Newton matrix of the output divided by Scale.
type Direction struct {
	Noise string  // the input for standard normal numbers
	Dims  []int64 // of the tensor and of Noise
	// Scale is the input for what the noise is multiplied with along Axis, float32 of 1s but
	// for that axis; "" of the scores of classes, which need none.
	Scale string
	Axis  int      // -1: Scale is one number
	Parts [][2]int // of Axis, in which numbers are of a kind; nil for one
}

// FeelInputs makes of a network what tells how much its outputs feel some of its inputs. Raw tells
// that outputs are no scores of classes, whatever they look like. Compute is as in
// BuildOptions. The network is used up. A node without a gradient is an [*Error].
func FeelInputs(ctx context.Context, m *ir.Model, inputs []string, raw bool, compute func(context.Context, *ir.Model) (map[string]*ir.Tensor, error)) (*Sensitivity, error) {
	b := &build{BuildOptions: BuildOptions{Compute: compute}, m: m}
	if _, err := b.prepare(ctx, m); err != nil {
		return nil, err
	}
	for _, v := range m.Graph.Feeds() {
		if dims := oneImage(m)[v.Name()]; dims != nil {
			m.Graph.SetType(v, ir.TensorType(v.DType(), ir.Fixed(dims...)))
		}
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return nil, err
	}
	m.SetOpset(Domain, 1)
	s := &sensing{builder: newBuilder(m, info), seeds: map[*ir.Value]*ir.Value{}}
	s.prefix = "feel."
	told := map[*ir.Value]bool{}
	if !raw {
		if heads, err := Logits(Want{}, m); err == nil {
			for _, h := range heads.Scores {
				told[h.Output] = true
				s.scores(h.Value)
			}
		}
	}
	all := ends.Of(m, info)
	for _, e := range all {
		if told[e.Output] {
			continue
		}
		if e.Kind != ends.Indices {
			s.numbers(e.Output, e)
			continue
		}
		for _, t := range e.Taught {
			s.numbers(t.Value, ends.End{Axis: t.Axis})
		}
	}
	s.focus(all)
	if len(s.directions) == 0 {
		return nil, passes.Unsuitable("model", "none of its outputs has a gradient")
	}
	return s.finish(ctx, m, inputs)
}

// sensing makes directions.
type sensing struct {
	*builder
	seeds      map[*ir.Value]*ir.Value
	tensors    []*ir.Value
	directions []Direction
}

// input adds an input of a name of its own.
func (s *sensing) input(hint string, dims []int64) *ir.Value {
	v := s.g.Temp(hint, ir.TensorType(ir.Float32, ir.Fixed(dims...)))
	s.g.AddInput(v, nil)
	s.shapes[v] = dims
	return v
}

// direction begins one of v, of which it returns the noise; nil where v has one already, or
// its sizes are not known.
func (s *sensing) direction(v *ir.Value) *ir.Value {
	if s.seeds[v] != nil || !s.known(v) || !s.isFloat(v) {
		return nil
	}
	noise := s.input("noise", s.dims(v))
	s.tensors = append(s.tensors, v)
	s.directions = append(s.directions, Direction{Noise: noise.Name(), Dims: s.dims(v), Axis: -1})
	return noise
}

// scores moves logits by sqrt(p) z - p sum(sqrt(p) z), p their softmax and z noise: the
// expected square is diag(p) - p p^T, that of the gradient of the log-probability of a
// class that is drawn from p.
func (s *sensing) scores(v *ir.Value) {
	noise := s.direction(v)
	if noise == nil {
		return
	}
	n := s.dims(v)[0]
	k := ir.Elements(s.dims(v)[1:])
	p := s.unary("Softmax", s.reshape(v, n, k), ir.IntAttr("axis", 1))
	drawn := s.mul(s.sqrt(p), s.reshape(noise, n, k))
	seed := s.sub(drawn, s.mul(p, s.sum(drawn, true, 1)))
	s.seeds[v] = s.reshape(seed, s.dims(v)...)
}

// numbers moves any numbers by noise times scale.
func (s *sensing) numbers(v *ir.Value, e ends.End) {
	if noise := s.direction(v); noise != nil {
		last := &s.directions[len(s.directions)-1]
		dims := make([]int64, len(last.Dims))
		for i := range dims {
			dims[i] = 1
		}
		if e.Axis > 0 && e.Axis < len(dims) {
			last.Axis, dims[e.Axis] = e.Axis, last.Dims[e.Axis]
		}
		scale := s.input("scale", dims)
		last.Scale = scale.Name()
		s.seeds[v] = s.mul(noise, scale)
	}
	for i, t := range s.tensors { // of an output of several parts, each
		if d := &s.directions[i]; t == v && len(e.Where) == 1 && e.Where[0].Axis > 0 {
			d.Axis = e.Where[0].Axis
			d.Parts = append(d.Parts, [2]int{int(e.Where[0].Start), int(e.Where[0].Stop)})
			dims := make([]int64, len(d.Dims))
			for k := range dims {
				dims[k] = 1
			}
			dims[d.Axis] = d.Dims[d.Axis]
			scale := s.g.Value(d.Scale)
			s.g.SetType(scale, ir.TensorType(ir.Float32, ir.Fixed(dims...)))
			s.shapes[scale] = dims
		}
	}
}

// focus lets positions of an output count as far as its scores say that something is there:
// those of a Sigmoid, of fewest a position, weigh what is beside them, as in [Focus]. Scores
// alone, of several scales, are divided by positions and count alike.
func (s *sensing) focus(all []ends.End) {
	parts := map[*ir.Value][]ends.End{}
	for _, e := range all {
		if s.seeds[e.Output] != nil && len(e.Where) == 1 && e.Where[0].Axis > 0 {
			parts[e.Output] = append(parts[e.Output], e)
		}
	}
	for _, v := range s.tensors {
		var scores *ends.Range
		other := false
		for _, e := range parts[v] {
			other = other || e.Kind != ends.Sigmoid
			if r := &e.Where[0]; e.Kind == ends.Sigmoid && (scores == nil || r.Stop-r.Start < scores.Stop-scores.Start) {
				scores = r
			}
		}
		if scores == nil || !other {
			continue
		}
		axis, size := int64(scores.Axis), s.dims(v)[scores.Axis]
		counts := s.plus(s.reduce("ReduceMax", s.slice(v, axis, scores.Start, scores.Stop), true, axis), leastFocus)
		var axes []int64
		for i := range s.dims(v) {
			axes = append(axes, int64(i))
		}
		weights := s.sqrt(s.div(counts, s.reduce("ReduceMean", counts, true, axes...)))
		seed := s.seeds[v]
		var all []*ir.Value
		if scores.Start > 0 {
			all = append(all, s.mul(s.slice(seed, axis, 0, scores.Start), weights))
		}
		all = append(all, s.slice(seed, axis, scores.Start, scores.Stop))
		if scores.Stop < size {
			all = append(all, s.mul(s.slice(seed, axis, scores.Stop, size), weights))
		}
		s.seeds[v] = s.concat(axis, all...)
	}
}

// finish differentiates.
func (s *sensing) finish(ctx context.Context, m *ir.Model, inputs []string) (*Sensitivity, error) {
	out := &Sensitivity{Model: m, Directions: s.directions}
	var of []*ir.Value
	for _, name := range inputs {
		v := m.Graph.Value(name)
		if v == nil || !v.IsInput() {
			return nil, passes.Unsuitable(fmt.Sprintf("tensor %q", name), "nothing behind the cut reads it")
		}
		of = append(of, v)
	}
	if err := m.Graph.Sort(); err != nil {
		return nil, err
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return nil, err
	}
	grads, err := Backward(m, info, s.seeds, of)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(grads, func(g *ir.Value) bool { return g != nil }) {
		return nil, errors.New("no gradient reaches the inputs")
	}
	after := newBuilder(m, info)
	outputs := slices.Clone(s.tensors)
	for i, v := range of {
		d := grads[i]
		if d == nil {
			d = after.zeros(after.dims(v))
		}
		name := m.Graph.Temp("d."+v.Name(), ir.TensorType(ir.Float32, ir.Fixed(after.dims(v)...)))
		m.Graph.NewNode("", "Identity", []*ir.Value{d}, []*ir.Value{name})
		outputs = append(outputs, name)
	}
	m.Graph.SetOutputs(outputs...)
	if err := Lower(m, info, NCHW); err != nil {
		return nil, err
	}
	_, err = passes.RunContext(ctx, m, []passes.Pass{opt.CommonSubexpressions, opt.DeadCode}, nil)
	return out, err
}
