package task

import "github.com/bottlenet/bnc/runtime/imagein"

// ofPlaces marks tasks that tell where something is: a crop of the centre hides what is
// beside it.
func (*detection) ofPlaces() {}

func (segmentation) ofPlaces() {}

// Fit is how images are brought to the input's size where nothing says it: stretched where
// places in the whole picture are told, else as it is usual, "".
func (c *Chosen) Fit() string {
	if _, ok := c.Task.(interface{ ofPlaces() }); ok {
		return imagein.FitStretch
	}
	return ""
}
