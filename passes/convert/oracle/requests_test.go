//go:build cgo

package oracle

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestOneRecordEach: a cloud half that takes joined requests gives each what it gives it
// alone, and refuses a batch in which a request brought anything but one record: every
// request behind it would get somebody else's answer.
func TestOneRecordEach(t *testing.T) {
	rttest.Plugin(t)
	m, err := models.Build("resnet20", models.Options{Input: [3]int{3, 16, 16}, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range bottleneck.Codecs() {
		t.Run(name, func(t *testing.T) {
			codec, err := bottleneck.CodecNamed(name, 0)
			if err != nil {
				t.Fatal(err)
			}
			oneRecordEach(t, m, codec)
		})
	}
}

func oneRecordEach(t *testing.T, m *ir.Model, codec bottleneck.Codec) {
	parts := oracletest.Split(t, m, oracletest.Bottleneck{After: "rb1", Channels: 4, Stride: 2, Change: func(s *split.Settings) {
		s.Tensors[0].Codec = codec
		if err := s.Fit(); err != nil {
			t.Fatal(err)
		}
	}})
	mobile, cloud := oracletest.Open(t, parts.Mobile, ort.Options{}), oracletest.Open(t, parts.Cloud.Clone(), ort.Options{})
	var records [3][]byte
	var alone [3][]float64
	rng := rand.New(rand.NewPCG(9, 1))
	for i := range records {
		out, err := mobile.Run(t.Context(), ort.Feed{"input": oracletest.Normal(rng, 1, 3, 16, 16)})
		if err != nil {
			t.Fatal(err)
		}
		records[i] = out[0].Tensor.Data
		if out, err = cloud.Run(t.Context(), ort.Feed{"payload": out[0].Tensor}); err != nil {
			t.Fatal(err)
		}
		alone[i] = oracletest.Floats(t, out[0].Tensor)
	}
	at := slices.IndexFunc(parts.Cloud.Graph.Nodes(), func(n *ir.Node) bool { return strings.HasSuffix(n.Op, "Decode") })
	seen, err := convert.ForRequests(parts.Cloud, parts.Cloud.Graph.Nodes()[at], true)
	if err != nil {
		t.Fatal(err)
	}
	if !seen.Joined || !seen.Guarded || len(seen.Inputs) != 1 || !seen.Inputs[0].Ragged || len(seen.Outputs) != 1 || !slices.Equal(seen.Outputs[0].Dims, []int64{10}) {
		t.Errorf("seen as %+v", seen)
	}
	guarded := oracletest.Open(t, parts.Cloud, ort.Options{})
	// joined is what a server with ragged batching makes of requests.
	joined := func(requests ...[]byte) ([]float64, error) {
		var lengths, ends []int32
		payload := []byte{}
		for _, r := range requests {
			payload = append(payload, r...)
			lengths, ends = append(lengths, int32(len(r))), append(ends, int32(len(payload)))
		}
		n := int64(len(requests))
		out, err := guarded.Run(t.Context(), ort.Feed{
			"payload":              tensor.Of([]int64{int64(len(payload))}, payload),
			convert.PayloadLengths: tensor.Of([]int64{n}, lengths), convert.PayloadEnds: tensor.Of([]int64{n}, ends),
		})
		if err != nil {
			return nil, err
		}
		return oracletest.Floats(t, out[0].Tensor), nil
	}
	got, err := joined(records[0], records[1], records[2])
	if err != nil {
		t.Fatal(err)
	}
	apart, length := oracletest.Distance(got, slices.Concat(alone[:]...))
	if !(apart <= 1e-5*length) { // float32, in another order of sums for more rows
		t.Errorf("answers are off by %g of %g", apart, length)
	}
	a, b := records[0], records[1]
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	for what, requests := range map[string][][]byte{
		"two and one":                  {join(a, b), records[2]},
		"two alone":                    {join(a, b)},
		"three of three, one has none": {join(a, b), records[2], nil},
		"two of two, divided behind":   {join(a, b[:9]), b[9:]},
		"two of two, divided before":   {a[:5], join(a[5:], b)},
		"none and one":                 {nil, a},
		"cut short":                    {b[:len(b)-1], a},
		"a byte too many":              {join(a, []byte{0}), b},
		"a wrong length":               {a, join([]byte{1}, b[1:])},
		"a length of 4 GB":             {{255, 255, 255, 255, 15, 0}, b},
	} {
		if answer, err := joined(requests...); err == nil {
			t.Errorf("%s: answered with %v", what, answer)
		}
	}
}
