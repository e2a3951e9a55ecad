package predict

import (
	"cmp"
	"context"
	"errors"
	"log/slog"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
)

// RunOptions say how inputs are classified.
type RunOptions struct {
	Top           int    `json:"top,omitempty"`       // classes of a result, best first; 0 for 5
	Providers     string `json:"ep,omitempty"`        // execution providers in order of preference, of cpu, cuda, tensorrt; "" for cpu
	Threads       int    `json:"threads,omitempty"`   // of a session; 0 for one a core
	TensorRTFP16  bool   `json:"trt_fp16,omitempty"`  // TensorRT may compute in float16
	TensorRTCache string `json:"trt_cache,omitempty"` // folder where TensorRT keeps its engines
	// Scores is the output whose classes are told: the first that has scores, of as many
	// classes as there are labels.
	Scores string `json:"scores,omitempty"`
	Draw   string `json:"draw,omitempty"` // folder for pictures with what is seen of them: boxes, masks, landmarks, words
	Save   string `json:"save,omitempty"` // folder for every output as a .npy file
	eval.TaskOptions
	eval.ImageOptions
	eval.FeedOptions
	bundle.Rate // of each image, of pairs of many rates

	ServerOptions // to run with a server instead of here alone

	// Each gets the results in the inputs' order, each as soon as it is there; they are
	// not kept then. An error of it ends Run.
	Each     func(*Result) error `json:"-"`
	Log      *slog.Logger        `json:"-"` // of the client; nothing is logged
	Reporter progress.Reporter   `json:"-"`
}

// Results are what RunOptions.Run gives: those in the inputs' order, without those of inputs
// that cannot be used.
type Results struct {
	Results []*Result `json:"results"`
}

// Run classifies inputs, images or .npy tensors or folders of them, with the bundle or
// model at path: here, or with o.Cloud the mobile half here and the rest on a server,
// through the best bundle of a folder of them. Inputs that cannot be used are told, left
// out and counted by a DataError, which comes beside the result of the others.
func (o RunOptions) Run(ctx context.Context, path string, inputs []string, graphs eval.Graphs) (*Results, error) {
	if o.Top < 0 {
		return nil, fault.Usage("top", "%d: expected 1 or more", o.Top)
	}
	if err := o.ServerOptions.Check(); err != nil {
		return nil, err
	}
	if err := o.TaskOptions.Check(); err != nil {
		return nil, err
	}
	p := progress.Progress{To: o.Reporter}
	session := ort.Options{Threads: o.Threads, TensorRT: ort.TensorRTOptions{FP16: o.TensorRTFP16, CacheDir: o.TensorRTCache}}
	var err error
	if session.Providers, err = ort.ParseProviders(o.Providers); err != nil {
		return nil, fault.Usage("", "%w", err)
	}
	files, err := data.Inputs(inputs, p.Notice)
	if err != nil {
		return nil, err
	}
	labels, err := data.ReadLabels(o.Labels)
	if err != nil {
		return nil, err
	}
	c, first, err := o.ServerOptions.Open(ctx, path, session, o.Rate, o.Log)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for _, line := range c.Skipped {
		p.Notice("%s", line)
	}
	if labels == nil {
		labels = c.Meta.Labels
	}
	kind, outputs, err := o.shown(first, c.Meta, labels, graphs)
	if err != nil {
		return nil, err
	}
	kind.Tell(p.Notice)
	kind.Adapt(&o.Overrides, c.Meta.Preprocess, p.Notice)
	how := Options{Kind: kind.Kind, Task: kind.Task, Sight: task.Sight{Outputs: outputs, Labels: labels, Most: cmp.Or(o.Top, 5)}}
	keeper := Keeper{Draw: o.Draw, Save: o.Save, Orient: c.Meta.Preprocess == nil || c.Meta.Preprocess.Orient, Notice: p.Notice}
	if err := keeper.Open(); err != nil {
		return nil, err
	}
	given, err := o.OpenGiven(c.Inputs)
	if err != nil {
		return nil, err
	}
	if how.Feeder, err = given.Several(c.Inputs, o.Chooser(c.Meta.Preprocess)); err != nil {
		return nil, fault.Unusable("%w", err)
	}
	result, skipped, phase := &Results{Results: []*Result{}}, progress.LeftOut{To: p}, p.Phase("running", len(files))
	err = c.Run(ctx, files, how, func(r *Result) error {
		phase.Step(1)
		switch {
		case r.Damage != nil && len(files) == 1:
			return fault.Unusable("%w", r.Damage)
		case r.Damage != nil:
			skipped.Add(r.Input, r.Damage)
			return nil
		}
		if err := keeper.Keep(r); err != nil {
			return err
		}
		if o.Each != nil {
			return o.Each(r)
		}
		result.Results = append(result.Results, r)
		return nil
	})
	return result, errors.Join(err, skipped.Err(len(files)))
}

// shown opens the task of the bundle or model at path, which says so much of itself, and
// chooses the outputs that are told, as evaluations choose what they judge by: of classes those of
// option scores, or the first of so many as there are labels.
func (o RunOptions) shown(path string, meta bundle.Meta, labels []string, graphs eval.Graphs) (*task.Chosen, task.Outputs, error) {
	subject, err := eval.OpenSubject(path, ort.Options{}, graphs)
	if err != nil && o.Scores != "" {
		return nil, task.Outputs{}, err
	}
	if err != nil { // half of a bundle
		kind, err := o.TaskOptions.Open(task.Model{Labels: labels, Decoder: meta.Decoder}, meta.Task)
		return kind, task.Outputs{}, err
	}
	kind, err := subject.OpenTask(o.TaskOptions, labels)
	if err != nil {
		return nil, task.Outputs{}, err
	}
	kind = kind.WithClasses(subject.AllKnown(), task.ClassesBeside(o.Scores, 0))
	outputs, _, err := subject.JudgedBy(kind.Task, eval.Want{Output: o.Scores, Classes: len(labels)})
	if err != nil && o.Scores == "" { // nothing to rank
		return kind, task.Outputs{Except: outputs.Except}, nil
	}
	return kind, outputs, err
}
