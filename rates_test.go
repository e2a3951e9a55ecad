package bnc

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
)

// inClasses copies pictures into folders of ten classes, two each.
func inClasses(t *testing.T, pictures []string) string {
	t.Helper()
	dir := t.TempDir()
	for i, picture := range pictures {
		class := filepath.Join(dir, fmt.Sprint(i%10))
		content, err := os.ReadFile(picture)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(class, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(class, filepath.Base(picture)), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

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
	// Trained, it tells what is true then, by labels or by agreement.
	all, err := filepath.Glob(filepath.Join(set, "*.png"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []TrainOptions{
		{Data: set, Val: heldOf(t, set), Distill: true}, {Data: inClasses(t, all[:20]), Val: inClasses(t, all[20:])},
	} {
		o.Epochs, o.Freeze, o.Threads = 1, "backbone", 1
		if _, err := Train(t.Context(), out, o); err != nil {
			t.Fatal(err)
		}
		before := b.Meta.Rates
		if b, err = bundle.Open(out); err != nil {
			t.Fatal(err)
		}
		if e, err = Eval(t.Context(), out, EvalOptions{Data: o.Val, Quality: qualities}); err != nil {
			t.Fatal(err)
		}
		best := 0.0
		for _, row := range e.Sweep {
			best = max(best, row.Primary.Value)
		}
		if b.Meta.Rates == nil || reflect.DeepEqual(b.Meta.Rates, before) || len(b.Meta.Rates.Points) != len(e.Sweep) {
			t.Fatalf("after a training: %+v", b.Meta.Rates)
		}
		for i, p := range b.Meta.Rates.Points {
			row := e.Sweep[i]
			if lost := 100 * (best - row.Primary.Value); row.PayloadBytes != p.Bytes || math.Abs(lost-p.Loss) > 1e-9 {
				t.Errorf("trained: quality %d takes %v bytes and loses %v points; an evaluation: %v bytes, %v points", p.Quality, p.Bytes, p.Loss, row.PayloadBytes, lost)
			}
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
