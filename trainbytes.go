package bnc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/heldout"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/runtime/train"
)

const (
	// below is how far under option target_bytes payloads of images to train on end: those of
	// others differ.
	below = 0.01
	// loose is how far above it training may end: what a few steps of quality make good.
	loose = 0.1
)

// qualityFollows tells whether the quality goes by option target_bytes. Coarser steps of the
// quantiser cost less accuracy than features that training makes small, and few steps of
// training move payloads but little.
func (t *training) qualityFollows() bool {
	return t.TargetBytes != 0 && t.Quality == 0 && bottleneck.HaveQuality(t.source)
}

// settleCodec makes the codecs suit the tiles of the weights that the source has: with fit
// what they know of them, and the quality that option target_bytes asks for. It returns what
// was looked at, nil for nothing, and tells whether anything has changed.
func (t *training) settleCodec(ctx context.Context, sets *train.Sets, fit bool) (all *crossing, changed bool, err error) {
	if !t.bottleneck {
		return nil, false, nil
	}
	records, err := bottleneck.Records(t.source)
	if err != nil {
		return nil, false, err
	}
	fit = fit && bottleneck.AnyFitted(t.source)
	if !fit && !t.qualityFollows() {
		return nil, false, nil
	}
	if all, err = t.crossing(ctx, sets, records); err != nil {
		return nil, false, err
	}
	specs, quality := bottleneck.Specs(records), t.meta.Quality
	if fit {
		codecs, err := bottleneck.Fit(all.fit)
		if err != nil {
			return nil, false, err
		}
		for i, codec := range codecs {
			specs[i].Codec = codec
		}
	}
	if t.qualityFollows() {
		record, err := recordOf(specs)
		if err != nil {
			return nil, false, err
		}
		if quality, err = all.tiles.Quality(record, t.TargetBytes*(1-below)); err != nil {
			return nil, false, err
		}
		if quality != t.meta.Quality {
			bytes, err := all.tiles.Bytes(record, quality)
			if err != nil {
				return nil, false, err
			}
			t.Notice("quality %d, at which payloads take %.0f bytes; option quality sets another", quality, bytes)
		}
	}
	changed = quality != t.meta.Quality
	t.meta.Quality = quality
	return all, changed || fit, bottleneck.SetCodecs(t.source, func(i int, _ bottleneck.Codec) bottleneck.Codec { return specs[i].Codec.AtQuality(quality) })
}

// refits tells whether codecs are to suit the weights after every epoch.
func (t *training) refits() bool {
	return t.bottleneck && !t.Naive && (t.qualityFollows() || bottleneck.AnyFitted(t.source))
}

// refit makes the graphs anew with codecs that suit weights, or with known ones, which it
// returns as JSON. The source stays: what codecs know is always measured from where they
// began.
func (t *training) refit(ctx context.Context, sets *train.Sets, weights map[string][]float32, known json.RawMessage) (*train.Sessions, json.RawMessage, error) {
	with := *t
	with.source, with.Reporter = t.source.Clone(), nil // all has been told
	with.Progress.To = nil
	var codecs []bottleneck.Codec
	if known != nil {
		if err := json.Unmarshal(known, &codecs); err != nil {
			return nil, nil, err
		}
	} else {
		if err := grad.SetWeights(with.source, weights); err != nil {
			return nil, nil, err
		}
		if _, _, err := with.settleCodec(ctx, sets, true); err != nil {
			return nil, nil, err
		}
		records, err := bottleneck.Records(with.source)
		if err != nil {
			return nil, nil, err
		}
		for _, s := range bottleneck.Specs(records) {
			codecs = append(codecs, s.Codec)
		}
		if known, err = json.Marshal(codecs); err != nil {
			return nil, nil, err
		}
		with.source = t.source.Clone()
	}
	if err := bottleneck.SetCodecs(with.source, func(i int, _ bottleneck.Codec) bottleneck.Codec { return codecs[i] }); err != nil {
		return nil, nil, err
	}
	p, err := grad.Build(ctx, with.source, t.teacher, with.build(sets))
	if err != nil {
		return nil, nil, err
	}
	graphs, err := graphsOf(p)
	if err != nil {
		return nil, nil, err
	}
	sessions, err := graphs.Open(t.running)
	return sessions, known, err
}

// crossing is what crosses for images to train on.
type crossing struct {
	fit   []bottleneck.Tiles // of each tensor
	tiles *heldout.Tiles
}

// crossing runs the mobile half on images to train on.
func (t *training) crossing(ctx context.Context, sets *train.Sets, records []bottleneck.Record) (*crossing, error) {
	m, err := bottleneck.Crossing(ctx, t.source)
	if err != nil {
		return nil, err
	}
	all := &crossing{tiles: heldout.NewTiles(len(records))}
	for _, r := range records {
		all.fit = append(all.fit, bottleneck.Tiles{Spec: r.Spec, Keep: true})
	}
	err = t.look(ctx, m, sets, func(xs []*tensor.Tensor) error {
		for i := range all.fit {
			planes, err := xs[0].Float32s()
			if err != nil {
				return err
			}
			n := len(planes) / int(xs[0].Shape[0])
			for one := range slices.Chunk(planes, n) {
				all.fit[i].Planes = append(all.fit[i].Planes, slices.Clone(one))
			}
			all.tiles.Pixels[i] = append(all.tiles.Pixels[i], xs[1].Data...)
			if xs = xs[2:]; all.fit[i].Dynamic {
				all.tiles.Ranges[i] = append(all.tiles.Ranges[i], tensor.Slice[float32](xs[0])...)
				xs = xs[1:]
			}
		}
		return nil
	})
	all.tiles.Images = len(all.fit[0].Planes)
	if err == nil && all.tiles.Images == 0 {
		err = errors.New("none of the images can be used")
	}
	return all, err
}
