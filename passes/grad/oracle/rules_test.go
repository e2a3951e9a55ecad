//go:build cgo

package oracle

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// ruleCase is a small model in ONNX's text syntax.
type ruleCase struct {
	name   string
	inputs string // as in the syntax: float[2,3] x, float[3] b
	body   string // nodes; the result is y unless outputs says otherwise
	more   caseOptions
}

type caseOptions struct {
	outputs string // default y
	opset   int64  // default 17
	inits   string // initializers, as in the syntax
	draw    map[string]func(*rand.Rand) float32
	wrt     []string // default: all inputs of type float
	// BatchNormalization with the batch's own statistics.
	batchNorm bool
	kinks     bool // its inputs are on kinks on purpose: finite differences make no sense
}

// between draws evenly from [lo, hi].
func between(lo, hi float32) func(*rand.Rand) float32 {
	return func(rng *rand.Rand) float32 { return lo + (hi-lo)*rng.Float32() }
}

// whole draws whole numbers from 0 to n-1: many elements are equal.
func whole(n int) func(*rand.Rand) float32 {
	return func(rng *rand.Rand) float32 { return float32(rng.IntN(n)) }
}

// model parses the case.
func (c ruleCase) model() (*ir.Model, error) {
	opset, outputs := c.more.opset, c.more.outputs
	if opset == 0 {
		opset = 17
	}
	if outputs == "" {
		outputs = "y"
	}
	inits := ""
	if c.more.inits != "" {
		inits = "<" + c.more.inits + ">"
	}
	m, err := onnxtext.Parse(fmt.Sprintf("<ir_version: 8, opset_import: [\"\" : %d]> g (%s) => (%s) %s { %s }", opset, c.inputs, outputs, inits, c.body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	var sites bottleneck.Sites
	for _, n := range m.Graph.Nodes() {
		if strings.HasPrefix(n.Name, "quantiser_") {
			sites.Reduced, sites.Tile = cmp.Or(sites.Reduced, n.Input(0).Name()), n.Output(0).Name()
		}
	}
	if sites.Tile != "" {
		record, err := json.Marshal([]bottleneck.Record{{Sites: sites}})
		if err != nil {
			return nil, err
		}
		m.SetMeta("bnc.bottleneck", string(record))
	}
	return m, nil
}

// run makes the case's numbers and ONNX Runtime's gradient.
func (c ruleCase) run(dir string) (*gradCase, error) {
	m, err := c.model()
	if err != nil {
		return nil, err
	}
	h := fnv.New64()
	h.Write([]byte(c.name))
	rng := rand.New(rand.NewPCG(h.Sum64(), 1))
	feeds, wrt := ort.Feed{}, c.more.wrt
	for _, v := range m.Graph.Feeds() {
		dims, _ := v.Shape()
		var sizes []int64
		for _, d := range dims {
			sizes = append(sizes, d.N)
		}
		x := oracletest.Normal(rng, sizes...)
		if draw := c.more.draw[v.Name()]; draw != nil {
			for i := range tensor.Slice[float32](x) {
				tensor.Slice[float32](x)[i] = draw(rng)
			}
		}
		if v.DType() == ir.Bool {
			b := make([]bool, x.Len())
			for i, f := range tensor.Slice[float32](x) {
				b[i] = f > 0
			}
			x = tensor.Of(sizes, b)
		} else if c.more.wrt == nil {
			wrt = append(wrt, v.Name())
		}
		feeds[v.Name()] = x
	}
	return runGradient(c.name, dir, m, c.more.batchNorm, feeds, wrt, rng)
}

// ruleCases are all small models, by family.
var ruleCases = map[string][]ruleCase{
	"convolution":            convolutionCases,
	"transposed convolution": deconvolutionCases,
	"product":                productCases,
	"elementwise":            elementwiseCases,
	"binary":                 binaryCases,
	"shape":                  shapeCases,
	"reduction":              reductionCases,
	"pool":                   poolCases,
	"resize":                 resizeCases,
	"normalisation":          normCases,
	"quantised":              quantisedCases,
}

// runRuleCases runs every case with ONNX Runtime.
func runRuleCases(t *testing.T, wanted func(ruleCase) bool) []*gradCase {
	t.Helper()
	dir := t.TempDir()
	var run []*gradCase
	for family, list := range ruleCases {
		for i, c := range list {
			c.name = family + ": " + c.name
			if !wanted(c) {
				continue
			}
			g, err := c.run(filepath.Join(dir, fmt.Sprint(family, i)))
			if err != nil {
				t.Error(err)
				continue
			}
			run = append(run, g)
		}
	}
	slices.SortFunc(run, func(a, b *gradCase) int { return strings.Compare(a.name, b.name) })
	return run
}

// TestGradRules compares every rule's gradient, as ONNX Runtime computes it in
// float32, with PyTorch's autograd in float64.
func TestGradRules(t *testing.T) {
	cases := askTorch(t, runRuleCases(t, func(ruleCase) bool { return true }))
	compared := 0
	for _, c := range cases {
		for _, r := range c.runs {
			compared += checkRule(t, c, r)
		}
	}
	t.Logf("%d cases, %d gradients", len(cases), compared)
}

// checkRule compares one run with PyTorch and returns the number of gradients.
func checkRule(t *testing.T, c *gradCase, r gradRun) int {
	t.Helper()
	for i, y := range r.outputs {
		if !y.DType.IsFloat() {
			continue
		}
		apart, length := oracletest.Distance(oracletest.Floats(t, y), floatsOf(t, filepath.Join(c.Dir, fmt.Sprint("out.", i))))
		// That both compute the same function; looser than the gradients below
		// because Round and Floor of nearly whole numbers may differ by one.
		if !(apart <= 1e-3*length+1e-6) {
			t.Errorf("%s: %s: output %d differs by %.2g of %.2g", c.name, r.layout, i, apart, length)
		}
	}
	for i, g := range r.grads {
		exact := floatsOf(t, filepath.Join(c.Dir, fmt.Sprint("grad.float64.", i)))
		single, length := oracletest.Distance(floatsOf(t, filepath.Join(c.Dir, fmt.Sprint("grad.float32.", i))), exact)
		apart, _ := oracletest.Distance(oracletest.Floats(t, g), exact)
		// 1e-4: float32 has 6e-8, sums of some hundred terms and a few
		// cancellations cost three digits; where PyTorch loses more, twice that.
		if !(apart <= max(1e-4*length, 2*single)) {
			t.Errorf("%s: %s: the gradient of %s differs by %.3g of its length %.3g; PyTorch in float32 by %.3g", c.name, r.layout, c.Wrt[i], apart, length, single)
		}
	}
	return len(r.grads)
}
