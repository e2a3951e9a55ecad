package convert_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/internal/passtest"
)

// TestForRequests: requests are joined where each output has as many rows as the inputs
// have images, and else it is told why not.
func TestForRequests(t *testing.T) {
	for _, c := range []struct {
		graph  string
		joined bool
		seen   string // inputs and outputs
		notice string
	}{
		{`(float[N,3,4,4] x) => (float[N,3] y) { p = GlobalAveragePool (x) y = Flatten (p) }`, true, "x [3 4 4] y [3]", ""},
		{`(float[N,3] x, float[N,3] z) => (float[N,3] y) { y = Add (x, z) }`, true, "x [3] z [3] y [3]", ""},
		{`(float[1,3] x) => (float[1,3] y) { y = Neg (x) }`, false, "x [1 3] y [1 3]", "the first dimension of x is 1 in the file"},
		{`(float[N] x) => (float[N] y) { y = Neg (x) }`, false, "x [-1] y [-1]", "without dimensions for images"},
		{`(float[N,4] x) => (float[M,2] y) <int64[2] s = {-1, 2}> { y = Reshape (x, s) }`, false, "x [-1 4] y [-1 2]", "the first dimension of y"},
	} {
		m := passtest.Parse(t, passtest.Header+"g "+c.graph)
		r, err := convert.ForRequests(m, nil, true)
		if err != nil {
			t.Errorf("%s: %v", c.graph, err)
			continue
		}
		var seen []string
		for _, ports := range [][]convert.Port{r.Inputs, r.Outputs} {
			for _, p := range ports {
				seen = append(seen, fmt.Sprint(p.Name, " ", p.Dims))
			}
		}
		notices := strings.Join(r.Notices, "\n")
		if got := strings.Join(seen, " "); r.Joined != c.joined || r.Guarded || got != c.seen || !strings.Contains(notices, c.notice) || (notices == "") != (c.notice == "") {
			t.Errorf("%s: joined %v, %s, told %q; expected %v, %s, %q", c.graph, r.Joined, got, notices, c.joined, c.seen, c.notice)
		}
		if r, err := convert.ForRequests(passtest.Parse(t, passtest.Header+"g "+c.graph), nil, false); err != nil || r.Joined || r.Notices != nil {
			t.Errorf("%s, one by one: %+v, %v", c.graph, r, err)
		}
	}
	for _, graph := range []string{
		`(float[N,3] x) => (seq(float[N,3]) y) { y = SequenceConstruct (x) }`,
		`(float[N,3] x) => (y) { y = f.Unknown (x) }`,
	} {
		refused := (*passes.UnsuitableError)(nil)
		if _, err := convert.ForRequests(passtest.Parse(t, passtest.Header+"g "+graph), nil, true); !errors.As(err, &refused) || !strings.Contains(err.Error(), "output y") {
			t.Errorf("%s: %v, expected output y to be refused", graph, err)
		}
	}
}
