package heldout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Pair are both sides of a bottleneck, without the codec between them.
type Pair struct {
	// Shrink makes of the cut's tensors, float32 [1,C,H,W], for each of them a tile and,
	// where the range is dynamic, the range. Restore makes of these the tensors again.
	Shrink, Restore *ort.Session
	Record          ops.Record
}

// Close frees both sides.
func (p *Pair) Close() error {
	for _, s := range []*ort.Session{p.Shrink, p.Restore} {
		if s == nil {
			continue
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

// Tiles are those of some images, for each crossing tensor one behind another.
type Tiles struct {
	Images int
	Pixels [][]byte
	Ranges [][]float32 // lo and hi of each image, where they are dynamic
}

// NewTiles are those of no images yet, of so many crossing tensors.
func NewTiles(tensors int) *Tiles {
	return &Tiles{Pixels: make([][]byte, tensors), Ranges: make([][]float32, tensors)}
}

// add takes a crossing tensor's tile and range from what comes next, and returns the rest.
func (t *Tiles) add(i int, xs []*tensor.Tensor, dynamic bool) []*tensor.Tensor {
	t.Pixels[i] = append(t.Pixels[i], xs[0].Data...)
	if !dynamic {
		return xs[1:]
	}
	t.Ranges[i] = append(t.Ranges[i], tensor.Slice[float32](xs[1])...)
	return xs[2:]
}

// Crossing is what crosses for some images, before and behind the quantiser.
type Crossing struct {
	*Tiles
	Planes [][][]float32 // of each crossing tensor and image
}

// NewCrossing is that of no images yet, of so many crossing tensors.
func NewCrossing(tensors int) *Crossing {
	return &Crossing{NewTiles(tensors), make([][][]float32, tensors)}
}

// Add takes what crosses for more images: of each tensor planes, tile and, where it is dynamic,
// range.
func (c *Crossing) Add(xs []*tensor.Tensor, dynamic func(tensor int) bool) error {
	for i := range c.Planes {
		planes, err := xs[0].Float32s()
		if err != nil {
			return err
		}
		for one := range slices.Chunk(planes, len(planes)/int(xs[0].Shape[0])) {
			c.Planes[i] = append(c.Planes[i], slices.Clone(one))
		}
		xs = c.add(i, xs[1:], dynamic(i))
	}
	c.Images = len(c.Planes[0])
	return nil
}

// Settle is Quality, and tells of one that is not as it was.
func (t *Tiles) Settle(record ops.Record, wanted float64, was int, notice func(format string, args ...any)) (int, error) {
	quality, err := t.Quality(record, wanted)
	if err != nil || quality == was {
		return quality, err
	}
	bytes, err := t.Bytes(record, quality)
	if err == nil {
		notice("quality %d, at which payloads take %.0f bytes; option quality sets another", quality, bytes)
	}
	return quality, err
}

// Bytes is the mean of what tiles take as records at a quality.
func (t *Tiles) Bytes(record ops.Record, quality int) (float64, error) {
	coder, err := at(record, quality).Coder()
	if err != nil {
		return 0, err
	}
	payload, _, err := coder.Encode(t.Pixels, t.Ranges)
	return float64(len(payload)) / float64(t.Images), err
}

// Quality is the highest at which the mean of what tiles take as records is no larger than
// wanted, 1 where none is.
func (t *Tiles) Quality(record ops.Record, wanted float64) (quality int, err error) {
	larger := sort.Search(100, func(i int) bool {
		bytes, failed := t.Bytes(record, i+1)
		err = errors.Join(err, failed)
		return bytes > wanted
	})
	return max(larger, 1), err
}

// at is a record whose codecs have a quality, 0 for those that have none.
func at(record ops.Record, quality int) ops.Record {
	record = slices.Clone(record)
	for i, part := range record {
		if _, has := part.Parameters[bundle.QualityParameter]; has {
			record[i].Parameters = maps.Clone(part.Parameters)
			record[i].Parameters[bundle.QualityParameter] = int64(quality)
		}
	}
	return record
}

// Tiles makes those of what crosses for some images.
func (p *Pair) Tiles(ctx context.Context, images [][]*tensor.Tensor) (*Tiles, error) {
	t := NewTiles(len(p.Record))
	t.Images = len(images)
	for _, crossing := range images {
		in := ort.Feed{}
		for i, port := range p.Shrink.Inputs() {
			values, err := crossing[i].Float32s()
			if err != nil {
				return nil, err
			}
			in[port.Name] = tensor.Of(crossing[i].Shape, values)
		}
		results, err := p.Shrink.Run(ctx, in)
		if err != nil {
			return nil, err
		}
		var xs []*tensor.Tensor
		for _, r := range results {
			xs = append(xs, r.Tensor)
		}
		for i, part := range p.Record {
			xs = t.add(i, xs, part.Dynamic)
		}
	}
	return t, nil
}

// coder is the codec at a quality, 0 for one that has none.
func (p *Pair) coder(quality int) (*ops.Coder, error) { return at(p.Record, quality).Coder() }

// restore makes the cut's tensors of the tiles of an image.
func (p *Pair) restore(ctx context.Context, t *Tiles, image int) ([]*tensor.Tensor, error) {
	in, ports := ort.Feed{}, p.Restore.Inputs()
	for i, part := range p.Record {
		area := part.Height * part.Width
		in[ports[0].Name] = tensor.Of([]int64{1, 1, int64(part.Height), int64(part.Width)}, t.Pixels[i][image*area:(image+1)*area])
		ports = ports[1:]
		if part.Dynamic {
			in[ports[0].Name] = tensor.Of([]int64{1, 2}, t.Ranges[i][2*image:2*image+2])
			ports = ports[1:]
		}
	}
	results, err := p.Restore.Run(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("restoring: %w", err)
	}
	var restored []*tensor.Tensor
	for _, r := range results {
		restored = append(restored, r.Tensor)
	}
	return restored, nil
}
