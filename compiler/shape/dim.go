package shape

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Dim is a symbolic integer: a polynomial with integer coefficients over atoms,
// in canonical form. The zero Dim is unknown, and so is the result of every
// operation on one, of an overflow, and of an expression beyond the size limits.
type Dim struct {
	known bool
	c     int64
	terms []Term // sorted by key, no zero coefficients, immutable
}

// Term is one product of a polynomial: Coef times all atoms. A power is an atom
// that stands there repeatedly.
type Term struct {
	Coef  int64
	Atoms []*Atom // sorted by key
	key   string
}

// AtomOp tells what an atom is.
type AtomOp uint8

const (
	// Symbol is a free variable: a size the model leaves open.
	Symbol AtomOp = iota
	// FloorDiv is Args[0] / Args[1], rounded down.
	FloorDiv
	// Max is the largest of Args.
	Max
)

// Atom is what polynomials are made of. Atoms are immutable.
type Atom struct {
	Op AtomOp
	// Name is the symbol's name.
	Name string
	// Fresh marks a symbol that inference made for a size it cannot express;
	// the others are those the model itself names.
	Fresh bool
	Args  []Dim

	key  string
	size int // number of atoms in it, itself included
	// serial is the largest serial number of the fresh symbols in it, 0 without.
	serial int
}

// Limits of an expression. They are far above what networks need (a dozen
// atoms) and keep hostile models from growing expressions exponentially.
const (
	maxTerms    = 32
	maxDegree   = 12
	maxAtomSize = 128
)

// Const returns the Dim of a number.
func Const(n int64) Dim { return Dim{known: true, c: n} }

// Sym returns the Dim of a named symbol.
func Sym(name string) Dim {
	return atomDim(&Atom{Op: Symbol, Name: name, key: symbolKey(name), size: 1})
}

// freshSym returns a symbol of inference's own; serial numbers them from 1.
func freshSym(name string, serial int) Dim {
	return atomDim(&Atom{Op: Symbol, Name: name, Fresh: true, key: "?" + symbolKey(name), size: 1, serial: serial})
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]{0,63}$`)

// symbolKey returns a text that no other symbol and no expression has.
func symbolKey(name string) string {
	switch {
	case plainName.MatchString(name):
		return name
	case len(name) <= 64:
		return strconv.Quote(name)
	}
	return fmt.Sprintf("#%x", sha256.Sum256([]byte(name)))
}

func atomDim(a *Atom) Dim {
	return Dim{known: true, terms: []Term{{Coef: 1, Atoms: []*Atom{a}, key: a.key}}}
}

// Known reports whether anything is known about d.
func (d Dim) Known() bool { return d.known }

// Int returns the number d is, and false where d is symbolic or unknown.
func (d Dim) Int() (int64, bool) { return d.c, d.known && len(d.terms) == 0 }

// Is reports whether d is the number n.
func (d Dim) Is(n int64) bool { v, ok := d.Int(); return ok && v == n }

// Symbol returns the name of the model's symbol that d is, and false where d is
// anything else.
func (d Dim) Symbol() (string, bool) {
	if a := d.atom(); a != nil && a.Op == Symbol && !a.Fresh {
		return a.Name, true
	}
	return "", false
}

// atom returns the atom d consists of, nil where d is anything else.
func (d Dim) atom() *Atom {
	if d.known && d.c == 0 && len(d.terms) == 1 && d.terms[0].Coef == 1 && len(d.terms[0].Atoms) == 1 {
		return d.terms[0].Atoms[0]
	}
	return nil
}

// Constant returns the polynomial's constant part.
func (d Dim) Constant() int64 { return d.c }

// Terms returns the products of the polynomial beside its constant part; the
// caller must not change them.
func (d Dim) Terms() []Term { return d.terms }

// Equal reports whether d and e are provably the same number. Unknown is equal
// to nothing.
func (d Dim) Equal(e Dim) bool {
	return d.known && e.known && d.c == e.c && slices.EqualFunc(d.terms, e.terms, func(a, b Term) bool {
		return a.Coef == b.Coef && a.key == b.key
	})
}

// Differs reports whether d and e are provably different numbers.
func (d Dim) Differs(e Dim) bool { return d.Less(e) || e.Less(d) }

// Less reports whether d < e, provably.
func (d Dim) Less(e Dim) bool { return d.Add(Const(1)).AtMost(e) }

// AtMost reports whether d <= e, provably.
func (d Dim) AtMost(e Dim) bool {
	low, ok := e.Sub(d).lower()
	return ok && low >= 0
}

// Fresh reports whether d depends on a size that inference could not express.
func (d Dim) Fresh() bool { return d.newest() > 0 }

// newest returns the largest serial number of the fresh symbols in d.
func (d Dim) newest() int {
	newest := 0
	for _, t := range d.terms {
		for _, a := range t.Atoms {
			newest = max(newest, a.serial)
		}
	}
	return newest
}

// Add returns d + e.
func (d Dim) Add(e Dim) Dim {
	c, ok := addInt(d.c, e.c)
	if !d.known || !e.known || !ok {
		return Dim{}
	}
	if len(e.terms) == 0 {
		return Dim{known: true, c: c, terms: d.terms}
	}
	if len(d.terms) == 0 {
		return Dim{known: true, c: c, terms: e.terms}
	}
	terms := make([]Term, 0, len(d.terms)+len(e.terms))
	a, b := d.terms, e.terms
	for len(a) > 0 && len(b) > 0 {
		switch strings.Compare(a[0].key, b[0].key) {
		case -1:
			terms, a = append(terms, a[0]), a[1:]
		case 1:
			terms, b = append(terms, b[0]), b[1:]
		default:
			t := a[0]
			if t.Coef, ok = addInt(t.Coef, b[0].Coef); !ok {
				return Dim{}
			}
			if t.Coef != 0 {
				terms = append(terms, t)
			}
			a, b = a[1:], b[1:]
		}
	}
	terms = append(append(terms, a...), b...)
	if len(terms) > maxTerms {
		return Dim{}
	}
	return Dim{known: true, c: c, terms: terms}
}

// Sub returns d - e.
func (d Dim) Sub(e Dim) Dim { return d.Add(e.Mul(Const(-1))) }

// Mul returns d * e.
func (d Dim) Mul(e Dim) Dim {
	if !d.known || !e.known {
		return Dim{}
	}
	if len(e.terms) == 0 {
		return d.scale(e.c)
	}
	if len(d.terms) == 0 {
		return e.scale(d.c)
	}
	sum := d.scale(e.c)
	for _, t := range e.terms {
		sum = sum.Add(d.mulTerm(t))
	}
	return sum
}

// scale returns d * k.
func (d Dim) scale(k int64) Dim {
	if k == 0 && d.known {
		return Const(0)
	}
	c, ok := mulInt(d.c, k)
	terms := make([]Term, len(d.terms))
	for i, t := range d.terms {
		var fits bool
		t.Coef, fits = mulInt(t.Coef, k)
		terms[i], ok = t, ok && fits
	}
	if !d.known || !ok {
		return Dim{}
	}
	return Dim{known: true, c: c, terms: terms}
}

// mulTerm returns d * t.
func (d Dim) mulTerm(t Term) Dim {
	products := make([]Term, 0, len(d.terms)+1)
	for _, u := range d.terms {
		coef, ok := mulInt(u.Coef, t.Coef)
		if !ok || len(u.Atoms)+len(t.Atoms) > maxDegree {
			return Dim{}
		}
		products = append(products, newTerm(coef, append(slices.Clone(u.Atoms), t.Atoms...)))
	}
	if d.c != 0 {
		coef, ok := mulInt(d.c, t.Coef)
		if !ok {
			return Dim{}
		}
		products = append(products, Term{coef, t.Atoms, t.key})
	}
	slices.SortFunc(products, func(a, b Term) int { return strings.Compare(a.key, b.key) })
	return Dim{known: true, terms: products}
}

// newTerm sorts atoms, which it takes over.
func newTerm(coef int64, atoms []*Atom) Term {
	slices.SortFunc(atoms, func(a, b *Atom) int { return strings.Compare(a.key, b.key) })
	keys := make([]string, len(atoms))
	for i, a := range atoms {
		keys[i] = a.key
	}
	return Term{coef, atoms, strings.Join(keys, "*")}
}

// Max returns the larger of d and e.
func (d Dim) Max(e Dim) Dim {
	switch {
	case !d.known || !e.known:
		return Dim{}
	case e.AtMost(d):
		return d
	case d.AtMost(e):
		return e
	}
	args := append(d.maxArgs(), e.maxArgs()...)
	slices.SortFunc(args, func(a, b Dim) int {
		return strings.Compare(Dim{known: true, terms: a.terms}.String(), Dim{known: true, terms: b.terms}.String())
	})
	// Only the larger of two arguments that differ by a number counts, and the
	// first one's constant part is moved out.
	kept := args[:1]
	for _, a := range args[1:] {
		last := &kept[len(kept)-1]
		if _, ok := a.Sub(*last).Int(); !ok {
			kept = append(kept, a)
		} else if last.AtMost(a) {
			*last = a
		}
	}
	shift := Const(kept[0].c)
	for i, a := range kept {
		kept[i] = a.Sub(shift)
	}
	if len(kept) == 1 {
		return kept[0].Add(shift)
	}
	return newAtom(Max, kept...).Add(shift)
}

// maxArgs returns the dims of which d is the largest: those of a Max plus a
// number, else d itself.
func (d Dim) maxArgs() []Dim {
	base := Dim{known: true, terms: d.terms}
	a := base.atom()
	if a == nil || a.Op != Max {
		return []Dim{d}
	}
	args := make([]Dim, len(a.Args))
	for i, arg := range a.Args {
		args[i] = arg.Add(Const(d.c))
	}
	return args
}

// Min returns the smaller of d and e.
func (d Dim) Min(e Dim) Dim { return d.scale(-1).Max(e.scale(-1)).scale(-1) }

// newAtom returns an application of op, unknown where it would grow too large.
func newAtom(op AtomOp, args ...Dim) Dim {
	size, serial := 1, 0
	texts := make([]string, len(args))
	for i, a := range args {
		if !a.known {
			return Dim{}
		}
		for _, t := range a.terms {
			for _, atom := range t.Atoms {
				size += atom.size
			}
		}
		serial = max(serial, a.newest())
		texts[i] = a.String()
	}
	if size > maxAtomSize {
		return Dim{}
	}
	return atomDim(&Atom{Op: op, Args: args, key: fmt.Sprintf(atomFormats[op], strings.Join(texts, ", ")), size: size, serial: serial})
}

var atomFormats = map[AtomOp]string{FloorDiv: "floordiv(%s)", Max: "max(%s)"}

// String returns d as text; equal texts mean equal Dims. Unknown is "?".
func (d Dim) String() string {
	if !d.known {
		return "?"
	}
	if len(d.terms) == 0 {
		return strconv.FormatInt(d.c, 10)
	}
	var b strings.Builder
	for i, t := range d.terms {
		if i > 0 && t.Coef >= 0 {
			b.WriteByte('+')
		}
		switch t.Coef {
		case 1:
		case -1:
			b.WriteByte('-')
		default:
			b.WriteString(strconv.FormatInt(t.Coef, 10))
			b.WriteByte('*')
		}
		b.WriteString(t.key)
	}
	if d.c != 0 {
		fmt.Fprintf(&b, "%+d", d.c)
	}
	return b.String()
}

// Dim returns the expression that consists of a alone.
func (a *Atom) Dim() Dim { return atomDim(a) }
