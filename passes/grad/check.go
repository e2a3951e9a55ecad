package grad

import (
	"math"

	"github.com/bottlenet/bnc/internal/fault"
)

// Check finds options that cannot be, or do not go together, before any work.
func (o BuildOptions) Check() error {
	err := fault.Words{
		{"freeze", o.Freeze, append(Frozen(), "")},
		{"loss", o.Loss.Kind, Objectives(o.Distilled)},
		{"optimizer", o.Opt.Kind, append(Optimizers(), "")},
		{"statistics", o.Statistics, []string{"", "batch", "running"}},
		{"layout", string(o.Layout), []string{"auto", "nchw", "chwn"}},
	}.Check()
	if err != nil {
		return err
	}
	for _, text := range o.Teach {
		if _, err := parseByEnd(text); err != nil {
			return err
		}
	}
	of := func(v *float64) float64 {
		if v == nil {
			return 0
		}
		return *v
	}
	err = fault.Shares{
		{"label_smoothing", o.Loss.LabelSmoothing, 1}, {"feature_weight", of(o.FeatureWeight), fault.Unbounded},
		{"momentum", o.Opt.Momentum, 1}, {"weight_decay", of(o.Decay), fault.Unbounded}, {"clip_norm", of(o.Clip), fault.Unbounded},
		{"ema", o.Opt.EMA, 1}, {"lr", o.Rate, fault.Unbounded},
	}.Check()
	switch t := o.Loss.Temperature; {
	case err != nil:
		return err
	case o.Batch < 0:
		return fault.Usage("batch", "%d: expected 1 or more", o.Batch)
	case !(t > 0) || math.IsInf(t, 1):
		return fault.Usage("temperature", "%v: expected a number larger than 0", t)
	case o.Opt.Nesterov && o.Opt.Momentum == 0:
		return fault.Usage("nesterov", "needs an option momentum larger than 0")
	}
	return nil
}
