package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/compiler/shape"
	splitter "github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// unitTimes is what a bottleneck's two sides take on their own.
type unitTimes struct {
	c, s            int
	reduce, restore *plan.Timing // runs of a session, codec included
	payload         float64      // mean bytes
	params          int64        // of the mobile side
	// Of these runs, what went into bringing the cut tensor into ONNX Runtime's
	// own layout and back, ms.
	reorderIn, reorderOut float64
}

// units measures a bottleneck in a graph of its own, on real activations.
func (p *profiler) units(ctx context.Context, c *cut.Cut, activations []*tensor.Tensor, prefix string) (u unitTimes, err error) {
	settings, err := p.settings(c)
	if err != nil {
		return u, err
	}
	u.c, u.s = int(settings.Geometry.Reduced), int(settings.Geometry.Stride)
	a, unit, err := unitModel(c)
	if err != nil {
		return u, err
	}
	b, _, err := splitter.Split(ctx, a, unit, settings, nil)
	if err != nil {
		return u, err
	}
	u.params = cut.ModelParameters(b.Mobile)
	reduce, err := p.inspectGraph(ctx, b.Mobile, activations, prefix+"-mobile")
	if err != nil {
		return u, err
	}
	for _, t := range reduce.outputs {
		u.payload += float64(len(t.Data)) / float64(len(reduce.outputs))
	}
	restore, err := p.inspectGraph(ctx, b.Cloud, reduce.outputs, prefix+"-cloud")
	if err != nil {
		return u, err
	}
	u.reduce, u.restore = reduce.run, restore.run
	u.reorderIn = reduce.reordering(func(run []ort.NodeTime) ort.NodeTime { return run[0] })
	u.reorderOut = restore.reordering(func(run []ort.NodeTime) ort.NodeTime { return run[len(run)-1] })
	return u, nil
}

// reordering returns what a run's outer node takes if all it does is to change the
// layout, else 0.
func (t sessionTimes) reordering(outer func(run []ort.NodeTime) ort.NodeTime) float64 {
	var all []float64
	for _, run := range t.runs {
		if o := outer(run); o.Op == "ReorderInput" || o.Op == "ReorderOutput" {
			all = append(all, t.took(o))
		}
	}
	return middle(all)
}

// textTypes are the element types of cut tensors as onnxtext spells them.
var textTypes = map[ir.DType]string{ir.Float32: "float", ir.Float16: "float16", ir.Float64: "double"}

// unitModel returns a model that holds nothing but a cut like c.
func unitModel(c *cut.Cut) (*cut.Analysis, *cut.Cut, error) {
	var dims [3]int64
	for i := range dims {
		dims[i], _ = c.Type.Dims[i+1].Int() // known where a bottleneck fits
	}
	t := fmt.Sprintf("%s[batch, %d, %d, %d]", textTypes[c.Type.DType], dims[0], dims[1], dims[2])
	m, err := onnxtext.Parse(fmt.Sprintf("<ir_version: 8, opset_import: [\"\" : 17]>\nunit (%s x) => (%s y)\n{\n  at = Identity (x)\n  y = Identity (at)\n}\n", t, t))
	if err != nil {
		return nil, nil, err
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return nil, nil, err
	}
	a := cut.Find(m, info)
	unit, err := a.Resolve("at")
	return a, unit, err
}

// compare runs a pair for every cut, in turns with the whole model, and says how far the
// entries are from them.
func (p *profiler) compare(ctx context.Context, r *plan.Profile, path string, cuts []*cut.Cut, dir string) error {
	rows := [][]string{{"cut", "mobile ms", "pair's", "off", "cloud ms", "pair's", "off"}}
	var errs, shares []float64 // shares: of the mobile part, which no load of the machine changes
	for _, c := range cuts {
		o := p.splitOptions
		o.after, o.out, o.asJSON = c.Name(), filepath.Join(dir, "pair"), true
		if err := split(ctx, streams{io.Discard, io.Discard}, path, o); err != nil {
			return err
		}
		pair, _, err := p.pair(ctx, o.out)
		if err != nil {
			return err
		}
		row := []string{c.Name()}
		for i := range r.Cuts {
			e := &r.Cuts[i]
			if e.String() != pair.String() || e.Method != plan.MethodNodes {
				continue
			}
			share := func(mobile, cloud *plan.Timing) float64 { return mobile.MedianMS / (mobile.MedianMS + cloud.MedianMS) }
			shares = append(shares, math.Abs(share(e.Mobile, e.Cloud)-share(pair.Mobile, pair.Cloud)))
			for _, side := range []struct{ sum, pair *plan.Timing }{{e.Mobile, pair.Mobile}, {e.Cloud, pair.Cloud}} {
				off := side.sum.MedianMS/side.pair.MedianMS - 1
				errs = append(errs, math.Abs(off))
				row = append(row, timeText(side.sum), timeText(side.pair), fmt.Sprintf("%+.1f%%", 100*off))
			}
		}
		rows = append(rows, row)
	}
	note := fmt.Sprintf("Checked against %d pairs that were run: median error %.1f%%, of the mobile part's share %.1f points.", len(cuts), 100*middle(errs), 100*middle(shares))
	r.Notes = append(r.Notes, note)
	if err := writeTable(p.err, rows, 1, false); err != nil {
		return err
	}
	p.notice("%s", note)
	return nil
}
