package bottleneck

import (
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

// Bypass makes the joined network that split.Split writes the original model again:
// what read a restored tensor reads the cut tensor, and bottlenecks, byte
// counts and bnc's metadata go, but for preprocess and labels. The model's own
// weights stay as they are, trained or not. A model without a bottleneck is an
// [passes.UnsuitableError].
func Bypass(m *ir.Model) error {
	all, err := Anatomy(m)
	if err != nil {
		return err
	}
	connect := passes.Pass{
		Name:      "bypass",
		Interface: true,
		Breaks:    []*passes.Property{opt.NoDeadCode, Recorded},
		Run: func(m *ir.Model) (int, error) {
			uncounted(m)
			for _, j := range all {
				if err := j.Restored.Replace(j.Cut); err != nil {
					return 0, err
				}
			}
			return len(all), nil
		},
	}
	if _, err := passes.Run(m, []passes.Pass{connect, opt.DeadCode, opt.DropUnusedDomains}, nil); err != nil {
		return err
	}
	m.DelMeta(func(key string) bool {
		return strings.HasPrefix(key, metaPrefix) && key != metaPrefix+"preprocess" && key != metaPrefix+"labels"
	})
	return nil
}
