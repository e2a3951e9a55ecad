package bnc

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
)

// EvalOptions say what is measured on which images.
type EvalOptions struct {
	// Data are the images to evaluate on: an image folder (one sub-folder a class), a
	// flat folder without labels, a folder with MNIST-named IDX files, or .npy arrays; of
	// a divided one val/ or t10k-* is taken.
	Data string `json:"data"`
	// Scores is the output with the scores of the classes; "" for all that have them.
	Scores string `json:"scores,omitempty"`
	// Teacher is a model, or a bundle, whose classes are compared with. Without it a
	// bundle's own network without its bottleneck is, as long as its weights are the
	// original model's.
	Teacher string `json:"teacher,omitempty"`
	// Quality are the codec's qualities, 1 to 100: one replaces the bundle's own, several
	// give a row each beside it. None: the bundle's, 75 for images.
	Quality []int `json:"quality,omitempty"`
	// InputCodec sends the images themselves, as "jpeg" or "png"; "" for no codec.
	InputCodec string `json:"input_codec,omitempty"`
	// Plot makes sure, before any work, that the result can be drawn.
	Plot bool `json:"plot,omitempty"`
	// Batch is the number of images of a run where the model does not fix it; 0 for 32.
	Batch int `json:"batch,omitempty"`
	// Limit is how many images are taken, spread over the set; 0 for all.
	Limit int `json:"limit,omitempty"`
	// Threads of a session; 0 for one a core.
	Threads int `json:"threads,omitempty"`
	ImageOptions
	Reporter Reporter `json:"-"`
}

func (o EvalOptions) check() error {
	switch {
	case o.Data == "":
		return usage("data", "is missing: which images?")
	case o.Batch < 0 || o.Limit < 0:
		return usage("batch", "%d, option limit %d: expected 1 or more, and 0 or more", o.Batch, o.Limit)
	}
	if !slices.Contains([]string{"", "jpeg", "png"}, o.InputCodec) {
		return usage("input_codec", "%q: expected jpeg or png", o.InputCodec)
	}
	for _, q := range o.Quality {
		if q < 1 || q > 100 {
			return usage("quality", "%d: expected 1 to 100, or a range such as 5-95:10", q)
		}
	}
	return nil
}

// EvalResult is what was measured.
type EvalResult = eval.Report

// Eval measures accuracy, payload and agreement with a teacher of a bundle or a model
// over a set of images. A bundle is evaluated by its bottlenet.onnx, in batches; its
// halves compute the same function. Where images could not be used and were left out,
// there are both, a result of the others and an error.
func Eval(ctx context.Context, path string, o EvalOptions) (*EvalResult, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p := progress{o.Reporter}
	s, err := openSubject(path, ort.Options{Threads: o.Threads})
	if err != nil {
		return nil, err
	}
	own, err := o.ownQuality(s)
	if err != nil {
		return nil, err
	}
	if len(o.Quality) == 1 {
		own = o.Quality[0]
	}
	set, err := o.open(s, p)
	if err != nil {
		return nil, err
	}
	e := &evaluation{EvalOptions: o, subject: s, set: set, skipped: leftOut{to: p}}
	if e.teacher, err = o.openTeacher(s); err != nil {
		return nil, err
	}
	switch {
	case o.Plot && s.meta.Part == "" && o.InputCodec == "":
		return nil, usage("plot", ": nothing crosses in %s; option input_codec measures images sent as JPEG or PNG", path)
	case o.Plot && e.teacher == nil && !set.Labelled():
		return nil, unusable("option plot: %s has no labels and there is no option teacher: there is no accuracy to draw", o.Data)
	}
	var others []grad.Other
	if e.heads, others, e.except, err = s.heads(grad.Want{Output: o.Scores, Classes: len(set.Classes())}); err != nil {
		return nil, err
	}
	for _, other := range others {
		p.notice("output %q is not judged: %s", other.Output.Name(), other.Reason)
	}
	asked := slices.Clone(o.Quality)
	if !slices.Contains(asked, own) {
		asked = append([]int{own}, asked...)
	}
	rows, err := e.measureAll(ctx, p, asked)
	if err != nil {
		return nil, err
	}
	r := eval.NewReport(filepath.Base(path), task.Classify, rows, len(o.Quality), slices.Index(asked, own))
	if len(e.heads) > 1 {
		r.Outputs = rows[slices.Index(asked, own)].Outputs
	}
	return r, e.skipped.err(set.Len())
}

// open opens the images, their classes numbered as the subject's labels.
func (o EvalOptions) open(s *subject, p progress) (*data.Set, error) {
	set, err := data.OpenOption("data", o.Data, data.Val, p.notice)
	if err != nil {
		return nil, err
	}
	labels, err := o.readLabels()
	if err != nil {
		return nil, err
	}
	if labels == nil {
		labels = s.meta.Labels
	}
	if set, err = set.Named(labels, "data"); err != nil {
		return nil, err
	}
	return set.Spread(o.Limit), nil
}

// ownQuality returns the quality that a subject has where no option says another, 0 for
// none, and an error where options do not fit it.
func (o EvalOptions) ownQuality(s *subject) (int, error) {
	const imageQuality = 75 // libjpeg's default
	switch {
	case o.InputCodec != "" && s.meta.Part != "":
		return 0, usage("input_codec", "is for a whole model: %s sends features, not images", s.path)
	case o.InputCodec == "jpeg":
		return imageQuality, nil
	case s.bottleneck() && o.InputCodec == "":
		return s.meta.Quality, nil
	case len(o.Quality) == 0:
		return 0, nil
	case s.meta.Part != "" && !s.meta.Plain():
		return 0, usage("quality", "needs the bundle's bottlenet.onnx, which is not there")
	case o.InputCodec == "png":
		return 0, usage("quality", "has no meaning with option input_codec png: it is lossless")
	}
	return 0, usage("quality", "has no meaning for %s, which has no codec; option input_codec jpeg measures images sent as JPEG", s.path)
}

// openTeacher returns the model to compare with: the one that is named, else a bundle's
// own network without the bottleneck as long as its weights are the original's, else nil.
func (o EvalOptions) openTeacher(s *subject) (*subject, error) {
	if o.Teacher == "" {
		if !s.bottleneck() || !s.meta.Backbone {
			return nil, nil
		}
		original := *s
		original.bypassed = true
		return &original, nil
	}
	teacher, err := openSubject(o.Teacher, s.session)
	if err != nil {
		return nil, fmt.Errorf("option teacher: %w", err)
	}
	return teacher, nil
}

// evaluation is a subject with what it is judged by.
type evaluation struct {
	EvalOptions
	subject, teacher *subject
	set              *data.Set
	heads            []grad.Judged
	except           []string // outputs that cannot be class scores
	skipped          leftOut
}

// measureAll runs the teacher, if there is one, and the subject at each quality.
func (e *evaluation) measureAll(ctx context.Context, p progress, qualities []int) (rows []eval.Row, err error) {
	total := len(qualities) * e.set.Len()
	if e.teacher != nil {
		total += e.set.Len()
	}
	bar := p.phase("evaluating", total)
	var taught task.Judge
	if e.teacher != nil {
		taught, err = e.teach(ctx, bar.step)
		var unsuitable *passes.UnsuitableError
		switch {
		case e.teacher.bypassed && errors.As(err, &unsuitable):
			p.notice("no agreement is measured, option teacher names no model: %v", err)
		case err != nil:
			return nil, err
		}
	}
	for _, q := range qualities {
		row, err := e.measure(ctx, q, taught, bar.step)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// teach runs the teacher on the images as they are, and returns what it says of the
// subject's outputs. What neither options nor the teacher's metadata say of images, the
// subject's do.
func (e *evaluation) teach(ctx context.Context, step func(int)) (task.Judge, error) {
	inherited := e.teacher.meta.Preprocess
	if inherited == nil {
		inherited = e.subject.meta.Preprocess
	}
	feeder, err := feed.New(e.teacher.inputs, e.chooser(inherited))
	if err != nil {
		return nil, unusable("option teacher: %w", err)
	}
	heads, _, except, err := e.teacher.heads(grad.Want{Output: e.Scores, Classes: len(e.set.Classes()), Optional: true})
	if err != nil {
		return nil, fmt.Errorf("teacher: %w", err)
	}
	asked := task.Outputs{Except: except} // of the subject's outputs
	for i, h := range e.heads {
		same := slices.IndexFunc(heads, func(t grad.Judged) bool { return t.Output == h.Output })
		if same < 0 && i > 0 {
			continue
		}
		asked.Judged = append(asked.Judged, task.Output{Name: h.Output, From: heads[max(same, 0)].Scores})
	}
	judge := taskOf().Judge(e.set, asked)
	options := e.teacher.options(e.Batch)
	options.Step, options.OnSkip = step, e.skipped.add
	if _, err := e.teacher.run(ctx, 0, feeder, e.set, judge, options); err != nil {
		return nil, fmt.Errorf("teacher: %w", err)
	}
	return judge, nil
}

// input prepares the set for the subject, with the input codec at a quality, whose sizes
// it returns.
func (e *evaluation) input(quality int) (*data.Set, *feed.Feeder, *eval.Sizes, error) {
	chooser := e.chooser(e.subject.meta.Preprocess)
	feeder, err := feed.New(e.subject.inputs, chooser)
	if err != nil {
		return nil, nil, nil, unusable("%s: %w", e.subject.path, err)
	}
	if e.InputCodec == "" {
		return e.set, feeder, nil, nil
	}
	codec := eval.PNG()
	if e.InputCodec == "jpeg" {
		codec = eval.JPEG(quality)
	}
	set, feeder, sizes, err := eval.Recode(e.set, e.subject.inputs[0], chooser, codec)
	if err != nil {
		return nil, nil, nil, unusable("option input_codec: %w", err)
	}
	return set, feeder, sizes, nil
}

// measure evaluates the subject at one quality.
func (e *evaluation) measure(ctx context.Context, quality int, taught task.Judge, step func(int)) (eval.Row, error) {
	set, feeder, sizes, err := e.input(quality)
	if err != nil {
		return eval.Row{}, err
	}
	options, judge := e.subject.options(e.Batch), taskOf().Judge(set, outputsOf(e.heads, e.except))
	options.Step, options.OnSkip = step, e.skipped.add
	r, err := e.subject.run(ctx, quality, feeder, set, judge, options)
	if err != nil {
		return eval.Row{}, err
	}
	row, err := eval.NewRow(quality, r, judge, taught)
	if err != nil {
		return row, unusable("%s: %w; name the model that it was made from with option teacher", e.subject.path, err)
	}
	switch {
	case sizes != nil:
		row.PayloadBytes, row.FileBytes = eval.Summarise(r.Of(sizes.Payload)), eval.Summarise(r.Of(sizes.File))
	case r.Bytes != nil:
		row.PayloadBytes, row.FileBytes = eval.Summarise(r.Bytes), eval.Summarise(e.subject.meta.FileBytes(r.Bytes))
	}
	return row, nil
}
