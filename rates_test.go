package bnc

import (
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
)

// TestRatesOfASplit: what a split measures of rates is what an evaluation of its bundle gives
// on the images that it held out, and its files tell it.
func TestRatesOfASplit(t *testing.T) {
	rttest.Plugin(t)
	set, out, model := pictures(t, 40), filepath.Join(t.TempDir(), "pair"), small(t)
	o := SplitOptions{
		After: "rb7", Channels: Each[Channels]{8}, Stride: Each[int]{1}, Codec: "transform", VariableRate: true, MaxLoss: new(10.0), Calibrate: set, Out: out,
	}
	r, err := Split(t.Context(), model, o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(b.Meta.Rates)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := json.Marshal(r.Rates); err != nil || string(told) != string(want) || b.Meta.Rates.MaxLoss != 10 {
		t.Fatalf("metadata bnc.rates is %s, expected %s", told, want)
	}
	var qualities []int
	for _, p := range r.Rates.Points {
		qualities = append(qualities, p.Quality)
	}
	e, err := Eval(t.Context(), out, EvalOptions{Data: heldOf(t, set), Teacher: model, Quality: qualities})
	if err != nil {
		t.Fatal(err)
	}
	best := 0.0
	for _, row := range e.Sweep {
		best = max(best, row.Primary.Value)
	}
	for i, p := range r.Rates.Points {
		row := e.Sweep[i]
		lost := 100 * (best - row.Primary.Value)
		// One graph and its parts: ONNX Runtime may round a value of a tile the other way, which
		// is a byte of one image or two.
		if row.Quality != p.Quality || math.Abs(row.PayloadBytes-p.Bytes) > 1 || math.Abs(lost-p.Loss) > 1e-9 {
			t.Errorf("quality %d takes %v bytes and loses %v points; an evaluation: quality %d, %v bytes, %v points", p.Quality, p.Bytes, p.Loss, row.Quality, row.PayloadBytes, lost)
		}
		if i > 0 && p.Bytes <= r.Rates.Points[i-1].Bytes {
			t.Errorf("quality %d takes %v bytes, the one before %v", p.Quality, p.Bytes, r.Rates.Points[i-1].Bytes)
		}
	}
	for _, wrong := range []func(o *SplitOptions){
		func(o *SplitOptions) { o.MaxLoss = new(-1.0) },
		func(o *SplitOptions) { o.VariableRate = false },
		func(o *SplitOptions) { o.Calibrate = "" },
	} {
		other := o
		wrong(&other)
		usage := (*UsageError)(nil)
		if _, err := Split(t.Context(), model, other); !errors.As(err, &usage) || usage.Option != "max_loss" {
			t.Errorf("%+v: %v", other, err)
		}
	}
}
