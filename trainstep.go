package bnc

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/runtime/train"
)

// compile makes the step graph and opens its sessions, the teacher's answers known.
func (t *training) compile(ctx context.Context, sets *train.Sets) (*train.Job, error) {
	p, err := grad.Build(ctx, t.source, t.teacher, t.build(sets))
	if fault := (*grad.BuildError)(nil); errors.As(err, &fault) {
		return nil, unusable("%s: %w", t.path, err)
	}
	if err != nil {
		return nil, err
	}
	t.heads = p.Judged
	job, err := t.open(ctx, p, sets)
	if err == nil && p.Teacher != nil && sets.Val != nil {
		err = t.teach(ctx, &job.Judging, p.Teacher)
	}
	if err != nil && job != nil {
		job.Close()
	}
	return job, err
}

// build are the options of the step.
func (t *training) build(sets *train.Sets) grad.BuildOptions {
	o := stepOf(&t.TrainOptions)
	o.Outputs, o.Classes, o.Images = t.meta.Outputs, len(sets.Train.Classes()), sets.Train.Len()
	for _, v := range t.source.Graph.Feeds() {
		if t.given[v.Name()] != nil {
			o.Given = append(o.Given, v.Name())
		}
	}
	o.Bottleneck, o.Original, o.Masks = t.bottleneck, t.meta.Backbone, sets.MasksTeach(t.Distill)
	o.Raw = !task.OfScores(t.kind.Task)
	o.Places, o.Overlap = task.OfPlaces(t.kind.Task), task.OfMasks(t.kind.Task)
	o.Notice = t.Notice
	o.Compute = func(ctx context.Context, m *ir.Model) (map[string]*ir.Tensor, error) {
		return computed(ctx, m, t.running)
	}
	o.Measure = func(ctx context.Context, m *ir.Model) (map[string][]float64, error) {
		file, err := onnx.Marshal(m)
		if err != nil {
			return nil, err
		}
		return t.measured(sets).Means(ctx, "measured teacher", file, 64)
	}
	o.Fit = func(first *grad.Scores) error { return t.fit(sets, first) }
	return o
}

// fit compares the labels with the output that they are of.
func (t *training) fit(sets *train.Sets, first *grad.Scores) error {
	if err := sets.Fit(first.Output.Name(), int(first.Classes), t.Distill, t.Notice); err != nil {
		return err
	}
	if t.Labels == "" {
		return nil
	}
	return asMany(t.labels, first)
}

// asMany compares the names of option labels with the output that they are of.
func asMany(labels []string, of *grad.Scores) error {
	if len(labels) == int(of.Classes) {
		return nil
	}
	return unusable("option labels: %d names, the model's output %q is %d wide: give as many, one a line", len(labels), of.Output.Name(), of.Classes)
}

// open makes the sessions of a program.
func (t *training) open(ctx context.Context, p *grad.Program, sets *train.Sets) (*train.Job, error) {
	graphs, err := graphsOf(p)
	if err != nil {
		return nil, err
	}
	job := &train.Job{Rate: p.Rate, Careful: p.Careful, Sets: sets, Judging: t.judging(sets.Val, int(p.Manifest.Batch))}
	if t.refits() {
		job.Adapt = func(ctx context.Context, weights map[string][]float32, known json.RawMessage) (*train.Sessions, json.RawMessage, error) {
			return t.refit(ctx, sets, weights, known)
		}
	}
	if err := job.Open(ctx, graphs, t.ports(p.Eval, p.Manifest.Input), t.running, t.Dump); err != nil {
		return nil, err
	}
	return job, nil
}

// graphsOf are the files of a program.
func graphsOf(p *grad.Program) (*train.Graphs, error) {
	var err error
	graphs := &train.Graphs{Initial: p.Initial}
	graphs.Step, graphs.Eval, graphs.Statistics, err = p.Marshal()
	return graphs, err
}

// ports are the inputs of a network that are images or given, as the runtime sees them.
func (t *training) ports(m *ir.Model, images string) (ports []model.Port) {
	for _, v := range m.Graph.Feeds() {
		if v.Name() == images || t.given[v.Name()] != nil {
			ports = append(ports, inputPort(v))
		}
	}
	return ports
}

// judging is what weights are judged by, but for the images' feeder.
func (t *training) judging(set *data.Set, batch int) train.Judging {
	outputs := outputsOf(t.heads, nil)
	outputs.Annotations = t.Annotations
	return train.Judging{Task: t.kind.Task, Outputs: outputs, First: t.heads[0].Taught, Set: set, Batch: batch, Said: t.said}
}

// teach notes what the teacher says of the images to judge by.
func (t *training) teach(ctx context.Context, j *train.Judging, teacher *ir.Model) error {
	var asked task.Outputs
	for _, h := range t.heads {
		if h.Taught {
			asked.Judged = append(asked.Judged, task.Output{Name: h.Output, From: h.Teacher})
		}
	}
	file, err := onnx.Marshal(teacher)
	if err == nil {
		err = j.Teach(ctx, file, t.running, asked)
	}
	t.said = j.Said
	return err
}

// Judge implements train.Network.
func (t *training) Judge(ctx context.Context, sets *train.Sets) (v train.Validation, beside bool, err error) {
	if t.heads == nil { // of a training that had ended before
		want := grad.Want{Output: t.Scores, Classes: len(sets.Train.Classes()), Of: t.meta.Outputs}
		t.heads, err = grad.JudgedAgain(want, t.source, sets.MasksTeach(t.Distill), !task.OfScores(t.kind.Task), func(first *grad.Scores) error { return t.fit(sets, first) })
		if err != nil {
			return v, false, err
		}
	}
	file, err := onnx.Marshal(t.source)
	if err != nil {
		return v, false, err
	}
	j := t.judging(sets.Val, eval.DefaultBatch)
	v, err = j.JudgeFile(ctx, t.path, file, t.running, sets)
	return v, t.said != nil, err
}

// measureRanges sets the ranges to those of what the trained quantisers read on the training
// images, but for their tails.
func (t *training) measureRanges(ctx context.Context, trained *ir.Model, sets *train.Sets, tensors []split.Tensor) error {
	m, err := bottleneck.Reduction(ctx, trained)
	if err != nil {
		return err
	}
	ranges := make([]bottleneck.ValueRange, len(tensors))
	err = t.look(ctx, m, sets, func(xs []*tensor.Tensor) error {
		for i, x := range xs {
			values, err := x.Float32s()
			if err != nil {
				return err
			}
			ranges[i].Add(values)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range tensors {
		if tensors[i].Lo, tensors[i].Hi, err = ranges[i].Bounds(); err != nil {
			return err
		}
	}
	return nil
}

// look gives each the outputs of a network for images to train on, one after another.
func (t *training) look(ctx context.Context, m *ir.Model, sets *train.Sets, each func(xs []*tensor.Tensor) error) error {
	file, err := onnx.Marshal(m)
	if err != nil {
		return err
	}
	return t.measured(sets).Look(ctx, "what crosses", file, each)
}

// openSets opens the images and decides how they are prepared.
func (t *training) openSets() (*train.Sets, error) {
	o := t.Images()
	o.Labels, o.Notice = t.labels, t.Notice
	sets, err := train.OpenSets(o)
	if err != nil {
		return nil, err
	}
	sets.Given = t.given
	return sets, t.prepare(sets)
}

// prepare decides how images are prepared.
func (t *training) prepare(sets *train.Sets) error {
	var ports []model.Port
	for _, v := range t.source.Graph.Feeds() {
		ports = append(ports, inputPort(v))
	}
	port, err := t.given.One(ports)
	if err != nil {
		return unusable("%s: %w", t.path, err)
	}
	return sets.Prepare(port, train.Preparing{Overrides: t.Overrides, Own: t.meta.Preprocess, Teacher: t.taught, Resolve: t.Resolve})
}

// inputPort is a model's input as the runtime sees it, with an open batch.
func inputPort(v *ir.Value) model.Port {
	port := model.Port{Name: v.Name(), Kind: model.Tensor, DType: tensor.DType(v.DType())}
	var dims []ir.Dim
	dims, port.Ranked = v.Shape()
	for i, d := range dims {
		size := model.Dim{Size: d.N, Symbol: d.Symbol}
		if i == 0 || d.Symbol != "" {
			size = model.Dim{Size: -1, Symbol: "batch"}
		}
		port.Shape = append(port.Shape, size)
	}
	return port
}
