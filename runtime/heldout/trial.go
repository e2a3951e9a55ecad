package heldout

import (
	"context"

	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/runtime/budget"
	"github.com/bottlenet/bnc/runtime/ort"
)

// Unit are both sides of a bottleneck as ONNX files, those of a Pair.
type Unit struct {
	Shrink, Restore []byte
	Record          ops.Record
	MACs            int64 // multiply-adds of an image in Shrink
}

// Open opens both sides.
func (u *Unit) Open(o ort.Options) (*Pair, error) {
	p := &Pair{Record: u.Record}
	var err error
	if p.Shrink, err = ort.OpenBytes("bottleneck", u.Shrink, o); err == nil {
		p.Restore, err = ort.OpenBytes("bottleneck", u.Restore, o)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Trial is a bottleneck that is tried, a budget.Bottleneck.
type Trial struct {
	What   any // the caller's own
	images *Images
	pair   *Pair
	tiles  *Tiles
	macs   int64
}

// Bytes implements budget.Bottleneck.
func (t *Trial) Bytes(_ context.Context, quality int) (float64, error) {
	return t.tiles.Bytes(t.pair.Record, quality)
}

// Judge implements budget.Bottleneck.
func (t *Trial) Judge(ctx context.Context, quality int) (*budget.Judgement, error) {
	return t.images.Judge(ctx, t.pair, t.tiles, quality)
}

// MACs implements budget.Bottleneck.
func (t *Trial) MACs() int64 { return t.macs }

// Close implements budget.Bottleneck.
func (t *Trial) Close() error {
	err := t.pair.Close()
	t.images, t.pair, t.tiles = nil, nil, nil
	return err
}
