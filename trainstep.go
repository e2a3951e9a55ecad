package bnc

import (
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/probe"
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
	o.Compute, o.Notice = t.compute, t.Notice
	o.Measure = func(ctx context.Context, m *ir.Model) (map[string][]float64, error) { return t.measure(ctx, sets, m) }
	o.Fit = func(first *grad.Scores) error { return t.fit(sets, first) }
	return o
}

// fit compares the labels with the output that they are of.
func (t *training) fit(sets *train.Sets, first *grad.Scores) error {
	if err := sets.Fit(first.Output.Name(), int(first.Classes), t.Distill, t.Notice); err != nil {
		return err
	}
	if t.Labels != "" && len(t.labels) != int(first.Classes) {
		return unusable("option labels: %d names, the model's output %q is %d wide: give as many, one a line", len(t.labels), first.Output.Name(), first.Classes)
	}
	return nil
}

// compute runs a network that computes weights.
func (t *training) compute(ctx context.Context, m *ir.Model) (map[string]*ir.Tensor, error) {
	return computed(ctx, m, t.running)
}

// measure returns the means of what a network gives over images to train on.
func (t *training) measure(ctx context.Context, sets *train.Sets, m *ir.Model) (map[string][]float64, error) {
	session, err := openModel(m, "measured teacher", t.running)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	feeder, err := sets.Given.New(session.Inputs(), sets.Choose)
	if err != nil {
		return nil, unusable("%w", err)
	}
	return probe.Means(ctx, session, probe.Options{Set: sets.Train, Feeder: feeder}, 64)
}

// open makes the sessions of a program.
func (t *training) open(ctx context.Context, p *grad.Program, sets *train.Sets) (*train.Job, error) {
	graphs, err := graphsOf(p)
	if err != nil {
		return nil, err
	}
	if t.Dump != "" {
		if err := graphs.Write(t.Dump); err != nil {
			return nil, err
		}
	}
	job := &train.Job{ID: graphs.ID(), Rate: p.Rate, Careful: p.Careful, Sets: sets, Judging: t.judging(sets.Val, int(p.Manifest.Batch))}
	if t.refits() {
		job.Adapt = func(ctx context.Context, weights map[string][]float32, known json.RawMessage) (*train.Sessions, json.RawMessage, error) {
			return t.refit(ctx, sets, weights, known)
		}
	}
	if job.Judging.Feeder, err = sets.Given.New(t.ports(p.Eval, p.Manifest.Input), sets.Choose); err != nil {
		return nil, unusable("%w", err)
	}
	if job.Sessions, err = graphs.Open(t.running); err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // what compiling took
	return job, context.Cause(ctx)
}

// graphsOf are the files of a program.
func graphsOf(p *grad.Program) (*train.Graphs, error) {
	var err error
	graphs := &train.Graphs{Initial: p.Initial}
	for _, part := range []struct {
		m  *ir.Model
		to *[]byte
	}{{p.Step, &graphs.Step}, {p.Eval, &graphs.Eval}, {p.Statistics, &graphs.Statistics}} {
		if part.m == nil {
			continue
		}
		if *part.to, err = onnx.Marshal(part.m); err != nil {
			return nil, err
		}
	}
	return graphs, nil
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
	session, err := openModel(teacher, "teacher", t.running)
	if err != nil {
		return err
	}
	defer session.Close()
	var asked task.Outputs
	for _, h := range t.heads {
		if h.Taught {
			asked.Judged = append(asked.Judged, task.Output{Name: h.Output, From: h.Teacher})
		}
	}
	err = j.Teach(ctx, session, asked)
	t.said = j.Said
	return err
}

// judge evaluates what was written, beside what training has learnt of the teacher.
func (t *training) judge(ctx context.Context, sets *train.Sets) (train.Validation, error) {
	if t.heads == nil && sets.MasksTeach(t.Distill) {
		var err error
		if t.heads, err = grad.JudgedByMasks(grad.Want{Output: t.Scores, Of: t.meta.Outputs}, t.source); err != nil {
			return train.Validation{}, err
		}
	}
	if t.heads == nil && !task.OfScores(t.kind.Task) {
		t.heads = grad.JudgedAll(t.source, t.meta.Outputs)
	}
	if t.heads == nil { // of a training that had ended before
		found, err := grad.Logits(grad.Want{Output: t.Scores, Classes: len(sets.Train.Classes()), Of: t.meta.Outputs}, t.source)
		if err != nil {
			return train.Validation{}, err
		}
		if err := t.fit(sets, found.Scores[0]); err != nil {
			return train.Validation{}, err
		}
		t.heads = []grad.Judged{{Output: found.Scores[0].Output.Name(), Scores: found.Scores[0].Name()}}
	}
	session, err := openModel(t.source, t.path, t.running)
	if err != nil {
		return train.Validation{}, err
	}
	defer session.Close()
	j := t.judging(sets.Val, eval.DefaultBatch)
	if j.Feeder, err = sets.Given.New(session.Inputs(), sets.Choose); err != nil {
		return train.Validation{}, err
	}
	return j.Judge(ctx, session, nil)
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

// look gives each the outputs of a network for images to train on, one after another; as many
// as a calibration takes. What is left out is told when it is trained
// on.
func (t *training) look(ctx context.Context, m *ir.Model, sets *train.Sets, each func(xs []*tensor.Tensor) error) error {
	session, err := openModel(m, "what crosses", t.running)
	if err != nil {
		return err
	}
	defer session.Close()
	feeder, err := sets.Given.New(session.Inputs(), sets.Choose)
	if err != nil {
		return unusable("%w", err)
	}
	_, err = probe.Run(ctx, session, probe.Options{Set: sets.Train, Feeder: feeder}, func(_ string, xs []*tensor.Tensor) error { return each(xs) })
	return err
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
