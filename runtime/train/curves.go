package train

import (
	"bytes"
	"fmt"

	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/chart"
	"github.com/bottlenet/bnc/runtime/task"
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

// curvesOf are the charts of a training that measures judge: by labels, and beside a teacher.
func curvesOf(labels, agreed task.Measure, h *History) []curve {
	title, axis := "Accuracy", labels.OnAxis()
	if labels.Name != task.Top1 {
		title = "Quality of outputs"
		if agreed.OnAxis() != axis {
			axis += "; agreement: " + agreed.OnAxis()
		}
	}
	errors := curve{title: "Errors of outputs", y: "share of what there is to be learnt"}
	if len(h.Epochs) > 0 {
		for i, o := range h.Epochs[0].Errors {
			errors.series = append(errors.series, curveSeries{name: o.Output, of: func(e Epoch) *float64 { return &e.Errors[i].Error }})
		}
	}
	return []curve{
		errors,
		{"Loss", "mean of the epoch", []curveSeries{{name: "training", of: func(e Epoch) *float64 { return &e.Loss }}}},
		{title, axis, []curveSeries{
			{name: "training, " + labels.Text, of: func(e Epoch) *float64 { return inPoints(labels, hitsOf(labels, e)) }},
			{name: labels.Text, of: func(e Epoch) *float64 { return inPoints(labels, e.labelled()) }, judged: true},
			{name: "agreement with the teacher", of: func(e Epoch) *float64 { return inPoints(agreed, e.Agreement) }, judged: true},
		}},
		{"Payload", "bytes an image", []curveSeries{{name: "mean payload", of: func(e Epoch) *float64 { return e.PayloadBytes }, judged: true}}},
		{"Learning rate", "at the end of the epoch", []curveSeries{{name: "learning rate", of: func(e Epoch) *float64 { return &e.Rate }}}},
	}
}

func inPoints(m task.Measure, v *float64) *float64 {
	if v == nil {
		return nil
	}
	return new(m.Points * *v)
}

// WriteCurves writes the page of a training: a chart of each quantity over the epochs,
// and the numbers. Name is what was trained, of a task.
func WriteCurves(path, name string, kind task.Task, h *History) error {
	labels, agreed := task.First(kind), kind.Agreement()
	var charts []chart.Chart
	for _, c := range curvesOf(labels, agreed, h) {
		drawn := chart.Chart{Title: c.title, X: "epoch", Y: c.y}
		for _, s := range c.series {
			line := chart.Series{Name: s.name}
			epochs := h.Epochs
			if s.judged && h.Start != nil {
				epochs = append([]Epoch{{Judged: h.Start.Judged}}, epochs...)
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
	table := chart.Table{Title: "Epochs", Header: []string{"epoch", "loss", "training " + labels.Text, labels.Text, "agreement", "payload bytes", "learning rate", "seconds"}}
	for _, e := range h.Epochs {
		payload := "-"
		if e.PayloadBytes != nil {
			payload = fmt.Sprintf("%.1f", *e.PayloadBytes)
		}
		table.Rows = append(table.Rows, []string{
			fmt.Sprint(e.Epoch), fmt.Sprintf("%.4f", e.Loss), short(labels, hitsOf(labels, e)), short(labels, e.labelled()), short(agreed, e.Agreement), payload,
			fmt.Sprintf("%.3g", e.Rate), fmt.Sprintf("%.0f", e.Seconds),
		})
	}
	var page bytes.Buffer
	if err := chart.WritePage(&page, name, charts, []chart.Table{table}); err != nil {
		return err
	}
	return files.Write(path, page.Bytes())
}

// hitsOf is the share of images that were right in training, nil for what is not counted.
func hitsOf(m task.Measure, e Epoch) *float64 {
	if m.Name != task.Top1 {
		return nil
	}
	return &e.TrainTop1
}

func short(m task.Measure, v *float64) string {
	if v == nil {
		return "-"
	}
	return m.Short(*v)
}
