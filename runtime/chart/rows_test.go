package chart_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/chart"
)

func rowsSVG(t *testing.T, c chart.Rows) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, b.Bytes())
	return b.String()
}

// TestRows: every value that can be drawn is there once, with its numbers, as a
// bar and as a mark, and nothing that was given is taken for markup.
func TestRows(t *testing.T) {
	c := chart.Rows{
		Title: "a & b", X: "bytes", Series: []string{"mobile", "<link>"},
		Rows: []chart.Row{
			{Name: "rb1", Values: []float64{2, 3}, Text: "5", Chosen: true},
			{Name: "a name that is much too long for its column", Values: []float64{4, math.NaN()}, Text: "<4>"},
			{Name: "rb3", Values: []float64{math.Inf(1), 40}},
		},
		Lines: []chart.Line{{Name: "input <here>", X: 30}, {Name: "none", X: math.NaN()}},
	}
	for _, stacked := range []bool{true, false} {
		for _, log := range []bool{true, false} {
			c.Stacked, c.LogX = stacked, log
			got := rowsSVG(t, c)
			if got != rowsSVG(t, c) {
				t.Error("two drawings of one chart differ")
			}
			if n := strings.Count(got, "<title>"); n != 1+4+1 { // the document's, the values', the line's
				t.Errorf("stacked %v, log %v: %d titles", stacked, log, n)
			}
			for _, want := range []string{"<title>rb1, &lt;link&gt;: 3</title>", "input &lt;here&gt;: 30", ">…"} {
				if !strings.Contains(got, want) {
					t.Errorf("no %s", want)
				}
			}
			if strings.Contains(got, "NaN") || strings.Contains(got, "Inf") {
				t.Error("a number that is none in the drawing")
			}
		}
	}
}

// TestRowsOfLittle draws what is empty, zero, negative and far apart.
func TestRowsOfLittle(t *testing.T) {
	for name, values := range map[string][]float64{
		"nothing": nil, "zero": {0}, "negative": {-3}, "huge": {1e300}, "tiny": {1e-300}, "far apart": {1e-9, 1e9},
	} {
		for _, stacked := range []bool{true, false} {
			for _, log := range []bool{true, false} {
				c := chart.Rows{Stacked: stacked, LogX: log, Width: 400, Series: []string{"s", "t"}, Rows: []chart.Row{{Name: "r", Values: values}}}
				if got := rowsSVG(t, c); strings.Contains(got, "NaN") || strings.Contains(got, "Inf") || !strings.Contains(got, `class="grid"`) {
					t.Errorf("%s, stacked %v, log %v:\n%s", name, stacked, log, got)
				}
			}
		}
	}
	rowsSVG(t, chart.Rows{})
}
