package heldout

import (
	"context"
	"fmt"
	"maps"
	"slices"

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
	images int
	pixels [][]byte
	ranges [][]float32
}

// Tiles makes those of what crosses for some images.
func (p *Pair) Tiles(ctx context.Context, images [][]*tensor.Tensor) (*Tiles, error) {
	t := &Tiles{images: len(images), pixels: make([][]byte, len(p.Record)), ranges: make([][]float32, len(p.Record))}
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
		for i, part := range p.Record {
			t.pixels[i] = append(t.pixels[i], results[0].Tensor.Data...)
			results = results[1:]
			if part.Dynamic {
				t.ranges[i] = append(t.ranges[i], tensor.Slice[float32](results[0].Tensor)...)
				results = results[1:]
			}
		}
	}
	return t, nil
}

// Bytes is the mean of what tiles take at a quality.
func (p *Pair) Bytes(t *Tiles, quality int) (float64, error) {
	coder, err := p.coder(quality)
	if err != nil {
		return 0, err
	}
	payload, _, err := coder.Encode(t.pixels, t.ranges)
	return float64(len(payload)) / float64(t.images), err
}

// coder is the codec at a quality, 0 for one that has none.
func (p *Pair) coder(quality int) (*ops.Coder, error) {
	record := slices.Clone(p.Record)
	for i, part := range record {
		if _, has := part.Parameters[bundle.QualityParameter]; has {
			record[i].Parameters = maps.Clone(part.Parameters)
			record[i].Parameters[bundle.QualityParameter] = int64(quality)
		}
	}
	return record.Coder()
}

// restore makes the cut's tensors of the tiles of an image.
func (p *Pair) restore(ctx context.Context, t *Tiles, image int) ([]*tensor.Tensor, error) {
	in, ports := ort.Feed{}, p.Restore.Inputs()
	for i, part := range p.Record {
		area := part.Height * part.Width
		in[ports[0].Name] = tensor.Of([]int64{1, 1, int64(part.Height), int64(part.Width)}, t.pixels[i][image*area:(image+1)*area])
		ports = ports[1:]
		if part.Dynamic {
			in[ports[0].Name] = tensor.Of([]int64{1, 2}, t.ranges[i][2*image:2*image+2])
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
