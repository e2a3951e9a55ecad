package grad_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/internal/passtest"
)

// TestBuildByMasks: which output labels teach that are masks, what these are, and what is said
// of the others.
func TestBuildByMasks(t *testing.T) {
	const body = ` <INITS> {
		a = Conv <pads = [1,1,1,1]> (x, w1)
		r = Relu (a)
		k = Conv <strides = [2,1]> (r, w7)
		kt = Transpose <perm = [0,2,3,1]> (k)
		turned = Transpose <perm = [0,1,3,2]> (k)
		p = Softmax <axis = 3> (kt)
		best = ArgMax <axis = 3, keepdims = 0> (kt)
		o = Conv (r, w5)
		s = Sigmoid (o)
		two = Concat <axis = 1> (s, o)
		q = GlobalAveragePool (r)
		v = Flatten (q)
	}`
	for _, c := range []struct {
		outputs string
		only    string
		scores  string // taught, "" for none
		masks   string
		said    string // notices, or the error
	}{
		{"float[N,4] v, float[N,3,6,5] p, int64[N,3,6] best", "", "p", `{"height":3,"width":6,"classes":5}`, `output "v" is left out`},
		{"int64[N,3,6] best, float[N,1,6,6] s", "", "best", `{"height":3,"width":6,"classes":5}`, `output "s" is left out`},
		{"float[N,5,3,6] k", "", "k", `{"height":3,"width":6,"classes":5}`, ""},
		{"float[N,5,3,6] k, float[N,1,6,6] s", "s", "s", `{"height":6,"width":6,"classes":2}`, `only "s" is wanted`},
		{"float[N,1,6,6] o", "", "o", `{"height":6,"width":6,"classes":2}`, ""},
		{"float[N,4] v, float[N,2,6,6] two", "", "", "", `output "v": tensor "v", which stands for it, is [1 4], values; output "two": 2 tensors stand for it`},
		{"float[N,5,3,6] k", "none", "", "", `found the outputs ["k"]`},
	} {
		m := passtest.Parse(t, passtest.Header+"net (float[N,1,6,6] x) => ("+c.outputs+")"+strings.Replace(body, "INITS", initials("4,1,3,3 w1; 5,4,1,1 w7; 1,4,1,1 w5"), 1))
		var said strings.Builder
		p, err := grad.Build(t.Context(), m, nil, grad.BuildOptions{
			Loss: grad.Loss{Kind: grad.CrossEntropy}, Masks: true, Output: c.only, Opt: grad.Optimizer{Momentum: 0.9}, Freeze: "none", Batch: 2, Images: 16,
			Notice: func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) },
		})
		if c.scores == "" {
			if err == nil || !strings.Contains(err.Error(), c.said) {
				t.Errorf("%s: expected %q, found %v", c.outputs, c.said, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.outputs, err)
			continue
		}
		masks, err := json.Marshal(p.Manifest.Masks)
		if err != nil {
			t.Fatal(err)
		}
		dims, _ := p.Step.Graph.Value(p.Manifest.Labels).Shape()
		height := p.Manifest.Masks.Height
		if len(p.Judged) != 1 || p.Judged[0].Output != c.scores || string(masks) != c.masks || len(dims) != 3 || dims[0].N != 2 || dims[1].N != height {
			t.Errorf("%s: judged by %v, labels %v are %s", c.outputs, p.Judged, dims, masks)
		}
		if !strings.Contains(said.String(), c.said) || c.said == "" && said.Len() > 0 {
			t.Errorf("%s: expected %q, found %s", c.outputs, c.said, &said)
		}
		judged, err := grad.JudgedByMasks(grad.Want{Output: c.only}, m)
		if err != nil || len(judged) != 1 || judged[0].Output != c.scores {
			t.Errorf("%s: judged again by %v, %v", c.outputs, judged, err)
		}
	}
}
