package main

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/runtime/chart"
	"github.com/bottlenet/bnc/runtime/eval"
)

// plotRows draws the subject's accuracy and agreement against its mean payload.
func plotRows(s streams, file, subject string, rows []*evalRow) error {
	slices.SortFunc(rows, func(a, b *evalRow) int { return cmp.Compare(a.quality, b.quality) })
	accuracy, agreement := chart.Series{Name: "top-1"}, chart.Series{Name: "agreement with the teacher"}
	for _, row := range rows {
		at := chart.Point{X: eval.Summarise(row.payload).Mean}
		if row.quality > 0 {
			at.Label = fmt.Sprintf("quality %d", row.quality)
		}
		if top1 := rate(row.result.Top1); top1 != nil {
			at.Y = 100 * *top1
			accuracy.Points = append(accuracy.Points, at)
		}
		if row.agreement != nil {
			at.Y = 100 * *row.agreement
			agreement.Points = append(agreement.Points, at)
		}
	}
	c := chart.Chart{
		Title: filepath.Base(subject), X: "payload, bytes an image", Y: "images, %", LogX: true,
		Series: slices.DeleteFunc([]chart.Series{accuracy, agreement}, func(s chart.Series) bool { return len(s.Points) == 0 }),
	}
	var b bytes.Buffer
	if err := c.WriteSVG(&b); err != nil {
		return err
	}
	return s.writeFile(file, b.Bytes())
}
