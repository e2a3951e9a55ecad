package shape

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
)

// call is one application of an operator: what a rule sees.
type call struct {
	*inferrer
	node    *ir.Node
	version int64 // of the operator set, 0 where the model imports none
	in      []Type
}

// rule computes the types of an operator's outputs; fewer than the operator has
// leave the rest to be of unknown type. Unknown dims in known ranks are allowed.
type rule func(c *call) ([]Type, error)

// arg returns the type of input i, Unknown where it is omitted.
func (c *call) arg(i int) Type {
	if i < len(c.in) {
		return c.in[i]
	}
	return Type{}
}

// has reports whether input i is given.
func (c *call) has(i int) bool { return c.node.Input(i) != nil }

// attr returns an attribute; in the body of a function a reference is resolved.
func (c *call) attr(name string) *ir.Attr {
	a := c.node.Attr(name)
	if a == nil || a.Proto.GetRefAttrName() == "" {
		return a
	}
	return c.bound[a.Proto.GetRefAttrName()]
}

func (c *call) int(name string, def int64) int64 {
	if a := c.attr(name); a != nil && a.Proto.I != nil {
		return *a.Proto.I
	}
	return def
}

func (c *call) ints(name string) ([]int64, bool) {
	if a := c.attr(name); a != nil {
		return a.Proto.Ints, true
	}
	return nil, false
}

func (c *call) str(name, def string) string {
	if a := c.attr(name); a != nil && a.Proto.S != nil {
		return string(a.Proto.S)
	}
	return def
}

func (c *call) tensor(name string) *ir.Tensor {
	if a := c.attr(name); a != nil && len(a.Tensors) > 0 {
		return a.Tensors[0]
	}
	return nil
}

func (c *call) body(name string) *ir.Graph {
	if a := c.attr(name); a != nil && len(a.Graphs) > 0 {
		return a.Graphs[0]
	}
	return nil
}

// axis resolves a possibly negative axis of a tensor of the given rank. Where
// end is true the rank itself is allowed as well.
func (c *call) axis(name string, axis int64, rank int, end bool) (int, error) {
	last := int64(rank)
	if !end {
		last--
	}
	if axis < -int64(rank) || axis > last {
		return 0, c.failf("expected %s in %d..%d, found %d", name, -rank, last, axis)
	}
	if axis < 0 {
		axis += int64(rank)
	}
	return int(axis), nil
}

// axes resolves a list of axes, each at most once.
func (c *call) axes(name string, axes []int64, rank int) ([]int, error) {
	out := make([]int, len(axes))
	seen := make([]bool, rank)
	for i, a := range axes {
		axis, err := c.axis(name, a, rank, false)
		if err != nil {
			return nil, err
		}
		if seen[axis] {
			return nil, c.failf("expected each of %s once, found %v", name, axes)
		}
		out[i], seen[axis] = axis, true
	}
	return out, nil
}

// listed returns a list of integers that an operator takes as input i in newer
// versions and as an attribute in older ones. Given tells whether it is there;
// known whether its contents are.
func (c *call) listed(name string, i int) (list []int64, given, known bool) {
	if v, ok := c.ints(name); ok {
		return v, true, true
	}
	if !c.has(i) {
		return nil, false, true
	}
	v, ok := c.arg(i).Ints()
	return v, true, ok
}

// failf returns an error about this node.
func (c *call) failf(format string, args ...any) error {
	return fmt.Errorf("%s: %w", c.node.Label(), fmt.Errorf(format, args...))
}

// badInput returns an error about input i.
func (c *call) badInput(i int, expected string, args ...any) error {
	name := ""
	if v := c.node.Input(i); v != nil {
		name = v.Name()
	}
	return c.failf("input %d %q: expected %s, found %v", i, name, fmt.Sprintf(expected, args...), c.arg(i))
}

// wantRank fails where the rank of input i is known and not one of ranks.
func (c *call) wantRank(i int, ranks ...int) error {
	rank, ok := c.arg(i).Rank()
	if !ok {
		return nil
	}
	texts := make([]string, len(ranks))
	for j, r := range ranks {
		if r == rank {
			return nil
		}
		texts[j] = fmt.Sprint(r)
	}
	return c.badInput(i, "rank %s", strings.Join(texts, " or "))
}

// wantMinRank fails where the rank of input i is known and below least.
func (c *call) wantMinRank(i, least int) error {
	if rank, ok := c.arg(i).Rank(); ok && rank < least {
		return c.badInput(i, "rank %d or more", least)
	}
	return nil
}

// realsOf returns the contents of a float input, reading a constant's from the
// model.
func (c *call) realsOf(i int) ([]real, bool) {
	if t := c.arg(i); t.reals != nil {
		return t.reals, true
	}
	v := c.node.Input(i)
	t := literal(v)
	if t == nil {
		return nil, false
	}
	return constReals(t)
}

// literal returns the constant that v is, nil where it is none or where, in a
// function, an attribute of the call gives it.
func literal(v *ir.Value) *ir.Tensor {
	if v == nil {
		return nil
	}
	if n := v.Producer(); n != nil && slices.ContainsFunc(n.Attrs(), func(a *ir.Attr) bool { return a.Proto.GetRefAttrName() != "" }) {
		return nil
	}
	return v.Const()
}

// constReals returns the elements of a small float constant.
func constReals(t *ir.Tensor) ([]real, bool) {
	if n := t.Len(); !t.DType().IsFloat() || n < 0 || n > maxContent {
		return nil, false
	}
	floats, err := t.Float64s()
	if err != nil { // bfloat16, or bytes that are missing: no shape needs them
		return nil, false
	}
	out := make([]real, len(floats))
	for i, f := range floats {
		if !math.IsNaN(f) && !math.IsInf(f, 0) {
			out[i] = number(f)
		}
	}
	return out, true
}

// one is the usual return of a rule with a single output.
func one(t Type) ([]Type, error) { return []Type{t}, nil }
