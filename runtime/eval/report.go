package eval

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/bottlenet/bnc/runtime/chart"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/task"
)

// Report is what was measured of a model. Rates are 0..1.
type Report struct {
	N            int      `json:"n"`             // images
	Top1         *float64 `json:"top1"`          // nil without labels
	Top5         *float64 `json:"top5"`          // nil without labels
	PayloadBytes *Summary `json:"payload_bytes"` // of what crosses, nil where nothing does
	FileBytes    *Summary `json:"file_bytes"`    // of the same as files with their headers
	Agreement    *float64 `json:"agreement"`     // with the teacher, by the task's measure of it; nil without one
	// Sweep are the qualities that were asked for, in their order.
	Sweep []Point `json:"sweep"`
	// Outputs are what each output is judged by, but for class scores that are the only
	// ones. Agreement is the mean of their first measure.
	Outputs []task.Value `json:"outputs,omitempty"`
	Task    string       `json:"task"` // what the outputs are
	// Primary is what models are compared by: what labels say first, else the agreement.
	Primary *task.Primary `json:"primary"`
	// Paired is how it compares with the teacher by what labels say, image by image; nil
	// without either.
	Paired *task.Paired `json:"paired,omitempty"`
	// Measure says what Primary is, where that is no share of images.
	Measure *plan.Measure `json:"measure,omitempty"`
	// DeviceMACs are the multiply-adds of an image on the device: those of a bundle's mobile
	// half, 0 where the image itself is sent; nil where that is not known, or nothing crosses.
	DeviceMACs *int64 `json:"device_macs"`
	// ModelMACs are those of the whole model, nil where they are not known, and DeviceShare
	// the share of them on the device: above 1 where a bottleneck costs more than it saves.
	ModelMACs   *int64   `json:"model_macs"`
	DeviceShare *float64 `json:"device_share"`
	// InputCodec and InputSize are what the images themselves are sent as, "" where they are
	// not, and with how many pixels on the short side.
	InputCodec string `json:"input_codec,omitempty"`
	InputSize  int    `json:"input_size,omitempty"`
	// MaxBytes is how long a record might be, 0 for any length.
	MaxBytes int `json:"max_bytes,omitempty"`
	// ImagesSHA256 stands for the images that were not left out: their names and labels.
	ImagesSHA256 string `json:"images_sha256"`

	// Pictures show both answers of some images, where that was asked for.
	Pictures []Picture `json:"pictures,omitempty"`

	// Rows are all that was measured at each quality: at first at the model's own, unless
	// it is among those that were asked for.
	Rows []Row  `json:"-"`
	Name string `json:"-"` // of the model
	// Measures are what labels give, and Agreed what a teacher gives.
	Measures []task.Measure `json:"-"`
	Agreed   task.Measure   `json:"-"`
	First    task.Measure   `json:"-"` // of labels, or Agreed where these are nothing to the task
}

// Point is the outcome at a quality.
type Point struct {
	Quality      int      `json:"quality"`
	Top1         *float64 `json:"top1"`
	PayloadBytes float64  `json:"payload_bytes"` // mean
	P95          float64  `json:"p95"`           // of the payload
	Max          int      `json:"max"`           // of the payload
	// Primary is what models are compared by.
	Primary *task.Primary `json:"primary"`
	Paired  *task.Paired  `json:"paired,omitempty"`
}

// Row is what was measured at one quality.
type Row struct {
	Quality                 int // 0 where there is none
	N                       int
	Items                   []int // of the set: those that were not left out
	Top1, Top5              *float64
	PayloadBytes, FileBytes *Summary
	Agreement               *float64     // the outputs' mean
	Values                  []task.Value // what labels say
	Outputs                 []task.Value // that, and what a teacher says of each
	Primary                 *task.Primary
	Paired                  *task.Paired // with the teacher, by labels
}

// NewRow sums up a run at a quality by what its judge has heard, and a teacher's, nil for
// none. It fails where the two cannot be compared.
func NewRow(quality int, kind task.Task, r *Result, judge, taught task.Judge) (Row, error) {
	values := judge.Values()
	row := Row{Quality: quality, N: r.N, Items: r.Items, Top1: of(values, "top1"), Top5: of(values, "top5"), Values: values}
	var agreement []task.Value
	if taught != nil {
		var err error
		if agreement, err = judge.Agreement(taught); err != nil {
			return row, err
		}
		row.Paired = task.Pair(judge, taught)
	}
	row.Agreement, row.Outputs = task.Mean(agreement), task.Told(kind, values, agreement)
	row.Primary = task.PrimaryOf(values, agreement)
	return row, nil
}

// Of returns the value of a measure that labels give, nil where there is none.
func (r Row) Of(measure string) *float64 { return of(r.Values, measure) }

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
func NewReport(name string, kind *task.Chosen, rows []Row, asked, own int) *Report {
	row := rows[own]
	r := &Report{
		Name: name, Task: kind.Kind, Measures: kind.Measures(), Agreed: kind.Agreement(), First: task.First(kind), N: row.N, Top1: row.Top1, Top5: row.Top5, PayloadBytes: row.PayloadBytes, FileBytes: row.FileBytes,
		Agreement: row.Agreement, Primary: row.Primary, Paired: row.Paired, Sweep: []Point{}, Rows: rows,
	}
	if row.Primary != nil && !task.OfScores(kind.Task) {
		r.Measure = task.MeasureOf(row.Primary.Name).Named()
	}
	for _, row := range rows[len(rows)-asked:] {
		r.Sweep = append(r.Sweep, Point{row.Quality, row.Top1, row.PayloadBytes.Mean, row.PayloadBytes.P95, row.PayloadBytes.Max, row.Primary, row.Paired})
	}
	return r
}

// Computes notes the multiply-adds of an image on the device and of the whole model, nil for
// what is not known.
func (r *Report) Computes(device, model *int64) {
	r.DeviceMACs, r.ModelMACs = device, model
	if device != nil && model != nil && *model > 0 {
		r.DeviceShare = new(float64(*device) / float64(*model))
	}
}

// WriteSVG draws what labels and a teacher say against the mean payload.
func (r *Report) WriteSVG(w io.Writer) error {
	rows := slices.SortedFunc(slices.Values(r.Rows), func(a, b Row) int { return cmp.Compare(a.Quality, b.Quality) })
	first := r.First
	labels, teacher := chart.Series{Name: first.Text}, chart.Series{Name: "agreement with the teacher"}
	for _, row := range rows {
		at := chart.Point{X: row.PayloadBytes.Mean}
		if row.Quality > 0 {
			at.Label = fmt.Sprintf("quality %d", row.Quality)
		}
		if v := row.Of(first.Name); v != nil {
			at.Y = first.Points * *v
			labels.Points = append(labels.Points, at)
		}
		if row.Agreement != nil {
			at.Y = r.Agreed.Points * *row.Agreement
			teacher.Points = append(teacher.Points, at)
		}
	}
	axis := r.Agreed.OnAxis()
	if other := first.OnAxis(); len(labels.Points) > 0 && other != axis {
		axis = other
		if len(teacher.Points) > 0 {
			axis += "; agreement: " + r.Agreed.OnAxis()
		}
	}
	c := chart.Chart{
		Title: r.Name, X: "payload, bytes an image", Y: axis, LogX: true,
		Series: slices.DeleteFunc([]chart.Series{labels, teacher}, func(s chart.Series) bool { return len(s.Points) == 0 }),
	}
	return c.WriteSVG(w)
}
