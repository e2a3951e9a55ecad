package split

import (
	"context"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/opt"
)

// Behind keeps of a joined network what is behind its cut, bottleneck included: m becomes
// a network whose input is the cut tensor.
func Behind(ctx context.Context, m *ir.Model) error {
	anatomy, err := bottleneck.Anatomy(m)
	if err != nil {
		return err
	}
	recipe := []passes.Pass{convert.Initializers, CloudSide(Named(anatomy.Cut.Name()), outputsBehind(anatomy.Cut)), opt.DropUnusedDomains}
	_, err = passes.RunContext(ctx, m, recipe, nil)
	return err
}

// outputsBehind names the model's outputs that depend on v.
func outputsBehind(v *ir.Value) (names []string) {
	seen := map[*ir.Value]bool{v: true}
	for todo := []*ir.Value{v}; len(todo) > 0; {
		v, todo = todo[0], todo[1:]
		if v.IsOutput() {
			names = append(names, v.Name())
		}
		for _, u := range v.Uses() {
			for _, out := range u.Node.Outputs() {
				if out != nil && !seen[out] {
					seen[out] = true
					todo = append(todo, out)
				}
			}
		}
	}
	return names
}
