package report_test

import (
	"math"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/report"
)

// curve is an evaluation at several sizes.
func curve(t *testing.T, name, images, codec string, size int, points ...[2]float64) report.From[*report.Eval] {
	t.Helper()
	var sweep []map[string]any
	for i, p := range points {
		sweep = append(sweep, map[string]any{"quality": 10 * (i + 1), "top1": p[1], "payload_bytes": p[0], "p95": 1.5 * p[0], "max": 2 * p[0],
			"primary": map[string]any{"name": "top1", "value": p[1], "interval": []float64{p[1] - 0.04, p[1] + 0.03}},
			"paired":  map[string]any{"name": "top1", "teacher": 0.85, "difference": p[1] - 0.85, "interval": []float64{p[1] - 0.87, p[1] - 0.83}, "n": 500}})
	}
	doc := map[string]any{"n": 500, "top1": points[0][1], "payload_bytes": map[string]any{"mean": points[0][0], "p95": 1.5 * points[0][0], "max": 2 * points[0][0]},
		"paired": map[string]any{"teacher": 0.85, "difference": points[0][1] - 0.85}, "sweep": sweep, "images_sha256": images}
	if codec != "" {
		doc["input_codec"], doc["input_size"], doc["device_macs"], doc["device_share"] = codec, size, 0, 0
	} else {
		doc["device_macs"], doc["device_share"] = 218000000, 0.725
	}
	return from(name+".json", parsed(t, name, doc))
}

// TestBesideImages: each size of a bundle is compared with the image codec that takes the
// fewest bytes for the same accuracy, on the same images; where it is not better, where no image
// is as good and where nothing so small was measured, that is said.
func TestBesideImages(t *testing.T) {
	in := full(t)
	in.Results = nil
	in.Profiles[0].Value.Cuts = in.Profiles[0].Value.Cuts[:0]
	for k := range 2 {
		in.Profiles[0].Value.Cuts = append(in.Profiles[0].Value.Cuts, plan.CutProfile{Cut: "rb1", Tensor: "t1", C: k + 1, S: 2, PayloadBytes: float64(40 * (k + 1)), Mobile: timing(1), Cloud: timing(2), Method: plan.MethodNodes})
	}
	in.Cloud = nil
	in.Limits = plan.Limits{}
	// At 300 bytes nothing is as small; at 600 the smaller images are the best; the dip at
	// 4,000 bytes of AVIF at 224 pixels is not on its curve.
	in.Evals = []report.From[*report.Eval]{
		curve(t, "rb9", "same", "", 0, [2]float64{600, 0.70}, [2]float64{300, 0.40}, [2]float64{900, 0.80}, [2]float64{7000, 0.81}, [2]float64{1500, 0.86}, [2]float64{1200, 0.83}),
		curve(t, "elsewhere", "other", "", 0, [2]float64{50, 0.70}),
		curve(t, "a224", "same", "avif", 224, [2]float64{2000, 0.60}, [2]float64{4000, 0.58}, [2]float64{6000, 0.78}, [2]float64{6500, 0.82}),
		curve(t, "a160", "same", "avif", 160, [2]float64{1000, 0.55}, [2]float64{3000, 0.72}),
		curve(t, "jpeg", "same", "jpeg", 224, [2]float64{4000, 0.62}, [2]float64{20000, 0.84}),
		curve(t, "webp", "third", "webp", 224, [2]float64{10, 0.99}),
	}
	r := made(t, in)
	log := func(a, b, part float64) float64 { return math.Exp(math.Log(a) + part*(math.Log(b)-math.Log(a))) }
	rows := records(t, r, "images")
	for i, want := range []struct {
		own    float64
		codec  string
		bytes  float64
		times  float64
		remark string
	}{
		{300, "AVIF at 160 px", 1000, math.NaN(), "at most: it has 55.0%"},
		{600, "AVIF at 160 px", log(1000, 3000, (0.70-0.55)/(0.72-0.55)), log(1000, 3000, (0.70-0.55)/(0.72-0.55)) / 600, ""},
		{900, "AVIF at 224 px", log(6000, 6500, 0.5), log(6000, 6500, 0.5) / 900, "AVIF at 160 px is better where it was measured, up to 72.0% with 3000 bytes"},
		{1200, "JPEG at 224 px", log(4000, 20000, 0.21/0.22), log(4000, 20000, 0.21/0.22) / 1200, "AVIF at 224 px is better where it was measured, up to 82.0% with 6500 bytes"},
		{1500, "JPEG at 224 px", 20000, math.NaN(), "84.0% at most"},
		{7000, "AVIF at 224 px", log(6000, 6500, 0.75), log(6000, 6500, 0.75) / 7000, "not better"},
	} {
		row := rows[i]
		if row.number["bytes an image"] != want.own || row.text["best image codec"] != want.codec || !strings.Contains(row.text["remark"], want.remark) || (want.remark == "") != (row.text["remark"] == "–") || row.number["device, % of multiply-adds"] != 72.5 {
			t.Errorf("row %d: %v, expected %+v", i, row.text, want)
		}
		row.is(t, "its bytes", want.bytes)
		if !math.IsNaN(want.times) {
			row.is(t, "times as many", want.times)
		}
	}
	if len(rows) != 6 {
		t.Errorf("%d rows: evaluations on other images are compared", len(rows))
	}
	var said []string
	for _, s := range r.Sections {
		if s.ID == "accuracy" {
			said = s.Text
		}
	}
	if len(said) != 2 || !strings.Contains(said[0], "rb9: 600 bytes an image behind 72.5% of the multiply-adds where AVIF at 160 px takes 26") || !strings.Contains(said[0], "(interpolated, on the same images)") ||
		!strings.Contains(said[1], "elsewhere is not compared") {
		t.Errorf("it says %q", said)
	}
	bits := records(t, r, "bits") // against the teacher of the pairs
	if b := bits[0]; b.number["p95"] != 450 || b.number["max"] != 600 || math.Abs(b.number["loss, points"]-45) > 1e-9 || b.text["95% interval"] != "36.00 to 43.00" || b.text["beside the teacher, points"] != "-45.00 (-47.00 to -43.00)" {
		t.Errorf("%v", b.text)
	}
}

// TestCandidatesOnThreeAxes: what results tell of intervals, largest payloads and the device's
// part is in the table of candidates, in that of cuts, and drawn.
func TestCandidatesOnThreeAxes(t *testing.T) {
	in := full(t)
	for i := range in.Results.Value.Candidates {
		c := &in.Results.Value.Candidates[i]
		if c.Status == plan.StatusTrained {
			c.Axes = plan.Axes{Interval: &[2]float64{*c.Primary - 0.01, *c.Primary + 0.02}, LossInterval: &[2]float64{c.Loss - 0.5, c.Loss + 0.25}, PayloadP95: 1.25 * c.PayloadBytes, PayloadMax: 1000 + i,
				DeviceMACs: new(int64(i) * 1000), DeviceShare: new(float64(i) / 100)}
		}
	}
	r := made(t, in)
	for _, row := range records(t, r, "candidates") {
		c := in.Results.Value.Candidates[row.index(t, 3, "candidates")]
		row.is(t, "p95", c.PayloadP95)
		row.is(t, "max", float64(c.PayloadMax))
		row.is(t, "device, multiply-adds", float64(*c.DeviceMACs))
		row.is(t, "device, % of multiply-adds", 100**c.DeviceShare)
		if row.text["95% interval"] == "–" || row.text["loss, 95% interval"] == "–" {
			t.Errorf("%v", row.text)
		}
	}
	for _, row := range records(t, r, "cuts") {
		c := in.Results.Value.Candidates[row.index(t, 3, "candidates")]
		row.is(t, "device, % of multiply-adds", 100**c.DeviceShare)
	}
	drawn := 0
	for _, s := range r.Sections {
		for _, f := range s.Figures {
			if strings.Contains(string(f.SVG), "of the multiply-adds on the device") || strings.Contains(string(f.SVG), "multiply-adds on the device, % of the model") {
				drawn++
			}
		}
	}
	if drawn != 2 {
		t.Errorf("the device's part is in %d figures, expected 2", drawn)
	}
}
