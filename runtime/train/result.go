package train

// Result is what a training gave. Rates are 0..1.
type Result struct {
	Epochs       []Epoch     `json:"epochs"`
	Start        *Validation `json:"start"` // nil where the last epoch is kept, and where there is nothing to judge by
	Judged                   // of the weights that were kept
	Task         string      `json:"task"`   // what the outputs are
	Images       int         `json:"images"` // of an epoch
	ImagesPerSec float64     `json:"images_per_second"`
	Kept         int         `json:"kept_epoch"` // 0: the start

	Destination string `json:"-"` // the model or bundle that was written
	Folder      string `json:"-"` // of log, curves and checkpoints
}

// NewResult is the result of a training of a task on so many images.
func NewResult(h *History, kind string, images int, destination string, dir Folder) *Result {
	return &Result{
		Epochs: h.Epochs, Start: h.Start, Task: kind, Images: images, ImagesPerSec: h.ImagesPerSec, Kept: h.Kept, Judged: h.Result().Judged,
		Destination: destination, Folder: string(dir),
	}
}

// Rejudge takes over what was judged of what was written, where that is another than what
// was trained; what a teacher says only where it was asked.
func (r *Result) Rejudge(v Validation, taught bool) {
	before := r.Judged
	if r.Judged = v.Judged; !taught {
		r.Agreement, r.Outputs = before.Agreement, before.Outputs
	}
	if r.Primary == nil {
		r.Primary = before.Primary
	}
}
