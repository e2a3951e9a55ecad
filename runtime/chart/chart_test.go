package chart_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/chart"
)

// sweep is a chart with all that a chart can have.
func sweep() chart.Chart {
	return chart.Chart{
		Title: "Top-1 & <payload>", X: "payload bytes, mean", Y: "top-1, %", LogX: true,
		Series: []chart.Series{
			{Name: "calibrated", Points: []chart.Point{{X: 887, Y: 46, Label: "quality 10"}, {X: 1557, Y: 53.6}, {X: 3040, Y: 54.8}, {X: 7006, Y: 58}}},
			{Name: "image as JPEG", Points: []chart.Point{{X: 1578, Y: 17}, {X: 2465, Y: 46.4}, {X: 3913, Y: 62.2}, {X: 18478, Y: 83}}},
			{Name: "paper", Scatter: true, Points: []chart.Point{{X: 316, Y: 70}}},
			{Name: "not drawn", Points: []chart.Point{{X: 0, Y: 1}, {X: -1, Y: 1}, {X: 10, Y: math.NaN()}, {X: math.Inf(1), Y: 4}}},
		},
	}
}

// wellFormed reads a document to its end as XML.
func wellFormed(t *testing.T, doc []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
	}
}

func svg(t *testing.T, c chart.Chart) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, b.Bytes())
	return b.String()
}

// TestSVG: well-formed, repeatable, every point that can be drawn once, with its
// numbers, and nothing that was given is taken for markup.
func TestSVG(t *testing.T) {
	got := svg(t, sweep())
	if got != svg(t, sweep()) {
		t.Error("two drawings of one chart differ")
	}
	if n := strings.Count(got, "<title>") - 1; n != 9 { // the first is the document's
		t.Errorf("%d points are drawn, expected 9", n)
	}
	for _, want := range []string{"Top-1 &amp; &lt;payload&gt;", "<title>calibrated: 887, 46 (quality 10)</title>", "prefers-color-scheme:dark", ">10,000<"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, bad := range []string{"NaN", "Inf"} {
		if strings.Contains(got, bad) {
			t.Errorf("%s in the drawing", bad)
		}
	}
}

// TestHostileNumbers draws what is empty, alone, equal, huge and tiny.
func TestHostileNumbers(t *testing.T) {
	for name, points := range map[string][]chart.Point{
		"nothing":  nil,
		"one":      {{X: 5, Y: 5}},
		"zero":     {{X: 0, Y: 0}},
		"equal":    {{X: 3, Y: 7}, {X: 3, Y: 7}},
		"negative": {{X: -30, Y: -7}, {X: -3, Y: -1}},
		"close":    {{X: 1e20, Y: 1}, {X: 1e20 + 16384, Y: 1 + 1e-15}},
		"huge":     {{X: -1e300, Y: -1e300}, {X: 1e300, Y: 1e300}},
		"tiny":     {{X: 1e-300, Y: 1e-300}, {X: 2e-300, Y: 3e-300}},
	} {
		for _, log := range []bool{false, true} {
			got := svg(t, chart.Chart{LogX: log, Series: []chart.Series{{Name: "s", Points: points}}})
			if strings.Contains(got, "NaN") || strings.Contains(got, "Inf") || !strings.Contains(got, `class="grid"`) {
				t.Errorf("%s, log %v:\n%s", name, log, got)
			}
		}
	}
}

// TestPage is HTML with every chart and cell.
func TestPage(t *testing.T) {
	var b bytes.Buffer
	err := chart.WritePage(&b, "Training of <net>", []chart.Chart{sweep(), sweep()}, []chart.Table{
		{Title: "Epochs", Header: []string{"epoch", "top-1"}, Rows: [][]string{{"1", "54.2%"}, {"best", "<script>"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, b.Bytes())
	page := b.String()
	if strings.Count(page, "<svg") != 2 || !strings.Contains(page, `<td class="number">54.2%</td>`) || strings.Contains(page, "<script>") {
		t.Errorf("page:\n%s", page)
	}
	for _, outside := range []string{"src=", "href=", "url(", "@import"} {
		if strings.Contains(page, outside) {
			t.Errorf("the page has %s", outside)
		}
	}
}
