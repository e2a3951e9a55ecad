package opt_test

import (
	"testing"

	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/internal/passtest"
	"github.com/bottlenet/bnc/passes/opt"
)

// TestCommonSubexpressions: the same operator, inputs and attributes are one;
// anything that differs, that is random or an output stays.
func TestCommonSubexpressions(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"twice the same", `a = Relu (x) b = Relu (x) y = Add (a, b)`, `a = Relu (x) y = Add (a, a)`},
		{"a chain", `a = Relu (x) b = Relu (x) p = Neg (a) q = Neg (b) y = Add (p, q)`, `a = Relu (x) p = Neg (a) y = Add (p, p)`},
		{"other attributes", `a = Elu <alpha = 1.0> (x) b = Elu <alpha = 2.0> (x) y = Add (a, b)`, ``},
		{"other order", `n = Neg (x) a = Sub (x, n) b = Sub (n, x) y = Add (a, b)`, ``},
		{"an output", `a = Relu (x) y = Relu (x) z = Neg (a) `, ``},
		{"random", `a = RandomNormalLike (x) b = RandomNormalLike (x) y = Add (a, b)`, ``},
		{"another input left out", `a = Clip (x, lo) b = Clip (x, , lo) y = Add (a, b)`, ``},
		{"several results", `a, i = TopK (x, k) b, j = TopK (x, k) s = Cast <to = 1> (i) r = Cast <to = 1> (j) u = Add (a, b) v = Add (s, r) y = Add (u, v)`,
			`a, i = TopK (x, k) s = Cast <to = 1> (i) u = Add (a, a) v = Add (s, s) y = Add (u, v)`},
		{"fewer results", `a, i = Unique (x) b = Unique (x) s = Cast <to = 1> (i) u = Add (a, b) y = Add (u, s)`, ``},
		{"bodies", `a = If (c) <then_branch = t () => (float[4] p) { p = Relu (x) }, else_branch = e () => (float[4] q) { q = Neg (x) }>
			b = If (c) <then_branch = t () => (float[4] p) { p = Relu (x) }, else_branch = e () => (float[4] q) { q = Neg (x) }> y = Add (a, b)`, ``},
	} {
		model := func(body string) string {
			return passtest.Header + `g (float[4] x) => (float[4] y) <float lo = {0}, int64[1] k = {4}, bool c = {1}> {` + body + `}`
		}
		if c.want == "" {
			c.want = c.body
		}
		m := passtest.Parse(t, model(c.body))
		if _, err := passes.Run(m, []passes.Pass{opt.CommonSubexpressions}, nil); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got, want := passtest.Print(t, m), passtest.Print(t, passtest.Parse(t, model(c.want))); got != want {
			t.Errorf("%s: found\n%s\nexpected\n%s", c.name, got, want)
		}
	}
}
