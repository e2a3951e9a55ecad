package split

import (
	"context"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/opt"
)

// Behind keeps of a joined network what is behind its cut, bottleneck included: m becomes
// a network whose inputs are the cut tensor and those inputs of m, of the names, that it
// reads beside it.
func Behind(ctx context.Context, m *ir.Model, late ...string) error {
	all, err := bottleneck.Anatomy(m)
	if err != nil {
		return err
	}
	var cut []*ir.Value
	var names []string
	for _, j := range all {
		cut, names = append(cut, j.Cut), append(names, j.Cut.Name())
	}
	recipe := []passes.Pass{convert.Initializers, CloudSide(Named(names...), late, outputsBehind(cut...)), opt.DropUnusedDomains}
	_, err = passes.RunContext(ctx, m, recipe, nil)
	return err
}

// outputsBehind names the model's outputs that depend on values.
func outputsBehind(values ...*ir.Value) (names []string) {
	seen := map[*ir.Value]bool{}
	for _, v := range values {
		seen[v] = true
	}
	for todo := slices.Clone(values); len(todo) > 0; {
		v := todo[0]
		todo = todo[1:]
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
