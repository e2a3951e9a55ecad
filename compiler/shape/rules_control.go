package shape

import (
	"errors"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// ifRule is If: the outputs of the branch that a known condition chooses, else
// what the outputs of both have in common.
func ifRule(c *call) ([]Type, error) {
	yes, no := c.body("then_branch"), c.body("else_branch")
	if yes == nil || no == nil {
		return nil, c.failf("expected attributes then_branch and else_branch")
	}
	onTrue, errTrue := c.branch(yes)
	onFalse, errFalse := c.branch(no)
	if choice := c.arg(0).Content; len(choice) == 1 && choice[0].known {
		// The other branch need not make sense: exporters leave such behind.
		if choice[0].Is(0) {
			return onFalse, errFalse
		}
		return onTrue, errTrue
	}
	if err := errors.Join(errTrue, errFalse); err != nil {
		return nil, err
	}
	if len(onTrue) != len(onFalse) {
		return nil, c.failf("expected branches with the same number of outputs, found %d and %d", len(onTrue), len(onFalse))
	}
	outs := make([]Type, len(onTrue))
	for i := range outs {
		if onTrue[i].DType != onFalse[i].DType && onTrue[i].DType != ir.Undefined && onFalse[i].DType != ir.Undefined {
			return nil, c.failf("output %d: expected the same element type from both branches, found %v and %v",
				i, onTrue[i], onFalse[i])
		}
		outs[i] = merge(onTrue[i], onFalse[i])
	}
	return outs, nil
}

// branch infers a body that captures values and returns its outputs' types.
func (c *call) branch(g *ir.Graph) ([]Type, error) {
	if err := c.graph(g); err != nil {
		return nil, c.failf("%w", err)
	}
	var outs []Type
	for _, p := range g.Outputs() {
		outs = append(outs, c.typeOf(p.Value))
	}
	return outs, nil
}

// repeated infers a body that runs any number of times with the given inputs.
// Contents differ from run to run.
func (c *call) repeated(g *ir.Graph, in []Type) ([]Type, error) {
	for i, p := range g.Inputs() {
		t := c.declared(p.Value)
		if i < len(in) && in[i].Kind != Unknown {
			t = in[i]
		}
		c.types[p.Value] = c.named(p.Value, t.withoutContent())
	}
	c.depth++
	outs, err := c.branch(g)
	c.depth--
	return outs, err
}

// iterate infers a body whose first outputs become its first inputs in the next
// iteration, until the types of these hold for all iterations: sizes that change
// become unknown, then ranks. The outputs of the last inference are returned
// with carried brought up to date. Sizes that symbols of the body itself express
// are unknown outside.
func (c *call) iterate(g *ir.Graph, skip int, carried []Type, in func() []Type) (outs []Type, err error) {
	mark := c.serial
	for range 4 {
		if outs, err = c.repeated(g, in()); err != nil {
			return nil, err
		}
		if len(outs) < skip+len(carried) {
			return nil, c.failf("expected a body with %d outputs or more, found %d", skip+len(carried), len(outs))
		}
		changed := false
		for i, before := range carried {
			after := outs[skip+i].since(mark)
			if before.Kind == Unknown {
				before = after
			}
			merged := merge(before, after).withoutContent()
			changed = changed || !merged.sameAs(carried[i])
			carried[i] = merged
		}
		if !changed {
			break
		}
	}
	for i := range outs {
		outs[i] = outs[i].since(mark).withoutContent()
	}
	return outs, nil
}

// loop is Loop: trip count, condition, carried values; the body takes iteration
// number, condition and carried values and returns condition, carried values and
// elements of the scanned outputs.
func loop(c *call) ([]Type, error) {
	body := c.body("body")
	if body == nil {
		return nil, c.failf("expected attribute body")
	}
	carried := make([]Type, len(c.in)-2)
	for i := range carried {
		carried[i] = c.in[2+i].withoutContent()
	}
	outs, err := c.iterate(body, 1, carried, func() []Type {
		return append([]Type{TensorOf(ir.Int64), TensorOf(ir.Bool)}, carried...)
	})
	if err != nil {
		return nil, err
	}
	return append(carried, stacked(outs[1+len(carried):], nil, Dim{})...), nil
}

// stacked returns the types of scanned outputs: the elements' with an axis for
// the iterations, at 0 where axes has none.
func stacked(elems []Type, axes []int64, length Dim) []Type {
	out := make([]Type, len(elems))
	for i, t := range elems {
		if t.Ranked {
			at := int64(0)
			if i < len(axes) {
				at = axes[i]
			}
			if at < 0 {
				at += int64(len(t.Dims)) + 1
			}
			if at < 0 || at > int64(len(t.Dims)) {
				t = Unranked(t.DType)
			} else {
				t.Dims = slices.Insert(slices.Clone(t.Dims), int(at), length)
			}
		}
		out[i] = t
	}
	return out
}

// scan is Scan of operator set 9 and newer: states, then sequences that the body
// gets slice by slice. That of operator set 8, which has a batch axis as well, is
// not known.
func scan(c *call) ([]Type, error) {
	body := c.body("body")
	if body == nil {
		return nil, c.failf("expected attribute body")
	}
	if c.version < 9 {
		return nil, nil
	}
	count := int(c.int("num_scan_inputs", 0))
	states := len(c.in) - count
	if count < 1 || states < 0 {
		return nil, c.failf("expected num_scan_inputs in 1..%d, found %d", len(c.in), count)
	}
	axes, _ := c.ints("scan_input_axes")
	length := Dim{}
	slicesOf := make([]Type, count)
	for i := range slicesOf {
		t := c.in[states+i].withoutContent()
		if t.Ranked {
			at := int64(0)
			if i < len(axes) {
				at = axes[i]
			}
			axis, err := c.axis("scan_input_axes", at, len(t.Dims), false)
			if err != nil {
				return nil, err
			}
			if !length.known {
				length = t.Dims[axis]
			}
			t.Dims = slices.Delete(slices.Clone(t.Dims), axis, axis+1)
		}
		slicesOf[i] = t
	}
	carried := slices.Clone(c.in[:states])
	outs, err := c.iterate(body, 0, carried, func() []Type { return slices.Concat(carried, slicesOf) })
	if err != nil {
		return nil, err
	}
	outAxes, _ := c.ints("scan_output_axes")
	return append(carried, stacked(outs[states:], outAxes, length)...), nil
}

// sequenceMap applies a body to the elements of sequences.
func sequenceMap(c *call) ([]Type, error) {
	body := c.body("body")
	if body == nil {
		return nil, c.failf("expected attribute body")
	}
	in := make([]Type, len(c.in))
	for i, t := range c.in {
		if in[i] = t; t.Kind == Sequence {
			in[i] = c.element(i)
		}
	}
	outs, err := c.iterate(body, 0, nil, func() []Type { return in })
	if err != nil {
		return nil, err
	}
	for i := range outs {
		elem := outs[i]
		outs[i] = sequenceOf(&elem)
	}
	return outs, nil
}
