package bnc

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/classify"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
)

// RemoteOptions say which server is called, and as whom.
type RemoteOptions = client.RemoteOptions

// RunOptions say how Run classifies. Those from RemoteOptions on need its Cloud.
type RunOptions struct {
	Top           int    `json:"top,omitempty"`       // classes of a result, best first; 0 for 5
	Providers     string `json:"ep,omitempty"`        // execution providers in order of preference, of cpu, cuda, tensorrt; "" for cpu
	Threads       int    `json:"threads,omitempty"`   // of a session; 0 for one a core
	TensorRTFP16  bool   `json:"trt_fp16,omitempty"`  // TensorRT may compute in float16
	TensorRTCache string `json:"trt_cache,omitempty"` // folder where TensorRT keeps its engines
	// Scores is the output whose classes are told: the first that has scores, of as many
	// classes as there are labels.
	Scores string `json:"scores,omitempty"`
	ImageOptions

	RemoteOptions
	Link     string        `json:"link,omitempty"`     // emulated: 3g, 4g, wifi or RATE, each with [,DELAY] one way
	Deadline time.Duration `json:"deadline,omitempty"` // how long an image may take with the server; 0 for client.DefaultDeadline
	Fallback *bool         `json:"fallback,omitempty"` // finish here what the server does not answer in time; nil for true
	Model    string        `json:"model,omitempty"`    // the whole model, to fall back to instead of a bundle's own cloud half
	Cut      string        `json:"cut,omitempty"`      // use only this of a folder of bundles: a cut or a bundle's name
	InFlight int           `json:"inflight,omitempty"` // images that are under way at a time; 0 for 1

	// Each gets the results in the inputs' order, each as soon as it is there; they are
	// not kept then. An error of it ends Run.
	Each     func(*classify.Result) error `json:"-"`
	Log      *slog.Logger                 `json:"-"` // of the client; nothing is logged
	Reporter Reporter                     `json:"-"`
}

// RunResult is what Run gives: the results in the inputs' order, without those of inputs
// that cannot be used.
type RunResult struct {
	Results []*classify.Result `json:"results"`
}

// check finds options that cannot be.
func (o RunOptions) check() error {
	if o.Top < 0 {
		return usage("top", "%d: expected 1 or more", o.Top)
	}
	if o.Cloud == "" {
		for _, with := range []struct {
			option string
			given  bool
		}{
			{"token", o.Token != ""}, {"ca", o.CA != ""}, {"cert", o.Cert != ""}, {"key", o.Key != ""}, {"link", o.Link != ""}, {"deadline", o.Deadline != 0},
			{"fallback", o.Fallback != nil}, {"model", o.Model != ""}, {"cut", o.Cut != ""}, {"inflight", o.InFlight != 0},
		} {
			if with.given {
				return usage(with.option, "needs option cloud URL")
			}
		}
	}
	if o.Deadline < 0 {
		return usage("deadline", "%v: expected more than 0", o.Deadline)
	}
	if o.InFlight < 0 {
		return usage("inflight", "%d: expected 1 or more", o.InFlight)
	}
	return o.RemoteOptions.Check()
}

// Run classifies inputs, images or .npy tensors or folders of them, with the bundle or
// model at path: here, or with o.Cloud the mobile half here and the rest on a server,
// through the best bundle of a folder of them. Inputs that cannot be used are told, left
// out and counted by a DataError, which comes beside the result of the others.
func Run(ctx context.Context, path string, inputs []string, o RunOptions) (*RunResult, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p := progress{o.Reporter}
	session := ort.Options{Threads: o.Threads, TensorRT: ort.TensorRTOptions{FP16: o.TensorRTFP16, CacheDir: o.TensorRTCache}}
	var err error
	if session.Providers, err = providersOf(o.Providers); err != nil {
		return nil, err
	}
	files, err := inputFiles(inputs, p)
	if err != nil {
		return nil, err
	}
	labels, err := o.readLabels()
	if err != nil {
		return nil, err
	}
	c, first, err := o.open(ctx, path, session)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for _, line := range c.Skipped {
		p.notice("%s", line)
	}
	if labels == nil {
		labels = c.Meta.Labels
	}
	how := classify.Options{Task: taskOf(), Labels: labels, Top: cmp.Or(o.Top, 5)}
	if how.Scores, how.Except, err = shown(first, o.Scores, len(labels)); err != nil {
		return nil, err
	}
	if how.Feeder, err = feed.New(c.Inputs, o.chooser(c.Meta.Preprocess)); err != nil {
		return nil, unusable("%w", err)
	}
	result, skipped, phase := &RunResult{Results: []*classify.Result{}}, leftOut{to: p}, p.phase("running", len(files))
	err = c.Run(ctx, files, how, func(r *classify.Result) error {
		phase.step(1)
		switch {
		case r.Damage != nil && len(files) == 1:
			return unusable("%w", r.Damage)
		case r.Damage != nil:
			skipped.add(r.Input, r.Damage)
		case o.Each != nil:
			return o.Each(r)
		default:
			result.Results = append(result.Results, r)
		}
		return nil
	})
	return result, errors.Join(err, skipped.err(len(files)))
}

// providersOf reads option ep.
func providersOf(list string) ([]ort.Provider, error) {
	providers, err := ort.ParseProviders(list)
	if err != nil {
		return nil, usage("", "%w", err)
	}
	return providers, nil
}

// open loads the bundle or model at path, or makes a client of the server for those that
// are there. First is the first of them.
func (o RunOptions) open(ctx context.Context, path string, session ort.Options) (c *classify.Classifier, first string, err error) {
	if o.Cloud == "" {
		c, err = classify.Open(path, session)
		return c, path, err
	}
	with := client.Options{Session: session, Deadline: o.Deadline, Fallback: o.Fallback == nil || *o.Fallback, Model: o.Model, Log: o.Log}
	if with.Bundles, err = bundle.Find(path); err != nil {
		return nil, "", err
	}
	first = path
	switch {
	case len(with.Bundles) > 0:
		if with.Bundles, err = pinned(with.Bundles, o.Cut); err != nil {
			return nil, "", err
		}
		first = with.Bundles[0]
	case o.Model != "":
		return nil, "", usage("model", "%s: %s is a whole model already", o.Model, path)
	case o.Cut != "":
		return nil, "", usage("cut", "%s: %s is a whole model, expected bundles", o.Cut, path)
	default:
		with.Model = path
	}
	var over *plan.Network
	if o.Link != "" {
		if over, err = client.Link(o.Link); err != nil {
			return nil, "", err
		}
	}
	remote, err := o.Dial(over)
	if err != nil {
		return nil, "", err
	}
	c, err = classify.OpenClient(ctx, remote, with, cmp.Or(o.InFlight, 1))
	return c, first, err
}

// pinned returns the one bundle that option cut means, all where it means none.
func pinned(dirs []string, cut string) ([]string, error) {
	if cut == "" {
		return dirs, nil
	}
	found, known, err := bundle.Of(dirs, cut)
	if err == nil && len(found) != 1 {
		err = usage("cut", "%s: %d bundles are of it, expected one of %s", cut, len(found), strings.Join(known, ", "))
	}
	return found, err
}

// shown chooses the output of the bundle or model at path whose classes are told, as Eval
// chooses what it judges by: that of a name, or the first of so many classes. Except are
// those that cannot have scores.
func shown(path, name string, classes int) (scores string, except []string, err error) {
	subject, err := openSubject(path, ort.Options{})
	var heads []grad.Judged
	if err == nil {
		heads, _, except, err = subject.heads(grad.Want{Output: name, Classes: classes})
	}
	switch {
	case err != nil && name != "":
		return "", except, err
	case err != nil: // half of a bundle, or nothing to rank
		return "", except, nil
	}
	return heads[0].Scores, except, nil
}
