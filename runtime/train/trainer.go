package train

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"maps"
	"math"

	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Trainer holds the state of a training and does its steps. The state exists
// twice: a step reads one and writes the other, and nothing is copied.
type Trainer struct {
	session    *ort.Session
	measuring  *ort.Session // maps a batch to its statistics, nil for none
	man        *manifest
	steps      int      // that were done
	state      ort.Feed // by the name of the tensor
	spare      ort.Feed
	statistics *tensor.Tensor // running ones of batch normalisation, nil for none
	scalars    ort.Feed
	byteWeight *tensor.Tensor // how much of the loss a byte of payload is
	labels     *tensor.Tensor
	out        ort.Feed // losses
}

// NewTrainer makes the trainer of a step graph. Measuring is the graph that goes with it
// where batch normalisation learns, else nil. Initial holds the first values of the
// tensors of state that do not begin with zeros.
func NewTrainer(step, measuring *ort.Session, initial map[string][]float32) (*Trainer, error) {
	man, err := parseManifest(step.Metadata())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", step.Name(), err)
	}
	if (man.Statistics == nil) != (measuring == nil) {
		return nil, fmt.Errorf("BUG: %s: statistics %v, and a graph that measures them: %v", step.Name(), man.Statistics, measuring != nil)
	}
	t := &Trainer{
		session: step, measuring: measuring, man: man, state: ort.Feed{}, spare: ort.Feed{}, scalars: ort.Feed{}, out: ort.Feed{},
		byteWeight: tensor.Of([]int64{1}, []float32{0}),
	}
	for _, s := range man.State {
		for _, set := range []ort.Feed{t.state, t.spare} {
			if set[s.Name], err = tensor.New(tensor.Float32, s.Dims...); err != nil {
				return nil, fmt.Errorf("state %s: %w", s.Name, err)
			}
		}
	}
	if s := man.Statistics; s != nil {
		if t.statistics, err = tensor.New(tensor.Float32, s.Dims...); err != nil {
			return nil, fmt.Errorf("statistics %s: %w", s.Name, err)
		}
	}
	for _, s := range man.kept() {
		into := t.tensor(s.Name)
		if values, ok := initial[cmp.Or(s.From, s.Name)]; ok {
			if len(values) != into.Len() {
				return nil, fmt.Errorf("state %s: expected %d values, found %d", s.Name, into.Len(), len(values))
			}
			copy(tensor.Slice[float32](into), values)
		}
	}
	for _, name := range man.Scalars {
		t.scalars[name] = tensor.Of([]int64{1}, []float32{1})
	}
	for _, name := range man.told() {
		t.out[name] = tensor.Of([]int64{1}, []float32{0})
	}
	if man.Errors != "" {
		t.out[man.Errors] = tensor.Of([]int64{int64(len(man.Compared))}, make([]float32, len(man.Compared)))
	}
	shape := []int64{int64(man.Batch)}
	if m := man.Masks; m != nil {
		shape = append(shape, m.Height, m.Width)
	}
	t.labels, err = tensor.New(tensor.Int64, shape...)
	return t, err
}

// tensor returns a tensor of the state, or the statistics.
func (t *Trainer) tensor(name string) *tensor.Tensor {
	if t.man.Statistics != nil && name == t.man.Statistics.Name {
		return t.statistics
	}
	return t.state[name]
}

// Batch is the number of images of a step.
func (t *Trainer) Batch() int { return t.man.Batch }

// Labelled tells whether a step needs labels.
func (t *Trainer) Labelled() bool { return t.man.Labels != "" }

// Masks says which masks of the images a step needs for labels; nil for none.
func (t *Trainer) Masks() *feed.Masks {
	if m := t.man.Masks; m != nil {
		return &feed.Masks{Grid: image.Pt(int(m.Width), int(m.Height)), Classes: int(m.Classes)}
	}
	return nil
}

// Compared are the names of what a step tells errors of: outputs, or parts of them.
func (t *Trainer) Compared() []string { return t.man.Compared }

// WeighBytes makes a byte of payload so much of the loss from the next step on, where the
// graph lets bytes count.
func (t *Trainer) WeighBytes(weight float64) {
	tensor.Slice[float32](t.byteWeight)[0] = float32(weight)
}

// Steps is the number of steps that were done.
func (t *Trainer) Steps() int { return t.steps }

// StepResult is what a step tells.
type StepResult struct {
	Loss float64
	Hits int     // images of which the output says the right thing, 0 where the objective knows no such thing
	Norm float64 // of all gradients together, before clipping
	// Bytes is the mean payload of an image, 0 where nothing crosses.
	Bytes float64
	// Errors are those of the outputs that the step compares, in the order of Compared.
	Errors []float64
}

// Finite tells whether loss and gradients are numbers.
func (r StepResult) Finite() bool {
	return !math.IsNaN(r.Loss+r.Norm) && !math.IsInf(r.Loss+r.Norm, 0)
}

// Step does one step with learning rate lr. Where it fails, or its result is not
// finite, the state stays what it was.
func (t *Trainer) Step(ctx context.Context, b *feed.Batch, lr float64) (StepResult, error) {
	r, err := t.look(ctx, b, lr)
	if err == nil && r.Finite() {
		t.state, t.spare = t.spare, t.state
		t.steps++
	}
	return r, err
}

// look is a step that leaves the state as it is.
func (t *Trainer) look(ctx context.Context, b *feed.Batch, lr float64) (StepResult, error) {
	in := ort.Feed{t.man.Input: b.X}
	maps.Copy(in, b.Given)
	maps.Copy(in, t.state)
	if t.man.Labels != "" {
		labels := b.Labels
		if t.man.Masks != nil {
			labels = b.Masks
		}
		copy(tensor.Slice[int64](t.labels), labels)
		in[t.man.Labels] = t.labels
	}
	if t.man.ByteWeight != "" {
		in[t.man.ByteWeight] = t.byteWeight
	}
	n := float64(t.steps + 1)
	for name, value := range map[string]float64{
		"lr":       lr,
		"correct1": 1 / (1 - math.Pow(t.man.Beta1, n)),
		"correct2": 1 / math.Sqrt(1-math.Pow(t.man.Beta2, n)),
	} {
		if s := t.scalars[name]; s != nil {
			tensor.Slice[float32](s)[0] = float32(value)
			in[name] = s
		}
	}
	into := maps.Clone(t.out)
	for name, s := range t.spare {
		into[name+"'"] = s
	}
	results, err := t.session.RunInto(ctx, in, into)
	if err != nil {
		return StepResult{}, err
	}
	number := func(name string) float64 {
		if t.out[name] == nil { // Hits of an objective that knows no such thing
			return 0
		}
		return float64(tensor.Slice[float32](t.out[name])[0])
	}
	r := StepResult{Loss: number(t.man.Loss), Hits: int(number(t.man.Hits)), Norm: number(t.man.Norm)}
	if t.man.Errors != "" {
		for _, e := range tensor.Slice[float32](t.out[t.man.Errors]) {
			r.Errors = append(r.Errors, float64(e))
		}
	}
	if t.man.Watch != "" {
		sizes, err := results.Tensor(t.man.Watch)
		if err != nil {
			return r, err
		}
		for _, n := range tensor.Slice[int64](sizes) {
			r.Bytes += float64(n) / float64(t.man.Batch)
		}
	}
	return r, nil
}

// Weights returns what the graph that evaluates reads beside the images: the
// weights, or their averages where those are kept. The tensors are the
// trainer's own: they hold until the next step.
func (t *Trainer) Weights() ort.Feed {
	w := ort.Feed{}
	for _, p := range t.man.Params {
		w[p.State] = t.tensor(p.State)
	}
	for i, p := range t.man.Averages {
		w[t.man.Params[i].State] = t.state[p.State]
	}
	return w
}

// Params returns copies of the model's trained weights by the name of the
// initializer: what Weights holds, divided.
func (t *Trainer) Params() map[string][]float32 {
	weights := t.Weights()
	all := map[string][]float32{}
	for _, p := range t.man.Params {
		values := tensor.Slice[float32](weights[p.State])
		all[p.Name] = append([]float32(nil), values[p.Offset:p.Offset+p.len()]...)
	}
	return all
}
