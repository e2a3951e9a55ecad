package grad_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/internal/passtest"
	"github.com/bottlenet/bnc/passes/split"
)

// classifier is a network with batch normalisation; its cut r has 6 channels.
const classifier = passtest.Header + `net (float[N,1,12,12] x) => (float[N,4] y) <INITS> {
	a = Conv <strides = [2,2], pads = [1,1,1,1]> (x, w1)
	n = BatchNormalization (a, g1, b1, mean1, var1)
	r = Relu (n)
	c = Conv <pads = [1,1,1,1]> (r, w2)
	m = BatchNormalization (c, g2, b2, mean2, var2)
	q = Relu (m)
	p = GlobalAveragePool (q)
	f = Flatten (p)
	y = Gemm <transB = 1> (f, w3, b3)
}`

// initials declares constants, "6,1,3,3 w1; 6 g1": all of different numbers about 1.
func initials(spec string) string {
	var all []string
	for part := range strings.SplitSeq(spec, ";") {
		dims, name, _ := strings.Cut(strings.TrimSpace(part), " ")
		n := 1
		for d := range strings.SplitSeq(dims, ",") {
			var k int
			fmt.Sscan(d, &k)
			n *= k
		}
		values := make([]string, n)
		for i := range values {
			values[i] = fmt.Sprintf("%.4f", 1+0.5*math.Sin(float64(i*i+n)))
		}
		all = append(all, fmt.Sprintf("float[%s] %s = {%s}", dims, name, strings.Join(values, ",")))
	}
	return strings.Join(all, ", ")
}

const classifierInits = "6,1,3,3 w1; 6 g1; 6 b1; 6 mean1; 6 var1; 8,6,3,3 w2; 8 g2; 8 b2; 8 mean2; 8 var2; 4,8 w3; 4 b3"

func parsed(t *testing.T) *ir.Model {
	t.Helper()
	return passtest.Parse(t, strings.Replace(classifier, "INITS", initials(classifierInits), 1))
}

// joined puts a bottleneck behind r.
func joined(t *testing.T, channels, stride int64) *ir.Model {
	t.Helper()
	m := parsed(t)
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := cut.Find(m, info)
	at, err := a.Resolve("r")
	if err != nil {
		t.Fatal(err)
	}
	geometries, err := bottleneck.Geometries(at, []int64{channels}, []int64{stride})
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := split.Split(t.Context(), a, at, split.Settings{Tensors: split.Bottlenecks(geometries, bottleneck.Quantiser{Bits: 8, Dynamic: true}, bottleneck.JPEG(20))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bottlenet
}

// options train with labels; notices go to told.
func options(told *[]string) grad.BuildOptions {
	return grad.BuildOptions{
		Loss: grad.Loss{Kind: grad.CrossEntropy}, Opt: grad.Optimizer{Momentum: 0.9}, Freeze: "none", Images: 96, Original: true,
		Compute: func(context.Context, *ir.Model) (map[string]*ir.Tensor, error) {
			return nil, errors.New("nothing is computed here")
		},
		Fit:    func(*grad.Scores) error { return nil },
		Notice: func(format string, args ...any) { *told = append(*told, fmt.Sprintf(format, args...)) },
	}
}

// distilled learns from a teacher.
func distilled(o *grad.BuildOptions) { o.Distilled, o.Loss = true, grad.Loss{Kind: grad.Distill} }

// TestBuildDefaults: what is open is chosen by the network. A bottleneck alone learns more
// slowly where its reduction reads more than 64 elements: the 6 channels of the cut at 3 x 3
// taps are 54, at 5 x 5 150. Beside a teacher the rate is careful, and statistics of few images
// are not taken.
func TestBuildDefaults(t *testing.T) {
	for _, c := range []struct {
		name             string
		channels, stride int64 // -1: no bottleneck
		change           func(*grad.BuildOptions)
		rate             float64
		batch            int64
		kept             bool // the statistics of batch normalisation
		careful          bool // what the first gradients allow
	}{
		{"a model", -1, 0, nil, 0.1, 64, false, false},
		{"a bundle", 0, 3, nil, 0.02, 64, false, false},
		{"few images", 0, 3, func(o *grad.BuildOptions) { o.Images = 10 }, 0.02, 10, false, false},
		{"a batch", 0, 3, func(o *grad.BuildOptions) { o.Batch = 7 }, 0.02, 7, false, false},
		{"running statistics", 0, 3, func(o *grad.BuildOptions) { o.Statistics = "running" }, 0.02, 64, true, false},
		{"54 elements", 0, 2, func(o *grad.BuildOptions) { o.Freeze = "backbone" }, 4e-3, 64, true, false},
		{"150 elements", 0, 3, func(o *grad.BuildOptions) { o.Freeze = "backbone" }, 4e-3 * 64 / 150, 64, true, false},
		{"75 elements", 3, 3, func(o *grad.BuildOptions) { o.Freeze = "backbone" }, 4e-3 * 64 / 75, 64, true, false},
		{"statistics of the batch", 0, 3, func(o *grad.BuildOptions) { o.Freeze, o.Statistics = "backbone", "batch" }, 4e-3 * 64 / 150, 64, false, false},
		{"another optimiser", 0, 3, func(o *grad.BuildOptions) { o.Freeze, o.Opt.Kind = "backbone", grad.AdamW }, 1e-3, 64, true, false},
		{"a rate", 0, 3, func(o *grad.BuildOptions) { o.Freeze, o.Rate = "backbone", 3e-3 }, 3e-3, 64, true, false},
		{"a teacher", 0, 3, distilled, 0.02, 64, false, true},
		{"a teacher of few images a step", 0, 3, func(o *grad.BuildOptions) { distilled(o); o.Batch = 16 }, 0.02, 16, true, true},
		{"a teacher of a bottleneck alone", 0, 2, func(o *grad.BuildOptions) { distilled(o); o.Freeze = "backbone" }, 4e-3, 64, true, false},
		{"a teacher and a rate", 0, 3, func(o *grad.BuildOptions) { distilled(o); o.Rate = 0.01 }, 0.01, 64, false, false},
		{"a teacher of a model", -1, 0, distilled, 0.1, 64, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var told []string
			m, o := parsed(t), options(&told)
			if c.channels >= 0 {
				m, o.Bottleneck, o.Outputs = joined(t, c.channels, c.stride), true, []string{"y"}
			}
			if c.change != nil {
				c.change(&o)
			}
			var teacher *ir.Model
			if o.Distilled {
				teacher = parsed(t)
			}
			p, err := grad.Build(t.Context(), m, teacher, o)
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(p.Rate-c.rate) > 1e-12 || p.Manifest.Batch != c.batch || (p.Manifest.Statistics == nil) != c.kept || p.Careful != c.careful || told != nil {
				t.Errorf("rate %v, careful %v, batch %d, statistics kept %v, told %q; expected %v, %v, %d, %v", p.Rate, p.Careful, p.Manifest.Batch, p.Manifest.Statistics == nil, told, c.rate, c.careful, c.batch, c.kept)
			}
		})
	}
}

// TestBuildFreezes: what learns, of the network and of the bottleneck's units on either
// side of the codec.
func TestBuildFreezes(t *testing.T) {
	front, back := strings.Fields("w1 g1 b1"), strings.Fields("w2 g2 b2 w3 b3")
	m := joined(t, 2, 2)
	units := func(side string) (all []string) {
		for _, v := range grad.Parameters(m) {
			if strings.HasPrefix(v.Name(), "bnc."+side) {
				all = append(all, v.Name())
			}
		}
		return all
	}
	reduce, restore := units("reduce."), units("restore.")
	if len(reduce) != 6 || len(restore) != 6 { // two units a side: weights, factors, shifts
		t.Fatalf("units %v and %v", reduce, restore)
	}
	for freeze, want := range map[string][][]string{
		"none": {front, reduce, restore, back}, "backbone": {reduce, restore}, "before": {reduce, restore, back}, "mobile": {restore, back}, "cloud": {front, reduce},
	} {
		var told []string
		o := options(&told)
		o.Bottleneck, o.Freeze = true, freeze
		p, err := grad.Build(t.Context(), m, nil, o)
		if err != nil {
			t.Fatal(err)
		}
		var learns []string
		for _, q := range p.Manifest.Params {
			if strings.HasPrefix(q.State, "w:") {
				learns = append(learns, q.Name)
			}
		}
		slices.Sort(learns)
		if want := slices.Sorted(slices.Values(slices.Concat(want...))); !slices.Equal(learns, want) {
			t.Errorf("%s is frozen and %v learn, expected %v", freeze, learns, want)
		}
	}
}

// TestBuildDefaultsOfPlaces: of a bundle that tells what is where and that a teacher teaches, what
// is before the cut keeps its weights, the rest learns at relative rates, and nothing is matched
// at the cut, unless options say otherwise. One that tells something else, and a whole model,
// learn as without.
func TestBuildDefaultsOfPlaces(t *testing.T) {
	raw := func(o *grad.BuildOptions) { o.Raw, o.Places = true, true }
	for _, c := range []struct {
		name     string
		bundle   bool
		change   func(*grad.BuildOptions)
		rate     float64
		careful  bool
		front    bool // what is before the cut learns
		adam     bool
		features float64 // weight of the match at the cut
		told     int     // notices
	}{
		{"places", true, raw, 5e-4, false, false, true, 0, 1},
		{"all of it", true, func(o *grad.BuildOptions) { raw(o); o.Freeze = "none" }, 0.02, true, true, false, 1, 0},
		{"another optimiser", true, func(o *grad.BuildOptions) { raw(o); o.Opt.Kind = grad.SGD }, 0.02, true, false, false, 0, 1},
		{"a rate", true, func(o *grad.BuildOptions) { raw(o); o.Rate = 1e-4 }, 1e-4, false, false, true, 0, 1},
		{"a weight of features", true, func(o *grad.BuildOptions) { raw(o); o.FeatureWeight = new(0.5) }, 5e-4, false, false, true, 0.5, 1},
		{"what else is compared by its ends", true, func(o *grad.BuildOptions) { o.Raw = true }, 0.02, true, true, false, 1, 0},
		{"class scores", true, func(*grad.BuildOptions) {}, 0.02, true, true, false, 1, 0},
		{"class scores behind the cut", true, func(o *grad.BuildOptions) { o.Freeze = "before" }, 0.02, true, false, false, 1, 0},
		{"a whole model", false, raw, 0.1, true, true, false, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var told []string
			m, o := parsed(t), options(&told)
			if c.bundle {
				m, o.Bottleneck, o.Outputs = joined(t, 2, 2), true, []string{"y"}
			}
			distilled(&o)
			o.Freeze = ""
			c.change(&o)
			p, err := grad.Build(t.Context(), m, parsed(t), o)
			if err != nil {
				t.Fatal(err)
			}
			front := slices.ContainsFunc(p.Manifest.Params, func(q grad.Param) bool { return q.Name == "w1" && strings.HasPrefix(q.State, "w:") })
			adam := p.Manifest.Beta1 > 0
			if p.Rate != c.rate || p.Careful != c.careful || front != c.front || adam != c.adam || len(told) != c.told {
				t.Errorf("rate %v, careful %v, the front learns %v, Adam %v, told %q; expected %+v", p.Rate, p.Careful, front, adam, told, c)
			}
			usual, _, _, err := p.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			o.FeatureWeight = new(c.features)
			if p, err = grad.Build(t.Context(), m, parsed(t), o); err != nil {
				t.Fatal(err)
			}
			if spelled, _, _, err := p.Marshal(); err != nil || !bytes.Equal(usual, spelled) {
				t.Errorf("the step is not that of features weighed by %v, %v", c.features, err)
			}
		})
	}
}

// TestBuildOverlap: where outputs are judged by how far masks overlap, a mask behind a Sigmoid is
// taught by it: the step is that of the loss by its name. A Sigmoid that tells no places is not.
func TestBuildOverlap(t *testing.T) {
	for _, c := range []struct {
		name, net, overlap string
	}{
		{"a mask", `net (float[N,1,6,6] x) => (float[N,1,6,6] y) <%s> {
			a = Conv (x, w1)
			y = Sigmoid (a)
		}`, "dice"},
		{"three scores", `net (float[N,1,6,6] x) => (float[N,3] y) <%s> {
			a = Conv (x, w3)
			b = GlobalAveragePool (a)
			c = Flatten (b)
			y = Sigmoid (c)
		}`, "binary"},
	} {
		step := func(change func(*grad.BuildOptions)) []byte {
			m := passtest.Parse(t, fmt.Sprintf(passtest.Header+c.net, initials("1,1,1,1 w1; 3,1,1,1 w3")))
			o := options(new([]string))
			distilled(&o)
			o.Raw, o.Batch = true, 4
			change(&o)
			p, err := grad.Build(t.Context(), m, m.Clone(), o)
			if err != nil {
				t.Fatal(err)
			}
			file, _, _, err := p.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			return file
		}
		as := func(loss string) []byte {
			return step(func(o *grad.BuildOptions) { o.Teach = []string{"y=" + loss} })
		}
		if !bytes.Equal(step(func(o *grad.BuildOptions) { o.Overlap = true }), as(c.overlap)) {
			t.Errorf("%s that is judged by masks is not taught by %s", c.name, c.overlap)
		}
		if !bytes.Equal(step(func(*grad.BuildOptions) {}), as("binary")) {
			t.Errorf("%s is not taught by binary", c.name)
		}
		if bytes.Equal(as("dice"), as("binary")) {
			t.Errorf("%s: dice and binary give the same step", c.name)
		}
	}
}

// TestBuildOverlapByChannel: each of several masks of an image counts alike, wherever their axis
// is: sums are over places only.
func TestBuildOverlapByChannel(t *testing.T) {
	for _, c := range []struct {
		net  string
		sums []int64
	}{
		{`net (float[N,1,6,6] x) => (float[N,3,6,6] y) <%s> {
			a = Conv (x, w3)
			y = Sigmoid (a)
		}`, []int64{4, 3, 1, 1}},
		{`net (float[N,1,6,6] x) => (float[N,6,6,3] y) <%s> {
			a = Conv (x, w3)
			b = Transpose <perm = [0,2,3,1]> (a)
			y = Sigmoid (b)
		}`, []int64{4, 1, 1, 3}},
	} {
		m := passtest.Parse(t, fmt.Sprintf(passtest.Header+c.net, initials("3,1,1,1 w3")))
		o := options(new([]string))
		distilled(&o)
		o.Raw, o.Overlap, o.Batch = true, true, 4
		p, err := grad.Build(t.Context(), m, m.Clone(), o)
		if err != nil {
			t.Fatal(err)
		}
		info, err := shape.Infer(p.Step, shape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, n := range p.Step.Graph.Nodes() {
			if n.Op == "ReduceSum" {
				dims, _ := info.Of(n.Outputs()[0]).Shape()
				found = found || slices.Equal(dims, c.sums)
			}
		}
		if !found {
			t.Errorf("no sum of %v: masks are not compared one by one", c.sums)
		}
	}
}

// TestBuildJudges: who teaches which outputs, and what is told of the others.
func TestBuildJudges(t *testing.T) {
	two := func() *ir.Model {
		m := parsed(t)
		g := m.Graph
		m.Graph.AddOutput(g.Op1("z", "Gemm", []*ir.Value{g.Value("f"), g.Value("w3")}, ir.TensorType(ir.Float32, []ir.Dim{ir.Sym("N"), {N: 4}}), ir.IntAttr("transB", 1)), nil)
		return m
	}
	labels, taught := grad.Judged{Output: "y", Scores: "y"}, grad.Judged{Output: "y", Scores: "y", Teacher: "y", Taught: true}
	other := grad.Judged{Output: "z", Scores: "z", Teacher: "z", Taught: true}
	for _, c := range []struct {
		name    string
		student *ir.Model
		teacher *ir.Model
		change  func(*grad.BuildOptions)
		judged  []grad.Judged
		told    string
	}{
		{"labels", parsed(t), nil, nil, []grad.Judged{labels}, ""},
		{"a teacher", parsed(t), parsed(t), func(o *grad.BuildOptions) { o.Distilled = true }, []grad.Judged{taught}, ""},
		{"labels of the first of two", two(), nil, func(o *grad.BuildOptions) { o.OwnTeacher = true }, []grad.Judged{labels, other}, `the labels are taken for those of output "y"`},
		{"one of two is asked for", two(), nil, func(o *grad.BuildOptions) { o.Output = "y" }, []grad.Judged{labels}, `output "z" is left out`},
		{"a teacher of two", two(), two(), func(o *grad.BuildOptions) { o.Distilled = true }, []grad.Judged{taught, other}, ""},
		{"a teacher that has one of two", two(), parsed(t), func(o *grad.BuildOptions) { o.Distilled = true }, []grad.Judged{taught}, `the teacher has no such output`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var told []string
			o := options(&told)
			if c.change != nil {
				c.change(&o)
			}
			p, err := grad.Build(t.Context(), c.student, c.teacher, o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(p.Judged, c.judged) {
				t.Errorf("%+v, expected %+v", p.Judged, c.judged)
			}
			if all := strings.Join(told, "\n"); !strings.Contains(all, c.told) || (c.told == "") != (all == "") {
				t.Errorf("told %q, expected %q", told, c.told)
			}
			if (p.Teacher != nil) != slices.ContainsFunc(c.judged, func(j grad.Judged) bool { return j.Taught }) {
				t.Errorf("a teacher's network: %v", p.Teacher != nil)
			}
		})
	}
}

// TestBuildRefuses what cannot be trained, and says why.
func TestBuildRefuses(t *testing.T) {
	one := func(body string) *ir.Model {
		return passtest.Parse(t, passtest.Header+`net (float[N,3,4,4] x) => (float[N,3] y) <float[3] g = {1,2,3}, float half = {0.5}, bool on = {1}, float[3,3] w = {1,2,3,4,5,6,7,8,9}, float[3,3,1,1] k = {1,2,3,4,5,6,7,8,9}> {
			`+body+` p = GlobalAveragePool (a) f = Flatten (p) y = MatMul (f, w) }`)
	}
	wide := passtest.Parse(t, strings.NewReplacer("float[N,4] y", "float[N,5] y", "INITS", initials(strings.Replace(classifierInits, "4,8 w3; 4 b3", "5,8 w3; 5 b3", 1))).Replace(classifier))
	renamed := passtest.Parse(t, strings.NewReplacer("] x)", "] image)", "(x, w1)", "(image, w1)", "INITS", initials(classifierInits)).Replace(classifier))
	distilled := func(o *grad.BuildOptions) { o.Distilled = true }
	for _, c := range []struct {
		name             string
		student, teacher *ir.Model
		change           func(*grad.BuildOptions)
		unsuitable       bool // or else it is a BuildError, or Fit's
		says             string
	}{
		{"normalisation in training mode", one("a, m, v = BatchNormalization <training_mode = 1> (x, g, g, g, g)"), nil, nil, false, "training mode"},
		{"dropout in training mode", one("a = Dropout (x, half, on)"), nil, nil, false, "training mode"},
		{"a node without a gradient", one("c = Conv (x, k) a = LpPool <kernel_shape = [2,2]> (c)"), nil, nil, false, "LpPool"},
		{"two inputs", passtest.Parse(t, passtest.Header+`net (float[N,3] x, float[N,3] z) => (float[N,3] y) <float[3,3] w = {1,2,3,4,5,6,7,8,9}> { a = Add (x, z) y = MatMul (a, w) }`), nil, nil, true, "2 inputs"},
		{"a teacher of more classes", parsed(t), wide, distilled, true, "5 wide, the model's 4"},
		{"a teacher of another input", parsed(t), renamed, distilled, true, `its input is called "image"`},
		{"no such output", parsed(t), nil, func(o *grad.BuildOptions) { o.Output = "nix" }, true, "nix"},
		{"labels that do not fit", parsed(t), nil, func(o *grad.BuildOptions) {
			o.Fit = func(s *grad.Scores) error { return fmt.Errorf("%d classes", s.Classes) }
		}, false, "4 classes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var told []string
			o := options(&told)
			if c.change != nil {
				c.change(&o)
			}
			_, err := grad.Build(t.Context(), c.student, c.teacher, o)
			unsuitable := (*passes.UnsuitableError)(nil)
			if err == nil || !strings.Contains(err.Error(), c.says) || errors.As(err, &unsuitable) != c.unsuitable {
				t.Errorf("%v (%T), expected %q, unsuitable %v", err, err, c.says, c.unsuitable)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var told []string
	if _, err := grad.Build(ctx, parsed(t), nil, options(&told)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, expected the end of the context", err)
	}
}

// TestBuildForgets: what a step's graphs are says nothing of how a bundle is described, so
// that a training goes on with another version's checkpoint.
func TestBuildForgets(t *testing.T) {
	var told []string
	o := options(&told)
	o.Bottleneck = true
	p, err := grad.Build(t.Context(), joined(t, 2, 2), nil, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, graph := range []*ir.Model{p.Step, p.Eval, p.Statistics} {
		if text, ok := graph.Meta("bnc.bottleneck"); ok {
			t.Errorf("a graph has the record %.60s", text)
		}
	}
}
