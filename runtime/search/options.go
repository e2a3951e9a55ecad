package search

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/plan"
)

// Options say what a search demands, where it is and what it may take.
type Options struct {
	Out          string   `json:"output"`                  // folder of the search
	Strides      []int    `json:"s,omitempty"`             // spatial reductions to try, 1 to 4; 1 and 2, or 1 for a codec that is fitted to its tiles
	Qualities    []int    `json:"quality,omitempty"`       // of codecs to try, 1 to 100, where several are; none for the split's
	MaxLoss      *float64 `json:"max_loss,omitempty"`      // accuracy that may be lost, percentage points; 2
	Margin       *float64 `json:"margin,omitempty"`        // percentage points of a screening's loss that a full training is trusted to win back; 50
	Exhaustive   bool     `json:"exhaustive,omitempty"`    // train every candidate, from the model's own weights
	ScreenImages int      `json:"screen_images,omitempty"` // of a screening, at most; 8192
	CacheBytes   int64    `json:"cache_bytes,omitempty"`   // disk that the activations of a cut may take; 4e9
	Seed         uint64   `json:"seed,omitempty"`          // of weights, shuffling and augmentation
	Jobs         int      `json:"jobs,omitempty"`          // candidates that are worked on at a time; 1
	Threads      int      `json:"threads,omitempty"`       // of a session; an equal share of the cores. Results depend on it a little
	Partial      bool     `json:"partial,omitempty"`       // collect what is finished
}

// Check finds options that cannot be, and replaces zero values by the defaults.
func (o *Options) Check() error {
	if o.Out == "" {
		return fault.Usage("output", "is missing: the folder of the search")
	}
	o.MaxLoss, o.Margin = cmp.Or(o.MaxLoss, new(2.0)), cmp.Or(o.Margin, new(50.0))
	o.ScreenImages, o.CacheBytes, o.Jobs = cmp.Or(o.ScreenImages, 8192), cmp.Or(o.CacheBytes, 4e9), cmp.Or(o.Jobs, 1)
	points := func(v float64) bool { return v >= 0 && v <= 100 }
	switch {
	case !points(*o.MaxLoss) || !points(*o.Margin):
		return fault.Usage("max_loss", "%v, option margin %v: expected percentage points from 0 to 100", *o.MaxLoss, *o.Margin)
	case o.Jobs < 1 || o.ScreenImages < 1:
		return fault.Usage("jobs", "%d, option screen_images %d: expected 1 or more", o.Jobs, o.ScreenImages)
	case o.CacheBytes < 1:
		return fault.Usage("cache_bytes", "%d: expected 1 or more", o.CacheBytes)
	case o.Threads < 0:
		return fault.Usage("threads", "%d: expected 0 or more", o.Threads)
	}
	for _, s := range o.Strides {
		if s < 1 || s > 4 {
			return fault.Usage("s", "%d: expected 1 to 4", s)
		}
	}
	for _, q := range o.Qualities {
		if q < 1 || q > 100 {
			return fault.Usage("quality", "%d: expected 1 to 100", q)
		}
	}
	o.Threads = cmp.Or(o.Threads, max(1, runtime.NumCPU()/o.Jobs))
	return nil
}

// Sizes are these channels times the strides times the qualities, each once. Where none are
// given a codec that is fitted to its tiles has all channels at their own size, which cost
// it nothing that they do not hold; others have 1, 2 and 4, at strides of 1 and 2.
func (o *Options) Sizes(channels []int, codec string, fitted bool) (sizes []Size) {
	usualChannels, usualStrides := []int{1, 2, 4}, []int{1, 2}
	if fitted {
		usualChannels, usualStrides = []int{AllChannels}, []int{1}
	}
	if len(channels) == 0 {
		channels = usualChannels
	}
	strides, qualities := o.Strides, o.Qualities
	if len(strides) == 0 {
		strides = usualStrides
	}
	if len(qualities) == 0 {
		qualities = []int{0}
	}
	for _, c := range channels {
		for _, s := range strides {
			for _, q := range qualities {
				if size := (Size{c, s, plan.Coding{Codec: codec, Quality: q}}); !slices.Contains(sizes, size) {
					sizes = append(sizes, size)
				}
			}
		}
	}
	return sizes
}

// Result is what a search found.
type Result struct {
	*plan.Results
	File string `json:"-"` // the results' own
	Plan *Plan  `json:"-"`
}

// Collect merges what is finished of a plan into the search's results, and writes them.
// Where all that was trained failed, an error comes beside the result.
func (o *Options) Collect(p *Plan) (*Result, error) {
	dir := Dir(o.Out)
	r, missing, err := dir.Collect(p)
	if err != nil {
		return nil, err
	}
	if missing > 0 && !o.Partial {
		return nil, fmt.Errorf("%d of %d candidates are not finished: run them, or take what there is with option partial", missing, len(p.Candidates))
	}
	return &Result{r, dir.ResultsFile(), p}, inVain(r)
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
