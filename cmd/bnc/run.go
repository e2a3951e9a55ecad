package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/spf13/pflag"
)

var runCommand = command{
	name:  "run",
	args:  "BUNDLE|FOLDER-OF-BUNDLES|MODEL INPUT... [FLAGS]",
	short: "Classify images with a bundle, here or with a server, or with a whole model",
	long: `
INPUT is an image (JPEG, PNG, WebP, TIFF, BMP), a .npy tensor that is prepared
already, or a folder of them. Results come in input order. An input that cannot be
used is told and left out: the others have their results, and the exit code is 3.

Without --cloud both halves of a bundle run in this process. With it the mobile
half runs here and the rest on the server, which knows a bundle by its folder's
name. Of a folder of bundles of one model the fastest is used, by what is
measured of the link, the server and this device. A whole MODEL runs on the
server alone. What the server does not answer in time is finished here
("where" says mobile).

Examples:
  bnc run resnet50-rb1-c1-s2 photo.jpg
  bnc run net-rb6 photos/ --labels labels.txt --jsonl
  bnc run net-rb1 photo.jpg --ep tensorrt,cpu --json
  bnc run net-rb1 photos/ --cloud http://127.0.0.1:8000 --jsonl
  bnc run bundles/ photos/ --cloud grpcs://cloud.example:8001 --token token.txt
  bnc run bundles/ photos/ --cloud http://127.0.0.1:8000 --link 3g,20ms --fallback=false`,
	setup: setupRun,
}

type runOptions struct {
	top         int
	json, jsonl bool
	ep          string
	threads     int
	trtFP16     bool
	trtCache    string
	scores      string
	images      imageFlags
	cloud       cloudFlags
}

func setupRun(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o runOptions
	fs.IntVar(&o.top, "top", 5, "number of classes to show")
	fs.StringVar(&o.ep, "ep", "cpu", "execution providers in order of preference: cpu, cuda, tensorrt")
	fs.IntVar(&o.threads, "threads", 0, "threads of a session, 0 for one a core")
	fs.BoolVar(&o.trtFP16, "trt-fp16", false, "let TensorRT compute in float16")
	fs.StringVar(&o.trtCache, "trt-cache", "", "folder where TensorRT keeps its engines")
	fs.StringVar(&o.scores, "scores", "", "output whose classes are shown (default: the first that has scores, of as many classes as there are labels)")
	o.images.declare(fs)
	o.cloud.declare(fs)
	fs.BoolVar(&o.json, "json", false, "print one JSON document")
	fs.BoolVar(&o.jsonl, "jsonl", false, "print each result as a line of JSON as soon as it is there")
	return func(ctx context.Context, s streams, args []string) error {
		if len(args) < 2 {
			return usagef("expected a bundle or model and at least one input, found %s", argumentsText(args))
		}
		if o.top < 1 {
			return usagef("--top %d: expected 1 or more", o.top)
		}
		if o.json && o.jsonl {
			return usagef("--json and --jsonl exclude each other")
		}
		if err := o.cloud.check(); err != nil {
			return err
		}
		return classify(ctx, s, args[0], args[1:], o)
	}
}

// runResult is one element of what bnc run --json prints.
type runResult struct {
	Input        string         `json:"input"`
	Top          []bundle.Class `json:"top"`
	PayloadBytes int            `json:"payload_bytes"`
	MobileMS     float64        `json:"mobile_ms"`
	LinkMS       float64        `json:"link_ms"`
	CloudMS      float64        `json:"cloud_ms"`
	TotalMS      float64        `json:"total_ms"`
	Where        string         `json:"where"`
	cloudResult

	outputs ort.Results
	damage  error // why there is no result
}

// classifier is what inputs are run through: a bundle.Runner, or a client of a
// server.
type classifier struct {
	meta   bundle.Meta
	inputs []model.Port
	run    func(context.Context, ort.Feed) (client.Result, error)
	close  func() error
	atOnce int    // inputs that are under way at a time
	first  string // the first bundle, or the model
	// scores is the output whose classes are shown, that labels are of; "" for whatever
	// looks like scores, but for those of except.
	scores string
	except []string
}

// open loads the bundle or model at path.
func (o *runOptions) open(ctx context.Context, s streams, path string, opts ort.Options) (*classifier, error) {
	if o.cloud.url != "" {
		return o.cloud.open(ctx, s, path, opts)
	}
	runner, err := bundle.OpenRunner(path, opts)
	if err != nil {
		return nil, openError(err)
	}
	for _, session := range runner.Sessions() {
		for _, skipped := range session.Skipped() {
			fmt.Fprintf(s.err, "%s: %v; using %s\n", session.Name(), skipped, session.Provider())
		}
	}
	run := func(ctx context.Context, feed ort.Feed) (client.Result, error) {
		r, err := runner.Run(ctx, feed)
		return client.Result{Result: r}, err
	}
	return &classifier{meta: runner.Meta(), inputs: runner.Inputs(), run: run, close: runner.Close, atOnce: 1, first: path}, nil
}

// show chooses the output whose classes are shown, as bnc eval chooses what it judges by:
// that of a name, or the first of as many classes as there are labels.
func (c *classifier) show(name string, labels []string) error {
	var heads []trainHead
	subject, err := openSubject(c.first, ort.Options{})
	if err == nil {
		heads, _, c.except, err = subject.heads(grad.Want{Output: name, Classes: len(labels)})
	}
	switch {
	case err != nil && name != "":
		return err
	case err != nil: // half of a bundle, or nothing to rank
		return nil
	}
	c.scores = heads[0].scores
	return nil
}

func classify(ctx context.Context, s streams, path string, args []string, o runOptions) error {
	providers, err := ort.ParseProviders(o.ep)
	if err != nil {
		return usageError{err}
	}
	inputs, err := expand(args, s.notice)
	if err != nil {
		return err
	}
	labels, err := o.images.readLabels()
	if err != nil {
		return err
	}
	c, err := o.open(ctx, s, path, ort.Options{
		Providers: providers, Threads: o.threads,
		TensorRT: ort.TensorRTOptions{FP16: o.trtFP16, CacheDir: o.trtCache},
	})
	if err != nil {
		return err
	}
	defer c.close()
	if labels == nil {
		labels = c.meta.Labels
	}
	if err := c.show(o.scores, labels); err != nil {
		return err
	}
	feeder, err := feed.New(c.inputs, o.images.chooser(c.meta.Preprocess))
	if err != nil {
		return unusableError{err}
	}
	bar := newProgress(s.err, "running", len(inputs))
	defer bar.done()
	results := []runResult{}
	skipped := leftOut{notice: s.notice}
	one := func(ctx context.Context, input string) (runResult, error) {
		r, err := classifyOne(ctx, c, feeder, labels, input, o.top)
		if fault := (inputFault{}); errors.As(err, &fault) {
			return runResult{Input: input, damage: err}, nil
		}
		return r, err
	}
	err = inOrder(ctx, inputs, c.atOnce, one, func(r runResult) error {
		bar.step()
		switch {
		case r.damage != nil && len(inputs) == 1:
			return r.damage
		case r.damage != nil:
			skipped.add(r.Input, r.damage)
		case o.jsonl:
			line, err := json.Marshal(r)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.out, "%s\n", line)
			return err
		case o.json:
			results = append(results, r)
		default:
			r.print(s)
		}
		return nil
	})
	if o.json && len(results) > 0 {
		err = errors.Join(err, printJSON(s.out, map[string]any{"results": results}))
	}
	return errors.Join(err, skipped.err(len(inputs)))
}

// inputFault marks an error that is about one input and leaves the others usable.
type inputFault struct{ error }

// Unwrap returns the error.
func (e inputFault) Unwrap() error { return e.error }

// classifyOne runs one input. Errors name it.
func classifyOne(ctx context.Context, c *classifier, feeder *feed.Feeder, labels []string, input string, top int) (runResult, error) {
	item, err := data.ReadItem(input)
	if err != nil {
		return runResult{}, inputFault{unusableError{err}}
	}
	x, err := feeder.One(item)
	if err != nil {
		return runResult{}, inputFault{unusablef("%s: %w", input, err)}
	}
	out, err := c.run(ctx, ort.Feed{feeder.Input(): x})
	if unfit := (*ort.InputError)(nil); errors.As(err, &unfit) {
		return runResult{}, inputFault{unusablef("%s: %w", input, err)}
	}
	if err != nil {
		return runResult{}, fmt.Errorf("%s: %w", input, openError(err))
	}
	best, scores := []bundle.Class{}, slices.DeleteFunc(slices.Clone(out.Outputs), func(r ort.Result) bool { return slices.Contains(c.except, r.Name) })
	if v, ok := scores.Find(c.scores); ok {
		scores = ort.Results{{Name: c.scores, Value: v}}
	}
	if rows, err := bundle.Top(scores, labels, top); err == nil { // else no classifier: nothing to rank
		if len(rows) > 1 {
			return runResult{}, inputFault{unusablef("%s holds %d images, and there is one result a file: save each as a file of its own; bnc eval takes arrays of many", input, len(rows))}
		}
		best = rows[0]
	}
	return runResult{
		Input: input, Top: best, outputs: out.Outputs, PayloadBytes: out.PayloadBytes, Where: out.Where,
		MobileMS: millis(out.Timings.Mobile), LinkMS: millis(out.Timings.Link), CloudMS: millis(out.Timings.Cloud),
		TotalMS: millis(out.Timings.Total), cloudResult: cloudResultOf(out),
	}, nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (r runResult) print(s streams) {
	link := ""
	if r.LinkMS > 0 {
		link = fmt.Sprintf("link %.1f ms, ", r.LinkMS)
	}
	where := r.Where
	if r.Model != "" {
		where += " by " + r.Model
	}
	fmt.Fprintf(s.out, "%s: %d bytes crossed, mobile %.1f ms, %scloud %.1f ms (%s)\n", r.Input, r.PayloadBytes, r.MobileMS, link, r.CloudMS, where)
	for _, c := range r.Top {
		fmt.Fprintf(s.out, "  %6.2f%%  %d %s\n", 100*c.Score, c.Class, c.Label)
	}
	if len(r.Top) == 0 {
		for _, o := range r.outputs {
			fmt.Fprintf(s.out, "  %s %v\n", o.Name, o.Tensor)
		}
	}
}

// expand replaces folders by the images and tensors in them, in name order, and
// tells what else they hold.
func expand(args []string, notice func(format string, args ...any)) ([]string, error) {
	var out []string
	for _, arg := range args {
		st, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !st.IsDir() {
			out = append(out, arg)
			continue
		}
		files, passedOver, err := data.Files(arg)
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, unusablef("%s holds no image (%s) and no .npy file", arg, imagein.Extensions())
		}
		for _, line := range passedOver {
			notice("%s: %s", arg, line)
		}
		out = append(out, files...)
	}
	return out, nil
}

// openError marks errors of the runtime that are about the model or the data.
func openError(err error) error {
	if refusesModel(err) {
		return unusableError{err}
	}
	var pair *bundle.PairError
	var input *ort.InputError
	var damaged *ops.DamagedError
	var refused *ort.ModelError
	if errors.As(err, &refused) || errors.As(err, &pair) || errors.As(err, &input) || errors.As(err, &damaged) {
		return unusableError{err}
	}
	return err
}
