//go:build cgo

package oracle

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/ort"
)

// gradNetworks are torchvision's networks that testdata/export_small.py exports,
// with what each is here for.
var gradNetworks = []string{
	"resnet18",           // residual sums
	"mobilenet_v2",       // depthwise convolutions, ReLU6
	"densenet121",        // Concat of everything
	"squeezenet1_1",      // no batch normalisation, pooling with ceil_mode
	"efficientnet_b0",    // squeeze and excitation, SiLU
	"googlenet",          // inception blocks, pooling that overlaps
	"inception_v3",       // 1x7 and 7x1, average pooling with padding
	"mobilenet_v3_small", // HardSwish, HardSigmoid
	"shufflenet_v2_x0_5", // Split, channels shuffled by Reshape and Transpose
	"regnet_y_400mf",     // grouped convolutions
	"mnasnet0_5",         // 5x5 depthwise convolutions
}

// networkBatch images go through a network at once. With many more, one ReLU in
// float32 is on the other side of 0 than in float64 in any engine.
const networkBatch = 8

// networkForm is what a network is differentiated as.
type networkForm struct {
	batchNorm bool // with the batch's statistics, as in training
	smooth    bool // with Softplus instead of ReLU and its like
}

func (f networkForm) String() string {
	return fmt.Sprintf("batch statistics %v, smooth %v", f.batchNorm, f.smooth)
}

// kinked are operators with kinks that Softplus stands for in smooth networks.
var kinked = []string{"Relu", "Clip", "LeakyRelu", "HardSwish", "HardSigmoid"}

// gradNetwork differentiates a network with respect to all its weights.
func gradNetwork(t *testing.T, name string, m *ir.Model, form networkForm, seed uint64) *gradCase {
	t.Helper()
	m = m.Clone()
	oracletest.Apply(t, m, convert.Initializers, convert.Upgrade(17))
	for _, n := range m.Graph.Nodes() {
		if form.smooth && slices.Contains(kinked, n.Op) {
			n.Op = "Softplus"
			n.TrimInputs(1)
			for _, a := range n.Attrs() {
				n.DelAttr(a.Name())
			}
		}
	}
	in := m.Graph.Feeds()[0]
	dims, _ := in.Shape()
	dims[0] = ir.Dim{N: networkBatch}
	m.Graph.SetType(in, ir.TensorType(ir.Float32, dims))
	for _, p := range m.Graph.Outputs() {
		m.Graph.SetType(p.Value, nil)
	}
	var sizes []int64
	for _, d := range dims {
		sizes = append(sizes, d.N)
	}
	var wrt []string
	for _, v := range grad.Parameters(m) {
		wrt = append(wrt, v.Name())
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	c, err := runGradient(fmt.Sprintf("%s, %v, seed %d", name, form, seed), t.TempDir(), m, form.batchNorm, ort.Feed{in.Name(): oracletest.Normal(rng, sizes...)}, wrt, rng)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checkNetworks compares the gradients of all weights of a network together, in
// cases with several seeds. Of a million ReLUs one may be on the other side of 0
// in float32, here or in PyTorch, and shift the gradients by up to a fiftieth:
// that is chance, and a wrong rule is wrong with every seed. So one seed has to
// agree in float32, and the others in direction. Smooth networks have no such
// excuse but for maxima.
func checkNetworks(t *testing.T, cases []*gradCase) {
	t.Helper()
	agreed := map[grad.Layout]bool{}
	for _, c := range cases {
		for _, r := range c.runs {
			agreed[r.layout] = checkWeights(t, c, r) || agreed[r.layout]
		}
	}
	for layout, ok := range agreed {
		if !ok {
			t.Errorf("%s: %s: the gradients agree with no seed", cases[0].name, layout)
		}
	}
}

// checkWeights compares one run, logs the weight that is furthest off, and
// reports whether the gradients agree as well as float32 lets them.
func checkWeights(t *testing.T, c *gradCase, r gradRun) bool {
	t.Helper()
	var apart, single, length float64
	off, size := make([]float64, len(r.grads)), make([]float64, len(r.grads))
	for i, g := range r.grads {
		exact := floatsOf(t, filepath.Join(c.Dir, fmt.Sprint("grad.float64.", i)))
		s, n := oracletest.Distance(floatsOf(t, filepath.Join(c.Dir, fmt.Sprint("grad.float32.", i))), exact)
		off[i], size[i] = oracletest.Distance(oracletest.Floats(t, g), exact)
		apart, single, length = math.Hypot(apart, off[i]), math.Hypot(single, s), math.Hypot(length, n)
	}
	worst, of := 0.0, ""
	for i := range off { // weights whose gradient is nothing but rounding left out
		if size[i] > 1e-6*length && off[i] > worst*size[i] {
			worst, of = off[i]/size[i], c.Wrt[i]
		}
	}
	t.Logf("%s, %s: gradients of %d weights off by %.2g of their length (PyTorch in float32 by %.2g); most, by %.2g, that of %s",
		c.name, r.layout, len(r.grads), apart/length, single/length, worst, of)
	if !(apart <= 0.1*length) {
		t.Errorf("%s: %s: gradients are off by %.3g of their length, PyTorch's in float32 by %.3g", c.name, r.layout, apart/length, single/length)
	}
	// 1e-4: some fifty layers of float32; where PyTorch's float32 is further off,
	// the network magnifies rounding, and twice that is as good.
	return apart <= max(1e-4*length, 2*single)
}

// checkNetwork compares a network in several forms, with other images for each
// seed.
func checkNetwork(t *testing.T, name string, m *ir.Model, seeds int, forms ...networkForm) {
	t.Helper()
	var cases []*gradCase
	for _, form := range forms {
		for seed := range uint64(seeds) {
			cases = append(cases, gradNetwork(t, name, m, form, seed))
		}
	}
	if solved := askTorch(t, cases); len(solved) == len(cases) {
		for form := range slices.Chunk(solved, seeds) {
			checkNetworks(t, form)
		}
	}
}

// TestGradSmallNetworks are the gradients of two networks for small images. With
// BNC_GRAD_FULL, TestGradNetworks takes more.
func TestGradSmallNetworks(t *testing.T) {
	for _, n := range []struct {
		name  string
		input [3]int
		seeds int
		forms []networkForm
	}{
		{"resnet20", [3]int{3, 16, 16}, 2, []networkForm{{}, {batchNorm: true}}},
		{"mobilenetv2", [3]int{3, 32, 32}, 1, []networkForm{{batchNorm: true, smooth: true}}},
	} {
		m, err := models.Build(n.name, models.Options{Input: n.input, Classes: 10})
		if err != nil {
			t.Fatal(err)
		}
		checkNetwork(t, n.name, m, n.seeds, n.forms...)
	}
}

// TestGradNetworks are the gradients of torchvision's exports, which take
// long.
func TestGradNetworks(t *testing.T) {
	if os.Getenv("BNC_GRAD_FULL") == "" {
		t.Skip("long: make gradients runs it")
	}
	for _, name := range gradNetworks {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if out, err := exec.Command(rttest.TorchPython(t), "-B", rttest.Source("testdata", "export_small.py"), dir, name).CombinedOutput(); err != nil {
				t.Fatalf("no export: make deps-oracle, or let BNC_TORCH_PYTHON name a Python with torchvision (%v)\n%s", err, out)
			}
			m, err := onnx.Load(filepath.Join(dir, name+".onnx"))
			if err != nil {
				t.Fatal(err)
			}
			checkNetwork(t, name, m, 3, networkForm{}, networkForm{batchNorm: true})
			// Running statistics would be those of the network that has its kinks.
			checkNetwork(t, name, m, 1, networkForm{batchNorm: true, smooth: true})
		})
	}
}
