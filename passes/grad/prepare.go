package grad

import (
	"context"
	"errors"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/opt"
)

// stepOpset is the operator set of step graphs: the oldest that has all they need. Newer
// models keep theirs.
const stepOpset = 17

// prepare brings m into the form that is differentiated: initializers in float32, of a new
// operator set, for any number of images. Where the last cannot be, builtIn says why, and
// m takes as many as it did.
func (b *build) prepare(ctx context.Context, m *ir.Model) (builtIn *passes.UnsuitableError, err error) {
	if _, err := passes.RunContext(ctx, m, []passes.Pass{convert.Initializers, convert.Upgrade(stepOpset), convert.SinglePrecision}, nil); err != nil {
		return nil, err
	}
	symbolic := m.Clone() // the pass leaves a model of no use where it fails
	_, err = passes.RunContext(ctx, symbolic, []passes.Pass{convert.SymbolicBatch}, nil)
	switch {
	case err == nil:
		*m = *symbolic
	case !errors.As(err, &builtIn):
		return nil, err
	}
	if _, err := passes.RunContext(ctx, m, []passes.Pass{opt.FoldConstants, opt.Identities(recorded(m)...), opt.DeadCode}, nil); err != nil {
		return nil, err
	}
	return builtIn, b.foldComputed(ctx, m)
}

// recorded are the names of tensors by which bottlenecks are known.
func recorded(m *ir.Model) (names []string) {
	records, _ := bottleneck.Records(m) // a model without any has none
	for _, r := range records {
		names = append(names, r.Sites.Cut, r.Sites.Reduced, r.Sites.Grey, r.Sites.Tile, r.Sites.Range, r.Sites.Decoded, r.Sites.Planes, r.Sites.Restored)
	}
	return names
}

// foldComputed makes initializers of what m computes of constants, so that it can be
// trained.
func (b *build) foldComputed(ctx context.Context, m *ir.Model) error {
	part, err := opt.Computed(m)
	if err != nil || part == nil {
		return err
	}
	values, err := b.Compute(ctx, part)
	if err != nil {
		return err
	}
	for _, p := range part.Graph.Outputs() {
		m.Graph.Freeze(m.Graph.Value(p.Name()), values[p.Name()])
	}
	_, err = passes.RunContext(ctx, m, []passes.Pass{opt.DeadCode}, nil)
	return err
}

// inTrainingMode returns a node that does at inference what is for training only, nil for
// none.
func inTrainingMode(m *ir.Model) *ir.Node {
	for _, n := range m.Graph.Nodes() {
		switch {
		case n.Domain != "":
		case n.Op == "BatchNormalization" && n.Int("training_mode", 0) != 0:
			return n
		case n.Op == "Dropout" && n.Input(2) != nil && n.Input(2).Const() != nil:
			if on, err := n.Input(2).Const().Ints(); err == nil && slices.Contains(on, 1) {
				return n
			}
		}
	}
	return nil
}

// tellFixed tells what looks like a weight and does not learn.
func (b *build) tellFixed() {
	if fixed := Untrainable(b.m); len(fixed) > 0 {
		b.Notice("%d weights of convolutions and matrix products stay as they are, %q among them: the file computes them, of quantised numbers for example; what learns are floats", len(fixed), fixed[0].Name())
	}
	if left := Constants(b.m); len(left) > 0 {
		b.Notice("%d constants that are added to activations or multiplied with them stay as they are, %q among them: %s", len(left), left[0].Value.Name(), left[0].Reason)
	}
}
