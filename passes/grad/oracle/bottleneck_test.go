//go:build cgo

package oracle

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/ort"
)

// TestGradBottlenecks are gradients through bottlenecks: reduction unit,
// quantiser, codec and restoration unit, in the networks that bnc split writes
// for training. PyTorch takes what the codec decoded as given; on the way back
// rounding and codec jpeg are the identity, codec transform is what it gives back of
// each coefficient, clipping is not.
func TestGradBottlenecks(t *testing.T) {
	rttest.Plugin(t)
	m, err := models.Build("resnet20", models.Options{Input: [3]int{3, 16, 16}, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	var images []ort.Feed
	for range 8 {
		images = append(images, ort.Feed{"input": oracletest.Normal(rng, 1, 3, 16, 16)})
	}
	var cases []*gradCase
	for i, b := range []oracletest.Bottleneck{
		{After: "rb1", Channels: 1, Stride: 2},
		{After: "rb4", Channels: 5, Stride: 2, Change: func(s *split.Settings) { s.Tensors[0].Bits = 3 }},
		{After: "rb4", Channels: 4, Stride: 1, Images: images, Change: func(s *split.Settings) { s.Tensors[0].Bits = 4 }},
		{After: "rb6", Stride: 2, Change: func(s *split.Settings) { s.Tensors[0].Codec = bottleneck.JPEG(60) }},
		{After: "rb7", Channels: 3, Stride: 1, Change: func(s *split.Settings) { s.Tensors[0].Width = 4 }},
		{After: "rb1", Channels: 3, Stride: 1, Images: images, Change: fitted(t, 40)},
		{After: "rb2", Channels: 2, Stride: 2, Change: fitted(t, 60)},
	} {
		name, joined := fmt.Sprintf("resnet20 after %s, c %d, s %d", b.After, b.Channels, b.Stride), oracletest.Split(t, m, b).Bottlenet
		cases = append(cases, gradNetwork(t, name, joined, networkForm{batchNorm: true}, 1))
		if i < 2 {
			cases = append(cases, gradNetwork(t, name, joined, networkForm{}, 1))
		}
	}
	odd, err := models.Build("resnet20", models.Options{Input: [3]int{3, 17, 19}, Classes: 10}) // planes of incomplete blocks
	if err != nil {
		t.Fatal(err)
	}
	joined := oracletest.Split(t, odd, oracletest.Bottleneck{After: "rb1", Channels: 3, Stride: 1, Change: fitted(t, 50)}).Bottlenet
	odds := gradNetwork(t, "planes of 17 x 19", joined, networkForm{}, 1)
	for _, c := range askTorch(t, append(cases, odds)) {
		checkNetworks(t, []*gradCase{c})
	}
}

// fitted gives a bottleneck codec transform at a quality.
func fitted(t *testing.T, quality int) func(*split.Settings) {
	return func(s *split.Settings) {
		for i := range s.Tensors {
			codec, err := bottleneck.CodecNamed("transform", quality)
			if err != nil {
				t.Fatal(err)
			}
			s.Tensors[i].Codec = codec
			codecs, err := bottleneck.Fit([]bottleneck.Tiles{{Spec: s.Tensors[i].Spec}})
			if err != nil {
				t.Fatal(err)
			}
			s.Tensors[i].Codec = codecs[0]
		}
	}
}
