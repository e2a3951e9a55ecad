// Package budget chooses what a payload of so many bytes is best spent on: the bottleneck at a
// cut, and the cut. It knows the candidates and compares their trials; what one takes and how
// well it does, a Place tells. Pure Go.
//
//	chosen, tried, err := budget.Choose(ctx, place, space, budget.Options{Bytes: 400})
package budget

import (
	"cmp"
	"context"
	"math"
	"slices"
)

// Candidate is a bottleneck, but for its quality.
type Candidate struct {
	Channels []int  // that cross, of each tensor
	Stride   []int  // of each tensor
	Codec    string // its name
}

// total is the number of channels of all tensors.
func (c Candidate) total() (n int) {
	for _, channels := range c.Channels {
		n += channels
	}
	return n
}

// Place is a cut whose bottlenecks can be tried.
type Place interface {
	// Make makes a bottleneck of images for calibration.
	Make(ctx context.Context, c Candidate) (Bottleneck, error)
}

// Bottleneck is one that is calibrated.
type Bottleneck interface {
	// Bytes is what a payload takes at a quality in the mean over images that the calibration
	// has not seen: the more, the higher the quality.
	Bytes(ctx context.Context, quality int) (float64, error)
	// Judge tries it at a quality on these images, the same ones for all bottlenecks.
	Judge(ctx context.Context, quality int) (*Judgement, error)
	// MACs are the multiply-adds of an image of its side on the device.
	MACs() int64
	// Close frees what trials take; what the bottleneck is stays.
	Close() error
}

// Judgement is what a trial gives.
type Judgement struct {
	Bytes     []int      // of the payload of each image
	Agreement float64    // with the whole model, by the task's measure of it
	Interval  [2]float64 // of 95% confidence
	Each      []float64  // agreement of each image, 0 to 1; NaN where it tells nothing
	// Error is how far the outputs are from the whole model's: their mean square error by
	// their variance.
	Error float64
}

// Trial is a candidate that was tried.
type Trial struct {
	Candidate
	Quality    int        // the highest that takes no more bytes than there are; 0 of a codec without
	Mean       float64    // bytes of a payload there
	Judgement  *Judgement // nil where even the lowest quality takes too many bytes
	MACs       int64      // of its side on the device
	Bottleneck Bottleneck // closed
}

// Options say what is wanted.
type Options struct {
	Bytes int // of a payload, at most, in the mean
	// Step is told of every trial; nil for nobody.
	Step func(Trial)
}

const (
	// alike is by which share the outputs' errors of two trials may differ that count as
	// equally good: then fewer channels, and less work on the device, are better.
	alike = 0.02
	// apart is how many standard errors the agreements of two trials differ by, image by
	// image, that count as different: more than one or two images that alone do differ.
	apart = 1.5
)

// noWorse reports whether a, of fewer channels, may take the place of b.
func noWorse(a, b *Judgement) bool {
	if d := difference(a.Each, b.Each); d != 0 {
		return d > 0
	}
	return a.Error < b.Error*(1+alike)
}

// difference is by how much images agree more in a than in b in the mean, 0 where that may be
// chance.
func difference(a, b []float64) float64 {
	n, sum, squares := 0.0, 0.0, 0.0
	for i := range min(len(a), len(b)) {
		if d := a[i] - b[i]; d == d {
			n, sum, squares = n+1, sum+d, squares+d*d
		}
	}
	if n < 2 {
		return 0
	}
	mean := sum / n
	if variance := max(squares/n-mean*mean, 0) / (n - 1); math.Abs(mean) < apart*math.Sqrt(variance) {
		return 0
	}
	return mean
}

// best returns the best trial of those that could be judged, nil for none: of those that the
// images do not tell from the one that agrees most, the one with the least error, which tells
// smaller differences, or one that is alike and less work.
func best(trials []Trial) *Trial {
	var most *Trial
	for i := range trials {
		if t := &trials[i]; t.Judgement != nil && (most == nil || agreement(t.Judgement) > agreement(most.Judgement)) {
			most = t
		}
	}
	least := math.Inf(1)
	var rest []*Trial
	for i := range trials {
		t := &trials[i]
		if t.Judgement != nil && (t == most || difference(most.Judgement.Each, t.Judgement.Each) <= 0) {
			rest, least = append(rest, t), min(least, t.Judgement.Error)
		}
	}
	rest = slices.DeleteFunc(rest, func(t *Trial) bool { return t.Judgement.Error > least*(1+alike) })
	if len(rest) == 0 {
		return nil
	}
	return slices.MinFunc(rest, func(a, b *Trial) int {
		return cmp.Or(cmp.Compare(a.MACs, b.MACs), cmp.Compare(a.Judgement.Error, b.Judgement.Error))
	})
}

// agreement is the mean of the images'.
func agreement(j *Judgement) float64 {
	sum, n := 0.0, 0.0
	for _, v := range j.Each {
		if v == v {
			sum, n = sum+v, n+1
		}
	}
	return sum / max(n, 1)
}

// tried returns the trial of a candidate's channels, nil for none.
func tried(trials []Trial, c Candidate) *Trial {
	i := slices.IndexFunc(trials, func(t Trial) bool {
		return t.Codec == c.Codec && slices.Equal(t.Channels, c.Channels) && slices.Equal(t.Stride, c.Stride)
	})
	if i < 0 {
		return nil
	}
	return &trials[i]
}
