package client

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// fakeDevice takes the given times in place of computing. Its payload is one
// record, its outputs are 1 from the device and 2 from the server.
type fakeDevice struct {
	front, rest time.Duration
	bytes       int
	perQuality  int // bytes instead, where it is not 0

	mu            sync.Mutex
	fronts, rests int
	rates         []bundle.Rate // that were asked for
}

func (d *fakeDevice) mobile(ctx context.Context, _ ort.Feed, rate bundle.Rate) (ort.Feed, ort.Results, error) {
	d.mu.Lock()
	d.fronts++
	d.rates = append(d.rates, rate)
	d.mu.Unlock()
	bytes := d.bytes
	if d.perQuality > 0 {
		bytes = max(3, d.perQuality*rate.Quality)
	}
	if !sleep(ctx, d.front) {
		return nil, nil, ctx.Err()
	}
	return ort.Feed{bundle.PayloadName: record(bytes)}, nil, nil
}

// rate returns the latest rate that was asked for.
func (d *fakeDevice) rate() bundle.Rate {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rates[len(d.rates)-1]
}

func (d *fakeDevice) cloud(ctx context.Context, crossing ort.Feed) (ort.Results, error) {
	d.mu.Lock()
	d.rests++
	d.mu.Unlock()
	if !sleep(ctx, d.rest) {
		return nil, ctx.Err()
	}
	return ort.Results{{Name: "y", Value: ort.Value{Tensor: tensor.Of([]int64{1, 1}, []float32{1})}}}, nil
}

func (d *fakeDevice) close() error { return nil }

// record returns a payload of one record of n bytes in all, 3 or more.
func record(n int) *tensor.Tensor {
	data := make([]byte, n)
	length := n - 2 // behind a varint of two bytes
	data[0], data[1] = byte(length)|0x80, byte(length>>7)
	return tensor.Of([]int64{int64(n)}, data)
}

// fakeCandidate returns the candidate of a bundle that a fakeDevice computes.
func fakeCandidate(name string, d *fakeDevice) *candidate {
	return &candidate{
		name: name, where: bundle.WhereSplit, pair: "pair of " + name,
		meta:    bundle.Meta{Part: bundle.PartMobile, Codec: "jpeg", CodecAt: bundle.AtGraph},
		outputs: []string{"y"}, late: []string{"y"}, crosses: []string{bundle.PayloadName}, device: d,
	}
}

// fakeServer answers after the time that a link and computing take, unless
// refuse has an error for the n-th request, counted from 1.
type fakeServer struct {
	oip.Service // not called

	mu       sync.Mutex
	uplink   float64 // bit/s
	rtt      time.Duration
	compute  map[string]time.Duration // of each model; others are unknown
	load     float64                  // factor of compute, 1 if 0
	refuse   func(n int) error
	sick     error // what Ready says
	edit     func(*oip.ModelMetadata)
	silent   bool // about queue and compute
	requests []*oip.Request
	at       []time.Time // when they came
	looks    []time.Time // when Ready was asked
}

func (s *fakeServer) Ready(ctx context.Context) error {
	s.mu.Lock()
	s.looks = append(s.looks, time.Now())
	rtt, sick := s.rtt, s.sick
	s.mu.Unlock()
	if !sleep(ctx, rtt) {
		return ctx.Err()
	}
	return sick
}

func (s *fakeServer) ModelMetadata(ctx context.Context, name, _ string) (*oip.ModelMetadata, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.compute[name]; !ok {
		return nil, oip.Errorf(oip.NotFound, "no model %s", name)
	}
	m := &oip.ModelMetadata{
		Name: name, Inputs: []oip.Port{{Name: bundle.PayloadName, Datatype: "UINT8", Shape: []int64{-1}}},
		Outputs:    []oip.Port{{Name: "y", Datatype: "FP32", Shape: []int64{-1, 1}}},
		Properties: map[string]string{oip.ParamPair: "pair of " + name},
	}
	if s.edit != nil {
		s.edit(m)
	}
	return m, nil
}

func (s *fakeServer) Infer(ctx context.Context, r *oip.Request) (*oip.Response, error) {
	s.mu.Lock()
	s.requests, s.at = append(s.requests, r), append(s.at, time.Now())
	n := len(s.requests)
	compute, known := s.compute[r.Model]
	compute = time.Duration(float64(compute) * max(1, s.load))
	took := s.rtt + compute
	for _, t := range r.Inputs {
		if s.uplink > 0 {
			took += time.Duration(float64(8*len(t.Value.Data)) / s.uplink * float64(time.Second))
		}
	}
	var err error
	if s.refuse != nil {
		err = s.refuse(n)
	}
	silent := s.silent
	s.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case !known:
		return nil, oip.Errorf(oip.NotFound, "no model %s", r.Model)
	case !sleep(ctx, took):
		return nil, oip.Errorf(oip.Deadline, "too late")
	}
	out := &oip.Response{Model: r.Model, Params: oip.Params{},
		Outputs: []oip.Tensor{{Name: "y", Value: tensor.Of([]int64{1, 1}, []float32{2})}}}
	if !silent {
		out.Params[oip.ParamQueue], out.Params[oip.ParamCompute] = 0.0, float64(compute)/float64(time.Millisecond)
	}
	return out, nil
}

// set changes the server while it is used.
func (s *fakeServer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// seen returns how many requests came, and when health was asked for.
func (s *fakeServer) seen() (requests int, looks []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests), slices.Clone(s.looks)
}

// logged collects what a client logs.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), s)
}

// bubble runs a test with a client of the candidates, in time that passes only
// while everything waits.
func bubble(t *testing.T, opts Options, candidates []*candidate, test func(*testing.T, *Client, *logged)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		opts.Log = slog.New(slog.NewTextHandler(log, nil))
		c := newClient(t.Context(), opts, candidates)
		defer func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}()
		test(t, c, log)
	})
}

// mustRun runs an input and says where its result was computed, by its value
// as well.
func mustRun(t *testing.T, c *Client) Result {
	t.Helper()
	r, err := c.Run(t.Context(), ort.Feed{})
	if err != nil {
		t.Fatal(err)
	}
	y, err := r.Outputs.Tensor("y")
	if err != nil {
		t.Fatal(err)
	}
	wants := map[float32]string{1: bundle.WhereMobile, 2: bundle.WhereSplit}
	if by := wants[tensor.Slice[float32](y)[0]]; by != r.Where {
		t.Fatalf("the result says %s and was computed by %s", r.Where, by)
	}
	if sum := r.Timings.Mobile + r.Timings.Link + r.Timings.Cloud; sum != r.Timings.Total {
		t.Fatalf("timings %+v: the parts are %v", r.Timings, sum)
	}
	return r
}

func models(names ...string) map[string]time.Duration {
	m := make(map[string]time.Duration)
	for i, name := range names {
		m[name] = time.Duration(i+1) * 10 * time.Millisecond
	}
	return m
}

// errBroken is what a transport may say of a connection that broke.
var errBroken = fmt.Errorf("read: connection reset by peer")
