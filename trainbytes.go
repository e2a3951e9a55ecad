package bnc

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/heldout"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/runtime/train"
)

// QualityFollows implements train.Network: whether the quality goes by option target_bytes. Coarser steps of the
// quantiser cost less accuracy than features that training makes small, and few steps of
// training move payloads but little.
func (t *training) QualityFollows() bool {
	return t.TargetBytes != 0 && t.Quality == 0 && bottleneck.HaveQuality(t.source)
}

// settleCodec makes the codecs suit the tiles of the weights that the source has: with fit
// what they know of them, and the quality that option target_bytes asks for. It returns what
// was looked at, nil for nothing, and tells whether anything has changed.
func (t *training) settleCodec(ctx context.Context, sets *train.Sets, fit bool) (tiles []bottleneck.Tiles, changed bool, err error) {
	if !t.bottleneck {
		return nil, false, nil
	}
	records, err := bottleneck.Records(t.source)
	if err != nil {
		return nil, false, err
	}
	fit = fit && bottleneck.AnyFitted(t.source)
	if !fit && !t.QualityFollows() {
		return nil, false, nil
	}
	all, err := t.crossing(ctx, sets, records)
	if err != nil {
		return nil, false, err
	}
	for i, r := range records {
		tiles = append(tiles, bottleneck.Tiles{Spec: r.Spec, Keep: true, Planes: all.Planes[i]})
	}
	specs, quality := bottleneck.Specs(records), t.meta.Quality
	if fit {
		codecs, err := bottleneck.Fit(tiles)
		if err != nil {
			return nil, false, err
		}
		for i, codec := range codecs {
			specs[i].Codec = codec
		}
	}
	if t.QualityFollows() {
		record, err := recordOf(specs)
		if err != nil {
			return nil, false, err
		}
		if quality, err = all.Settle(record, train.Aim(t.TargetBytes), quality, t.Notice); err != nil {
			return nil, false, err
		}
	}
	changed = fit || quality != t.meta.Quality
	t.meta.Quality = quality
	return tiles, changed, bottleneck.SetCodecs(t.source, func(i int, _ bottleneck.Codec) bottleneck.Codec { return specs[i].Codec.AtQuality(quality) })
}

// refits tells whether codecs are to suit the weights after every epoch.
func (t *training) refits() bool {
	return t.bottleneck && !t.Naive && (t.QualityFollows() || bottleneck.AnyFitted(t.source))
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
		var err error
		if codecs, err = bottleneck.CodecsOf(with.source); err != nil {
			return nil, nil, err
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

// crossing runs the mobile half on images to train on.
func (t *training) crossing(ctx context.Context, sets *train.Sets, records []bottleneck.Record) (*heldout.Crossing, error) {
	m, err := bottleneck.Crossing(ctx, t.source)
	if err != nil {
		return nil, err
	}
	all := heldout.NewCrossing(len(records))
	err = t.look(ctx, m, sets, func(xs []*tensor.Tensor) error {
		return all.Add(xs, func(i int) bool { return records[i].Spec.Dynamic })
	})
	if err == nil && all.Images == 0 {
		err = errors.New("none of the images can be used")
	}
	return all, err
}
