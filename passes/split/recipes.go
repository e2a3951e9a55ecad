package split

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/opt"
)

// joinedRecipe prepares the analysed model for its division at c. With a bottleneck
// it makes the joined, trainable network.
func joinedRecipe(a *cut.Analysis, c *cut.Cut, s Settings) []passes.Pass {
	sides := when(twoSides(a, c, s.Plain), Sides(a, c))
	if s.Plain {
		return slices.Concat(
			[]passes.Pass{convert.Initializers},
			sides,
			[]passes.Pass{LocalShapes(a, c, Named(c.Names()...))},
		)
	}
	var inserted []bottleneck.Insertion
	for i, t := range c.Tensors {
		b := s.Tensors[i]
		inserted = append(inserted, bottleneck.Insertion{At: t.Value, Batch: t.Type.Dims[0].Declared(), Spec: b.Spec, Units: b.units()})
	}
	keep := func(n *ir.Node) bool {
		return n.Output(0) != nil && a.IsShape(n.Output(0)) || len(c.Tensors) > 1 && !behind(a, c, n)
	}
	return slices.Concat(
		[]passes.Pass{convert.Initializers},
		sides,
		[]passes.Pass{
			bottleneck.ReserveNames(len(inserted)),
			bottleneck.Insert(inserted, keep),
			LocalShapes(a, c, bottleneck.Restored),
			opt.DeadCode,
			opt.FoldConstants,
			opt.DeadCode,
		},
	)
}

// behind reports whether a node, or the one in whose body it is, is behind a cut of several
// tensors: those that are not compute another of its tensors.
func behind(a *cut.Analysis, c *cut.Cut, n *ir.Node) bool {
	for n.Graph() != a.Model.Graph {
		n = n.Graph().Owner()
	}
	return a.Behind(c, n)
}

// mobileRecipe makes the mobile half of what joinedRecipe prepared. Outputs are those
// of the model that are computed before the cut.
func mobileRecipe(c *cut.Cut, s Settings, target convert.Target, outputs []string) []passes.Pass {
	if s.Plain {
		return []passes.Pass{MobileSide(Named(c.Names()...), outputs)}
	}
	return slices.Concat(
		[]passes.Pass{
			MobileSide(bottleneck.Sent, outputs),
			opt.Identities(c.Names()...), // others, between a convolution and its normalisation, would keep them apart
			opt.FoldBatchNorm,
			opt.DeadCode,
		},
		when(s.FP16, convert.HalfPrecision, opt.DeadCode),
		when(s.CodecAt == bottleneck.CodecInGraph, bottleneck.EncodePayload(s.Specs())),
		target.Passes,
		[]passes.Pass{opt.DropUnusedDomains},
	)
}

// cloudRecipe makes the cloud half, with the model's other outputs.
func cloudRecipe(c *cut.Cut, s Settings, outputs []string) []passes.Pass {
	if s.Plain {
		return []passes.Pass{CloudSide(Named(c.Names()...), c.LateNames(), outputs)}
	}
	return slices.Concat(
		[]passes.Pass{
			CloudSide(bottleneck.Received, c.LateNames(), outputs),
			opt.Identities(),
			opt.FoldBatchNorm,
			opt.DeadCode,
		},
		when(s.FP16, convert.HalfPrecision, opt.DeadCode),
		when(s.CodecAt == bottleneck.CodecOnHost, bottleneck.TileInputs(s.Specs())),
		when(s.CodecAt != bottleneck.CodecOnHost, bottleneck.DecodePayload(s.Specs())),
		[]passes.Pass{opt.DropUnusedDomains},
	)
}

// when returns passes where condition holds.
func when(condition bool, passes ...passes.Pass) []passes.Pass {
	if condition {
		return passes
	}
	return nil
}
