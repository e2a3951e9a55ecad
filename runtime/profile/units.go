package profile

import (
	"context"
	"math"

	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Graph is an ONNX graph in memory with one input.
type Graph struct {
	Bytes []byte
	Input string
}

// Units is what a bottleneck's two sides take on their own.
type Units struct {
	C, S            int
	Params          int64        // of the mobile side
	Reduce, Restore *plan.Timing // runs of a session, codec included
	Payload         float64      // mean bytes
	// Of these runs, what went into bringing the cut tensor into ONNX Runtime's own layout
	// and back, ms.
	reorderIn, reorderOut float64
}

// Units measures a bottleneck's two sides as graphs of their own, on real activations.
// C, S and Params are left open.
func (p *Profiler) Units(ctx context.Context, mobile, cloud Graph, activations []*tensor.Tensor, prefix string) (u Units, err error) {
	reduce, err := p.inspect(ctx, mobile, activations, prefix+"-mobile")
	if err != nil {
		return u, err
	}
	for _, t := range reduce.outputs {
		u.Payload += float64(len(t.Data)) / float64(len(reduce.outputs))
	}
	restore, err := p.inspect(ctx, cloud, reduce.outputs, prefix+"-cloud")
	if err != nil {
		return u, err
	}
	u.Reduce, u.Restore = reduce.run, restore.run
	u.reorderIn = reduce.reordering(func(nodes int) int { return 0 })
	u.reorderOut = restore.reordering(func(nodes int) int { return nodes - 1 })
	return u, nil
}

// Entries puts nodes and units together, for a cut of a name and tensor, of so many bytes
// (nil for unknown), behind so many parameters: the bottleneck's division and the plain
// one, in which the tensor leaves ONNX Runtime's own layout. Call is the Profiler's.
func (n Part) Entries(cut, tensor string, bytes *int64, params int64, u Units, call float64) []plan.CutProfile {
	reduce, restore := u.Reduce, u.Restore
	if n.Blocked { // in the pair nothing is reordered between the model and the units
		reduce, restore = shift(reduce, -u.reorderIn), shift(restore, -u.reorderOut)
	}
	all := []plan.CutProfile{{
		Cut: cut, Tensor: tensor, C: u.C, S: u.S, PayloadBytes: u.Payload, Method: plan.MethodNodes,
		Mobile: plus(n.Before, reduce), Cloud: plus(restore, n.Behind), MobileParams: params + u.Params, MobileBytes: 4 * (params + u.Params),
	}}
	if bytes == nil {
		return all
	}
	early, late := call, call
	if n.Blocked {
		early, late = early+u.reorderIn, late+u.reorderOut
	}
	return append(all, plan.CutProfile{
		Cut: cut, Tensor: tensor, PayloadBytes: float64(*bytes), Method: plan.MethodNodes,
		Mobile: shift(n.Before, early), Cloud: shift(n.Behind, late), MobileParams: params, MobileBytes: 4 * params,
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
