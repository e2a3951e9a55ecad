package grad

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// ManifestKey is the metadata property of a step graph that holds its Manifest.
const ManifestKey = "bnc.step"

// Options say what a training step is.
type Options struct {
	Batch   int64  // images a step
	Input   string // the images
	Targets Targets
	Loss    Loss
	Opt     Optimizer
	// Train tells which parameters change; nil: all.
	Train func(name string) bool
	// KeepStatistics leaves batch normalisation as in inference.
	KeepStatistics bool
	Layout         Layout // "" for NCHW
	// Watch names scalar-per-image outputs to report the mean of (payload_bytes).
	Watch string
}

// Manifest is all that a program needs to run a step graph, in its metadata.
type Manifest struct {
	Batch    int64    `json:"batch"`
	Input    string   `json:"input"`
	Labels   string   `json:"labels,omitempty"` // int64 [batch]; none where a teacher teaches
	Scalars  []string `json:"scalars"`
	Beta1    float64  `json:"beta1,omitempty"` // of Adam's corrections
	Beta2    float64  `json:"beta2,omitempty"`
	State    []Tensor `json:"state"`
	Params   []Param  `json:"params"`
	Averages []Param  `json:"averages,omitempty"` // with --ema, of the first Params in their order
	// Statistics are the running means and variances of batch normalisation that
	// learns: no part of a step, and measured by Program.Statistics.
	Statistics *Tensor `json:"statistics,omitempty"`
	Loss       string  `json:"loss"`           // outputs, float32 [1] each
	Hits       string  `json:"hits,omitempty"` // none where the objective knows no such thing
	Norm       string  `json:"norm"`
	Watch      string  `json:"watch,omitempty"` // output, int64 [batch]
}

// Program is a training step and what goes with it.
type Program struct {
	// Step maps images, labels, scalars and state to losses and the next state.
	Step *ir.Model
	// Eval maps images of any number and the weights in the state to the
	// outputs of the model.
	Eval *ir.Model
	// Statistics maps images and the weights in the state to what this batch gives for
	// Manifest.Statistics; nil where there are none. It still has nodes that its output
	// does not need.
	Statistics *ir.Model
	Manifest   Manifest
	// Initial holds the first values of the tensors of state that do not begin
	// with zeros.
	Initial map[string][]float32

	// What Build adds: the learning rate, what is trained, and the teacher where one
	// teaches, in the form that is differentiated.
	Rate    float64
	Judged  []Judged
	Teacher *ir.Model
}

// next is appended to the name of a tensor of state for its next value.
const next = "'"

// Compile makes a training step of m, a model of operator set 17 or newer whose
// images come in any number. It changes m into the step's graph. Eval, which has
// the same parameters, is the network that is evaluated: it becomes one that
// reads them from the same tensors of state. It ends early with ctx.
func Compile(ctx context.Context, m, eval *ir.Model, o Options) (*Program, error) {
	o.Opt = o.Opt.withDefaults()
	params := Parameters(m.Graph)
	if o.Train != nil {
		params = slices.DeleteFunc(params, func(v *ir.Value) bool { return !o.Train(v.Name()) })
	}
	if len(params) == 0 {
		return nil, fmt.Errorf("no weights are left to train: float32 initializers learn, as far as --freeze leaves them")
	}
	trained := map[*ir.Value]bool{}
	for _, v := range params {
		trained[v] = true
	}
	info, err := fixBatch(m, o)
	if err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	b := newBuilder(m, info)
	m.SetOpset(Domain, 1)
	var stats []statistic
	if !o.KeepStatistics {
		stats = trainBatchNorm(b, trained)
	}
	var running []*ir.Value
	for _, s := range stats {
		running = append(running, s.running)
	}
	names := &stateNames{[]*ir.Graph{m.Graph, eval.Graph}, map[string]bool{}}
	weights, weightTensors := layoutState(params, names, weightState, flatBelow)
	statistics, statTensors := layoutState(running, names, statisticState, 1<<62)
	p := &Program{Step: m, Eval: eval, Initial: map[string][]float32{}}
	if err := p.readInitial(m.Graph, slices.Concat(weights, statistics)); err != nil {
		return nil, err
	}
	inputs := readState(b, weights, weightTensors)
	p.Manifest = Manifest{Batch: o.Batch, Input: o.Input, Params: slices.Concat(weights, statistics)}
	if len(stats) > 0 {
		p.Manifest.Statistics = &statTensors[0]
		if p.Statistics, err = statisticsGraph(m, stats, statTensors[0], o.Layout); err != nil {
			return nil, err
		}
	}
	if err := p.finishStep(ctx, b, o, names, inputs, weights, weightTensors); err != nil {
		return nil, err
	}
	return p, p.finishEval(o, slices.Concat(weightTensors, statTensors))
}

// fixBatch gives the images' input the number of images of a step.
func fixBatch(m *ir.Model, o Options) (*shape.Info, error) {
	in := m.Graph.Value(o.Input)
	if in == nil {
		return nil, fmt.Errorf("the model has no input %q", o.Input)
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return nil, err
	}
	dims, ok := info.Dims(in)
	if !ok || len(dims) == 0 {
		return nil, fmt.Errorf("the shape of input %q is not known", o.Input)
	}
	fixed := []int64{o.Batch}
	for _, d := range dims[1:] {
		n, ok := d.Int()
		if !ok {
			return nil, fmt.Errorf("input %q is %v: only the batch may be open in training; give the others by --input NAME=DIMS", o.Input, info.Of(in))
		}
		fixed = append(fixed, n)
	}
	m.Graph.SetType(in, ir.TensorType(in.DType(), ir.Fixed(fixed...)))
	return shape.Infer(m, shape.Options{Fix: map[string][]int64{o.Input: fixed}})
}

func (p *Program) readInitial(g *ir.Graph, params []Param) error {
	for _, q := range params {
		v, err := g.Value(q.Name).Init().Floats()
		if err != nil {
			return fmt.Errorf("weight %q: %w", q.Name, err)
		}
		all := p.Initial[q.State]
		if need := int(q.Offset) + len(v); len(all) < need {
			all = append(all, make([]float32, need-len(all))...)
		}
		copy(all[q.Offset:], v)
		p.Initial[q.State] = all
	}
	return nil
}

// finishStep appends loss, gradients and updates.
func (p *Program) finishStep(ctx context.Context, b *builder, o Options, names *stateNames, inputs map[string]*ir.Value, weights []Param, weightTensors []Tensor) error {
	g, man := b.g, &p.Manifest
	loss, labels, err := o.Loss.build(b, o.Targets)
	if err != nil {
		return err
	}
	if labels != nil {
		man.Labels = labels.Name()
	}
	outputs := []*ir.Value{loss.loss}
	if loss.hits != nil {
		outputs = append(outputs, loss.hits)
		man.Hits = loss.hits.Name()
	}
	if o.Watch != "" {
		watched := g.Value(o.Watch)
		if watched == nil {
			return fmt.Errorf("the model has no output %q", o.Watch)
		}
		outputs = append(outputs, watched)
		man.Watch = o.Watch
	}
	if err := g.Sort(); err != nil {
		return err
	}
	info, err := shape.Infer(p.Step, shape.Options{})
	if err != nil {
		return err
	}
	layout := o.Layout.resolve(newBuilder(p.Step, info))
	var tensors []*ir.Value
	for _, t := range weightTensors {
		tensors = append(tensors, inputs[t.Name])
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	grads, err := Backward(p.Step, info, loss.seeds, tensors)
	if err != nil {
		return err
	}
	b.prefix, b.info = "step.", info
	scalars := map[string]*ir.Value{}
	for _, name := range o.Opt.scalars() {
		v := g.Temp(name, ir.TensorType(ir.Float32, ir.Fixed(1)))
		g.AddInput(v, nil)
		b.shapes[v] = []int64{1}
		scalars[name] = v
		man.Scalars = append(man.Scalars, v.Name())
	}
	if o.Opt.Kind != SGD {
		man.Beta1, man.Beta2 = o.Opt.Beta1, o.Opt.Beta2
	}
	for i, t := range tensors {
		if grads[i] == nil {
			grads[i] = b.zeros(b.dims(t))
		}
	}
	var norm *ir.Value
	grads, norm = o.Opt.clip(b, grads)
	outputs = append(outputs, norm)
	add := func(t Tensor, value *ir.Value) {
		g.Rename(value, t.Name+next)
		outputs = append(outputs, value)
		man.State = append(man.State, t)
	}
	input := func(prefix string, t Tensor) *ir.Value {
		v := g.Temp(names.free(prefix+t.Name), ir.TensorType(ir.Float32, ir.Fixed(t.Dims...)))
		g.AddInput(v, nil)
		b.shapes[v] = t.Dims
		return v
	}
	averages := map[string]string{} // of tensors of weights
	for i, t := range weightTensors {
		slots := map[string]*ir.Value{}
		for _, s := range o.Opt.slots() {
			slots[s] = input(s, t)
		}
		w, after := o.Opt.update(b, tensors[i], grads[i], o.Opt.decay(b, t, weights), slots, scalars)
		add(t, w)
		for _, s := range o.Opt.slots() {
			add(Tensor{Name: slots[s].Name(), Dims: t.Dims}, after[s])
		}
		if o.Opt.EMA > 0 {
			avg := input(averageState, t)
			averages[t.Name] = avg.Name()
			add(Tensor{Name: avg.Name(), Dims: t.Dims, From: t.Name}, b.add(avg, b.scale(b.sub(w, avg), 1-o.Opt.EMA)))
		}
	}
	if o.Opt.EMA > 0 {
		for _, w := range weights {
			w.State = averages[w.State]
			man.Averages = append(man.Averages, w)
		}
	}
	man.Loss, man.Norm = loss.loss.Name(), norm.Name()
	g.SetOutputs(outputs...)
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := Lower(p.Step, info, layout); err != nil {
		return err
	}
	doc, err := json.Marshal(man)
	if err != nil {
		return err
	}
	p.Step.SetMeta(ManifestKey, string(doc))
	return nil
}

// clip scales all gradients by one factor so that their norm together is at most
// ClipNorm, and returns that norm, float32 [1].
func (o Optimizer) clip(b *builder, grads []*ir.Value) ([]*ir.Value, *ir.Value) {
	var parts []*ir.Value
	for _, g := range grads {
		axes := make([]int64, len(b.dims(g)))
		for i := range axes {
			axes[i] = int64(i)
		}
		parts = append(parts, b.reshape(b.reduce("ReduceSumSquare", g, true, axes...), 1))
	}
	norm := b.sqrt(b.sum(b.concat(0, parts...), true, 0))
	if o.ClipNorm == 0 {
		return grads, norm
	}
	factor := b.binary("Min", b.div(b.scalar(o.ClipNorm), b.plus(norm, 1e-6)), b.scalar(1))
	out := make([]*ir.Value, len(grads))
	for i, g := range grads {
		out[i] = b.mul(g, factor)
	}
	return out, norm
}

// decay returns the weight decay of a tensor of state: none for parameters of
// rank 0 and 1 (biases, normalisations) unless DecayAll.
func (o Optimizer) decay(b *builder, t Tensor, weights []Param) *ir.Value {
	if o.WeightDecay == 0 {
		return nil
	}
	var mask []float32
	all, any := true, false
	for _, w := range weights {
		if w.State != t.Name {
			continue
		}
		v := float32(0)
		if o.DecayAll || len(w.Dims) >= 2 {
			v = float32(o.WeightDecay)
		}
		all, any = all && v != 0, any || v != 0
		for range ir.Elements(w.Dims) {
			mask = append(mask, v)
		}
	}
	switch {
	case all:
		return b.scalar(o.WeightDecay)
	case !any:
		return nil
	}
	return b.floats(mask, int64(len(mask)))
}

// finishEval makes the evaluated graph read the same tensors of state.
func (p *Program) finishEval(o Options, tensors []Tensor) error {
	info, err := shape.Infer(p.Eval, shape.Options{})
	if err != nil {
		return err
	}
	b := newBuilder(p.Eval, info)
	b.prefix = "state."
	readState(b, p.Manifest.Params, tensors)
	return p.Eval.Graph.Sort()
}
