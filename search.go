package bnc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/search"
)

// SearchOptions say what a search tries, and how.
type SearchOptions struct {
	Out      string     `json:"output"`         // folder of the search
	Cuts     []string   `json:"cuts,omitempty"` // to try, names or all; the residual sums, or all where there are none
	Channels []Channels `json:"c,omitempty"`    // that cross, of each size; 1, 2 and 4
	Strides  []int      `json:"s,omitempty"`    // spatial reductions, 1 to 4; 1 and 2

	MaxLoss    *float64 `json:"max_loss,omitempty"`   // accuracy that may be lost, percentage points; 2
	Margin     *float64 `json:"margin,omitempty"`     // percentage points of a screening's loss that a full training is trusted to win back; 50
	Exhaustive bool     `json:"exhaustive,omitempty"` // train every candidate, from the model's own weights

	ScreenImages int    `json:"screen_images,omitempty"` // of a screening, at most; 8192
	CacheBytes   int64  `json:"cache_bytes,omitempty"`   // disk that the activations of a cut may take; 4e9
	Seed         uint64 `json:"seed,omitempty"`          // of weights, shuffling and augmentation
	Jobs         int    `json:"jobs,omitempty"`          // candidates that are worked on at a time; 1
	Threads      int    `json:"threads,omitempty"`       // of a session; an equal share of the cores. Results depend on it a little
	Partial      bool   `json:"partial,omitempty"`       // CollectSearch: take what is finished

	// Train are the options of trainings: Data and what else is the same for all. Those
	// of images, and Input, are of splits too. Epochs are 3 where 0.
	Train TrainOptions `json:"train"`
	Split SplitOptions `json:"split"` // of splits, but for the cut and the size

	Reporter Reporter `json:"-"` // its notices about a search.Event tell how the search goes on
}

// SearchResult is what a search found.
type SearchResult struct {
	*plan.Results
	File string       `json:"-"` // the results' own
	Plan *search.Plan `json:"-"`
}

// check finds wrong options before any work, and replaces zero values by the defaults.
func (o *SearchOptions) check() error {
	if o.Out == "" {
		return usage("output", "is missing: the folder of the search")
	}
	o.MaxLoss, o.Margin = cmp.Or(o.MaxLoss, new(2.0)), cmp.Or(o.Margin, new(50.0))
	setDefault(&o.ScreenImages, 8192)
	setDefault(&o.CacheBytes, 4e9)
	setDefault(&o.Jobs, 1)
	setDefault(&o.Train.Epochs, 3)
	if len(o.Channels) == 0 {
		o.Channels = []Channels{1, 2, 4}
	}
	if len(o.Strides) == 0 {
		o.Strides = []int{1, 2}
	}
	points := func(v float64) bool { return v >= 0 && v <= 100 }
	switch {
	case !points(*o.MaxLoss) || !points(*o.Margin):
		return usage("max_loss", "%v, option margin %v: expected percentage points from 0 to 100", *o.MaxLoss, *o.Margin)
	case o.Jobs < 1 || o.ScreenImages < 1:
		return usage("jobs", "%d, option screen_images %d: expected 1 or more", o.Jobs, o.ScreenImages)
	case o.CacheBytes < 1:
		return usage("cache_bytes", "%d: expected 1 or more", o.CacheBytes)
	case o.Threads < 0:
		return usage("threads", "%d: expected 0 or more", o.Threads)
	}
	setDefault(&o.Threads, max(1, runtime.NumCPU()/o.Jobs))
	return nil
}

// sizes are the bottlenecks that are tried at each cut.
func (o *SearchOptions) sizes() (sizes []search.Size, err error) {
	for _, c := range o.Channels {
		if c < 1 && c != Full {
			return nil, usage("c", `"%d": expected numbers from 1 on, or %v`, int(c), Full)
		}
		for _, s := range o.Strides {
			if s < 1 || s > 4 {
				return nil, usage("s", "%d: expected 1 to 4", s)
			}
			if size := (search.Size{C: int(max(c, 0)), S: s}); !slices.Contains(sizes, size) {
				sizes = append(sizes, size)
			}
		}
	}
	return sizes, nil
}

// Search plans a search for the model at path, or goes on with the same one, finishes
// every candidate, and collects. Where all that was trained failed, an error comes beside
// the result.
func Search(ctx context.Context, path string, o SearchOptions) (*SearchResult, error) {
	p, err := PlanSearch(ctx, path, o)
	if err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Jobs == 1 {
		err = o.work(ctx, p, o.Reporter, func(s *search.Search) error { return s.All(ctx) })
	} else {
		shared := new(notices)
		if o.Reporter != nil {
			shared.to = o.Reporter
		}
		err = search.Parallel(ctx, p, o.Jobs, func() (*search.Search, func(), error) { return o.open(ctx, p, shared) })
	}
	if err != nil {
		return nil, goesOn(ctx, err)
	}
	for _, left := range []string{cacheFolder, workFolder} {
		if err := os.RemoveAll(filepath.Join(o.Out, left)); err != nil {
			return nil, err
		}
	}
	return o.collect(p)
}

// RunSearch finishes the candidate with an index of the plan in o.Out, and what has to be
// known of its place before. Many processes may do so at a time, on machines that share
// the folder.
func RunSearch(ctx context.Context, index int, o SearchOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	p, err := openPlan(o.Out)
	if err != nil {
		return err
	}
	if index < 0 || index >= len(p.Candidates) {
		return usage("index", "%d: the plan has candidates 0 to %d", index, len(p.Candidates)-1)
	}
	return goesOn(ctx, o.work(ctx, p, o.Reporter, func(s *search.Search) error { return s.Run(ctx, index) }))
}

// CollectSearch merges what is finished of the search in o.Out into its results, and
// writes them.
func CollectSearch(o SearchOptions) (*SearchResult, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p, err := openPlan(o.Out)
	if err != nil {
		return nil, err
	}
	return o.collect(p)
}

// open makes a search of a plan; closing frees what it took.
func (o *SearchOptions) open(ctx context.Context, p *search.Plan, to Reporter) (run *search.Search, closing func(), err error) {
	t, err := newSearchTrainer(ctx, p, o, progress{to})
	if err != nil {
		return nil, nil, err
	}
	return &search.Search{Plan: p, Dir: search.Dir(o.Out), Trainer: t, Event: t.event}, t.free, nil
}

// work makes a search of a plan and has it do something.
func (o *SearchOptions) work(ctx context.Context, p *search.Plan, to Reporter, do func(*search.Search) error) error {
	run, closing, err := o.open(ctx, p, to)
	if err != nil {
		return err
	}
	defer closing()
	return do(run)
}

// goesOn says of an interruption's error that nothing is lost.
func goesOn(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted; the same command goes on where this one ended")
	}
	return err
}

// collect merges.
func (o *SearchOptions) collect(p *search.Plan) (*SearchResult, error) {
	dir := search.Dir(o.Out)
	r, missing, err := dir.Collect(p)
	if err != nil {
		return nil, err
	}
	if missing > 0 && !o.Partial {
		return nil, fmt.Errorf("%d of %d candidates are not finished: run them, or take what there is with option partial", missing, len(p.Candidates))
	}
	return &SearchResult{r, filepath.Clean(dir.ResultsFile()), p}, inVain(r)
}

// inVain is the error of a search in which whatever was trained failed, nil for others.
func inVain(r *plan.Results) error {
	var failed []plan.Candidate
	for _, c := range r.Candidates {
		switch c.Status {
		case plan.StatusTrained:
			return nil
		case plan.StatusFailed:
			failed = append(failed, c)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return fmt.Errorf("all %d candidates that were trained failed; %s: %s", len(failed), failed[0], failed[0].Reason)
}

// event tells how a search goes on.
func (t *searchTrainer) event(e search.Event) {
	c := e.Candidate
	line := fmt.Sprintf("[%d/%d] %s: %s", e.Done, e.Total, c, e.What)
	if c.Status == e.What && c.PayloadBytes > 0 {
		line += fmt.Sprintf(", loses %.2f points, %.1f bytes", c.Loss, c.PayloadBytes)
	}
	if c.Reason != "" {
		line += " (" + c.Reason + ")"
	}
	if e.Left != nil {
		line += fmt.Sprintf("; about %v left", time.Duration(*e.Left*float64(time.Second)).Round(time.Second))
	}
	t.about(e, "%s", line)
}

// notices is the Reporter of several at once: their lines only.
type notices struct {
	mu sync.Mutex
	to Reporter // nil is silent
}

// Phase tells nothing: there are several.
func (*notices) Phase(string, int) {}

// Step tells nothing.
func (*notices) Step(int, any) {}

// Notice hands a line on.
func (n *notices) Notice(text string, about any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.to != nil {
		n.to.Notice(text, about)
	}
}
