package shape

import (
	"slices"
	"strings"
)

// FloorDiv returns d / e rounded down, unknown where e is zero.
func (d Dim) FloorDiv(e Dim) Dim {
	if !d.known || !e.known {
		return Dim{}
	}
	if k, ok := e.Int(); ok {
		switch {
		case k == 0:
			return Dim{}
		case k < 0:
			return d.scale(-1).floorDivInt(-k)
		}
		return d.floorDivInt(k)
	}
	if q := d.quotient(e); q.known {
		return q
	}
	// A common monomial is cancelled first: N*h / (N*2) is h / 2.
	if len(e.terms) == 1 && e.c == 0 {
		if q := d.quotient(Dim{known: true, terms: []Term{{1, e.terms[0].Atoms, e.terms[0].key}}}); q.known {
			return q.FloorDiv(Const(e.terms[0].Coef))
		}
	}
	return newAtom(FloorDiv, d, e)
}

// CeilDiv returns d / e rounded up, for e > 0.
func (d Dim) CeilDiv(e Dim) Dim { return d.Add(e).Sub(Const(1)).FloorDiv(e) }

// Mod returns d - e * floor(d / e).
func (d Dim) Mod(e Dim) Dim { return d.Sub(d.FloorDiv(e).Mul(e)) }

// floorDivInt divides by k > 0. Whole multiples of k leave the floor, common
// factors are cancelled, and floor(floor(x/a + b)/k) becomes one division, so
// that the ways in which networks halve a size twice agree.
func (d Dim) floorDivInt(k int64) Dim {
	if !d.known {
		return Dim{}
	}
	whole := Dim{known: true, c: floorDiv(d.c, k)}
	rest := Dim{known: true, c: d.c - k*floorDiv(d.c, k)}
	factor := k
	for _, t := range d.terms {
		q := floorDiv(t.Coef, k)
		r := t.Coef - q*k
		if q != 0 {
			whole.terms = append(whole.terms, Term{q, t.Atoms, t.key})
		}
		if r != 0 {
			rest.terms = append(rest.terms, Term{r, t.Atoms, t.key})
			factor = gcd(factor, r)
		}
	}
	if len(rest.terms) == 0 {
		return whole
	}
	for i := range rest.terms {
		rest.terms[i].Coef /= factor
	}
	rest.c /= factor
	k /= factor
	if k == 1 {
		return whole.Add(rest)
	}
	inner := Dim{known: true, terms: rest.terms}.atom()
	if inner != nil && inner.Op == FloorDiv {
		if m, ok := inner.Args[1].Int(); ok {
			if mk, fits := mulInt(m, k); fits {
				return whole.Add(inner.Args[0].Add(Const(m).scale(rest.c)).FloorDiv(Const(mk)))
			}
		}
	}
	return whole.Add(newAtom(FloorDiv, rest, Const(k)))
}

// quotient returns d / e where e divides d as a polynomial, else unknown.
func (d Dim) quotient(e Dim) Dim {
	lead := e.leading()
	result := Const(0)
	for range maxTerms {
		if d.Is(0) {
			return result
		}
		t, ok := d.leading().over(lead)
		if !ok {
			return Dim{}
		}
		q := t.dim()
		result = result.Add(q)
		d = d.Sub(q.Mul(e))
		if !d.known || !result.known {
			return Dim{}
		}
	}
	return Dim{}
}

// dim returns t as a polynomial.
func (t Term) dim() Dim {
	if len(t.Atoms) == 0 {
		return Const(t.Coef)
	}
	return Dim{known: true, terms: []Term{t}}
}

// leading returns the largest term by degree, then by atoms: a monomial order,
// as division of polynomials in several variables needs.
func (d Dim) leading() Term {
	best := Term{Coef: d.c}
	for _, t := range d.terms {
		if compareMonomials(t.Atoms, best.Atoms) > 0 {
			best = t
		}
	}
	return best
}

func compareMonomials(a, b []*Atom) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return slices.CompareFunc(a, b, func(x, y *Atom) int { return strings.Compare(x.key, y.key) })
}

// over returns t / u if that is a term.
func (t Term) over(u Term) (Term, bool) {
	if u.Coef == 0 || t.Coef%u.Coef != 0 {
		return Term{}, false
	}
	rest := slices.Clone(t.Atoms)
	for _, a := range u.Atoms {
		i := slices.IndexFunc(rest, func(b *Atom) bool { return a.key == b.key })
		if i < 0 {
			return Term{}, false
		}
		rest = slices.Delete(rest, i, i+1)
	}
	return newTerm(t.Coef/u.Coef, rest), true
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
