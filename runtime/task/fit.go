package task

import (
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
)

// ofPlaces marks tasks that tell where something is: a crop of the centre hides what is
// beside it.
func (*detection) ofPlaces() {}

func (segmentation) ofPlaces() {}

// OfPlaces tells whether a task is what is where: boxes, masks.
func OfPlaces(t Task) bool {
	_, ok := t.(interface{ ofPlaces() })
	return ok
}

// Fit is how images are brought to the input's size where nothing says it: stretched where
// places in the whole picture are told, else as it is usual, "".
func (c *Chosen) Fit() string {
	if OfPlaces(c.Task) {
		return imagein.FitStretch
	}
	return ""
}

// Adapt takes the fit that is usual for the task, and tells so, where neither options nor the
// model say one.
func (c *Chosen) Adapt(o *imagein.Overrides, says *imagein.Preprocess, notice data.Notice) {
	if says != nil || o.Fit != "" || o.Resize != nil && *o.Resize != 0 || c.Fit() == "" {
		return // a short side has a size for crops only
	}
	o.Usual = c.Fit()
	notice("task %s: images become the input as a whole, by %s; option fit says otherwise, and option color, option scale, option mean and option std what pixels become", c.Kind, o.Usual)
}
