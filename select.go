package bnc

import (
	"context"

	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/plan"
)

// SelectOptions say what Select chooses from, and by what.
type SelectOptions struct {
	plan.Options
	Reporter Reporter `json:"-"`
}

// Select predicts latency and energy of every cut over every network and chooses the best.
// Where no cut keeps the limits on a network, an error that names it comes beside the
// result.
func Select(_ context.Context, o SelectOptions) (*plan.Selection, error) {
	found, err := o.Options.Select()
	if found != nil && found.Request.ImageBytes == 0 && found.Request.Mobile.ImageBytes == 0 {
		progress.Progress{To: o.Reporter}.Notice("cloud-only is left out: how many bytes an image takes is not known; give option image_bytes")
	}
	return found, err
}
