package train

import "github.com/bottlenet/bnc/runtime/task"

// Result is what a training gave. Rates are 0..1.
type Result struct {
	Epochs       []Epoch      `json:"epochs"`
	Start        *Validation  `json:"start"` // nil where the last epoch is kept, and where there is nothing to judge by
	Primary      *float64     `json:"top1"`  // the task's first measure of the weights that were kept, nil without labels
	Agreement    *float64     `json:"agreement"`
	PayloadBytes *float64     `json:"payload_bytes"`     // mean, nil where nothing crosses
	Outputs      []task.Value `json:"outputs,omitempty"` // where several are judged
	Images       int          `json:"images"`            // of an epoch
	ImagesPerSec float64      `json:"images_per_second"`
	Kept         int          `json:"kept_epoch"` // 0: the start

	Destination string `json:"-"` // the model or bundle that was written
	Folder      string `json:"-"` // of log, curves and checkpoints
}

// NewResult is the result of a training on so many images.
func NewResult(h *History, images int, destination string, dir Folder) *Result {
	kept := h.Result()
	return &Result{
		Epochs: h.Epochs, Start: h.Start, Images: images, ImagesPerSec: h.ImagesPerSec, Kept: h.Kept,
		Primary: kept.Primary, Agreement: kept.Agreement, PayloadBytes: kept.PayloadBytes, Outputs: kept.Outputs,
		Destination: destination, Folder: string(dir),
	}
}

// Rejudge takes over what was judged of what was written, where that is another than what
// was trained; what a teacher says only where it was asked.
func (r *Result) Rejudge(v Validation, taught bool) {
	r.Primary, r.PayloadBytes = v.Primary, v.PayloadBytes
	if taught {
		r.Agreement, r.Outputs = v.Agreement, v.Outputs
	}
}
