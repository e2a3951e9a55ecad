package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/spf13/pflag"
)

// cloudFlags are bnc run's flags that concern the server.
type cloudFlags struct {
	remoteFlags
	flags                *pflag.FlagSet
	link, cut, wholeFile string
	deadline             time.Duration
	fallback             bool
	inflight             int
}

func (f *cloudFlags) declare(fs *pflag.FlagSet) {
	f.flags = fs
	f.remoteFlags.declare(fs, "run the cloud half on this server of the Open Inference Protocol")
	fs.StringVar(&f.link, "link", "", "emulate a link to the server: 3g, 4g, wifi or RATE, each with [,DELAY] one way, as in 5.85Mbit,20ms")
	fs.DurationVar(&f.deadline, "deadline", client.DefaultDeadline, "how long an image may take with the server")
	fs.BoolVar(&f.fallback, "fallback", true, "finish here what the server does not answer in time")
	fs.StringVar(&f.wholeFile, "model", "", "the whole model, to run instead of a bundle's own cloud half where the server does not answer")
	fs.StringVar(&f.cut, "cut", "", "use only this of a folder of bundles: a cut or a bundle's name")
	fs.IntVar(&f.inflight, "inflight", 1, "images that are under way at a time: more for throughput, 1 for the lowest latency")
}

// check refuses flags that do not go together.
func (f *cloudFlags) check() error {
	if f.url == "" {
		for _, name := range []string{"token", "ca", "cert", "key", "link", "deadline", "fallback", "model", "cut", "inflight"} {
			if f.flags.Changed(name) {
				return usagef("--%s needs --cloud URL", name)
			}
		}
		return nil
	}
	if err := f.remoteFlags.check(); err != nil {
		return err
	}
	switch {
	case f.deadline <= 0:
		return usagef("--deadline %v: expected more than 0", f.deadline)
	case f.inflight < 1:
		return usagef("--inflight %d: expected 1 or more", f.inflight)
	}
	return nil
}

// open makes a client of the server for the bundles or the model at path.
func (f *cloudFlags) open(ctx context.Context, s streams, path string, opts ort.Options) (*classifier, error) {
	o := client.Options{
		Session: opts, Deadline: f.deadline, Fallback: f.fallback, Model: f.wholeFile,
		Log: slog.New(slog.NewTextHandler(s.err, nil)),
	}
	var err error
	if o.Bundles, err = bundlesAt(path); err != nil {
		return nil, err
	}
	switch {
	case o.Bundles == nil && f.wholeFile != "":
		return nil, usagef("--model %s: %s is a whole model already", f.wholeFile, path)
	case o.Bundles == nil && f.cut != "":
		return nil, usagef("--cut %s: %s is a whole model, expected bundles", f.cut, path)
	case o.Bundles == nil:
		o.Model = path
	case f.cut != "":
		if o.Bundles, err = pinned(o.Bundles, f.cut); err != nil {
			return nil, err
		}
	}
	remote, err := f.dial(f.link)
	if err != nil {
		return nil, err
	}
	o.Remote = remote
	c, err := client.Open(ctx, o)
	if err != nil {
		remote.Close()
		return nil, openError(err)
	}
	closeBoth := func() error { return errors.Join(c.Close(), remote.Close()) }
	run, first := c.Run, path
	if len(o.Bundles) > 0 {
		first = o.Bundles[0]
	}
	if len(o.Bundles) < 2 {
		run = func(ctx context.Context, feed ort.Feed) (client.Result, error) {
			r, err := c.Run(ctx, feed)
			r.Model = "" // it goes without saying
			return r, err
		}
	}
	return &classifier{meta: c.Meta(), inputs: c.Inputs(), run: run, close: closeBoth, atOnce: f.inflight, first: first}, nil
}

// bundlesAt returns the bundles at path: it is one itself, or a folder of some;
// nil for a file.
func bundlesAt(path string) ([]string, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !st.IsDir():
		return nil, nil
	case bundle.IsBundle(path):
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, e := range entries {
		if dir := filepath.Join(path, e.Name()); bundle.IsBundle(dir) {
			dirs = append(dirs, dir)
		}
	}
	if dirs == nil {
		return nil, unusablef("%s holds neither %s and %s nor folders with them: expected a bundle that bnc split wrote, or a folder of bundles", path, bundle.MobileFile, bundle.CloudFile)
	}
	return dirs, nil
}

// pinned returns the one bundle of that name or cut; an alias such as rb1 is
// found in the name that bnc split gives.
func pinned(dirs []string, cut string) ([]string, error) {
	var found, all []string
	for _, dir := range dirs {
		b, err := bundle.Open(dir)
		if err != nil {
			return nil, openError(err)
		}
		name := filepath.Base(dir)
		all = append(all, fmt.Sprintf("%s (%s)", name, b.Meta.Cut))
		if name == cut {
			return []string{dir}, nil
		}
		if b.Meta.Cut == cut || slices.Contains(strings.Split(name, "-"), cut) {
			found = append(found, dir)
		}
	}
	if len(found) != 1 {
		return nil, usagef("--cut %s: %d bundles are of it, expected one of %s", cut, len(found), strings.Join(all, ", "))
	}
	return found, nil
}

// cloudResult is what a server's results say beside what all results say.
type cloudResult struct {
	Model    string `json:"model,omitempty"` // where there was a choice
	Retries  int    `json:"retries,omitempty"`
	Fallback string `json:"fallback,omitempty"`
}

func cloudResultOf(r client.Result) cloudResult {
	c := cloudResult{Model: r.Model, Retries: r.Retries}
	if r.Fallback != nil {
		c.Fallback = r.Fallback.Error()
	}
	return c
}

// refusedCauses are the causes of refusals that are about the model or the data.
var refusedCauses = []oip.Cause{oip.Invalid, oip.NotFound, oip.Mismatch, oip.TooLarge, oip.Unsupported}

// refusesModel tells whether an error of a client is about the model or the data.
func refusesModel(err error) bool {
	var pair *client.PairError
	var server *client.ServerError
	var mixed *client.MixedError
	var refusal *oip.Error
	return errors.As(err, &pair) || errors.As(err, &server) || errors.As(err, &mixed) ||
		errors.As(err, &refusal) && slices.Contains(refusedCauses, refusal.Cause)
}

// inOrder runs one for each input, some at once, and gives the results to done
// in the inputs' order, each as soon as it and those before it are there. It
// stops at the first error, which names the input.
func inOrder[T any](ctx context.Context, inputs []string, atOnce int, one func(context.Context, string) (T, error), done func(T) error) error {
	type outcome struct {
		value T
		err   error
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	// The first waiting one is with the receiver; the others are in the channel.
	queue := make(chan chan outcome, atOnce-1)
	running.Go(func() {
		defer close(queue)
		for _, input := range inputs {
			result := make(chan outcome, 1)
			select {
			case queue <- result:
			case <-ctx.Done():
				return
			}
			running.Go(func() {
				value, err := one(ctx, input)
				result <- outcome{value, err}
			})
		}
	})
	for result := range queue {
		r := <-result
		if r.err != nil {
			return r.err
		}
		if err := done(r.value); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}
