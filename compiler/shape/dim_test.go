package shape

import (
	"math/rand/v2"
	"testing"
)

// expression is a random Dim together with a direct evaluation of the same
// operations.
type expression struct {
	dim   Dim
	value func(env map[string]int64) int64
}

func floorDivide(a, b int64) int64 { // the definition: q*b <= a < (q+1)*b for b > 0
	q := a / b
	for q*b > a {
		q--
	}
	return q
}

func randomExpression(r *rand.Rand, depth int) expression {
	if depth == 0 {
		if r.IntN(3) == 0 {
			n := r.Int64N(21) - 10
			return expression{Const(n), func(map[string]int64) int64 { return n }}
		}
		name := string(rune('a' + r.IntN(4)))
		return expression{Sym(name), func(env map[string]int64) int64 { return env[name] }}
	}
	x, y := randomExpression(r, depth-1), randomExpression(r, r.IntN(depth))
	k := r.Int64N(6) + 1
	switch r.IntN(8) {
	case 0:
		return expression{x.dim.Add(y.dim), func(e map[string]int64) int64 { return x.value(e) + y.value(e) }}
	case 1:
		return expression{x.dim.Sub(y.dim), func(e map[string]int64) int64 { return x.value(e) - y.value(e) }}
	case 2:
		return expression{x.dim.Mul(y.dim), func(e map[string]int64) int64 { return x.value(e) * y.value(e) }}
	case 3:
		return expression{x.dim.FloorDiv(Const(k)), func(e map[string]int64) int64 { return floorDivide(x.value(e), k) }}
	case 4:
		return expression{x.dim.CeilDiv(Const(k)), func(e map[string]int64) int64 { return -floorDivide(-x.value(e), k) }}
	case 5:
		return expression{x.dim.Mod(Const(k)), func(e map[string]int64) int64 { return x.value(e) - k*floorDivide(x.value(e), k) }}
	case 6:
		return expression{x.dim.Max(y.dim), func(e map[string]int64) int64 { return max(x.value(e), y.value(e)) }}
	}
	return expression{x.dim.Min(y.dim), func(e map[string]int64) int64 { return min(x.value(e), y.value(e)) }}
}

func randomSizes(r *rand.Rand) map[string]int64 {
	env := map[string]int64{}
	for _, name := range []string{"a", "b", "c", "d"} {
		env[name] = r.Int64N(40) + 1
	}
	return env
}

func lookupIn(env map[string]int64) func(*Atom) (int64, bool) {
	return func(a *Atom) (int64, bool) { v, ok := env[a.Name]; return v, ok }
}

// TestDimEvaluates compares canonical forms with direct evaluation, and what is
// claimed of two expressions with their values.
func TestDimEvaluates(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	equal, ordered := 0, 0
	for range 20000 {
		x, y := randomExpression(r, r.IntN(5)), randomExpression(r, r.IntN(5))
		for range 4 {
			env := randomSizes(r)
			for _, e := range []expression{x, y} {
				got, ok := e.dim.Eval(lookupIn(env))
				if want := e.value(env); e.dim.Known() && (!ok || got != want) {
					t.Fatalf("%v at %v is %d, expected %d", e.dim, env, got, want)
				}
			}
			a, b := x.value(env), y.value(env)
			switch {
			case x.dim.Equal(y.dim) && a != b:
				t.Fatalf("%v and %v are said to be equal, at %v they are %d and %d", x.dim, y.dim, env, a, b)
			case x.dim.Differs(y.dim) && a == b:
				t.Fatalf("%v and %v are said to differ, at %v both are %d", x.dim, y.dim, env, a)
			case x.dim.Less(y.dim) && a >= b:
				t.Fatalf("%v is said to be less than %v, at %v they are %d and %d", x.dim, y.dim, env, a, b)
			case x.dim.AtMost(y.dim) && a > b:
				t.Fatalf("%v is said to be at most %v, at %v they are %d and %d", x.dim, y.dim, env, a, b)
			}
		}
		if x.dim.Equal(y.dim) {
			equal++
		}
		if x.dim.Less(y.dim) || y.dim.Less(x.dim) {
			ordered++
		}
	}
	if equal == 0 || ordered == 0 { // the claims above were never made
		t.Errorf("%d equal and %d ordered pairs", equal, ordered)
	}
}

// TestDimQuotient divides products by their factors.
func TestDimQuotient(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	divided := 0
	for range 5000 {
		x, y := randomExpression(r, r.IntN(4)).dim, randomExpression(r, r.IntN(4)).dim
		product := x.Mul(y)
		if !product.Known() || y.Is(0) {
			continue
		}
		divided++
		if got := product.FloorDiv(y); !got.Equal(x) {
			t.Fatalf("(%v) / (%v) = %v, expected %v", product, y, got, x)
		}
	}
	if divided < 4000 { // most products stay within the limits
		t.Errorf("only %d products", divided)
	}
}

// TestDimForms holds the identities that networks rely on.
func TestDimForms(t *testing.T) {
	h, n := Sym("h"), Sym("n")
	half := func(d Dim) Dim { return d.CeilDiv(Const(2)) }
	pooled := h.Add(Const(2 - 3)).FloorDiv(Const(2)).Add(Const(1)) // kernel 3, stride 2, padding 1
	for _, c := range []struct{ got, want Dim }{
		{pooled, half(h)},
		{half(half(h)), h.CeilDiv(Const(4))},
		{half(h).Add(Const(-1)).FloorDiv(Const(2)).Add(Const(1)), h.CeilDiv(Const(4))},
		{n.Mul(h).Mul(Const(512)).FloorDiv(n.Mul(Const(512))), h},
		{n.Mul(h).FloorDiv(n.Mul(Const(2))), h.FloorDiv(Const(2))},
		{h.Mul(Const(2)).Sub(h), h},
		{h.Max(Const(1)), h},
		{h.Min(h.Add(Const(3))), h},
		{h.Add(Const(1)).Max(n.Add(Const(1))), h.Max(n).Add(Const(1))},
		{h.Max(n).Max(h), n.Max(h)},
		{h.Mul(Const(0)), Const(0)},
	} {
		if !c.got.Equal(c.want) {
			t.Errorf("%v, expected %v", c.got, c.want)
		}
	}
}

// TestDimSymbols: no two symbols and no symbol and expression are the same.
func TestDimSymbols(t *testing.T) {
	long := make([]byte, 200)
	for i := range long {
		long[i] = 'x'
	}
	dims := []Dim{
		Sym("a"), Sym("a+b"), Sym("a").Add(Sym("b")), Sym("2*a"), Sym("a").Mul(Const(2)), Sym("?a"), freshSym("a", 1),
		Sym(`"a"`), Sym("floordiv(a, 2)"), Sym("a").FloorDiv(Const(2)), Sym(string(long)), Sym(string(long[1:])), Const(2), Sym("2"),
	}
	for i, d := range dims {
		for j, e := range dims {
			if d.Equal(e) != (i == j) || (d.String() == e.String()) != (i == j) {
				t.Errorf("%v and %v: equal is %v", d, e, d.Equal(e))
			}
		}
	}
	if name, ok := Sym("a+b").Symbol(); !ok || name != "a+b" {
		t.Errorf("a symbol's name is %q, %v", name, ok)
	}
	if _, ok := freshSym("a", 1).Symbol(); ok {
		t.Error("a symbol of inference counts as one of the model")
	}
}

// TestDimLimits: what grows too large or overflows is unknown, and unknown
// stays unknown.
func TestDimLimits(t *testing.T) {
	big := Const(1 << 62)
	d := Sym("a")
	for range 100 {
		d = d.Add(d.FloorDiv(Sym("b"))).Max(Sym("c"))
	}
	for name, got := range map[string]Dim{
		"growth": d, "sum": big.Add(big), "product": big.Mul(Const(4)), "division by 0": Sym("a").FloorDiv(Const(0)),
		"unknown + 1": Dim{}.Add(Const(1)), "unknown * 0": Dim{}.Mul(Const(0)), "max": Dim{}.Max(Const(1)),
	} {
		if got.Known() || got.Equal(got) {
			t.Errorf("%s is %v, expected unknown", name, got)
		}
	}
}
