package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/train"
	"github.com/spf13/pflag"
)

var evalCommand = command{
	name:  "eval",
	args:  "BUNDLE|MODEL --data DATA [FLAGS]",
	short: "Measure accuracy, payload and agreement with a teacher over a set of images",
	long: `
DATA is an image folder (one sub-folder a class), a flat folder without labels, a
folder with MNIST-named IDX files, or .npy arrays; of a divided one val/ or t10k-*
is taken. A bundle is evaluated by its bottlenet.onnx, in batches; its halves
compute the same function (in float16 where they were split with --fp16).

Agreement is the share of images that get the same class from the teacher, which
sees them uncompressed: --teacher, or without it the bundle's own network without
the bottleneck, as long as its weights are still the original model's.

--quality takes numbers and ranges, FIRST-LAST or FIRST-LAST:STEP. One quality
replaces the bundle's own, several give a row each beside it. With --input-codec
the images themselves are sent: a whole model gets each one, resized and cropped,
as the codec gives it back. Payload bytes are those that the receiver cannot know
beforehand: no headers and no tables. File bytes are the same as a whole file.

An image that cannot be used is told and left out: the results are those of the
others, and the exit code is 3.

Examples:
  bnc eval net-rb1 --data imagenette
  bnc eval net-rb1 --data photos --quality 1,5-95:10 --plot rates.svg
  bnc eval net-rb1 --data unlabelled --teacher net.onnx --json
  bnc eval net.onnx --data photos --input-codec jpeg --quality 20`,
	setup: setupEval,
}

type evalOptions struct {
	data, teacher, scores, quality, codec, plot string
	batch, limit, threads                       int
	json                                        bool
	images                                      imageFlags

	qualities []int
	onSkip    func(name string, err error)
	heads     []trainHead // what is judged
	except    []string    // outputs that cannot be class scores
}

// scoresUsage says what --scores does.
const scoresUsage = "output with the scores of the classes (default: all that have them; labels are of the first of as many classes as the data)"

func setupEval(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o evalOptions
	fs.StringVar(&o.data, "data", "", "images to evaluate on")
	fs.StringVar(&o.scores, "scores", "", scoresUsage)
	fs.StringVar(&o.teacher, "teacher", "", "model (or bundle) whose classes are compared with")
	fs.StringVar(&o.quality, "quality", "", "qualities of the codec, 1..100 (default: the bundle's, 75 for images)")
	fs.StringVar(&o.codec, "input-codec", "", "send the images themselves, as jpeg or png")
	fs.StringVar(&o.plot, "plot", "", "SVG file to write: accuracy against payload")
	fs.IntVar(&o.batch, "batch", eval.DefaultBatch, "images of a run, where the model does not fix it")
	fs.IntVar(&o.limit, "limit", 0, "evaluate on that many images, spread over the set (default: all)")
	fs.IntVar(&o.threads, "threads", 0, "threads of a session, 0 for one a core")
	o.images.declare(fs)
	fs.BoolVar(&o.json, "json", false, "print one JSON document")
	return func(ctx context.Context, s streams, args []string) error {
		path, err := oneArg(args, "bundle or model")
		if err != nil {
			return err
		}
		if o.data == "" {
			return usagef("--data is missing: which images?")
		}
		if o.batch < 1 || o.limit < 0 {
			return usagef("--batch %d, --limit %d: expected 1 or more, and 0 or more", o.batch, o.limit)
		}
		if o.codec != "" && o.codec != "jpeg" && o.codec != "png" {
			return usagef("--input-codec %q: expected jpeg or png", o.codec)
		}
		if o.qualities, err = parseQualities(o.quality); err != nil {
			return usageError{err}
		}
		return evaluate(ctx, s, path, o)
	}
}

// parseQualities reads numbers and ranges FIRST-LAST[:STEP] of 1..100, each
// quality once.
func parseQualities(list string) ([]int, error) {
	if list == "" {
		return nil, nil
	}
	var out []int
	for part := range strings.SplitSeq(list, ",") {
		bounds, by, stepped := strings.Cut(part, ":")
		first, last, ranged := strings.Cut(bounds, "-")
		if !ranged {
			last = first
		}
		if !stepped {
			by = "1"
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		step, err3 := strconv.Atoi(by)
		if err1 != nil || err2 != nil || err3 != nil || from < 1 || to > 100 || from > to || step < 1 || stepped && !ranged {
			return nil, fmt.Errorf("--quality %q: expected 1 to 100, or a range such as 5-95:10", part)
		}
		for q := from; q <= to; q += step {
			if !slices.Contains(out, q) {
				out = append(out, q)
			}
		}
	}
	return out, nil
}

// evalInput is a set with what prepares it for a model.
type evalInput struct {
	set    *data.Set
	feeder *feed.Feeder
	sizes  *eval.Sizes // with an input codec
}

// evalRow is what was measured at one quality.
type evalRow struct {
	quality       int // 0 where there is none
	result        *eval.Result
	payload, file []int
	agreement     *float64       // the outputs' mean
	outputs       []train.Output // what each is judged by
}

func evaluate(ctx context.Context, s streams, path string, o evalOptions) error {
	if err := fits("--plot", o.plot); err != nil {
		return err
	}
	subject, err := openSubject(path, ort.Options{Threads: o.threads})
	if err != nil {
		return err
	}
	own, err := o.ownQuality(subject)
	if err != nil {
		return err
	}
	if len(o.qualities) == 1 {
		own = o.qualities[0]
	}
	set, err := openData("--data", o.data, data.Val, s.notice)
	if err != nil {
		return err
	}
	labels, err := o.images.readLabels()
	if err != nil {
		return err
	}
	if labels == nil {
		labels = subject.meta.Labels
	}
	if set, err = named(set, labels, "--data"); err != nil {
		return err
	}
	set = limited(set, o.limit)

	runs := slices.Clone(o.qualities)
	if !slices.Contains(runs, own) {
		runs = append([]int{own}, runs...)
	}
	teacher, err := teacherOf(subject, o)
	if err != nil {
		return err
	}
	if o.plot != "" && subject.meta.Part == "" && o.codec == "" {
		return usagef("--plot: nothing crosses in %s; --input-codec measures images sent as JPEG or PNG", path)
	}
	if o.plot != "" && teacher == nil && !set.Labelled() {
		return unusablef("--plot: %s has no labels and there is no --teacher: there is no accuracy to draw", o.data)
	}
	var others []grad.Other
	if o.heads, others, o.except, err = subject.heads(grad.Want{Output: o.scores, Classes: len(set.Classes())}); err != nil {
		return err
	}
	for _, other := range others {
		s.notice("output %q is not judged: %s", other.Output.Name(), other.Reason)
	}
	skipped := leftOut{notice: s.notice}
	o.onSkip = skipped.add
	rows, err := measureAll(ctx, s, subject, teacher, runs, set, o)
	if err != nil {
		return err
	}
	if o.plot != "" {
		if err := plotRows(s, o.plot, path, slices.Collect(maps.Values(rows))); err != nil {
			return err
		}
	}
	return errors.Join(reportEval(s, rows[own], o.sweep(rows), o), skipped.err(set.Len()))
}

// measureAll runs the teacher, if there is one, and the subject at each quality.
func measureAll(ctx context.Context, s streams, subject, teacher *subject, qualities []int, set *data.Set, o evalOptions) (map[int]*evalRow, error) {
	total := len(qualities) * set.Len()
	if teacher != nil {
		total += set.Len()
	}
	bar := newProgress(s.err, "evaluating", total)
	defer bar.done()
	step := func(n int) {
		for range n {
			bar.step()
		}
	}
	var taught map[string]eval.Output
	if teacher != nil {
		var err error
		taught, err = teach(ctx, teacher, subject, set, o, step)
		var unsuitable *passes.UnsuitableError
		switch {
		case teacher.bypassed && errors.As(err, &unsuitable):
			fmt.Fprintln(s.err, "no agreement is measured, --teacher names no model:", err)
		case err != nil:
			return nil, err
		}
	}
	rows := map[int]*evalRow{}
	for _, q := range qualities {
		row, err := measure(ctx, subject, q, set, taught, o, step)
		if err != nil {
			return nil, err
		}
		rows[q] = row
	}
	return rows, nil
}

// sweep returns the rows of --quality in its order.
func (o *evalOptions) sweep(rows map[int]*evalRow) []*evalRow {
	sweep := []*evalRow{}
	for _, q := range o.qualities {
		sweep = append(sweep, rows[q])
	}
	return sweep
}

// ownQuality returns the quality that a subject has without --quality, 0 for
// none, and an error where flags do not fit it.
func (o *evalOptions) ownQuality(s *subject) (int, error) {
	const imageQuality = 75 // libjpeg's default
	switch {
	case o.codec != "" && s.meta.Part != "":
		return 0, usagef("--input-codec is for a whole model: %s sends features, not images", s.path)
	case o.codec == "jpeg":
		return imageQuality, nil
	case s.bottleneck() && o.codec == "":
		return s.meta.Quality, nil
	case len(o.qualities) == 0:
		return 0, nil
	case s.meta.Codec == bundle.CodecJPEG:
		return 0, usagef("--quality needs the bundle's bottlenet.onnx, which is not there")
	case o.codec == "png":
		return 0, usagef("--quality has no meaning with --input-codec png: it is lossless")
	}
	return 0, usagef("--quality has no meaning for %s, which has no codec; --input-codec jpeg measures images sent as JPEG", s.path)
}

// limited returns n items spread over the set, all for 0.
func limited(set *data.Set, n int) *data.Set {
	if n == 0 || n >= set.Len() {
		return set
	}
	items := make([]int, n)
	for i := range items {
		items[i] = i * set.Len() / n
	}
	return set.Select(items)
}

// teacherOf returns the model to compare with: that of --teacher, else a
// bundle's own network without the bottleneck as long as its weights are the
// original's, else nil.
func teacherOf(s *subject, o evalOptions) (*subject, error) {
	if o.teacher == "" {
		if !s.bottleneck() || !s.meta.Backbone {
			return nil, nil
		}
		original := *s
		original.bypassed = true
		return &original, nil
	}
	teacher, err := openSubject(o.teacher, s.session)
	if err != nil {
		return nil, fmt.Errorf("--teacher: %w", err)
	}
	return teacher, nil
}

// teach runs the teacher on the images as they are, and returns what it says of the
// student's outputs, by their names. What neither flags nor the teacher's metadata say
// of images, the student's do.
func teach(ctx context.Context, teacher, student *subject, set *data.Set, o evalOptions, step func(int)) (map[string]eval.Output, error) {
	inherited := teacher.meta.Preprocess
	if inherited == nil {
		inherited = student.meta.Preprocess
	}
	feeder, err := feed.New(teacher.inputs, o.images.chooser(inherited))
	if err != nil {
		return nil, unusablef("--teacher: %w", err)
	}
	heads, _, except, err := teacher.heads(grad.Want{Output: o.scores, Classes: len(set.Classes()), Optional: true})
	if err != nil {
		return nil, fmt.Errorf("teacher: %w", err)
	}
	var asked []string // of the student's outputs
	options := teacher.options(o.batch)
	options.Step, options.OnSkip, options.Except = step, o.onSkip, except
	for i, h := range o.heads {
		same := slices.IndexFunc(heads, func(t trainHead) bool { return t.output == h.output })
		if same < 0 && i > 0 {
			continue
		}
		asked, options.Scores = append(asked, h.output), append(options.Scores, heads[max(same, 0)].scores)
	}
	r, err := teacher.run(ctx, 0, evalInput{set: set, feeder: feeder}, options)
	if err != nil {
		return nil, fmt.Errorf("teacher: %w", err)
	}
	taught := map[string]eval.Output{}
	for i, out := range r.Outputs() {
		taught[asked[i]] = out
	}
	return taught, nil
}

// input prepares the set for a subject, with the input codec at a quality.
func (o *evalOptions) input(s *subject, set *data.Set, quality int) (evalInput, error) {
	chooser := o.images.chooser(s.meta.Preprocess)
	feeder, err := feed.New(s.inputs, chooser)
	if err != nil {
		return evalInput{}, unusablef("%s: %w", s.path, err)
	}
	if o.codec == "" {
		return evalInput{set: set, feeder: feeder}, nil
	}
	codec := eval.PNG()
	if o.codec == "jpeg" {
		codec = eval.JPEG(quality)
	}
	in := evalInput{}
	if in.set, in.feeder, in.sizes, err = eval.Recode(set, s.inputs[0], chooser, codec); err != nil {
		return evalInput{}, unusablef("--input-codec: %w", err)
	}
	return in, nil
}

// measure evaluates a subject at one quality.
func measure(ctx context.Context, s *subject, quality int, set *data.Set, taught map[string]eval.Output, o evalOptions, step func(int)) (*evalRow, error) {
	in, err := o.input(s, set, quality)
	if err != nil {
		return nil, err
	}
	options := s.options(o.batch)
	options.Step, options.OnSkip = step, o.onSkip
	options.Scores, options.Except = scoresOf(o.heads), o.except
	r, err := s.run(ctx, quality, in, options)
	if err != nil {
		return nil, err
	}
	row := &evalRow{quality: quality, result: r, payload: r.Bytes}
	switch {
	case in.sizes != nil:
		row.payload, row.file = judged(in.sizes.Payload, r.Classes), judged(in.sizes.File, r.Classes)
	case r.Bytes != nil && !s.meta.Plain():
		row.file = eval.JPEGFileBytes(r.Bytes, s.meta.Dynamic())
	}
	if top1 := rate(r.Top1); top1 != nil {
		row.outputs = append(row.outputs, train.Output{Name: o.heads[0].output, Measure: measureTop1, Value: *top1})
	}
	for i, out := range r.Outputs() {
		name := o.heads[i].output
		their, ok := taught[name]
		switch {
		case ok && i == 0 && their.Width != out.Width:
			return nil, unusablef("the teacher has %d classes, %s has %d: expected the same; name the model that it was made from with --teacher", their.Width, s.path, out.Width)
		case ok && their.Width == out.Width:
			row.outputs = append(row.outputs, train.Output{Name: name, Measure: measureAgreement, Value: eval.Agreement(out.Classes, their.Classes)})
		}
	}
	row.agreement = meanAgreement(row.outputs)
	return row, nil
}

// judged returns the sizes of the images that were not left out.
func judged(sizes, classes []int) (out []int) {
	for i, n := range sizes {
		if classes[i] != eval.NoClass {
			out = append(out, n)
		}
	}
	return out
}
