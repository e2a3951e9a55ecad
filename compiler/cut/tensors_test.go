package cut_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/models"
)

// skipping is an encoder and a decoder with a skip connection, and an output that leaves
// from before it.
const skipping = `g (float[N,4] x) => (float[N,4] y, float[N,4] early) {
	early = Neg (x)
	a = Relu (x)
	b = Sigmoid (a)
	c = Tanh (b)
	d = Abs (c)
	s = Add (d, a)
	y = Exp (s)
}`

func values(t *testing.T, a *cut.Analysis, names string) (all []*ir.Value) {
	t.Helper()
	for _, name := range strings.Fields(names) {
		v := a.Model.Graph.Value(name)
		if v == nil {
			t.Fatalf("there is no tensor %q", name)
		}
		all = append(all, v)
	}
	return all
}

// TestOf: what is behind several tensors, one of which may be computed from another.
func TestOf(t *testing.T) {
	a := find(t, skipping)
	for _, c := range []struct{ tensors, behind, before string }{
		{"a b", "c d s y", "early"},
		{"a c", "d s y", "early"},
		{"d a", "s y", "early"},
		{"a", "b c d s y", "early"},
		{"c a x", "early d s y", ""},
	} {
		at, err := a.Of(values(t, a, c.tensors)...)
		if err != nil {
			t.Fatal(err)
		}
		var behind, before []string
		for _, n := range a.Model.Graph.Nodes() {
			if a.Behind(at, n) {
				behind = append(behind, n.Output(0).Name())
			}
		}
		for _, v := range a.OutputsBefore(at) {
			before = append(before, v.Name())
		}
		if strings.Join(behind, " ") != c.behind || strings.Join(before, " ") != c.before || at.Tensor() != strings.ReplaceAll(c.tensors, " ", "+") {
			t.Errorf("%s: behind %q, outputs before %q; expected %+v", at.Tensor(), behind, before, c)
		}
		if len(at.Tensors) > 1 && at.NoBottleneck() == "" {
			t.Errorf("%s takes a bottleneck", at.Tensor())
		}
	}
	for tensors, why := range map[string]string{"b": `input "x"`, "c b": `input "x"`, "early": "output of the model", "x": "nothing would be computed"} {
		_, err := a.Of(values(t, a, tensors)...)
		if e := (*cut.Error)(nil); !errors.As(err, &e) || !strings.Contains(e.Reason, why) {
			t.Errorf("%s: %v, expected %s", tensors, err, why)
		}
	}
}

// TestOfOne: of a cut's one tensor the same is behind as the search for gates found.
func TestOfOne(t *testing.T) {
	for _, name := range []string{"resnet20", "resnet18"} {
		m, err := models.Build(name, models.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a := cut.Find(m, info)
		for i := range a.Cuts {
			gate := &a.Cuts[i]
			one, err := a.Of(values(t, a, gate.Tensor())...)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range m.Graph.Nodes() {
				if a.Behind(one, n) != a.Behind(gate, n) {
					t.Errorf("%s, %s: %s is behind one and not the other", name, gate, n.Label())
				}
			}
			if *a.Bytes(one) != *a.Bytes(gate) {
				t.Errorf("%s, %s: %d and %d bytes", name, gate, *a.Bytes(one), *a.Bytes(gate))
			}
		}
	}
}

// TestResolveSeveral: names of several tensors, and what is said where they do not do.
func TestResolveSeveral(t *testing.T) {
	a := find(t, skipping)
	for name, want := range map[string]string{"b,a": "b+a", "b+a": "b+a", "cut1, b": "a+b", "c,a,c": "c+a", "a,a": "a", "x,c": "x+c"} {
		if c, err := a.Resolve(name); err != nil || c.Tensor() != want {
			t.Errorf("%s: %v, %v; expected %s", name, c, err, want)
		}
	}
	for name, want := range map[string]string{
		"b,c":          `besides, these would have to cross: a`,
		"b,y":          `"y" does not cross: it is an output`,
		"b,nothing":    `"nothing": the model has no tensor or cut of that name`,
		"s,b":          `nothing reads "b": leave it out`,
		"frontier7":    "the model has 0 frontiers of up to 4 tensors",
		"frontier1of1": "up to 2 to 16 tensors",
	} {
		if c, err := a.Resolve(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; expected %s", name, c, err, want)
		}
	}
	layouts := find(t, `g (float[N,2,4,4] x) => (float[N,2,4,4] y) <float[2,2,1,1] w = {1,2,3,4}> {
		h = Sigmoid (x) p = Transpose <perm = [0,2,3,1]> (h) q = Transpose <perm = [0,3,1,2]> (p) c = Conv (q, w) e = Conv (h, w) y = Add (c, e) }`)
	for name, want := range map[string]string{"p,q": "q", "h,p": "h", "p": "p"} {
		if c, err := layouts.Resolve(name); err != nil || c.Tensor() != want {
			t.Errorf("%s: %v, %v; expected %s", name, c, err, want)
		}
	}
	many := strings.Repeat("b,", 200) + strings.Repeat("c,", 200) + "d"
	if c, err := a.Resolve(many); err == nil || !strings.Contains(err.Error(), "a") {
		t.Errorf("%v, %v", c, err)
	}
}
