// Package probe runs a network over images of a set and hands over what comes out: the
// activations at a cut that a bottleneck is calibrated on.
//
//	seen, err := probe.Run(ctx, session, probe.Options{Set: set, Feeder: feeder},
//		func(name string, outputs []*tensor.Tensor) error { return calibration.Add(outputs[0]) })
package probe

import (
	"cmp"
	"context"
	"fmt"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// MostImages is how many images are looked at, spread over the set: covariances and
// ranges do not change with more.
const MostImages = 256

// Options say what is run.
type Options struct {
	Set    *data.Set
	Feeder *feed.Feeder // of the session's input, a batch of one
	// LeftOut is told of images that cannot be used; Step of each that was. Both may be nil.
	LeftOut func(name string, err error)
	Step    func()
	Most    int // images, 0 for MostImages
}

// Seen is what was run.
type Seen struct {
	Images     int                 // that could be used
	Damage     error               // of the first that could not
	Preprocess *imagein.Preprocess // how images were prepared, nil for tensors
	Files      []string            // that were read
}

// Run gives each the outputs of the network for MostImages of the set, one after
// another, as far as ctx lasts. An image that cannot be used is left out; one that the
// network fails on ends the run, as an error of each does.
func Run(ctx context.Context, session *ort.Session, o Options, each func(name string, outputs []*tensor.Tensor) error) (*Seen, error) {
	seen := new(Seen)
	n := Images(o.Set, cmp.Or(o.Most, MostImages))
	for i := range n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		index := i * o.Set.Len() / n
		name := o.Set.Name(index)
		if f := o.Set.File(index); f != "" && (len(seen.Files) == 0 || seen.Files[len(seen.Files)-1] != f) {
			seen.Files = append(seen.Files, f)
		}
		item, x, err := read(o.Set, index, o.Feeder)
		if err != nil {
			if seen.Damage == nil {
				seen.Damage = err
			}
			if o.LeftOut != nil {
				o.LeftOut(name, err)
			}
			continue
		}
		if item.Image != nil && seen.Preprocess == nil {
			seen.Preprocess = o.Feeder.Preprocess(item.Image)
		}
		results, err := session.Run(ctx, o.Feeder.Feed(x))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		var outputs []*tensor.Tensor
		for _, r := range results {
			outputs = append(outputs, r.Tensor)
		}
		if err := each(name, outputs); err != nil {
			return nil, err
		}
		seen.Images++
		if o.Step != nil {
			o.Step()
		}
	}
	return seen, nil
}

// Images is how many images of a set are looked at, most at most.
func Images(set *data.Set, most int) int { return min(set.Len(), most) }

// read returns an item of a set, also as the network's input; the error names it.
func read(set *data.Set, index int, feeder *feed.Feeder) (data.Item, *tensor.Tensor, error) {
	item, err := set.Item(index)
	if err != nil {
		return item, nil, err
	}
	x, err := feeder.One(item)
	if err != nil {
		err = fmt.Errorf("%s: %w", set.Name(index), err)
	}
	return item, x, err
}
