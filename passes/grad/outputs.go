package grad

import (
	"context"
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ends"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/internal/similar"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

// endHead is a tensor that stands for an output, or a part of it, in the loss.
type endHead struct {
	output  string
	part    string // of the output where it has several, "" for all of it
	tensor  ends.Tensor
	end     ends.End
	dims    []int64     // of one image, nil where they are not known
	teacher ends.Tensor // of the teacher's own graph
	by      Compared
	focus   *endHead // by whose scores positions count, nil for none
}

// attend finds the scores by which positions count: those of a Sigmoid beside it in the same
// output, of fewest a position.
func (h *endHead) attend(heads []*endHead) {
	if !slices.ContainsFunc(heads, func(f *endHead) bool { return f.output == h.output && f.end.Kind != ends.Sigmoid }) {
		return // scores alone, of several scales: their parts are positions
	}
	channel := func(h *endHead) (axis int, size int64) {
		if len(h.end.Where) != 1 || len(h.tensor.Order) != len(h.dims) || h.end.Kind == ends.Indices {
			return -1, 0
		}
		r := h.end.Where[0]
		return slices.Index(h.tensor.Order, r.Axis), r.Stop - r.Start
	}
	mine, width := channel(h)
	if mine < 0 || !losses[h.by.Loss].focused {
		return
	}
	for _, f := range heads {
		axis, scores := channel(f)
		fits := f.output == h.output && f != h && f.end.Kind == ends.Sigmoid && f.by.Loss == lossBinary && axis >= 0 && len(f.dims) == len(h.dims)
		if !fits || f.end.Where[0].Axis != h.end.Where[0].Axis || h.end.Kind == ends.Sigmoid && scores >= width {
			continue
		}
		order := make([]int64, len(h.dims))
		for i, of := range h.tensor.Order {
			j := slices.Index(f.tensor.Order, of)
			order[i] = int64(j)
			fits = fits && (i == mine || h.dims[i] == f.dims[j])
		}
		if fits && (h.focus == nil || scores < h.by.Focus.fewest) {
			h.focus, h.by.Focus = f, &Focus{Axis: axis, Order: order, fewest: scores}
		}
	}
}

// tensorsOf returns the tensors that stand for m's outputs, those of each in their order.
func tensorsOf(m *ir.Model) (tensors map[string][]endHead, all []ends.End, err error) {
	info, err := shape.Infer(m, shape.Options{Fix: oneImage(m)})
	if err != nil {
		return nil, nil, err
	}
	tensors, all = map[string][]endHead{}, ends.Of(m, info)
	for _, e := range all {
		name := e.Output.Name()
		for _, x := range e.Taught {
			part := ""
			for _, r := range e.Where {
				part += fmt.Sprintf("[%d:%d]", r.Start, r.Stop)
			}
			if e.Kind == ends.Indices {
				part = " from " + x.Value.Name()
			}
			dims, _ := info.Of(x.Value).Shape()
			tensors[name] = append(tensors[name], endHead{output: name, part: part, tensor: x, end: e, dims: dims})
		}
	}
	return tensors, all, nil
}

// oneImage fixes the images' input of m to one image where their number is open.
func oneImage(m *ir.Model) map[string][]int64 {
	fix := map[string][]int64{}
	for _, v := range m.Graph.Feeds() {
		dims, ok := v.Shape()
		if !ok || len(dims) == 0 {
			continue
		}
		sizes := make([]int64, len(dims))
		for i, d := range dims {
			switch {
			case d.N >= 0 && d.Symbol == "":
				sizes[i] = d.N
			case i == 0:
				sizes[i] = 1
			default:
				ok = false
			}
		}
		if ok {
			fix[v.Name()] = sizes
		}
	}
	return fix
}

// byEnds reports whether outputs are compared by what they end in: where a teacher
// teaches anything but one output of class scores. Found are those of class scores.
func (b *build) byEnds(found *Heads, err error) bool {
	switch {
	case !b.Distilled, b.Output != "", b.Loss.Kind != Distill && b.Loss.Kind != MeanSquared:
		return false
	}
	return b.Raw || len(b.Teach) > 0 || err != nil || len(found.Scores) > 1 || len(found.Others) > 0
}

// teachEnds adds to what is compared the outputs that are compared by their ends, all but
// those that are told already, and to p's what is judged.
func (b *build) teachEnds(ctx context.Context, o *Options, beside *teacherBeside, c *chosen, p *Program) error {
	mine, all, err := tensorsOf(b.m)
	if err != nil {
		return err
	}
	theirs, _, err := tensorsOf(beside.m)
	if err != nil {
		return err
	}
	asked, err := b.asked(all)
	if err != nil {
		return err
	}
	var heads []*endHead
	var taught []string
	seen := map[*ir.Value]bool{}
	if c.masks != nil {
		seen[c.masks.tensor.Value] = true
	}
	for _, name := range outputsOf(all) {
		if c.told[name] || b.Outputs != nil && !slices.Contains(b.Outputs, name) {
			continue
		}
		want, wanted := asked[name]
		if !wanted {
			b.Notice("output %q is left out, and may change with the weights: option outputs names others", name)
			continue
		}
		found, reason := b.compared(o, mine[name], theirs[name], want, seen)
		if reason != "" {
			b.Notice("output %q is left out, and may change with the weights: %s", name, reason)
			continue
		}
		heads = append(heads, found...)
		if len(found) > 0 {
			taught = append(taught, name)
		}
		if len(mine[name]) > 0 && c.heads == nil && c.scores == nil && c.masks == nil {
			p.Judged = append(p.Judged, Judged{Output: name, Scores: name, Teacher: name, Taught: true})
		}
	}
	if len(heads) == 0 && len(o.Targets.Heads) == 0 {
		return passes.Unsuitable("model", "none of its outputs depends on what is trained through tensors of known sizes: nothing can be taught")
	}
	for _, s := range c.scores {
		if _, wanted := asked[s.Output.Name()]; wanted {
			p.Judged = append(p.Judged, Judged{Output: s.Output.Name(), Scores: s.Name(), Teacher: s.Name(), Taught: true})
		}
	}
	total := float64(len(o.Targets.Heads))
	for _, name := range taught {
		total += asked[name].weight
	}
	for _, h := range heads {
		of := 0
		for _, other := range heads {
			if other.output == h.output {
				of++
			}
		}
		h.by.Weight = asked[h.output].weight / total / float64(of)
		if h.by.Name = h.output; of > 1 {
			h.by.Name += h.part
		}
	}
	for _, h := range heads {
		h.attend(heads)
	}
	if err := b.measure(ctx, o, beside, heads); err != nil {
		return err
	}
	for _, h := range heads {
		if h.focus != nil {
			h.by.Focus.Scores = b.keep(beside.at[h.focus.teacher.Value.Name()])
		}
		b.keep(h.tensor.Value)
		theirs := b.keep(beside.at[h.teacher.Value.Name()])
		o.Targets.Heads = append(o.Targets.Heads, Head{Scores: h.tensor.Value.Name(), Teacher: theirs, By: &h.by})
	}
	return nil
}

// outputsOf are the names of the outputs that end so, each once.
func outputsOf(all []ends.End) (names []string) {
	for _, e := range all {
		if name := e.Output.Name(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// asked says how each output is to be compared that is to be.
func (b *build) asked(all []ends.End) (map[string]byEnd, error) {
	asked, names := map[string]byEnd{}, outputsOf(all)
	for _, text := range b.Teach {
		want, err := parseByEnd(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(names, want.output) {
			return nil, passes.Unsuitable("option outputs", "expected one of the outputs %q, found %q%s", names, want.output, similar.Hint(want.output, names))
		}
		asked[want.output] = want
	}
	if len(b.Teach) == 0 {
		for _, name := range names {
			asked[name] = byEnd{output: name, weight: 1}
		}
	}
	return asked, nil
}

// compared returns what stands for an output, as far as it changes with what is trained
// and was not seen before, with the teacher's; or why nothing does.
func (b *build) compared(o *Options, mine, theirs []endHead, want byEnd, seen map[*ir.Value]bool) (heads []*endHead, reason string) {
	if len(mine) == 0 {
		return nil, "" // it follows from no image
	}
	if len(theirs) != len(mine) {
		return nil, "the teacher has no output of that name that ends alike"
	}
	for i := range mine {
		h := mine[i]
		h.teacher = theirs[i].tensor
		switch {
		case h.dims == nil:
			return nil, fmt.Sprintf("the sizes of tensor %q, which stands for it, depend on what the image shows", h.tensor.Value.Name())
		case !slices.Equal(h.dims, theirs[i].dims):
			return nil, fmt.Sprintf("tensor %q, which stands for it, is %v, the teacher's %v", h.tensor.Value.Name(), h.dims, theirs[i].dims)
		case seen[h.tensor.Value] || !b.changes(o, h.tensor.Value):
			continue
		}
		seen[h.tensor.Value] = true
		h.by = Compared{Loss: want.loss, Axis: h.tensor.Axis}
		if h.by.Loss == "" {
			h.by.Loss = b.lossOf(&h)
		}
		if h.by.Loss == lossDice {
			masks, reason := masksOf(&h)
			switch {
			case reason == "":
				h.by.Axis = masks.Axis
			case len(heads) == 0:
				b.Notice("dice is made for masks, and output %q%s is none: %s", h.output, h.part, reason)
			}
		}
		if losses[h.by.Loss].axis && h.by.Axis < 0 {
			return nil, fmt.Sprintf("loss %s needs an axis of classes or vectors, which tensor %q has not", h.by.Loss, h.tensor.Value.Name())
		}
		heads = append(heads, &h)
	}
	return heads, ""
}

// lossOf is the loss by which a tensor is compared where nobody says.
func (b *build) lossOf(h *endHead) string {
	_, reason := masksOf(h)
	switch {
	case b.Loss.Kind == MeanSquared:
		return lossSquared
	case b.Overlap && h.tensor.Kind == ends.Sigmoid && reason == "":
		return lossDice
	}
	return lossOf[h.tensor.Kind]
}

// changes reports whether v depends on weights that are trained or on what a bottleneck
// gives.
func (b *build) changes(o *Options, v *ir.Value) bool {
	for x := range ends.Ancestors(v) {
		if x.Init() != nil && o.Train(x.Name()) || x.Producer() != nil && x.Producer().Domain == shape.CodecDomain {
			return true
		}
	}
	return false
}

// measure sets the scales of what is compared, and of the features that are matched, by
// what the teacher says of images.
func (b *build) measure(ctx context.Context, o *Options, beside *teacherBeside, heads []*endHead) error {
	if b.Measure == nil {
		return nil
	}
	m := beside.m.Clone()
	for name, fixed := range oneImage(m) {
		v := m.Graph.Value(name)
		m.Graph.SetType(v, ir.TensorType(v.DType(), ir.Fixed(fixed...)))
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return err
	}
	e := newBuilder(m, info)
	e.prefix = "moment."
	temperature := b.Loss.Temperature
	if temperature == 0 {
		temperature = 1
	}
	var moments [][]*ir.Value
	mean := func(numbers []*ir.Value, along []int, weights *ir.Value) {
		var means []*ir.Value
		for i, x := range numbers {
			if weights != nil {
				x = e.mul(x, weights)
			}
			means = append(means, e.mean(x, along[i]))
		}
		if weights != nil {
			means = append(means, e.mean(weights, -1))
		}
		moments = append(moments, means)
	}
	for _, h := range heads {
		numbers, along := losses[h.by.Loss].moments(e, m.Graph.Value(h.teacher.Value.Name()), h.by.Axis, temperature)
		var weights *ir.Value
		if h.focus != nil {
			weights = h.by.Focus.weights(e, m.Graph.Value(h.focus.teacher.Value.Name()))
		}
		mean(numbers, along, weights)
	}
	for _, name := range beside.matched {
		numbers, along := valueMoments(e, m.Graph.Value(name), 1, temperature)
		mean(numbers, along, nil)
	}
	m.Graph.SetOutputs(slices.Concat(moments...)...)
	if err := m.Graph.Sort(); err != nil {
		return err
	}
	if _, err := passes.RunContext(ctx, m, []passes.Pass{opt.DeadCode}, nil); err != nil {
		return err
	}
	found, err := b.Measure(ctx, m)
	if err != nil {
		return fmt.Errorf("what the teacher says of images: %w", err)
	}
	numbers := func(i int) (list [][]float64) {
		for _, v := range moments[i] {
			list = append(list, found[v.Name()])
		}
		return list
	}
	for i, h := range heads {
		if h.focus != nil { // means of what is weighed
			last := len(moments[i]) - 1
			weight := found[moments[i][last].Name()][0]
			for _, v := range moments[i][:last] {
				for k := range found[v.Name()] {
					found[v.Name()][k] /= weight
				}
			}
		}
		h.by.Scale = rounded(losses[h.by.Loss].scale(numbers(i), temperature))
	}
	for i := range o.Targets.Features {
		variance := valueScale(numbers(len(heads)+i), temperature)
		sum := 0.0
		for _, v := range variance {
			sum += v
		}
		o.Targets.Features[i].Scale = rounded([]float64{sum / float64(len(variance))})[0]
	}
	return nil
}
