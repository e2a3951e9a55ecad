package bnc

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/runtime/chart"
)

// WriteSVG draws accuracy and agreement against the mean payload.
func (r *EvalResult) WriteSVG(w io.Writer) error {
	rows := slices.SortedFunc(slices.Values(r.Rows), func(a, b EvalRow) int { return cmp.Compare(a.Quality, b.Quality) })
	accuracy, agreement := chart.Series{Name: "top-1"}, chart.Series{Name: "agreement with the teacher"}
	for _, row := range rows {
		at := chart.Point{X: row.PayloadBytes.Mean}
		if row.Quality > 0 {
			at.Label = fmt.Sprintf("quality %d", row.Quality)
		}
		if row.Top1 != nil {
			at.Y = 100 * *row.Top1
			accuracy.Points = append(accuracy.Points, at)
		}
		if row.Agreement != nil {
			at.Y = 100 * *row.Agreement
			agreement.Points = append(agreement.Points, at)
		}
	}
	c := chart.Chart{
		Title: filepath.Base(r.path), X: "payload, bytes an image", Y: "images, %", LogX: true,
		Series: slices.DeleteFunc([]chart.Series{accuracy, agreement}, func(s chart.Series) bool { return len(s.Points) == 0 }),
	}
	return c.WriteSVG(w)
}
