package grad_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/internal/passtest"
)

// TestBuildByEnds: which outputs a teacher teaches by what they end in, what is said of the
// others, and by which epochs are judged.
func TestBuildByEnds(t *testing.T) {
	const net = passtest.Header + `net (float[N,1,6,6] x) => (float[N,4] y, float[N,10,6,6] map, int64[N,6,6] best, float[N,4] twice) <INITS> {
		a = Conv <pads = [1,1,1,1]> (x, w1)
		r = Relu (a)
		p = GlobalAveragePool (r)
		f = Flatten (p)
		l = Gemm <transB = 1> (f, w3, b3)
		y = Softmax (l)
		o = Conv (r, w5)
		s = Sigmoid (o)
		box = Conv (r, w6)
		k = Conv (r, w7)
		q = Softmax <axis = 1> (k)
		map = Concat <axis = 1> (s, box, q)
		best = ArgMax <axis = 1, keepdims = 0> (k)
		twice = Softmax (l)
	}`
	const inits = "6,1,3,3 w1; 4,6 w3; 4 b3; 1,6,1,1 w5; 4,6,1,1 w6; 5,6,1,1 w7"
	for _, c := range []struct {
		name     string
		change   func(o *grad.BuildOptions)
		compared []string // nil where the objective compares class scores
		judged   []string
		said     string
	}{
		{"all", func(*grad.BuildOptions) {}, []string{"y", "map[0:1]", "map[1:5]", "map[5:10]"}, []string{"y"}, ""},
		{"no scores of classes", func(o *grad.BuildOptions) { o.Raw = true }, []string{"y", "map[0:1]", "map[1:5]", "map[5:10]"}, []string{"y", "map", "best", "twice"}, ""},
		{"one by name", func(o *grad.BuildOptions) { o.Teach, o.Raw = []string{"best=squared:2"}, true }, []string{"best"}, []string{"best"}, `output "map" is left out`},
		{"dice of boxes", func(o *grad.BuildOptions) { o.Teach, o.Raw = []string{"map=dice"}, true }, []string{"map[0:1]", "map[1:5]", "map[5:10]"}, []string{"map"}, `output "map"[0:1] is none: it is joined of several`},
		{"squares", func(o *grad.BuildOptions) { o.Loss.Kind, o.Raw = grad.MeanSquared, true }, []string{"y", "map[0:1]", "map[1:5]", "map[5:10]"}, nil, ""},
		{"scores alone", func(o *grad.BuildOptions) { o.Output = "y" }, nil, []string{"y"}, `output "map" is left out`},
	} {
		m := passtest.Parse(t, strings.Replace(net, "INITS", initials(inits), 1))
		if _, err := grad.OwnWeights(m); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		o := grad.BuildOptions{
			Loss: grad.Loss{Kind: grad.Distill}, Distilled: true, Opt: grad.Optimizer{Momentum: 0.9}, Freeze: "none", Batch: 4, Images: 16,
			Fit:    func(*grad.Scores) error { return nil },
			Notice: func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) },
			Measure: func(_ context.Context, m *ir.Model) (map[string][]float64, error) { // as if every number were 0.2
				means := map[string][]float64{}
				for _, p := range m.Graph.Outputs() {
					dims, _ := p.Value.Shape()
					means[p.Name()] = slices.Repeat([]float64{0.2}, int(dims[0].N))
				}
				return means, nil
			},
		}
		c.change(&o)
		p, err := grad.Build(t.Context(), m, m.Clone(), o)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var judged []string
		for _, j := range p.Judged {
			judged = append(judged, j.Output)
		}
		if !slices.Equal(p.Manifest.Compared, c.compared) || c.judged != nil && !slices.Equal(judged, c.judged) {
			t.Errorf("%s: expected %q compared and %q judged, found %q and %q", c.name, c.compared, c.judged, p.Manifest.Compared, judged)
		}
		if (p.Manifest.Errors != "") != (c.compared != nil) {
			t.Errorf("%s: errors in output %q", c.name, p.Manifest.Errors)
		}
		if !strings.Contains(said.String(), c.said) {
			t.Errorf("%s: expected %q, found %s", c.name, c.said, &said)
		}
	}
}

// TestScoresAlone: boxes count where a score beside them says so, scores of two scales all
// alike. What counts is measured by the largest score of a position.
func TestScoresAlone(t *testing.T) {
	for beside, weighed := range map[string]bool{"Tanh": true, "Sigmoid": false} {
		m := passtest.Parse(t, fmt.Sprintf(passtest.Header+`net (float[N,1,6,6] x) => (float[N,3,6,6] y) <%s> {
			a = Conv (x, w1)
			b = Conv (x, w2)
			one = %s (a)
			two = Sigmoid (b)
			y = Concat <axis = 1> (one, two)
		}`, initials("2,1,1,1 w1; 1,1,1,1 w2"), beside))
		measured, found := 0, false
		o := options(new([]string))
		distilled(&o)
		o.Raw, o.Batch = true, 4
		o.Measure = func(_ context.Context, m *ir.Model) (map[string][]float64, error) {
			measured++
			found = slices.ContainsFunc(m.Graph.Nodes(), func(n *ir.Node) bool { return n.Op == "ReduceMax" })
			means := map[string][]float64{}
			for _, p := range m.Graph.Outputs() {
				dims, _ := p.Value.Shape()
				means[p.Name()] = slices.Repeat([]float64{0.2}, int(dims[0].N))
			}
			return means, nil
		}
		if _, err := grad.Build(t.Context(), m, m.Clone(), o); err != nil {
			t.Fatal(err)
		}
		if measured != 1 || found != weighed {
			t.Errorf("beside a %s: measured %d times, weighed by scores %v, expected %v", beside, measured, found, weighed)
		}
	}
}
