package shape

import (
	"math"

	"github.com/bottlenet/bnc/compiler/ir"
)

// scalar computes one element of an output from those of the inputs, on
// integers and on reals. Either may be nil: then contents are not followed.
type scalar struct {
	ints  func(a []Dim) Dim
	reals func(a []real) real
	picks bool // it gives one of what it is given, whatever their order: nothing is rounded
}

// broadcastDim returns the size of an axis on which sizes a and b meet, and
// false where they cannot.
func broadcastDim(a, b Dim) (Dim, bool) {
	x, okX := a.Int()
	y, okY := b.Int()
	switch {
	case a.Equal(b), okY && y == 1:
		return a, true
	case okX && x == 1:
		return b, true
	case okX && okY:
		return Dim{}, false
	case okX: // the other size is 1 or the same
		return a, true
	case okY:
		return b, true
	case a.Fresh() || b.Fresh(): // 0 is possible, and is not below 1
		return Dim{}, true
	}
	return a.Max(b), true
}

// broadcast returns the shape that inputs broadcast to by ONNX's
// multidirectional rule, and false where a rank is not known.
func (c *call) broadcast(inputs ...int) ([]Dim, bool, error) {
	var dims []Dim
	for _, i := range inputs {
		t := c.arg(i)
		if !t.Ranked {
			return nil, false, nil
		}
		long, short := dims, t.Dims
		if len(long) < len(short) {
			long, short = short, long
		}
		merged := append([]Dim(nil), long...)
		skip := len(long) - len(short)
		for j, d := range short {
			size, ok := broadcastDim(long[skip+j], d)
			if !ok {
				return nil, false, c.badInput(i, "a shape that broadcasts with %s", dimsString(dims, true))
			}
			merged[skip+j] = size
		}
		dims = merged
	}
	return dims, true, nil
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// elementwise is the rule of operators that broadcast all of their inputs. The
// output has the element type of the first input whose type is known, or the
// given one.
func elementwise(f scalar, dtype ir.DType) rule {
	return func(c *call) ([]Type, error) {
		return c.elementwise(f, dtype, upTo(len(c.in)))
	}
}

func (c *call) elementwise(f scalar, dtype ir.DType, inputs []int) ([]Type, error) {
	dims, ranked, err := c.broadcast(inputs...)
	if err != nil {
		return nil, err
	}
	out := Type{Kind: Tensor, DType: dtype, Ranked: ranked, Dims: dims}
	for _, i := range inputs {
		if out.DType == ir.Undefined {
			out.DType = c.arg(i).DType
		}
	}
	return one(out.with(c.evaluate(f, out, inputs)))
}

// evaluate applies f to the contents of the inputs, broadcast to out's shape.
func (c *call) evaluate(f scalar, out Type, inputs []int) data {
	shape, ok := out.small()
	if !ok || f.ints == nil && f.reals == nil {
		return data{}
	}
	ints := make([][]Dim, len(inputs))
	reals := make([][]real, len(inputs))
	allInts, allReals := f.ints != nil, f.reals != nil
	for k, i := range inputs {
		t := c.arg(i)
		allInts = allInts && t.Content != nil
		if allReals && !allInts {
			t.reals, allReals = c.realsOf(i)
		}
		if !allInts && !allReals {
			return data{}
		}
		dims, _ := t.Shape()
		at := broadcastPositions(dims, shape)
		ints[k], reals[k] = pick(t.Content, at), pick(t.reals, at)
	}
	if allInts {
		return data{ints: zip(ints, f.ints)}
	}
	rounded := func(a []real) real { return f.reals(a).round(out.DType) }
	return data{reals: zip(reals, rounded)}
}

func zip[T any](lists [][]T, f func([]T) T) []T {
	if len(lists) == 0 {
		return nil
	}
	out := make([]T, len(lists[0]))
	for i := range out {
		args := make([]T, len(lists))
		for k, l := range lists {
			args[k] = l[i]
		}
		out[i] = f(args)
	}
	return out
}

// fold makes a scalar of any number of inputs from one of two.
func fold(ints func(a, b Dim) Dim, reals func(a, b real) real) scalar {
	return scalar{
		ints: func(a []Dim) Dim {
			acc := a[0]
			for _, d := range a[1:] {
				acc = ints(acc, d)
			}
			return acc
		},
		reals: func(a []real) real {
			acc := a[0]
			for _, r := range a[1:] {
				acc = reals(acc, r)
			}
			return acc
		},
	}
}

// picking marks a scalar that gives one of what it is given.
func picking(f scalar) scalar {
	f.picks = true
	return f
}

var (
	add   = fold(Dim.Add, real.add)
	sub   = fold(Dim.Sub, real.sub)
	mul   = fold(Dim.Mul, real.mul)
	div   = fold(truncDiv, real.div)
	least = picking(fold(Dim.Min, func(a, b real) real { return a.pick(b, false) }))
	most  = picking(fold(Dim.Max, func(a, b real) real { return a.pick(b, true) }))
	and   = scalar{ints: func(a []Dim) Dim { return logic(a, 0) }}
	or    = scalar{ints: func(a []Dim) Dim { return logic(a, 1) }}
	not   = scalar{ints: func(a []Dim) Dim { return Const(1).Sub(a[0]) }}
	equal = scalar{ints: func(a []Dim) Dim { return verdict(a[0].Equal(a[1]), a[0].Differs(a[1])) }}
	less  = scalar{ints: func(a []Dim) Dim { return verdict(a[0].Less(a[1]), a[1].AtMost(a[0])) }}
	more  = scalar{ints: func(a []Dim) Dim { return verdict(a[1].Less(a[0]), a[0].AtMost(a[1])) }}

	lessOrEqual = scalar{ints: func(a []Dim) Dim { return verdict(a[0].AtMost(a[1]), a[1].Less(a[0])) }}
	moreOrEqual = scalar{ints: func(a []Dim) Dim { return verdict(a[1].AtMost(a[0]), a[0].Less(a[1])) }}

	negate   = scalar{ints: func(a []Dim) Dim { return Const(0).Sub(a[0]) }, reals: func(a []real) real { return number(0).sub(a[0]) }}
	inverse  = scalar{reals: func(a []real) real { return number(1).div(a[0]) }}
	absolute = scalar{ints: func(a []Dim) Dim { return a[0].Max(Const(0).Sub(a[0])) }}
	roundDn  = scalar{reals: func(a []real) real { return realOf(a[0].floor()) }}
	roundUp  = scalar{reals: func(a []real) real { return realOf(a[0].ceil()) }}
	nearest  = scalar{reals: func(a []real) real {
		f, ok := a[0].float()
		if !ok {
			return real{}
		}
		return number(math.RoundToEven(f))
	}}
	root = scalar{reals: func(a []real) real {
		f, ok := a[0].float()
		if !ok || f < 0 {
			return real{}
		}
		return number(math.Sqrt(f))
	}}
	opaque = scalar{}
)

// truncDiv divides as ONNX does on integers: towards zero. A symbolic dividend
// of which neither sign is certain is taken for a size, which is not negative.
func truncDiv(a, b Dim) Dim {
	x, okX := a.Int()
	y, okY := b.Int()
	if okX && okY && y != 0 && y != -1 {
		return Const(x / y)
	}
	zero := Const(0)
	switch {
	case b.Less(zero):
		return zero.Sub(truncDiv(a, zero.Sub(b)))
	case a.Less(zero):
		return zero.Sub(zero.Sub(a).FloorDiv(b))
	}
	return a.FloorDiv(b)
}

// logic combines truth values: any that is decisive decides; otherwise all must
// be known.
func logic(a []Dim, decisive int64) Dim {
	out := Const(1 - decisive)
	for _, d := range a {
		if d.Is(decisive) {
			return d
		}
		if !d.Is(1 - decisive) {
			out = Dim{}
		}
	}
	return out
}

func verdict(yes, no bool) Dim {
	switch {
	case yes:
		return Const(1)
	case no:
		return Const(0)
	}
	return Dim{}
}

// modulo is integer Mod; with fmod=1 the sign is the dividend's.
func modulo(c *call) ([]Type, error) {
	f := scalar{ints: func(a []Dim) Dim { return a[0].Mod(a[1]) }}
	if c.int("fmod", 0) != 0 {
		f = scalar{ints: func(a []Dim) Dim { x, y := inDouble(a[0]), inDouble(a[1]); return x.Sub(truncDiv(x, y).Mul(y)) }}
	}
	return c.elementwise(f, ir.Undefined, []int{0, 1})
}

// inDouble returns d, unknown where it is a number that float64, in which ONNX
// Runtime computes some integer operators, may not hold.
func inDouble(d Dim) Dim {
	if n, ok := d.Int(); ok && (n < -1<<53 || n > 1<<53) {
		return Dim{}
	}
	return d
}

// power broadcasts; squares and the like of integers are followed.
func power(c *call) ([]Type, error) {
	f := scalar{ints: func(a []Dim) Dim {
		n, ok := a[1].Int()
		if !ok || n < 0 || n > maxDegree {
			return Dim{}
		}
		p := Const(1)
		for range n {
			p = inDouble(p.Mul(a[0]))
		}
		return p
	}}
	return c.elementwise(f, ir.Undefined, []int{0, 1})
}

// where chooses between inputs 1 and 2.
func where(c *call) ([]Type, error) {
	dims, ranked, err := c.broadcast(0, 1, 2)
	if err != nil {
		return nil, err
	}
	out := Type{Kind: Tensor, DType: c.arg(1).DType, Ranked: ranked, Dims: dims}
	if out.DType == ir.Undefined {
		out.DType = c.arg(2).DType
	}
	choose := scalar{ints: func(a []Dim) Dim {
		switch {
		case a[0].Is(0) || a[1].Equal(a[2]):
			return a[2]
		case a[0].Is(1):
			return a[1]
		}
		return Dim{}
	}}
	return one(out.with(c.evaluate(choose, out, []int{0, 1, 2})))
}

// sameAs is the rule of operators whose only output has the type of input i.
func sameAs(i int) rule {
	return func(c *call) ([]Type, error) {
		t := c.arg(i)
		return one(Type{Kind: t.Kind, DType: t.DType, Ranked: t.Ranked, Dims: t.Dims, Elem: t.Elem})
	}
}

// shapeOf is the rule of operators whose output has the shape of input 0 and a
// given element type.
func shapeOf(d ir.DType) rule {
	return func(c *call) ([]Type, error) {
		t := c.arg(0)
		return one(Type{Kind: Tensor, DType: d, Ranked: t.Ranked, Dims: t.Dims})
	}
}

// identity hands its input on, contents included.
func identity(c *call) ([]Type, error) { return one(c.arg(0)) }

// clip bounds input 0; the bounds are inputs from operator set 11 on.
func clip(c *call) ([]Type, error) {
	t := c.arg(0)
	out := Type{Kind: Tensor, DType: t.DType, Ranked: t.Ranked, Dims: t.Dims}
	if t.Content == nil || c.version < 11 {
		return one(out)
	}
	ints := t.Content
	for i, bound := range []func(a, b Dim) Dim{1: Dim.Max, 2: Dim.Min} {
		if i == 0 || !c.has(i) {
			continue
		}
		limit := c.arg(i).Content
		if len(limit) != 1 {
			return one(out)
		}
		ints = convert(ints, func(d Dim) Dim { return bound(d, limit[0]) })
	}
	return one(out.with(data{ints: ints}))
}

// prelu has a slope that broadcasts to the shape of input 0 and does not change it.
func prelu(c *call) ([]Type, error) {
	x, slope := c.arg(0), c.arg(1)
	if x.Ranked && slope.Ranked {
		dims, _, err := c.broadcast(0, 1)
		if err != nil {
			return nil, err
		}
		if len(dims) > len(x.Dims) {
			return nil, c.badInput(1, "a shape that broadcasts to %s", dimsString(x.Dims, true))
		}
	}
	return sameAs(0)(c)
}
