package client

import (
	"errors"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
)

// TestPair has servers with the same pair, another one and none.
func TestPair(t *testing.T) {
	tests := []struct {
		name, pair string
		refused    bool
		warnings   int
	}{
		{"same", "pair of a", false, 0},
		{"another", "pair of b", true, 0},
		{"none", "", false, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &fakeServer{compute: models("a", "b"), edit: func(m *oip.ModelMetadata) { m.Properties[oip.ParamPair] = test.pair }}
			candidates := []*candidate{fakeCandidate("a", &fakeDevice{bytes: 100})}
			if test.pair == "" {
				candidates = append(candidates, fakeCandidate("b", &fakeDevice{bytes: 100}))
			}
			bubble(t, Options{Remote: s, Probe: -1, Fallback: true}, candidates, func(t *testing.T, c *Client, log *logged) {
				for range 3 {
					r, err := c.Run(t.Context(), ort.Feed{})
					var pair *PairError
					if errors.As(err, &pair) != test.refused {
						t.Fatalf("%+v, %v", r, err)
					}
					if test.refused && (pair.Mobile != "pair of a" || pair.Cloud != "pair of b" || len(s.requests) != 0) {
						t.Fatalf("%+v, %d requests", pair, len(s.requests))
					}
				}
				if n := log.count("cannot be checked"); n != test.warnings {
					t.Errorf("%d warnings, expected %d", n, test.warnings)
				}
			})
		})
	}
}

// TestTerms has servers whose model is another one than the bundle's.
func TestTerms(t *testing.T) {
	port := func(name, datatype string, shape ...int64) oip.Port {
		return oip.Port{Name: name, Datatype: datatype, Shape: shape}
	}
	tests := []struct {
		name    string
		inputs  []oip.Port
		outputs []oip.Port
		says    string
	}{
		{"no payload", []oip.Port{port("image", "UINT8", -1)}, nil, "image, expected payload"},
		{"float payload", []oip.Port{port("payload", "FP32", -1)}, nil, "FP32"},
		{"rank 3", []oip.Port{port("payload", "UINT8", 1, 1, -1)}, nil, "[1 1 -1]"},
		{"another input", []oip.Port{port("payload", "UINT8", -1), port("mask", "FP32", -1)}, nil, "mask"},
		{"no output", []oip.Port{port("payload", "UINT8", -1)}, []oip.Port{port("z", "FP32", -1)}, "z, expected y"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &fakeServer{compute: models("a"), edit: func(m *oip.ModelMetadata) {
				m.Inputs = test.inputs
				if test.outputs != nil {
					m.Outputs = test.outputs
				}
			}}
			bubble(t, Options{Remote: s, Probe: -1, Fallback: true}, []*candidate{fakeCandidate("a", &fakeDevice{bytes: 100})}, func(t *testing.T, c *Client, _ *logged) {
				_, err := c.Run(t.Context(), ort.Feed{})
				var server *ServerError
				if !errors.As(err, &server) || !strings.Contains(err.Error(), test.says) || len(s.requests) != 0 {
					t.Errorf("%v after %d requests, expected %q in it", err, len(s.requests), test.says)
				}
			})
		})
	}
}

// TestSeveralImagesInRank2 has two images for a server that takes one a request.
func TestSeveralImagesInRank2(t *testing.T) {
	s := &fakeServer{compute: models("a"), edit: func(m *oip.ModelMetadata) { m.Inputs[0].Shape = []int64{-1, -1} }}
	k := fakeCandidate("a", nil)
	m, err := s.ModelMetadata(t.Context(), "a", "")
	if err != nil {
		t.Fatal(err)
	}
	terms, err := k.settle(m)
	if err != nil {
		t.Fatal(err)
	}
	one := record(200)
	two := record(200)
	two.Data = append(two.Data, one.Data...)
	two.Shape = []int64{400}
	if inputs, err := terms.pack(k, ort.Feed{bundle.PayloadName: one}); err != nil || len(inputs[0].Value.Shape) != 2 {
		t.Errorf("one image: %v, %v", inputs, err)
	}
	var input *ort.InputError
	if inputs, err := terms.pack(k, ort.Feed{bundle.PayloadName: two}); !errors.As(err, &input) {
		t.Errorf("two images: %v, %v", inputs, err)
	}
	if k.meta.CodecAt != bundle.AtGraph {
		t.Errorf("the fake is of codec_at %s", k.meta.CodecAt)
	}
}
