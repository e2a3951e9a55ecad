package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
)

// headsNet trains a network on stripes and gives it four outputs: box, four numbers of an
// image, emb, its features with length 1, the probabilities up of its classes, and down,
// probabilities of four others, which no label tells: random directions in the features,
// from their mean.
func headsNet(t *testing.T, set string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "net.onnx")
	mustBnc(t, "train", stripeNet(t), "--data", set, "--epochs", "8", "--batch", "16", "--flip", "off", "-o", path)
	m, err := onnx.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	g := m.Graph
	f := g.Value("f")
	g.SetOutputs(f)
	images, err := data.Open(set, data.Val)
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	feeder, err := feed.New(r.Inputs(), feed.Always(r.Meta().Preprocess))
	if err != nil {
		t.Fatal(err)
	}
	x, _, err := feeder.Batch(images, slices.Collect(func(yield func(int) bool) {
		for i := 0; i < images.Len() && yield(i); i++ {
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	features := oracletest.Floats(t, oracletest.Compute(t, m, ort.Feed{"x": x})[0].Tensor)
	rng := rand.New(rand.NewPCG(3, 1))
	weight, bias := make([]float32, 4*8), make([]float32, 4)
	for i := range weight {
		weight[i] = float32(6 * rng.NormFloat64())
		for k := i % 8; k < len(features); k += 8 {
			bias[i/8] -= weight[i] * float32(features[k]) / float32(images.Len())
		}
	}
	w, b := g.Const("weight", ir.Float32s(weight, 4, 8)), g.Const("bias", ir.Float32s(bias, 4))
	op := func(name, op string, in []*ir.Value, width int64, attrs ...*ir.Attr) *ir.Value {
		return g.Op1(name, op, in, ir.TensorType(ir.Float32, []ir.Dim{ir.Sym("batch"), {N: width}}), attrs...)
	}
	length := op("length", "ReduceL2", []*ir.Value{f}, 1, ir.IntsAttr("axes", 1))
	g.SetOutputs(op("box", "Gemm", []*ir.Value{f, w}, 4, ir.IntAttr("transB", 1)), op("emb", "Div", []*ir.Value{f, length}, 8),
		op("up", "Softmax", []*ir.Value{g.Value("y")}, 4),
		op("down", "Softmax", []*ir.Value{op("z", "Gemm", []*ir.Value{f, w, b}, 4, ir.IntAttr("transB", 1))}, 4))
	if err := g.Sort(); err != nil {
		t.Fatal(err)
	}
	if err := onnx.Save(t.Context(), path, m, onnx.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	return path
}

// largest runs a model or bundle on the images to judge by, and returns for each where an
// output is largest.
func largest(t *testing.T, path, dataDir, output string) (at []int) {
	t.Helper()
	set, err := data.Open(dataDir, data.Val)
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	f, err := feed.New(r.Inputs(), feed.Always(r.Meta().Preprocess))
	if err != nil {
		t.Fatal(err)
	}
	for i := range set.Len() {
		x, _, err := f.Batch(set, []int{i})
		if err != nil {
			t.Fatal(err)
		}
		out, err := r.Run(context.Background(), ort.Feed{f.Input(): x})
		if err != nil {
			t.Fatal(err)
		}
		y, err := out.Outputs.Tensor(output)
		if err != nil {
			t.Fatal(err)
		}
		values := oracletest.Floats(t, y)
		at = append(at, slices.Index(values, slices.Max(values)))
	}
	return at
}

// TestTrainHeads: of several outputs with probabilities each is taught and judged, and
// one that labels are not of keeps more of its answers than where it is left out. Boxes
// and embeddings of a bundle are taught by what they end in, and not judged; where scores
// are wanted alone, or a whole model learns labels, they are named and left out. What is
// reported is what ONNX Runtime makes of the files.
func TestTrainHeads(t *testing.T) {
	plugin(t)
	set := stripes(t, 96, 240)
	net := headsNet(t, set)
	before := map[string][]int{"up": largest(t, net, set, "up"), "down": largest(t, net, set, "down")}
	for _, c := range []struct {
		name, split, train string
		measures           string // what training says of the outputs
	}{
		{"a teacher", "--c 3 --s 1", "--distill", "up top1, up agreement, down agreement"},
		{"labels", "--c 3 --s 1", "", "up top1, down agreement"},
		{"labels of a whole model", "", "--lr 0.02 --keep-last", "up top1, down agreement"},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept := map[string]float64{} // of down, by the outputs that are left out
			for _, scores := range []string{"", "--scores=up"} {
				subject := filepath.Join(t.TempDir(), "b")
				args := slices.Concat([]string{"train", subject, "--data", set, "--epochs", "6", "--batch", "16", "--flip", "off", "--json"}, strings.Fields(c.train), strings.Fields(scores))
				if c.split != "" {
					mustBnc(t, slices.Concat([]string{"split", net, "--after", "r", "-o", subject}, strings.Fields(c.split))...)
				} else {
					subject = filepath.Join(t.TempDir(), "o.onnx")
					args[1] = net
					args = append(args, "-o", subject)
				}
				out, said, code := tryBnc(t, args...)
				if code != exitDone {
					t.Fatalf("exit code %d: %s", code, said)
				}
				var r bnc.TrainResult
				if err := json.Unmarshal([]byte(out), &r); err != nil {
					t.Fatal(err)
				}
				for name, left := range map[string]bool{"box": scores != "" || c.split == "", "emb": scores != "" || c.split == "", "up": false, "down": scores != ""} {
					if got := strings.Contains(said, fmt.Sprintf("output %q is left out", name)); got != left {
						t.Errorf("%s: %s is left out: %v, expected %v: %s", scores, name, got, left, said)
					}
				}
				share := map[string]float64{}
				for name, was := range before {
					same := 0.0
					for i, at := range largest(t, subject, set, name) {
						if at == was[i] {
							same++
						}
					}
					share[name] = same / float64(len(was))
				}
				t.Logf("%s: %v", scores, share)
				kept[scores] = share["down"]
				if scores != "" {
					if r.Outputs != nil {
						t.Errorf("several outputs: %+v", r.Outputs)
					}
					continue
				}
				got := evaluated(t, subject, "--data", set, "--teacher", net)
				if mean := (share["up"] + share["down"]) / 2; got.Agreement == nil || math.Abs(*got.Agreement-mean) > 1e-12 {
					t.Errorf("agreement %v, the outputs' mean is %v", got.Agreement, mean)
				}
				var measures []string
				for _, o := range r.Outputs {
					measures = append(measures, o.Output+" "+o.Measure)
				}
				if got := strings.Join(measures, ", "); got != c.measures {
					t.Errorf("measures %s, expected %s", got, c.measures)
				}
				for _, o := range slices.Concat(r.Outputs, got.Outputs) {
					want := share[o.Output]
					switch o.Measure {
					case "top1":
						want = *got.Top1
					case "top5":
						want = *got.Top5
					}
					if o.Value != want {
						t.Errorf("%s of %s is said to be %v, it is %v", o.Measure, o.Output, o.Value, want)
					}
				}
			}
			if kept[""] <= kept["--scores=up"] {
				t.Errorf("down keeps %v of its answers, no more than the %v where it is left out", kept[""], kept["--scores=up"])
			}
		})
	}
}
