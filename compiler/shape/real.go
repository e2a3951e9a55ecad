package shape

import (
	"math"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/x448/float16"
)

// real is an element of a float tensor in shape arithmetic: a number, or a
// fraction of two Dims. The zero real is unknown.
type real struct {
	known    bool
	f        float64 // the number, where num is unknown
	num, den Dim     // den > 0
}

func number(f float64) real { return real{known: true, f: f} }

func fraction(num, den Dim) real {
	n, okNum := num.Int()
	d, okDen := den.Int()
	switch {
	case !num.known || !den.known || den.Is(0):
		return real{}
	case okNum && okDen:
		return number(float64(n) / float64(d))
	}
	return real{known: true, num: num, den: den}
}

// ratio returns r as a fraction. A number that is none with a small power of
// two as denominator has no exact symbolic form and is unknown.
func (r real) ratio() (num, den Dim) {
	if !r.known || r.num.known {
		return r.num, r.den
	}
	for k := int64(1); k <= 1<<16; k *= 2 {
		if n := r.f * float64(k); n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			return Const(int64(n)), Const(k)
		}
	}
	return Dim{}, Dim{}
}

func (r real) float() (float64, bool) { return r.f, r.known && !r.num.known }

// round returns r rounded to what dtype d can hold. Symbolic fractions are of
// sizes, which float32 holds and float16 does not.
func (r real) round(d ir.DType) real {
	switch {
	case d == ir.Float64:
		return r
	case d == ir.Float32:
		r.f = float64(float32(r.f))
		return r
	case d == ir.Float16 && !r.num.known:
		r.f = float64(float16.Fromfloat32(float32(r.f)).Float32())
		return r
	}
	return real{}
}

// floor returns the largest integer that is not above r.
func (r real) floor() Dim {
	if f, ok := r.float(); ok {
		return intOf(math.Floor(f))
	}
	num, den := r.ratio()
	return num.FloorDiv(den)
}

func (r real) ceil() Dim {
	if f, ok := r.float(); ok {
		return intOf(math.Ceil(f))
	}
	num, den := r.ratio()
	return num.CeilDiv(den)
}

// trunc returns r rounded towards zero. Symbolic fractions are sizes, which are
// not negative.
func (r real) trunc() Dim {
	if f, ok := r.float(); ok {
		return intOf(math.Trunc(f))
	}
	return r.floor()
}

// intOf returns a whole number as a Dim, unknown where an int64 cannot hold it.
func intOf(f float64) Dim {
	if f != math.Trunc(f) || math.Abs(f) >= 1<<62 {
		return Dim{}
	}
	return Const(int64(f))
}

// realOf returns an integer as a real.
func realOf(d Dim) real {
	if n, ok := d.Int(); ok {
		return number(float64(n))
	}
	return fraction(d, Const(1))
}

// floatOf returns an integer converted to float type d. Types narrower than
// float32 are reached through it, as ONNX Runtime does.
func floatOf(i Dim, d ir.DType) real {
	if n, ok := i.Int(); ok && d != ir.Float64 {
		return number(float64(float32(n))).round(d)
	}
	return realOf(i).round(d)
}

// exact applies numbers to numbers with f and fractions to fractions with g.
func exact(a, b real, f func(x, y float64) float64, g func(an, ad, bn, bd Dim) real) real {
	x, okX := a.float()
	y, okY := b.float()
	if okX && okY {
		return number(f(x, y))
	}
	an, ad := a.ratio()
	bn, bd := b.ratio()
	if !an.known || !bn.known {
		return real{}
	}
	return g(an, ad, bn, bd)
}

func (r real) add(s real) real {
	return exact(r, s, func(x, y float64) float64 { return x + y },
		func(an, ad, bn, bd Dim) real { return fraction(an.Mul(bd).Add(bn.Mul(ad)), ad.Mul(bd)) })
}

func (r real) sub(s real) real {
	return exact(r, s, func(x, y float64) float64 { return x - y },
		func(an, ad, bn, bd Dim) real { return fraction(an.Mul(bd).Sub(bn.Mul(ad)), ad.Mul(bd)) })
}

func (r real) mul(s real) real {
	return exact(r, s, func(x, y float64) float64 { return x * y },
		func(an, ad, bn, bd Dim) real { return fraction(an.Mul(bn), ad.Mul(bd)) })
}

// div returns r / s; a symbolic divisor is a size and positive.
func (r real) div(s real) real {
	return exact(r, s, func(x, y float64) float64 { return x / y },
		func(an, ad, bn, bd Dim) real {
			if n, ok := bn.Int(); ok && n <= 0 {
				return real{}
			}
			if q := an.Mul(bd).quotient(ad.Mul(bn)); q.known {
				return realOf(q)
			}
			return fraction(an.Mul(bd), ad.Mul(bn))
		})
}

func (r real) pick(s real, larger bool) real {
	x, okX := r.float()
	y, okY := s.float()
	switch {
	case !okX || !okY:
		return real{}
	case larger:
		return number(math.Max(x, y))
	}
	return number(math.Min(x, y))
}
