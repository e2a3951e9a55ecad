package profile

import (
	"context"
	"math"

	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// units is what a bottleneck's two sides take on their own.
type units struct {
	Unit
	reduce, restore *plan.Timing // runs of a session, codec included
	payload         float64      // mean bytes
	// Of these runs, what went into bringing the cut tensor into ONNX Runtime's own layout
	// and back, ms.
	reorderIn, reorderOut float64
}

// units measures a bottleneck's two sides, on real activations.
func (p *Profiler) units(ctx context.Context, unit Unit, activations [][]*tensor.Tensor, prefix string) (u units, err error) {
	u.Unit = unit
	reduce, err := p.inspect(ctx, unit.Mobile, activations, prefix+"-mobile")
	if err != nil {
		return u, err
	}
	for _, t := range reduce.outputs {
		u.payload += float64(len(t.Data)) / float64(len(reduce.outputs))
	}
	restore, err := p.inspect(ctx, unit.Cloud, [][]*tensor.Tensor{reduce.outputs}, prefix+"-cloud")
	if err != nil {
		return u, err
	}
	u.reduce, u.restore = reduce.run, restore.run
	u.reorderIn = reduce.reordering(func(nodes int) int { return 0 })
	u.reorderOut = restore.reordering(func(nodes int) int { return nodes - 1 })
	return u, nil
}

// entries puts nodes and units at a cut together: the bottleneck's division and the plain
// one, in which the tensor leaves ONNX Runtime's own layout. Call is the Profiler's.
func (n part) entries(c Cut, u units, call float64) []plan.CutProfile {
	reduce, restore := u.reduce, u.restore
	if n.blocked { // in the pair nothing is reordered between the model and the units
		reduce, restore = shift(reduce, -u.reorderIn), shift(restore, -u.reorderOut)
	}
	all := []plan.CutProfile{{
		Cut: c.Name, Tensor: c.Tensor(), C: u.C, S: u.S, Codec: u.Codec, PayloadBytes: u.payload, Method: plan.MethodNodes,
		Mobile: plus(n.before, reduce), Cloud: plus(restore, n.behind), MobileParams: c.Params + u.Params, MobileBytes: 4 * (c.Params + u.Params),
	}}
	if c.Bytes == nil {
		return all
	}
	before, behind := call, call
	if n.blocked {
		before, behind = before+u.reorderIn, behind+u.reorderOut
	}
	return append(all, plan.CutProfile{
		Cut: c.Name, Tensor: c.Tensor(), PayloadBytes: float64(*c.Bytes), Method: plan.MethodNodes,
		Mobile: shift(n.before, before), Cloud: shift(n.behind, behind), MobileParams: c.Params, MobileBytes: 4 * c.Params,
	})
}

// Checked is an entry made of nodes beside one of the pair that was run.
type Checked struct {
	Nodes, Pair plan.CutProfile
}

// Errors returns the relative errors of the entry's two medians.
func (c Checked) Errors() (mobile, cloud float64) {
	return c.Nodes.Mobile.MedianMS/c.Pair.Mobile.MedianMS - 1, c.Nodes.Cloud.MedianMS/c.Pair.Cloud.MedianMS - 1
}

// deviation returns the median error of all medians, and that of the mobile part's share
// of the whole, which no load of the machine changes.
func deviation(all []Checked) (off, share float64) {
	var errs, shares []float64
	of := func(e plan.CutProfile) float64 { return e.Mobile.MedianMS / (e.Mobile.MedianMS + e.Cloud.MedianMS) }
	for _, c := range all {
		mobile, cloud := c.Errors()
		errs = append(errs, math.Abs(mobile), math.Abs(cloud))
		shares = append(shares, math.Abs(of(c.Nodes)-of(c.Pair)))
	}
	return stats.Median(errs), stats.Median(shares)
}
