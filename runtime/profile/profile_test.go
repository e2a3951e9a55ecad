package profile

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
)

// TestTimingOf: numpy's percentiles of 1 to 100 are 50.5, 5.95 and 95.05; the
// interval goes from the 41st to the 61st.
func TestTimingOf(t *testing.T) {
	var x []float64
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(100) {
		x = append(x, float64(i+1))
	}
	got := timingOf(x)
	want := plan.Timing{MedianMS: 50.5, P5MS: 5.95, P95MS: 95.05, MeanMS: 50.5, Runs: 100, HalfWidthMS: 10}
	for _, d := range []float64{got.MedianMS - want.MedianMS, got.P5MS - want.P5MS, got.P95MS - want.P95MS, got.MeanMS - want.MeanMS, got.HalfWidthMS - want.HalfWidthMS} {
		if math.Abs(d) > 1e-9 { // sums of a few floats
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if one := timingOf([]float64{3}); one.MedianMS != 3 || one.P95MS != 3 || one.HalfWidthMS != 0 {
		t.Errorf("%+v", one)
	}
}

// TestTimedInTurns: a machine becomes slower while a whole model of 10 ms and then a part
// of it of 4 ms are measured: in between, or on and on. What is told is what the part would
// have taken when the whole was measured; measured one after the other it is not.
func TestTimedInTurns(t *testing.T) {
	for name, slowness := range map[string]func(run int) float64{
		"as it was":            func(int) float64 { return 1 },
		"slower from then on":  func(run int) float64 { return map[bool]float64{true: 1, false: 1.7}[run < 60] },
		"slower half way":      func(run int) float64 { return map[bool]float64{true: 1, false: 2.5}[run < 110] },
		"slower with each run": func(run int) float64 { return 1 + float64(max(0, run-60))/400 },
	} {
		runs := 0
		taking := func(ms float64) func(int) (time.Duration, error) {
			return func(int) (time.Duration, error) {
				runs++
				return time.Duration(ms * slowness(runs) * float64(time.Millisecond)), nil
			}
		}
		p := &Profiler{Sampling: Sampling{Runs: 50, Precision: -1}} // never precise enough
		whole, err := p.repeat(t.Context(), taking(10))
		if err != nil {
			t.Fatal(err)
		}
		p.pace = &pace{run: taking(10), median: timingOf(whole).MedianMS}
		part, err := p.timed(t.Context(), taking(4))
		if err != nil {
			t.Fatal(err)
		}
		// A machine that is slower with each run is by a thirtieth from one block to the next.
		if got := part[0].MedianMS; math.Abs(got/4-1) > 0.04 || part[0].Runs != 50 {
			t.Errorf("%s: %.2f ms in %d runs, expected 4", name, got, part[0].Runs)
		}
		runs = 60
		after, err := p.repeat(t.Context(), taking(4))
		if err != nil {
			t.Fatal(err)
		}
		if got := timingOf(after).MedianMS; (math.Abs(got/4-1) > 0.04) != (name != "as it was" && name != "slower half way") {
			t.Errorf("%s: one after the other %.2f ms", name, got)
		}
	}
}

// TestDivide: nodes go to the side of the node or output whose name they carry,
// others to that of their predecessor, profiling's own time is taken off, and the rest is scaled.
func TestDivide(t *testing.T) {
	const us = time.Microsecond
	run := []ort.NodeTime{
		{Name: "ReorderInput", Op: "ReorderInput", Took: 1010 * us}, // before everything
		{Name: "relu1_nchwc", Op: "Conv", Took: 2010 * us},
		{Name: "fused conv2", Op: "FusedConv", Took: 3010 * us},
		{Name: "ReorderOutput", Op: "ReorderOutput", Took: 4010 * us},
		{Name: "fc", Op: "Gemm", Took: 5010 * us},
	}
	measured := times{runs: [][]ort.NodeTime{run, run}, perNode: 0.01, scale: 2}
	before := map[string][]bool{"relu1": {true, true}, "conv2": {false, true}, "fc": {false, false}}
	parts := measured.divide(before, 2)
	for k, want := range []struct {
		before, behind float64
		blocked        bool
	}{{6, 24, true}, {20, 10, false}} {
		p := parts[k]
		if math.Abs(p.before.MedianMS-want.before) > 1e-9 || math.Abs(p.behind.MedianMS-want.behind) > 1e-9 || p.blocked != want.blocked || p.before.Runs != 2 {
			t.Errorf("cut %d: %v and %v ms, blocked %v; want %+v", k, p.before.MedianMS, p.behind.MedianMS, p.blocked, want)
		}
	}
}
