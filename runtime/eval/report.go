package eval

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/bottlenet/bnc/runtime/chart"
	"github.com/bottlenet/bnc/runtime/task"
)

// Report is what was measured of a model. Rates are 0..1.
type Report struct {
	N            int      `json:"n"`             // images
	Top1         *float64 `json:"top1"`          // nil without labels
	Top5         *float64 `json:"top5"`          // nil without labels
	PayloadBytes *Summary `json:"payload_bytes"` // of what crosses, nil where nothing does
	FileBytes    *Summary `json:"file_bytes"`    // of the same as files with their headers
	Agreement    *float64 `json:"agreement"`     // with the teacher, nil without one
	// Sweep are the qualities that were asked for, in their order.
	Sweep []Point `json:"sweep"`
	// Outputs are those that are judged, where there are several. Agreement is their mean.
	Outputs []task.Value `json:"outputs,omitempty"`
	Task    string       `json:"task"` // what the outputs are
	// Primary is what models are compared by: what labels say first, else the agreement.
	Primary *task.Primary `json:"primary"`

	// Pictures show both answers of some images, where that was asked for.
	Pictures []Picture `json:"pictures,omitempty"`

	// Rows are all that was measured at each quality: at first at the model's own, unless
	// it is among those that were asked for.
	Rows []Row  `json:"-"`
	Name string `json:"-"` // of the model
}

// Point is the outcome at a quality.
type Point struct {
	Quality      int      `json:"quality"`
	Top1         *float64 `json:"top1"`
	PayloadBytes float64  `json:"payload_bytes"` // mean
}

// Row is what was measured at one quality.
type Row struct {
	Quality                 int // 0 where there is none
	N                       int
	Top1, Top5              *float64
	PayloadBytes, FileBytes *Summary
	Agreement               *float64     // the outputs' mean
	Outputs                 []task.Value // what each is judged by
	Primary                 *task.Primary
}

// NewRow sums up a run at a quality by what its judge has heard, and a teacher's, nil for
// none. It fails where the two cannot be compared.
func NewRow(quality int, r *Result, judge, taught task.Judge) (Row, error) {
	values := judge.Values()
	row := Row{Quality: quality, N: r.N, Top1: of(values, "top1"), Top5: of(values, "top5"), Outputs: values[:min(len(values), 1):min(len(values), 1)]}
	var agreement []task.Value
	if taught != nil {
		var err error
		if agreement, err = judge.Agreement(taught); err != nil {
			return row, err
		}
	}
	row.Agreement, row.Outputs = task.Mean(agreement), append(row.Outputs, agreement...)
	row.Primary = task.PrimaryOf(values, agreement)
	return row, nil
}

// of returns the value of a measure, nil where there is none.
func of(values []task.Value, measure string) *float64 {
	for _, v := range values {
		if v.Measure == measure {
			return &v.Value
		}
	}
	return nil
}

// NewReport makes the report of rows, of which the last ones were asked for. Own is the
// row of the model's own quality.
func NewReport(name, kind string, rows []Row, asked, own int) *Report {
	row := rows[own]
	r := &Report{
		Name: name, Task: kind, N: row.N, Top1: row.Top1, Top5: row.Top5, PayloadBytes: row.PayloadBytes, FileBytes: row.FileBytes,
		Agreement: row.Agreement, Primary: row.Primary, Sweep: []Point{}, Rows: rows,
	}
	for _, row := range rows[len(rows)-asked:] {
		r.Sweep = append(r.Sweep, Point{row.Quality, row.Top1, row.PayloadBytes.Mean})
	}
	return r
}

// WriteSVG draws accuracy and agreement against the mean payload.
func (r *Report) WriteSVG(w io.Writer) error {
	rows := slices.SortedFunc(slices.Values(r.Rows), func(a, b Row) int { return cmp.Compare(a.Quality, b.Quality) })
	accuracy, agreement := chart.Series{Name: task.Text("top1")}, chart.Series{Name: "agreement with the teacher"}
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
		Title: r.Name, X: "payload, bytes an image", Y: "images, %", LogX: true,
		Series: slices.DeleteFunc([]chart.Series{accuracy, agreement}, func(s chart.Series) bool { return len(s.Points) == 0 }),
	}
	return c.WriteSVG(w)
}
