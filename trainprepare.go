package bnc

import (
	"context"
	"errors"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/opt"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// stepOpset is the operator set of step graphs: the oldest that has all they
// need. Newer models keep theirs.
const stepOpset = 17

// prepare brings m into the form that is differentiated: initializers in float32, of
// a new operator set, for any number of images. Where the last cannot be, builtIn says
// why, and m takes as many as it did.
func (t *training) prepare(ctx context.Context, m *ir.Model) (builtIn *passes.UnsuitableError, err error) {
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
	cut, _, err := bottleneck.CutName(m)
	if err != nil {
		return nil, err
	}
	if _, err := passes.RunContext(ctx, m, []passes.Pass{opt.FoldConstants, opt.Identities(cut), opt.DeadCode}, nil); err != nil {
		return nil, err
	}
	return builtIn, t.foldComputed(ctx, m)
}

// foldComputed makes initializers of what m computes of constants, so that it can be
// trained.
func (t *training) foldComputed(ctx context.Context, m *ir.Model) error {
	part, err := opt.Computed(m)
	if err != nil || part == nil {
		return err
	}
	b, err := onnx.Marshal(part)
	if err != nil {
		return err
	}
	session, err := ort.OpenBytes("computed weights", b, t.session)
	if err != nil {
		return err
	}
	defer session.Close()
	results, err := session.Run(ctx, ort.Feed{part.Graph.Feeds()[0].Name(): tensor.Of([]int64{1}, []float32{0})})
	if err != nil {
		return err
	}
	for _, r := range results {
		m.Graph.Freeze(m.Graph.Value(r.Name), ir.NewTensor(ir.Float32, r.Tensor.Shape, ir.Memory(r.Tensor.Data)))
	}
	_, err = passes.RunContext(ctx, m, []passes.Pass{opt.DeadCode}, nil)
	return err
}

// tellFixed tells what looks like a weight and does not learn.
func tellFixed(p progress, m *ir.Model) {
	if fixed := grad.Untrainable(m.Graph); len(fixed) > 0 {
		p.notice("%d weights of convolutions and matrix products stay as they are, %q among them: the file computes them, of quantised numbers for example; what learns are floats", len(fixed), fixed[0].Name())
	}
	if left := grad.Constants(m.Graph); len(left) > 0 {
		p.notice("%d constants that are added to activations or multiplied with them stay as they are, %q among them: %s", len(left), left[0].Value.Name(), left[0].Reason)
	}
}

// oneByOne makes the step fit a network whose batch size is built in, for a reason: as many
// images a step, which move the weights together as far as they would as part of a
// larger batch, and running statistics, since those of one image are none.
func (c *chosen) oneByOne(p progress, m *ir.Model, builtIn error, images int, given bool) {
	dims, _ := m.Graph.Feeds()[0].Shape()
	usual := defaultBatch(m, images)
	c.batch = int(dims[0].N)
	if !given {
		c.lr *= min(1, float64(c.batch)/float64(usual))
	}
	if c.statistics == "" {
		c.statistics = "running"
	}
	p.notice("%v; as it is, a step takes %d", builtIn, c.batch)
}

// batchesOf are batches of n images to a session's input of that name, or of as many as
// it takes.
func batchesOf(session *ort.Session, input string, n int) eval.Options {
	for _, p := range session.Inputs() {
		if p.Name == input {
			return eval.BatchOf(p, n)
		}
	}
	return eval.Options{Batch: n}
}
