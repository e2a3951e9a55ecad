package bnc

import (
	"cmp"
	"context"
	"errors"

	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/search"
)

// SearchOptions say what a search tries, and how.
type SearchOptions struct {
	search.Options
	Cuts     []string   `json:"cuts,omitempty"` // to try, names or all; the residual sums, or all where there are none
	Channels []Channels `json:"c,omitempty"`    // that cross, of each size; 1, 2 and 4, or all for a codec that is fitted to its tiles

	// Train are the options of trainings: Data and what else is the same for all. Those
	// of images, and Input, are of splits too. Epochs are 3 where 0.
	Train TrainOptions `json:"train"`
	Split SplitOptions `json:"split"` // of splits, but for the cut and the size; Codec may be CodecAuto: all codecs are tried

	Reporter Reporter `json:"-"` // its notices about a search.Event tell how the search goes on
}

// check finds wrong options before any work, and replaces zero values by the defaults.
func (o *SearchOptions) check() error {
	o.Train.Epochs = cmp.Or(o.Train.Epochs, 3)
	for _, c := range o.Channels {
		if c < 1 && c != Full {
			return usage("c", `"%d": expected numbers from 1 on, or %v`, int(c), Full)
		}
	}
	if err := o.Options.Check(); err != nil {
		return err
	}
	if len(o.Qualities) == 1 { // of all, as it was in plans before there could be several
		o.Split.Quality, o.Qualities = o.Qualities[0], nil
	}
	return nil
}

// Search plans a search for the model at path, or goes on with the same one, finishes
// every candidate, and collects. Where all that was trained failed, an error comes beside
// the result.
func Search(ctx context.Context, path string, o SearchOptions) (*search.Result, error) {
	p, err := PlanSearch(ctx, path, o)
	if err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Jobs == 1 {
		err = o.work(ctx, p, func(s *search.Search) error { return s.All(ctx) })
	} else {
		shared := &progress.Notices{Reporter: o.Reporter}
		err = search.Parallel(ctx, p, o.Jobs, func() (*search.Search, func(), error) { return o.open(ctx, p, shared) })
	}
	if err != nil {
		return nil, goesOn(ctx, err)
	}
	if err := search.Dir(o.Out).Tidy(); err != nil {
		return nil, err
	}
	return o.Collect(p)
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
	return goesOn(ctx, o.work(ctx, p, func(s *search.Search) error { return s.Run(ctx, index) }))
}

// CollectSearch merges what is finished of the search in o.Out into its results, and
// writes them.
func CollectSearch(o SearchOptions) (*search.Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p, err := openPlan(o.Out)
	if err != nil {
		return nil, err
	}
	return o.Collect(p)
}

// open makes a search of a plan; closing frees what it took.
func (o *SearchOptions) open(ctx context.Context, p *search.Plan, to Reporter) (run *search.Search, closing func(), err error) {
	t, err := newSearchTrainer(ctx, p, o, progress.Progress{To: to})
	if err != nil {
		return nil, nil, err
	}
	return &search.Search{Plan: p, Dir: t.dir, Trainer: t, Event: func(e search.Event) { t.About(e, "%v", e) }}, t.free, nil
}

// work makes a search of a plan and has it do something.
func (o *SearchOptions) work(ctx context.Context, p *search.Plan, do func(*search.Search) error) error {
	run, closing, err := o.open(ctx, p, o.Reporter)
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
