package shape

import (
	"math"
	"math/bits"
	"slices"
)

// lower returns a number that d is never below, if it finds one.
func (d Dim) lower() (int64, bool) {
	low, ok := d.c, d.known
	for _, t := range d.terms {
		part := t.Coef
		for _, a := range t.Atoms {
			least, bounded := a.lower()
			if !bounded || least < 0 {
				return 0, false
			}
			var fits bool
			part, fits = mulInt(part, least)
			ok = ok && fits
		}
		if t.Coef < 0 { // no upper bounds are kept
			return 0, false
		}
		var fits bool
		low, fits = addInt(low, part)
		ok = ok && fits
	}
	return low, ok
}

func (a *Atom) lower() (int64, bool) {
	switch a.Op {
	case FloorDiv:
		num, ok := a.Args[0].lower()
		if den, isConst := a.Args[1].Int(); ok && isConst && den > 0 {
			return floorDiv(num, den), true
		}
		return 0, ok && num >= 0 && Const(1).AtMost(a.Args[1])
	case Max:
		low, found := int64(math.MinInt64), false
		for _, arg := range a.Args {
			if l, ok := arg.lower(); ok {
				low, found = max(low, l), true
			}
		}
		return low, found
	}
	if a.Fresh {
		return 0, true
	}
	return 1, true
}

// Eval returns d's value where the symbols have the values that value gives
// them. It is false where a symbol has none, or on division by zero or overflow.
func (d Dim) Eval(value func(symbol *Atom) (int64, bool)) (int64, bool) {
	sum, ok := d.c, d.known
	for _, t := range d.terms {
		product := t.Coef
		for _, a := range t.Atoms {
			v, known := a.eval(value)
			if !known {
				return 0, false
			}
			var fits bool
			product, fits = mulInt(product, v)
			ok = ok && fits
		}
		var fits bool
		sum, fits = addInt(sum, product)
		ok = ok && fits
	}
	return sum, ok
}

func (a *Atom) eval(value func(*Atom) (int64, bool)) (int64, bool) {
	if a.Op == Symbol {
		return value(a)
	}
	args := make([]int64, len(a.Args))
	for i, arg := range a.Args {
		v, ok := arg.Eval(value)
		if !ok {
			return 0, false
		}
		args[i] = v
	}
	if a.Op == Max {
		return slices.Max(args), true
	}
	if args[1] == 0 {
		return 0, false
	}
	return floorDiv(args[0], args[1]), true
}

func addInt(a, b int64) (int64, bool) {
	s := a + b
	return s, (s > a) == (b > 0)
}

func mulInt(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(absInt(a), absInt(b))
	return a * b, hi == 0 && lo <= math.MaxInt64
}

func absInt(a int64) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}
