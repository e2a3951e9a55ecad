package shape

import "github.com/bottlenet/bnc/compiler/ir"

// cast changes the element type to that of attribute to. Floats become integers
// by dropping the fraction.
func cast(c *call) ([]Type, error) { return c.castTo(ir.DType(c.int("to", 0))) }

// castLike changes the element type to that of input 1.
func castLike(c *call) ([]Type, error) { return c.castTo(c.arg(1).DType) }

func (c *call) castTo(to ir.DType) ([]Type, error) {
	t := c.arg(0)
	out := Type{Kind: Tensor, DType: to, Ranked: t.Ranked, Dims: t.Dims}
	switch reals, known := c.realsOf(0); {
	case t.Content != nil && to == ir.Bool:
		out = out.with(data{ints: convert(t.Content, truth)})
	case t.Content != nil && isIndex(to):
		out = out.with(data{ints: t.Content})
	case t.Content != nil && to.IsFloat():
		out = out.with(data{reals: convert(t.Content, func(d Dim) real { return floatOf(d, to) })})
	case known && isIndex(to) && to != ir.Bool:
		out = out.with(data{ints: convert(convert(reals, real.trunc), fits(to))})
	case known && to.IsFloat():
		out = out.with(data{reals: convert(reals, func(r real) real { return r.round(to) })})
	}
	return one(out)
}

// fits returns a function that keeps the integers that dtype to holds. What
// becomes of others differs from processor to processor.
func fits(to ir.DType) func(Dim) Dim {
	return func(d Dim) Dim {
		if !wrap(d, to).Equal(d) {
			return Dim{}
		}
		return d
	}
}

// holds is what becomes of an int64 in a narrower type.
var holds = map[ir.DType]func(int64) int64{
	ir.Int32: func(n int64) int64 { return int64(int32(n)) },
	ir.Int8:  func(n int64) int64 { return int64(int8(n)) },
	ir.Uint8: func(n int64) int64 { return int64(uint8(n)) },
	ir.Bool: func(n int64) int64 {
		if n == 0 {
			return 0
		}
		return 1
	},
}

// wrap returns d as dtype to holds it. Symbolic integers are sizes, which 32
// bits hold and 8 do not.
func wrap(d Dim, to ir.DType) Dim {
	hold, narrow := holds[to]
	n, isConst := d.Int()
	switch {
	case !narrow:
		return d
	case isConst:
		return Const(hold(n))
	case to.Bits() < 32:
		return Dim{}
	}
	return d
}

// wrapped returns contents as dtype to holds them, nil for nil.
func wrapped(ints []Dim, to ir.DType) []Dim {
	if ints == nil || holds[to] == nil {
		return ints
	}
	return convert(ints, func(d Dim) Dim { return wrap(d, to) })
}

func truth(d Dim) Dim { return verdict(d.Differs(Const(0)), d.Is(0)) }

func convert[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, x := range in {
		out[i] = f(x)
	}
	return out
}
