//go:build cgo

package oracle

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/opt"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/runtime/train"
)

// stepCase is some steps of training, for testdata/torch_step.py.
type stepCase struct {
	name       string
	Model      string           `json:"model"`
	Feeds      map[string]array `json:"feeds"`
	Values     map[string]array `json:"values"`
	Labels     *array           `json:"labels"`
	Train      []string         `json:"train"`
	Statistics []string         `json:"statistics"`
	Rates      []float64        `json:"rates"`
	Optimizer  grad.Optimizer   `json:"optimizer"`
	Loss       grad.Loss        `json:"loss"`
	Targets    grad.Targets     `json:"targets"`
	Dir        string           `json:"dir"`
	Negated    bool             `json:"negated"`     // statistics are of the images and of their negatives
	LastValues map[string]array `json:"last_values"` // Values under the last weights
	ByteWeight float64          `json:"byte_weight"` // of payloads, where the loss has a Rate

	before, after  map[string][]float32 // what ONNX Runtime began and ended with
	averaged       bool                 // after holds averages of the weights
	losses, norms  []float64
	hits           []int
	keepStatistics bool
	places         []int64 // of labels that are masks: their rows and columns
}

// labelled are labels as a step takes them.
func (c *stepCase) labelled(labels []int64) *tensor.Tensor {
	of := int64(len(labels))
	for _, n := range c.places {
		of /= n
	}
	return tensor.Of(append([]int64{of}, c.places...), labels)
}

// run does the steps in ONNX Runtime.
func (c *stepCase) run(t *testing.T, m *ir.Model, layout grad.Layout, x *tensor.Tensor, labels []int64, frozen func(string) bool) {
	t.Helper()
	c.Dir = t.TempDir()
	c.Model = filepath.Join(c.Dir, "forward.onnx")
	input := m.Graph.Feeds()[0].Name()
	c.Feeds = map[string]array{input: file(c.Dir, "x", x)}
	if slices.ContainsFunc(c.Targets.Heads, func(h grad.Head) bool { return h.Teacher == "" }) {
		a := file(c.Dir, "labels", c.labelled(labels))
		c.Labels = &a
	}
	if err := onnx.Save(t.Context(), c.Model, m, onnx.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	var coded []*ir.Node
	step := m.Clone()
	for _, n := range step.Graph.Nodes() {
		if strings.HasSuffix(n.Op, "RoundTrip") {
			coded = append(coded, n)
		}
	}
	c.before = map[string][]float32{}
	for _, v := range m.Graph.Inits() {
		if values, err := v.Init().Floats(); err == nil {
			c.before[v.Name()] = values
		}
	}
	p, err := grad.Compile(t.Context(), step, m.Clone(), grad.Options{
		Batch: x.Shape[0], Input: input, Targets: c.Targets, Loss: c.Loss, Opt: c.Optimizer, Layout: layout,
		Train: func(name string) bool { return !frozen(name) }, KeepStatistics: c.keepStatistics,
	})
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	for _, n := range coded {
		p.Step.Graph.AddOutput(n.Output(0), nil)
	}
	b, err := onnx.Marshal(p.Step)
	if err != nil {
		t.Fatal(err)
	}
	options := ort.Options{}
	options.Threads = 1 // more only cost, at these sizes
	session, err := ort.OpenBytes(c.name, b, options)
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	defer session.Close()
	if len(coded) > 0 {
		c.Values = c.takeAsGiven(t, session, p, nil, x, labels, coded)
	}
	var measuring *ort.Session
	if p.Statistics != nil {
		if _, err := passes.Run(p.Statistics, []passes.Pass{opt.DeadCode}, nil); err != nil {
			t.Fatal(err)
		}
		if b, err = onnx.Marshal(p.Statistics); err != nil {
			t.Fatal(err)
		}
		if measuring, err = ort.OpenBytes(c.name+", statistics", b, options); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		defer measuring.Close()
	}
	trainer, err := train.NewTrainer(session, measuring, p.Initial)
	if err != nil {
		t.Fatal(err)
	}
	trainer.WeighBytes(c.ByteWeight)
	for _, rate := range c.Rates {
		r, err := trainer.Step(t.Context(), &feed.Batch{X: x, Labels: labels, Masks: labels}, rate)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		c.losses, c.norms, c.hits = append(c.losses, r.Loss), append(c.norms, r.Norm), append(c.hits, r.Hits)
	}
	measured := fewBatches{x}
	if len(coded) > 0 { // whose results are known of x only
		c.LastValues = c.takeAsGiven(t, session, p, trainer.Weights(), x, labels, coded)
	} else {
		measured, c.Negated = append(measured, negative(x)), true
	}
	if err := trainer.Measure(t.Context(), &measured); err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	c.after, c.averaged = trainer.Params(), len(p.Manifest.Averages) > 0
	for _, q := range p.Manifest.Params {
		if strings.HasPrefix(q.State, "w:") {
			c.Train = append(c.Train, q.Name)
		} else {
			c.Statistics = append(c.Statistics, q.Name)
		}
	}
}

// fewBatches is an epoch of these.
type fewBatches []*tensor.Tensor

func (f *fewBatches) Next() (*feed.Batch, error) {
	if len(*f) == 0 {
		return nil, io.EOF
	}
	x := (*f)[0]
	*f = (*f)[1:]
	return &feed.Batch{X: x}, nil
}

func (f *fewBatches) Recycle(*feed.Batch) {}

// negative returns -x.
func negative(x *tensor.Tensor) *tensor.Tensor {
	values := slices.Clone(tensor.Slice[float32](x))
	for i := range values {
		values[i] = -values[i]
	}
	return tensor.Of(x.Shape, values)
}

// takeAsGiven returns what the codec makes of the batch under these weights, by default
// the first ones.
func (c *stepCase) takeAsGiven(t *testing.T, s *ort.Session, p *grad.Program, weights ort.Feed, x *tensor.Tensor, labels []int64, coded []*ir.Node) map[string]array {
	t.Helper()
	in := ort.Feed{p.Manifest.Input: x}
	if p.Manifest.Labels != "" {
		in[p.Manifest.Labels] = c.labelled(labels)
	}
	for _, name := range slices.DeleteFunc(append(p.Manifest.Scalars, p.Manifest.ByteWeight), func(name string) bool { return name == "" }) {
		in[name] = tensor.Of([]int64{1}, []float32{1})
	}
	for _, state := range p.Manifest.State {
		v, err := tensor.New(tensor.Float32, state.Dims...)
		if err != nil {
			t.Fatal(err)
		}
		copy(tensor.Slice[float32](v), p.Initial[state.Name])
		in[state.Name] = cmp.Or(weights[state.Name], v)
	}
	out, err := s.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	values, when := map[string]array{}, "first."
	if weights != nil {
		when = "last."
	}
	for _, n := range coded {
		y, err := out.Tensor(n.Output(0).Name())
		if err != nil {
			t.Fatal(err)
		}
		values[n.Output(0).Name()] = file(c.Dir, when+n.Output(0).Name(), y)
	}
	return values
}

// againstTorch does the same steps in PyTorch, in float64, and compares weights,
// running statistics, losses, norms of gradients and hits.
func againstTorch(t *testing.T, cases []*stepCase) {
	t.Helper()
	var answers []struct {
		Losses, Norms []float64
		Hits          []int
		Error         string
	}
	rttest.AskTorch(t, "torch_step.py", cases, &answers)
	for i, a := range answers {
		c := cases[i]
		if a.Error != "" {
			t.Errorf("%s: PyTorch: %s", c.name, a.Error)
			continue
		}
		for k := range c.Rates {
			// float32: sums of some thousand terms, half a dozen layers.
			off := func(got, want float64) bool { return math.Abs(got-want) > 2e-5*math.Abs(want)+1e-6 }
			if off(c.losses[k], a.Losses[k]) || off(c.norms[k], a.Norms[k]) || c.hits[k] != a.Hits[k] {
				t.Errorf("%s: step %d: loss %v, norm %v, %d hits; PyTorch has %v, %v, %d", c.name, k, c.losses[k], c.norms[k], c.hits[k], a.Losses[k], a.Norms[k], a.Hits[k])
			}
		}
		c.compare(t)
	}
}

// compare compares what the steps made of weights and statistics, each kind
// together: 1e-5 of their length is what is demanded of a step, and 3e-4 of how
// far they moved, because a step is at least a thousandth of the weights and
// these are rounded to 6e-8.
func (c *stepCase) compare(t *testing.T) {
	t.Helper()
	kind := "after"
	if c.averaged {
		kind = "average"
	}
	for what, names := range map[string][]string{"weights": c.Train, "statistics": c.Statistics} {
		var apart, length, moved float64
		for i, name := range names {
			path := fmt.Sprintf("%s.%d", kind, i)
			if what == "statistics" {
				path = fmt.Sprintf("after.%d", len(c.Train)+i)
			}
			want := floatsOf(t, filepath.Join(c.Dir, path))
			for k, w := range want {
				d, m := float64(c.after[name][k])-w, float64(c.before[name][k])-w
				apart, length, moved = apart+d*d, length+w*w, moved+m*m
			}
		}
		apart, length, moved = math.Sqrt(apart), math.Sqrt(length), math.Sqrt(moved)
		t.Logf("%s: %d %s of length %.3g moved by %.3g, off by %.2g", c.name, len(names), what, length, moved, apart)
		if !(apart <= 1e-5*length && apart <= 3e-4*moved) {
			t.Errorf("%s: %s are off by %.3g; their length is %.3g, they moved by %.3g", c.name, what, apart, length, moved)
		}
	}
}

// TestStepIsPyTorchs compares training steps of a small network.
func TestStepIsPyTorchs(t *testing.T) {
	y, ty := grad.Head{Scores: "y"}, grad.Head{Scores: "y", Teacher: "ty"}
	labels, taught := grad.Targets{Heads: []grad.Head{y}}, grad.Targets{Heads: []grad.Head{ty}}
	matched := grad.Targets{Heads: []grad.Head{ty}, Features: []grad.Feature{{Restored: "q", Original: "tr"}}}
	// Another output is the features q, of as many numbers as the teacher's.
	several := func(first grad.Head) grad.Targets {
		return grad.Targets{Heads: []grad.Head{first, {Scores: "q", Teacher: "tr"}, {Scores: "y", Teacher: "ty"}}}
	}
	linear, same := matched, matched
	linear.Features = []grad.Feature{{Restored: "m", Original: "tr"}}
	same.Features = []grad.Feature{{Restored: "y", Original: "ty"}}
	entropy, distilled := grad.Loss{Kind: grad.CrossEntropy}, grad.Loss{Kind: grad.Distill}
	one, five := []float64{0.05}, []float64{0.01, 0.02, 0.01, 0.005, 0.001}
	cases := []stepCase{
		{name: "sgd", Optimizer: grad.Optimizer{Kind: grad.SGD}, Loss: entropy, Targets: labels, Rates: one},
		{name: "momentum", Optimizer: grad.Optimizer{Kind: grad.SGD, Momentum: 0.9}, Loss: entropy, Targets: labels, Rates: five},
		{name: "nesterov", Optimizer: grad.Optimizer{Kind: grad.SGD, Momentum: 0.9, Nesterov: true}, Loss: entropy, Targets: labels, Rates: five},
		{name: "decay", Optimizer: grad.Optimizer{Kind: grad.SGD, Momentum: 0.9, WeightDecay: 0.1}, Loss: entropy, Targets: labels, Rates: five},
		{name: "decay of all", Optimizer: grad.Optimizer{Kind: grad.SGD, WeightDecay: 0.5, DecayAll: true}, Loss: entropy, Targets: labels, Rates: one},
		{name: "clipped", Optimizer: grad.Optimizer{Kind: grad.SGD, ClipNorm: 0.1}, Loss: entropy, Targets: labels, Rates: one},
		{name: "clipped at more than the norm", Optimizer: grad.Optimizer{Kind: grad.SGD, ClipNorm: 100}, Loss: entropy, Targets: labels, Rates: one},
		{name: "adam", Optimizer: grad.Optimizer{Kind: grad.Adam}, Loss: entropy, Targets: labels, Rates: one},
		{name: "adam, five steps", Optimizer: grad.Optimizer{Kind: grad.Adam, Beta1: 0.8, Beta2: 0.95, Epsilon: 1e-3}, Loss: entropy, Targets: labels, Rates: five},
		{name: "adam with decay", Optimizer: grad.Optimizer{Kind: grad.Adam, WeightDecay: 0.1}, Loss: entropy, Targets: labels, Rates: five},
		{name: "adamw", Optimizer: grad.Optimizer{Kind: grad.AdamW, WeightDecay: 0.5}, Loss: entropy, Targets: labels, Rates: five},
		{name: "adam, relative rates", Optimizer: grad.Optimizer{Kind: grad.AdamRelative, WeightDecay: 0.1}, Loss: entropy, Targets: labels, Rates: five},
		{name: "average", Optimizer: grad.Optimizer{Kind: grad.SGD, Momentum: 0.9, EMA: 0.7}, Loss: entropy, Targets: labels, Rates: five},
		{name: "smoothing", Optimizer: grad.Optimizer{Kind: grad.SGD}, Loss: grad.Loss{Kind: grad.CrossEntropy, LabelSmoothing: 0.3}, Targets: labels, Rates: one},
		{name: "mse", Optimizer: grad.Optimizer{Kind: grad.SGD}, Loss: grad.Loss{Kind: grad.MeanSquared}, Targets: labels, Rates: one},
		{name: "mse to the teacher", Optimizer: grad.Optimizer{Kind: grad.SGD}, Loss: grad.Loss{Kind: grad.MeanSquared}, Targets: taught, Rates: one},
		{name: "distillation", Optimizer: grad.Optimizer{Kind: grad.SGD}, Loss: distilled, Targets: taught, Rates: one},
		{name: "distillation at 4 degrees", Optimizer: grad.Optimizer{Kind: grad.SGD}, Loss: grad.Loss{Kind: grad.Distill, Temperature: 4}, Targets: taught, Rates: one},
		{name: "matching features", Optimizer: grad.Optimizer{Kind: grad.Adam}, Loss: grad.Loss{Kind: grad.Distill, Temperature: 2, FeatureWeight: 0.7}, Targets: matched, Rates: five},
		{name: "matching features of a batch normalisation", Optimizer: grad.Optimizer{Kind: grad.SGD}, Loss: grad.Loss{Kind: grad.Distill, FeatureWeight: 0.7}, Targets: linear, Rates: one},
		{name: "matching the scores twice", Optimizer: grad.Optimizer{Kind: grad.SGD}, Loss: grad.Loss{Kind: grad.Distill, FeatureWeight: 0.7}, Targets: same, Rates: one},
		{name: "several outputs, labels of the first", Optimizer: grad.Optimizer{Kind: grad.SGD}, Loss: grad.Loss{Kind: grad.CrossEntropy, LabelSmoothing: 0.1, Temperature: 3}, Targets: several(y), Rates: one},
		{name: "several outputs, a teacher", Optimizer: grad.Optimizer{Kind: grad.Adam}, Loss: grad.Loss{Kind: grad.Distill, Temperature: 2}, Targets: several(ty), Rates: five},
		{name: "several outputs, squares", Optimizer: grad.Optimizer{Kind: grad.SGD}, Loss: grad.Loss{Kind: grad.MeanSquared}, Targets: several(y), Rates: one},
		{name: "statistics kept", Optimizer: grad.Optimizer{Kind: grad.SGD}, Loss: entropy, Targets: labels, Rates: one, keepStatistics: true},
	}
	rng := rand.New(rand.NewPCG(4, 4))
	x := oracletest.Normal(rng, 6, 2, 6, 6)
	classes := []int64{0, 4, 2, 1, 1, 3}
	var all []*stepCase
	for _, layout := range []grad.Layout{grad.NCHW, grad.CHWN} {
		for _, c := range cases {
			// Optimisers know of no layout.
			if layout == grad.CHWN && !slices.Contains([]string{"momentum", "matching features", "matching features of a batch normalisation", "statistics kept"}, c.name) {
				continue
			}
			c.name = fmt.Sprintf("%s, %s", c.name, layout)
			c.run(t, networkOf(t, stepNet, stepNetInits), layout, x, classes, func(name string) bool { return strings.HasPrefix(name, "t") })
			weights, statistics := strings.Fields("w1 g1 b1 w2 g2 b2 w3 b3"), strings.Fields("mean1 var1 mean2 var2")
			if c.keepStatistics {
				statistics = nil
			}
			if !slices.Equal(c.Train, weights) || !slices.Equal(c.Statistics, statistics) {
				t.Errorf("%s: trains %v with statistics %v", c.name, c.Train, c.Statistics)
			}
			all = append(all, &c)
		}
	}
	againstTorch(t, slices.Concat(all, bottleneckSteps(t), endSteps(t), maskSteps(t))) // at once: PyTorch takes seconds to start
}
