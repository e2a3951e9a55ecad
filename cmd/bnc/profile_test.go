package main

import (
	"bytes"
	"encoding/json"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bottlenet/bnc"
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

// TestConfidence: the interval holds the true median of a skewed distribution, the
// exponential one's ln 2, in 95% of the samples or more. 2,000 samples leave a
// standard deviation of 0.5%, hence 93.5%. The interval's ends are half its width
// from its centre, not from the median, so that it is checked by its width: a
// median that is further off than twice the half width is outside for sure.
func TestConfidence(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const samples = 2000
	inside := 0
	for range samples {
		x := make([]float64, 60)
		for i := range x {
			x[i] = r.ExpFloat64()
		}
		if g := timingOf(x); math.Abs(g.MedianMS-math.Ln2) <= g.HalfWidthMS {
			inside++
		}
	}
	if share := float64(inside) / samples; share < 0.935 || share > 0.99 {
		t.Errorf("%.3f", share)
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
		p := &profiler{}
		p.runs, p.precision = 50, -1 // never precise enough
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
	times := sessionTimes{runs: [][]ort.NodeTime{run, run}, perNode: 0.01, scale: 2}
	before := map[string][]bool{"relu1": {true, true}, "conv2": {false, true}, "fc": {false, false}}
	parts := times.divide(before, 2)
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

// profiled runs bnc profile and reads what it prints.
func profiled(t *testing.T, args ...string) *plan.Profile {
	t.Helper()
	out := mustBnc(t, slices.Concat([]string{"profile", "--runs", "20"}, args)...)
	p, err := plan.ParseProfile("stdout", []byte(out))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestProfile: a model's entries are for each residual sum, with and without a
// bottleneck; a bundle's takes the place of the sum of nodes, and they are of one
// model. What the parts weigh is what bnc inspect says.
func TestProfile(t *testing.T) {
	model := smallModel(t)
	dir := filepath.Join(t.TempDir(), "net-rb3")
	mustBnc(t, "split", model, "--after", "rb3", "--c", "2", "--s", "2", "-o", dir)
	image := filepath.Join(t.TempDir(), "image.png")
	var file bytes.Buffer
	if err := png.Encode(&file, drawing()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(image, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	p := profiled(t, model, dir, "--cuts", "rb1,rb3", "--c", "2", "--input", image, "--power", "constant:1500", "--threads", "1")
	var have []string
	for _, c := range p.Cuts {
		have = append(have, c.String()+" "+c.Method)
		if !(c.Mobile.MedianMS > 0 && c.Cloud.MedianMS > 0 && c.PayloadBytes > 0) {
			t.Errorf("%s: %+v, %+v, %v bytes", c, c.Mobile, c.Cloud, c.PayloadBytes)
		}
	}
	if got, want := strings.Join(have, ", "), "rb1 c=2 s=2 nodes, rb1 plain nodes, rb3 c=2 s=2 pair, rb3 plain nodes"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	if p.Whole == nil || p.Power != (plan.Power{Source: "constant", ComputeMW: 1500}) || p.Threads != 1 || len(p.SourceSHA256) != 64 {
		t.Errorf("%+v", p)
	}
	var inspected bnc.InspectResult
	if err := json.Unmarshal([]byte(mustBnc(t, "inspect", model, "--json")), &inspected); err != nil {
		t.Fatal(err)
	}
	for _, c := range inspected.Cuts {
		for _, e := range p.Cuts {
			if e.Tensor == c.Tensor && e.Plain() && (e.MobileParams != c.ParamsBefore || e.PayloadBytes != float64(*c.Bytes)) {
				t.Errorf("%s: %d parameters, %v bytes; bnc inspect has %d, %d", e, e.MobileParams, e.PayloadBytes, c.ParamsBefore, *c.Bytes)
			}
		}
	}
	// The payload is the one that bnc run sends.
	var ran struct {
		Results []struct {
			Bytes float64 `json:"payload_bytes"`
		}
	}
	if err := json.Unmarshal([]byte(mustBnc(t, "run", dir, image, "--json")), &ran); err != nil {
		t.Fatal(err)
	}
	if pair := p.Cuts[2]; pair.PayloadBytes != ran.Results[0].Bytes {
		t.Errorf("%v bytes, bnc run has %v", pair.PayloadBytes, ran.Results[0].Bytes)
	}
}

// TestProfileToSelect: what bnc profile writes, bnc select reads.
func TestProfileToSelect(t *testing.T) {
	model := smallModel(t)
	file := filepath.Join(t.TempDir(), "device.json")
	mustBnc(t, "profile", model, "--runs", "20", "-o", file, "--power", "command:echo 2000")
	var r bnc.SelectResult
	if err := json.Unmarshal([]byte(mustBnc(t, "select", "--profile", file, "--network", "3g", "--image-bytes", "3000", "--json")), &r); err != nil {
		t.Fatal(err)
	}
	if r.Choice == nil || len(r.Table) != 9 || len(r.Baselines) != 3 || r.Choice.EnergyMJ == nil {
		t.Errorf("%+v", r)
	}
}

// TestProfileRefuses: wrong usage is 2, what cannot be profiled 3.
func TestProfileRefuses(t *testing.T) {
	model := smallModel(t)
	other := filepath.Join(t.TempDir(), "other.onnx")
	mustBnc(t, "models", "resnet20", "--seed", "2", "-o", other)
	bundle := filepath.Join(t.TempDir(), "bundle")
	mustBnc(t, "split", other, "--after", "rb1", "-o", bundle)
	for _, c := range []struct {
		args    string
		code    int
		message string
	}{
		{"", 2, "bundles or a model"},
		{model + " --runs 3", 2, "expected 20 or more"},
		{model + " --confidence -1", 2, "--confidence"},
		{model + " --power wind", 2, "constant:MW"},
		{model + " --power constant:x", 2, "number of mW"},
		{model + " --ep npu", 2, "npu"},
		{model + " --c 0", 2, "--c"},
		{model + " --cuts rb99", 3, "similar names: rb9"},
		{model + " --cuts rb1 --c 17 --runs 20", 3, "16 channels"},
		{"missing.onnx", 3, "missing.onnx"},
		{model + " --input missing.png", 3, "missing.png"},
		{model + " " + bundle + " --cuts rb1 --runs 20", 3, "of another model"},
	} {
		_, stderr, code := tryBnc(t, append([]string{"profile"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stderr, c.message) {
			t.Errorf("profile %s: code %d, %s; want %d and %q", c.args, code, stderr, c.code, c.message)
		}
	}
}
