package bnc

import (
	"cmp"
	"context"

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
	return o.Finish(ctx, p, progress.Progress{To: o.Reporter}, o.trainer)
}

// RunSearch finishes the candidate with an index of the plan in o.Out, and what has to be
// known of its place before. Many processes may do so at a time, on machines that share
// the folder.
func RunSearch(ctx context.Context, index int, o SearchOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	p, err := search.Dir(o.Out).OpenPlan(upgradePlan)
	if err != nil {
		return err
	}
	return o.FinishOne(ctx, p, index, progress.Progress{To: o.Reporter}, o.trainer)
}

// CollectSearch merges what is finished of the search in o.Out into its results, and
// writes them.
func CollectSearch(o SearchOptions) (*search.Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p, err := search.Dir(o.Out).OpenPlan(upgradePlan)
	if err != nil {
		return nil, err
	}
	return o.Collect(p)
}
