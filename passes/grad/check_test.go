package grad

import (
	"errors"
	"math"
	"testing"

	"github.com/bottlenet/bnc/internal/fault"
)

// TestCheck: options that cannot be are refused by their names, and those of a training
// without any are not.
func TestCheck(t *testing.T) {
	usual := func() BuildOptions {
		return BuildOptions{Freeze: "none", Layout: "auto", Loss: Loss{Kind: CrossEntropy, Temperature: 1}}
	}
	if err := usual().Check(); err != nil {
		t.Fatal(err)
	}
	for option, change := range map[string]func(*BuildOptions){
		"freeze":          func(o *BuildOptions) { o.Freeze = "head" },
		"loss":            func(o *BuildOptions) { o.Loss.Kind = Distill }, // which labels cannot teach
		"optimizer":       func(o *BuildOptions) { o.Opt.Kind = "lion" },
		"statistics":      func(o *BuildOptions) { o.Statistics = "some" },
		"layout":          func(o *BuildOptions) { o.Layout = "nhwc" },
		"label_smoothing": func(o *BuildOptions) { o.Loss.LabelSmoothing = 1 },
		"feature_weight":  func(o *BuildOptions) { o.FeatureWeight = new(math.Inf(1)) },
		"momentum":        func(o *BuildOptions) { o.Opt.Momentum = 1 },
		"weight_decay":    func(o *BuildOptions) { o.Decay = new(-1.0) },
		"clip_norm":       func(o *BuildOptions) { o.Clip = new(math.NaN()) },
		"ema":             func(o *BuildOptions) { o.Opt.EMA = 1 },
		"lr":              func(o *BuildOptions) { o.Rate = math.Inf(1) },
		"batch":           func(o *BuildOptions) { o.Batch = -1 },
		"temperature":     func(o *BuildOptions) { o.Loss.Temperature = 0 },
		"nesterov":        func(o *BuildOptions) { o.Opt.Nesterov = true },
	} {
		o := usual()
		change(&o)
		if wrong := (*fault.UsageError)(nil); !errors.As(o.Check(), &wrong) || wrong.Option != option {
			t.Errorf("%s: %v", option, o.Check())
		}
	}
}
