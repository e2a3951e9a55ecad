package train

import (
	"bytes"
	"fmt"

	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/chart"
)

// curve is a chart of something that every epoch tells.
type curve struct {
	title, y string
	series   []curveSeries
}

type curveSeries struct {
	name   string
	of     func(Epoch) *float64
	judged bool // known of the start too
}

// curvesOf are the charts of a training that a measure judges.
func curvesOf(primary string, h *History) []curve {
	errors := curve{title: "Errors of outputs", y: "share of what there is to be learnt"}
	if len(h.Epochs) > 0 {
		for i, o := range h.Epochs[0].Errors {
			errors.series = append(errors.series, curveSeries{name: o.Output, of: func(e Epoch) *float64 { return &e.Errors[i].Error }})
		}
	}
	return []curve{
		errors,
		{"Loss", "mean of the epoch", []curveSeries{{name: "training", of: func(e Epoch) *float64 { return &e.Loss }}}},
		{"Accuracy", "images, %", []curveSeries{
			{name: "training, " + primary, of: func(e Epoch) *float64 { return inPercent(&e.TrainPrimary) }},
			{name: primary, of: func(e Epoch) *float64 { return inPercent(e.Primary) }, judged: true},
			{name: "agreement with the teacher", of: func(e Epoch) *float64 { return inPercent(e.Agreement) }, judged: true},
		}},
		{"Payload", "bytes an image", []curveSeries{{name: "mean payload", of: func(e Epoch) *float64 { return e.PayloadBytes }, judged: true}}},
		{"Learning rate", "at the end of the epoch", []curveSeries{{name: "learning rate", of: func(e Epoch) *float64 { return &e.Rate }}}},
	}
}

func inPercent(v *float64) *float64 {
	if v == nil {
		return nil
	}
	p := 100 * *v
	return &p
}

// WriteCurves writes the page of a training: a chart of each quantity over the epochs,
// and the numbers. Name is what was trained, and primary is what judges it, in words.
func WriteCurves(path, name, primary string, h *History) error {
	var charts []chart.Chart
	for _, c := range curvesOf(primary, h) {
		drawn := chart.Chart{Title: c.title, X: "epoch", Y: c.y}
		for _, s := range c.series {
			line := chart.Series{Name: s.name}
			epochs := h.Epochs
			if s.judged && h.Start != nil {
				epochs = append([]Epoch{{Primary: h.Start.Primary, Agreement: h.Start.Agreement, PayloadBytes: h.Start.PayloadBytes}}, epochs...)
			}
			for _, e := range epochs {
				if v := s.of(e); v != nil {
					line.Points = append(line.Points, chart.Point{X: float64(e.Epoch), Y: *v})
				}
			}
			if len(line.Points) > 0 {
				drawn.Series = append(drawn.Series, line)
			}
		}
		if len(drawn.Series) > 0 {
			charts = append(charts, drawn)
		}
	}
	table := chart.Table{Title: "Epochs", Header: []string{"epoch", "loss", "training " + primary, primary, "agreement", "payload bytes", "learning rate", "seconds"}}
	for _, e := range h.Epochs {
		payload := "-"
		if e.PayloadBytes != nil {
			payload = fmt.Sprintf("%.1f", *e.PayloadBytes)
		}
		table.Rows = append(table.Rows, []string{
			fmt.Sprint(e.Epoch), fmt.Sprintf("%.4f", e.Loss), percent(&e.TrainPrimary), percent(e.Primary), percent(e.Agreement), payload,
			fmt.Sprintf("%.3g", e.Rate), fmt.Sprintf("%.0f", e.Seconds),
		})
	}
	var page bytes.Buffer
	if err := chart.WritePage(&page, name, charts, []chart.Table{table}); err != nil {
		return err
	}
	return files.Write(path, page.Bytes())
}

func percent(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100**v)
}
