package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/train"
)

// evalReport is what bnc eval --json prints; rates are 0..1.
type evalReport struct {
	N            int           `json:"n"`
	Top1         *float64      `json:"top1"`
	Top5         *float64      `json:"top5"`
	PayloadBytes *eval.Summary `json:"payload_bytes"`
	FileBytes    *eval.Summary `json:"file_bytes"`
	Agreement    *float64      `json:"agreement"`
	Sweep        []sweepPoint  `json:"sweep"`
	// Outputs are those that are judged, where there are several. Agreement is their mean.
	Outputs []train.Output `json:"outputs,omitempty"`
}

type sweepPoint struct {
	Quality      int      `json:"quality"`
	Top1         *float64 `json:"top1"`
	PayloadBytes float64  `json:"payload_bytes"`
}

// rate returns a rate, nil for NaN.
func rate(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}

func reportEval(s streams, own *evalRow, sweep []*evalRow, o evalOptions) error {
	if o.json {
		doc := evalReport{
			N: own.result.N, Top1: rate(own.result.Top1), Top5: rate(own.result.Top5),
			PayloadBytes: eval.Summarise(own.payload), FileBytes: eval.Summarise(own.file),
			Agreement: own.agreement, Sweep: []sweepPoint{},
		}
		if len(o.heads) > 1 {
			doc.Outputs = own.outputs
		}
		for _, row := range sweep {
			doc.Sweep = append(doc.Sweep, sweepPoint{row.quality, rate(row.result.Top1), eval.Summarise(row.payload).Mean})
		}
		return printJSON(s.out, doc)
	}
	fmt.Fprintf(s.out, "%d images of %s\n", own.result.N, o.data)
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "quality\ttop-1\ttop-5\tagreement\tpayload bytes\tp95\tfile bytes\tp95\t")
	if !slices.Contains(sweep, own) {
		sweep = append([]*evalRow{own}, sweep...)
	}
	for _, row := range sweep {
		quality := "-"
		if row.quality > 0 {
			quality = strconv.Itoa(row.quality)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t\n", quality, rateText(rate(row.result.Top1)), rateText(rate(row.result.Top5)),
			rateText(row.agreement), sizeCells(row.payload), sizeCells(row.file))
	}
	if err := w.Flush(); err != nil || len(o.heads) == 1 {
		return err
	}
	for _, out := range own.outputs {
		fmt.Fprintf(s.out, "output %s: %s %s\n", out.Name, measureText(out.Measure), rateText(&out.Value))
	}
	return nil
}

func rateText(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100**v)
}

// sizeCells returns mean and 95th percentile as two cells.
func sizeCells(bytes []int) string {
	s := eval.Summarise(bytes)
	if s == nil {
		return "-\t-"
	}
	return fmt.Sprintf("%.1f\t%.0f", s.Mean, s.P95)
}
