package train

import (
	"fmt"
	"strings"

	"github.com/bottlenet/bnc/runtime/task"
)

// Epoch is what an epoch gave.
type Epoch struct {
	Epoch        int          `json:"epoch"`         // counted from 1
	Loss         float64      `json:"loss"`          // mean over its steps
	TrainPrimary float64      `json:"train_top1"`    // share of the images that the output says the right thing of
	Primary      *float64     `json:"top1"`          // the task's first measure of the validation, nil without labels
	Agreement    *float64     `json:"agreement"`     // with the teacher, nil without one
	PayloadBytes *float64     `json:"payload_bytes"` // mean of the validation, nil where nothing crosses
	Outputs      []task.Value `json:"outputs,omitempty"`
	Errors       []Error      `json:"errors,omitempty"`
	Rate         float64      `json:"lr"` // of its last step
	Seconds      float64      `json:"seconds"`
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

// Validation is what the model made of the images that it is judged by.
type Validation struct {
	Primary      *float64 `json:"top1"` // the task's first measure, nil without labels
	Agreement    *float64 `json:"agreement"`
	PayloadBytes *float64 `json:"payload_bytes"`
	// Outputs tells what each output is judged by, where there are several; what comes
	// first counts of each. Agreement is their mean.
	Outputs []task.Value `json:"outputs,omitempty"`
	Dead    bool         `json:"-"` // all images gave the same tile
}

// score is what the best epoch has the most of.
func (v Validation) score() *float64 {
	if len(v.Outputs) > 0 {
		sum, n, last := 0.0, 0, ""
		for _, o := range v.Outputs {
			if o.Output != last {
				sum, n, last = sum+o.Value, n+1, o.Output
			}
		}
		return new(sum / float64(n))
	}
	if v.Primary != nil {
		return v.Primary
	}
	return v.Agreement
}

// Text says what is known of v; primary is the task's first measure in words.
func (v Validation) Text(primary string) string {
	var parts []string
	if v.Primary != nil {
		parts = append(parts, fmt.Sprintf("%s %.2f%%", primary, 100**v.Primary))
	}
	if v.Agreement != nil {
		parts = append(parts, fmt.Sprintf("agreement %.2f%%", 100**v.Agreement))
	}
	for _, o := range v.Outputs {
		parts = append(parts, fmt.Sprintf("%s of %s %.2f%%", task.Text(o.Measure), o.Output, 100*o.Value))
	}
	if v.PayloadBytes != nil {
		parts = append(parts, fmt.Sprintf("%.1f bytes", *v.PayloadBytes))
	}
	return strings.Join(parts, ", ")
}

// Text says what the epoch gave.
func (e Epoch) Text(primary string) string {
	line := fmt.Sprintf("epoch %d: loss %.4f", e.Epoch, e.Loss)
	for _, o := range e.Errors {
		line += fmt.Sprintf(", error of %s %.4f", o.Output, o.Error)
	}
	if e.Errors == nil || e.TrainPrimary > 0 {
		line += fmt.Sprintf(", training %s %.1f%%", primary, 100*e.TrainPrimary)
	}
	if judged := (Validation{Primary: e.Primary, Agreement: e.Agreement, PayloadBytes: e.PayloadBytes, Outputs: e.Outputs}).Text(primary); judged != "" {
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
		e := h.Epochs[h.Kept-1]
		return Validation{Primary: e.Primary, Agreement: e.Agreement, PayloadBytes: e.PayloadBytes, Outputs: e.Outputs}
	case h.Start != nil:
		return *h.Start
	}
	return Validation{}
}
