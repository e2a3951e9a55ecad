package train

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/runtime/task"
)

// Epoch is what an epoch gave.
type Epoch struct {
	Epoch     int     `json:"epoch"`      // counted from 1
	Loss      float64 `json:"loss"`       // mean over its steps
	TrainTop1 float64 `json:"train_top1"` // share of the images that the output says the right thing of
	Judged
	Errors []Error `json:"errors,omitempty"`
	Rate   float64 `json:"lr"` // of its last step
	// ByteWeight is how much of the loss a byte of payload was in the last step; 0 where
	// they do not count.
	ByteWeight float64 `json:"byte_weight,omitempty"`
	Seconds    float64 `json:"seconds"`
}

// Error is how far an output, or a part of one, is from the teacher's, as a share of what
// there is to be learnt: 1 is that of an output that says the same of every image.
type Error struct {
	Output string  `json:"name"`
	Error  float64 `json:"error"` // mean over an epoch's steps
}

// errorsOf are sums of errors over steps as means, by the names of what is compared.
func errorsOf(compared []string, sums []float64, steps float64) (list []Error) {
	for i, sum := range sums {
		list = append(list, Error{compared[i], sum / steps})
	}
	return list
}

// Judged is what the model made of the images that it is judged by.
type Judged struct {
	Top1         *float64 `json:"top1"`               // nil without labels, and of other tasks than classes
	Labelled     *float64 `json:"labelled,omitempty"` // the task's first measure where that is another, nil without labels
	Agreement    *float64 `json:"agreement"`          // with the teacher, by the task's measure of it; nil without one
	PayloadBytes *float64 `json:"payload_bytes"`      // mean, nil where nothing crosses
	// Primary is what epochs are compared by, nil where nothing judges. Trainings of before
	// do not tell.
	Primary *task.Primary `json:"primary"`
	// Outputs tells what each output is judged by, but for class scores that are the only
	// ones; what comes first counts of each. Agreement is the mean of what teachers say.
	Outputs []task.Value `json:"outputs,omitempty"`
}

// Validation is Judged at the end of an epoch, or before the first.
type Validation struct {
	Judged
	Dead bool `json:"-"` // all images gave the same tile
}

// labelled is the task's first measure, nil without labels.
func (v Judged) labelled() *float64 { return cmp.Or(v.Top1, v.Labelled) }

// score is what the best epoch has the most of: the mean over outputs, of each what comes
// first of it, where all are shares; else what epochs are compared by, below 0 where less of
// it is better.
func (v Judged) score() *float64 {
	sum, n, last, shares := 0.0, 0, "", len(v.Outputs) > 0
	for _, o := range v.Outputs {
		if o.Output != last || n == 0 {
			m := task.MeasureOf(o.Measure)
			sum, n, last, shares = sum+o.Value, n+1, o.Output, shares && m.Points == 100 && !m.Lower
		}
	}
	switch {
	case shares:
		return new(sum / float64(n))
	case v.Primary != nil && task.MeasureOf(v.Primary.Name).Lower:
		return new(-v.Primary.Value)
	case v.Primary != nil:
		return &v.Primary.Value
	}
	return cmp.Or(v.labelled(), v.Agreement)
}

// scoreText is a score in words.
func (v Judged) scoreText(score float64) string {
	if v.Primary == nil {
		return fmt.Sprintf("%.2f%%", 100*score)
	}
	m := task.MeasureOf(v.Primary.Name)
	if m.Lower {
		score = -score
	}
	return m.Format(score, 2)
}

// Text says what is known of v; primary is the task's first measure in words.
func (v Judged) Text(primary string) string {
	var parts []string
	if v.Top1 != nil {
		parts = append(parts, fmt.Sprintf("%s %.2f%%", primary, 100**v.Top1))
	}
	if v.Agreement != nil && v.OfImages() {
		parts = append(parts, fmt.Sprintf("agreement %.2f%%", 100**v.Agreement))
	}
	for _, o := range v.Outputs {
		m := task.MeasureOf(o.Measure)
		parts = append(parts, fmt.Sprintf("%s of %s %s", o.Words(), o.Output, m.Format(o.Value, 2)))
	}
	if v.PayloadBytes != nil {
		parts = append(parts, fmt.Sprintf("%.1f bytes", *v.PayloadBytes))
	}
	return strings.Join(parts, ", ")
}

// OfImages tells whether the agreement is a share of images.
func (v Judged) OfImages() bool {
	return len(v.Outputs) == 0 || slices.ContainsFunc(v.Outputs, func(o task.Value) bool { return o.Measure == task.Agreement.Name })
}

// Text says what the epoch gave.
func (e Epoch) Text(primary string) string {
	line := fmt.Sprintf("epoch %d: loss %.4f", e.Epoch, e.Loss)
	for _, o := range e.Errors {
		line += fmt.Sprintf(", error of %s %.4f", o.Output, o.Error)
	}
	if e.TrainTop1 > 0 || e.Errors == nil && primary == task.Text(task.Top1) {
		line += fmt.Sprintf(", training %s %.1f%%", primary, 100*e.TrainTop1)
	}
	if e.ByteWeight > 0 {
		line += fmt.Sprintf(", a byte weighs %.3g", e.ByteWeight)
	}
	if judged := e.Judged.Text(primary); judged != "" {
		line += ", " + judged
	}
	return fmt.Sprintf("%s (%.0f s)", line, e.Seconds)
}

// History is what a training gave.
type History struct {
	Epochs       []Epoch
	Start        *Validation // before the first epoch, nil where it was not judged
	Kept         int         // the epoch whose weights were kept, counted from 1; 0: the start
	Early        bool        // ended before its last epoch
	ImagesPerSec float64
}

// Result is what is known of the weights that were kept.
func (h *History) Result() Validation {
	switch {
	case h.Kept > 0:
		return Validation{Judged: h.Epochs[h.Kept-1].Judged}
	case h.Start != nil:
		return *h.Start
	}
	return Validation{}
}
