// Package heldout tries bottlenecks on images that their calibration has not seen: what the
// side behind a cut says of what was coded and restored, beside what it says of the cut's own
// tensors.
//
//	images, err := heldout.Keep(ctx, prefix, heldout.Options{Set: set, ...})
//	tiles, err := pair.Tiles(ctx, images.Crossing())
//	judgement, err := images.Judge(ctx, pair, tiles, quality)
package heldout

import (
	"context"
	"fmt"
	"maps"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/budget"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// keptBytes bounds the cut tensors that are kept.
const keptBytes = 256 << 20

// Behind is what is behind a cut.
type Behind struct {
	Session *ort.Session
	Tensors []string // that cross, inputs of the session
	Given   ort.Feed // what other inputs get
}

// run computes the outputs of what crosses, float32 tensors in the order of Tensors.
func (b Behind) run(ctx context.Context, crossing []*tensor.Tensor) (ort.Results, error) {
	in := maps.Clone(b.Given)
	if in == nil {
		in = ort.Feed{}
	}
	for _, port := range b.Session.Inputs() {
		for i, name := range b.Tensors {
			if name != port.Name {
				continue
			}
			values, err := crossing[i].Float32s()
			if err != nil {
				return nil, err
			}
			if in[name], err = tensor.FromFloat32s(port.DType, crossing[i].Shape, values); err != nil {
				return nil, fmt.Errorf("input %s: %w", name, err)
			}
		}
	}
	return b.Session.Run(ctx, in)
}

// Options say which images are kept, and by what models are compared.
type Options struct {
	Set     *data.Set
	Feeder  *feed.Feeder // of the network before the cut, a batch of one
	Behind  Behind
	Task    task.Task
	Outputs task.Outputs // that are judged
	// LeftOut is told of images that cannot be used; Step of each that was. Both may be nil.
	LeftOut func(name string, err error)
	Step    func()
}

// Images are images that are held out, with what crosses the cut for them and what the whole
// model says of them.
type Images struct {
	o     Options
	all   []image
	whole task.Judge
	said  *reference
}

// image is one of them.
type image struct {
	item     int
	frames   []imagein.Frame
	crossing []*tensor.Tensor
	early    ort.Results // outputs that are computed before the cut
}

// Keep runs the images of the set, or of a large cut as many as fit into memory, spread
// over the set, through the network before the cut, whose first outputs are what crosses,
// and what is behind it.
func Keep(ctx context.Context, before *ort.Session, o Options) (*Images, error) {
	h := &Images{o: o, said: new(reference)}
	var err error
	if h.whole, err = o.Task.Judge(o.Set, o.Outputs); err != nil {
		return nil, err
	}
	n := o.Set.Len()
	var damage error
	skip := func(i int, err error) {
		if damage == nil {
			damage = err
		}
		if o.LeftOut != nil {
			o.LeftOut(o.Set.Name(i), err)
		}
	}
	for k := 0; k < n; k++ {
		item := k * o.Set.Len() / n
		x, frames, _, err := o.Feeder.Usable(o.Set, []int{item}, skip)
		if err != nil {
			return nil, fault.Unusable("%w", err)
		}
		if x == nil {
			continue
		}
		one, bytes, err := h.keep(ctx, before, o.Feeder.Feed(x), image{item: item, frames: frames})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Set.Name(item), err)
		}
		if len(h.all) == 0 {
			n = min(n, max(keptBytes/max(bytes, 1), 1)) // the first of the set is the first in any case
		}
		h.all = append(h.all, one)
		if o.Step != nil {
			o.Step()
		}
	}
	if len(h.all) == 0 {
		return nil, fault.Unusable("none of %d images can be used: %w", n, damage)
	}
	return h, nil
}

// keep runs an image, and returns it with the bytes of what crosses.
func (h *Images) keep(ctx context.Context, before *ort.Session, in ort.Feed, i image) (image, int, error) {
	results, err := before.Run(ctx, in)
	if err != nil {
		return i, 0, err
	}
	bytes := 0
	for _, r := range results[:len(h.o.Behind.Tensors)] {
		i.crossing = append(i.crossing, r.Tensor)
		bytes += len(r.Tensor.Data)
	}
	i.early = results[len(i.crossing):]
	late, err := h.o.Behind.run(ctx, i.crossing)
	if err != nil {
		return i, 0, err
	}
	h.said.add(late)
	return i, bytes, h.add(h.whole, i, late)
}

// add hands a judge what is said of an image.
func (h *Images) add(j task.Judge, i image, late ort.Results) error {
	outputs := append(append(ort.Results{}, i.early...), late...)
	if err := j.Add(task.Batch{Outputs: outputs, Frames: i.frames}, []int{i.item}); err != nil {
		return fault.Unusable("%s: %w", h.o.Set.Name(i.item), err)
	}
	return nil
}

// Len is how many images there are.
func (h *Images) Len() int { return len(h.all) }

// Crossing are the tensors that cross for each image.
func (h *Images) Crossing() (all [][]*tensor.Tensor) {
	for _, i := range h.all {
		all = append(all, i.crossing)
	}
	return all
}

// Judge compares what is behind the cut says of tiles of all images, coded by a pair at a
// quality, with what the whole model says.
func (h *Images) Judge(ctx context.Context, p *Pair, t *Tiles, quality int) (*budget.Judgement, error) {
	coder, err := p.coder(quality)
	if err != nil {
		return nil, err
	}
	payload, sizes, err := coder.Encode(t.Pixels, t.Ranges)
	if err != nil {
		return nil, err
	}
	coded := *t
	if coded.Pixels, coded.Ranges, err = coder.Decode(payload); err != nil {
		return nil, err
	}
	judge, err := h.o.Task.Judge(h.o.Set, h.o.Outputs)
	if err != nil {
		return nil, err
	}
	far := h.said.distance()
	for k, i := range h.all {
		restored, err := p.restore(ctx, &coded, k)
		if err != nil {
			return nil, err
		}
		late, err := h.o.Behind.run(ctx, restored)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.o.Set.Name(i.item), err)
		}
		far.add(k, late)
		if err := h.add(judge, i, late); err != nil {
			return nil, err
		}
	}
	return h.judgement(judge, sizes, far)
}

// judgement sums a trial up.
func (h *Images) judgement(judge task.Judge, sizes []int, far *distance) (*budget.Judgement, error) {
	values, err := judge.Agreement(h.whole)
	if err != nil {
		return nil, err
	}
	primary := task.PrimaryOf(nil, values)
	if primary == nil {
		return nil, fault.Unusable("nothing of the outputs can be compared with the whole model's")
	}
	each, err := judge.Each(h.whole)
	if err != nil {
		return nil, err
	}
	j := &budget.Judgement{Bytes: sizes, Agreement: primary.Value, Interval: primary.Interval, Each: each}
	if j.Error, err = far.relative(); err != nil { // nothing to compare but answers
		j.Error = 100/h.o.Task.Agreement().Points - primary.Value
	}
	return j, nil
}
