package grad

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes/bottleneck"
)

// ManifestKey is the metadata property of a step graph that holds its Manifest.
const ManifestKey = "bnc.step"

// Options say what a training step is.
type Options struct {
	Batch   int64    // images a step
	Input   string   // the images
	Given   []string // further inputs
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
	Batch   int64    `json:"batch"`
	Input   string   `json:"input"`
	Labels  string   `json:"labels,omitempty"` // int64 [batch], or [batch,H,W] of Masks; none where a teacher teaches
	Scalars []string `json:"scalars"`
	// ByteWeight is an input, float32 [1]: how much of the loss a byte of payload is. None
	// where they do not count.
	ByteWeight string   `json:"byte_weight,omitempty"`
	Beta1      float64  `json:"beta1,omitempty"` // of Adam's corrections
	Beta2      float64  `json:"beta2,omitempty"`
	State      []Tensor `json:"state"`
	Params     []Param  `json:"params"`
	Averages   []Param  `json:"averages,omitempty"` // with --ema, of the first Params in their order
	// Statistics are the running means and variances of batch normalisation that
	// learns: no part of a step, and measured by Program.Statistics.
	Statistics *Tensor `json:"statistics,omitempty"`
	Loss       string  `json:"loss"`           // outputs, float32 [1] each
	Hits       string  `json:"hits,omitempty"` // none where the objective knows no such thing
	Norm       string  `json:"norm"`
	Watch      string  `json:"watch,omitempty"` // output, int64 [batch]
	// Errors is an output, float32, with what the loss is of each of Compared: outputs, or
	// parts of them. None where the objective does not tell.
	Errors   string   `json:"errors,omitempty"`
	Compared []string `json:"compared,omitempty"`
	// Masks says what labels are that are masks; nil for the class of each image.
	Masks *LabelMasks `json:"masks,omitempty"`
}

// LabelMasks are labels that are masks: the class of each place, 255 for none.
type LabelMasks struct {
	Height  int64 `json:"height"`
	Width   int64 `json:"width"`
	Classes int64 `json:"classes"` // counted from 0
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
	Careful bool // the rate is the highest that it may be: it depends on the first gradients
	Judged  []Judged
	Teacher *ir.Model
}

// Marshal makes files of step, evaluation and statistics.
func (p *Program) Marshal() (step, eval, statistics []byte, err error) {
	if step, err = onnx.Marshal(p.Step); err == nil {
		eval, err = onnx.Marshal(p.Eval)
	}
	if err == nil && p.Statistics != nil {
		statistics, err = onnx.Marshal(p.Statistics)
	}
	return step, eval, statistics, err
}

// next is appended to the name of a tensor of state for its next value.
const next = "'"

// Compile makes a training step of m, a model of operator set 17 or newer whose
// images come in any number. It changes m into the step's graph. Eval, which has
// the same parameters, is the network that is evaluated: it becomes one that
// reads them from the same tensors of state. It ends early with ctx.
func Compile(ctx context.Context, m, eval *ir.Model, o Options) (*Program, error) {
	o.Opt = o.Opt.withDefaults()
	params := Parameters(m)
	if o.Train != nil {
		params = slices.DeleteFunc(params, func(v *ir.Value) bool { return !o.Train(v.Name()) })
	}
	if len(params) == 0 {
		return nil, fmt.Errorf("no weights are left to train: float32 initializers learn, as far as option freeze leaves them")
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
	b.quantiser = bottleneck.QuantiserOf(m) // batch statistics may replace the tensor that it reads
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
	if err := p.finishEval(o, slices.Concat(weightTensors, statTensors)); err != nil {
		return nil, err
	}
	for _, graph := range []*ir.Model{p.Step, p.Eval, p.Statistics} {
		if graph != nil {
			bottleneck.Forget(graph) // what runs a step has no use for it
		}
	}
	return p, nil
}

// fixBatch gives the inputs the number of images of a step, further ones where theirs is
// open.
func fixBatch(m *ir.Model, o Options) (*shape.Info, error) {
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return nil, err
	}
	fix := map[string][]int64{}
	for _, name := range append([]string{o.Input}, o.Given...) {
		in := m.Graph.Value(name)
		if in == nil {
			return nil, fmt.Errorf("the model has no input %q", name)
		}
		dims, ok := info.Dims(in)
		if !ok || len(dims) == 0 && name == o.Input {
			return nil, fmt.Errorf("the shape of input %q is not known", name)
		}
		var fixed []int64
		for i, d := range dims {
			n, ok := d.Int()
			switch {
			case i == 0 && (name == o.Input || !ok):
				n = o.Batch
			case !ok:
				return nil, fmt.Errorf("input %q is %v: only the batch may be open in training; give the others by option input NAME=DIMS", name, info.Of(in))
			}
			fixed = append(fixed, n)
		}
		m.Graph.SetType(in, ir.TensorType(in.DType(), ir.Fixed(fixed...)))
		fix[name] = fixed
	}
	return shape.Infer(m, shape.Options{Fix: fix})
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
	loss, outputs, err := p.losses(b, o)
	if err != nil {
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
	grads, err := through(p.Step, info, loss.seeds, tensors, b.quantiser)
	if err != nil {
		return err
	}
	b.prefix, b.info = "step.", info
	u := &updates{builder: b, opt: o.Opt, man: man, names: names, averages: map[string]string{}}
	u.addScalars()
	for i, t := range tensors {
		if grads[i] == nil {
			grads[i] = b.zeros(b.dims(t))
		}
	}
	grads, norm := o.Opt.clip(b, grads)
	for i, t := range weightTensors {
		u.update(t, tensors[i], grads[i], o.Opt.decay(b, t, weights), o.Opt.sizes(b, t, weights, p.Initial[t.Name]))
	}
	if o.Opt.EMA > 0 {
		for _, w := range weights {
			w.State = u.averages[w.State]
			man.Averages = append(man.Averages, w)
		}
	}
	man.Loss, man.Norm = loss.loss.Name(), norm.Name()
	g.SetOutputs(slices.Concat(outputs, []*ir.Value{norm}, u.next)...)
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

// losses appends the loss and returns it with what a step reports of it.
func (p *Program) losses(b *builder, o Options) (*lossGraph, []*ir.Value, error) {
	loss, labels, err := o.Loss.build(b, o.Targets)
	if err != nil {
		return nil, nil, err
	}
	if loss.byteWeight != nil {
		p.Manifest.ByteWeight = loss.byteWeight.Name()
	}
	if labels != nil {
		p.Manifest.Labels = labels.Name()
		if h := o.Targets.Heads[0]; h.Masks != nil {
			d := b.dims(labels)
			p.Manifest.Masks = &LabelMasks{d[1], d[2], h.Masks.classes(b.dims(b.g.Value(h.Scores)))}
		}
	}
	outputs := []*ir.Value{loss.loss}
	if loss.hits != nil {
		outputs = append(outputs, loss.hits)
		p.Manifest.Hits = loss.hits.Name()
	}
	if len(loss.each) > 0 {
		each := b.concat(0, loss.each...)
		outputs = append(outputs, each)
		p.Manifest.Errors, p.Manifest.Compared = each.Name(), loss.names
	}
	if o.Watch != "" {
		watched := b.g.Value(o.Watch)
		if watched == nil {
			return nil, nil, fmt.Errorf("the model has no output %q", o.Watch)
		}
		outputs = append(outputs, watched)
		p.Manifest.Watch = o.Watch
	}
	return loss, outputs, b.g.Sort()
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
