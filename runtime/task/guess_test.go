package task_test

import (
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// port is a tensor of a shape: numbers, and -1 with "n", "h" or "w" for a symbol each.
func port(name string, dtype tensor.DType, dims ...any) model.Port {
	p := model.Port{Name: name, Kind: model.Tensor, DType: dtype, Ranked: true}
	for _, d := range dims {
		switch d := d.(type) {
		case int:
			p.Shape = append(p.Shape, model.Dim{Size: int64(d)})
		case string:
			p.Shape = append(p.Shape, model.Dim{Size: -1, Symbol: d})
		}
	}
	return p
}

func float(name string, dims ...any) model.Port { return port(name, tensor.Float32, dims...) }

// TestGuess: what outputs are taken for, of the kinds of networks that there are.
func TestGuess(t *testing.T) {
	rgb, grey := float("image", "n", 3, 64, 96), float("image", "n", 1, 64, 96)
	wide, any := float("image", "n", 3, 48, "w"), float("image", "n", 3, "h", "w")
	type out struct {
		port model.Port
		ends []task.End
	}
	of := func(p model.Port, kind string, axis int) out { return out{p, []task.End{{Kind: kind, Axis: axis}}} }
	for _, c := range []struct {
		name, want string
		input      model.Port
		outputs    []out
	}{
		{"softmax", "classify", rgb, []out{of(float("y", "n", 1000), "softmax", 1)}},
		{"logits", "classify", rgb, []out{of(float("y", "n", 1000), "values", 1)}},
		{"logits with axes of 1", "classify", rgb, []out{of(float("y", "n", 1000, 1, 1), "softmax", 1)}},
		{"head pose by bins", "classify", rgb, []out{of(float("yaw", "n", 66), "values", 1), of(float("pitch", "n", 66), "values", 1), of(float("roll", "n", 66), "values", 1)}},
		{"captcha", "classify", rgb, []out{of(float("d1", "n", 10), "softmax", 1), of(float("d2", "n", 10), "softmax", 1)}},
		{"several labels", "classify", rgb, []out{of(float("y", "n", 20), "sigmoid", -1)}},
		{"nothing known", "classify", rgb, []out{{float("y", "n", 10), nil}}},
		{"U-Net", "segment", rgb, []out{of(float("mask", "n", 1, 64, 96), "sigmoid", -1)}},
		{"U-Net of any size", "segment", any, []out{of(float("mask", "n", 1, "h", "w"), "sigmoid", -1)}},
		{"side outputs", "segment", rgb, []out{of(float("d0", "n", 1, 64, 96), "sigmoid", -1), of(float("d1", "n", 1, 32, 48), "sigmoid", -1)}},
		{"classes of places", "segment", any, []out{of(float("y", "n", 21, "h", "w"), "softmax", 1)}},
		{"classes of places without a softmax", "segment", rgb, []out{of(float("out", "n", 21, 64, 96), "values", 1), of(float("aux", "n", 21, 64, 96), "values", 1)}},
		{"classes of places, channels last", "segment", rgb, []out{of(float("y", "n", 64, 96, 21), "softmax", 3)}},
		{"ArgMax", "segment", any, []out{of(port("y", tensor.Int64, "n", "h", "w"), "indices", -1)}},
		{"embedding", "embed", rgb, []out{of(float("y", "n", 512), "l2norm", 1)}},
		{"embedding by its name", "embed", rgb, []out{of(float("embedding", "n", 512), "values", 1)}},
		{"two embeddings", "embed", rgb, []out{of(float("a", "n", 512), "l2norm", 1), of(float("b", "n", 128), "l2norm", 1)}},
		{"characters", "text", wide, []out{of(float("y", "n", "t", 6625), "softmax", 2)}},
		{"characters, steps first", "text", wide, []out{of(float("y", "n", 26, 37), "softmax", 2)}},
		{"characters without a softmax", "text", wide, []out{of(float("y", "n", 26, 37), "values", 1)}},
		{"super-resolution", "image", grey, []out{of(float("y", "n", 1, 192, 288), "values", 1)}},
		{"denoising", "image", any, []out{of(float("y", "n", 3, "h", "w"), "values", 1)}},
		{"colours behind a sigmoid", "image", rgb, []out{of(float("y", "n", 3, 64, 96), "sigmoid", -1)}},
		{"age", "regress", rgb, []out{of(float("y", "n", 1), "values", 1)}},
		{"face landmarks", "regress", rgb, []out{of(float("landmarks", "n", 136), "values", 1)}},
		{"points", "regress", rgb, []out{of(float("y", "n", 68, 2), "values", 2)}},
		{"angles", "regress", rgb, []out{of(float("yaw", "n", 1), "values", 1), of(float("pitch", "n", 1), "values", 1)}},
		{"age and gender", "raw", rgb, []out{of(float("gender", "n", 2), "softmax", 1), of(float("age", "n", 1), "values", 1)}},
		{"a stage of MTCNN", "raw", rgb, []out{of(float("box", "n", 4), "values", 1), of(float("face", "n", 2), "softmax", 1)}},
		{"heat maps", "raw", rgb, []out{of(float("y", "n", 17, 16, 24), "values", 1)}},
		{"maps of features", "raw", rgb, []out{of(float("y", "n", 256, 4, 6), "values", 1), of(float("z", "n", 512, 2, 3), "values", 1)}},
		{"joined of several", "raw", rgb, []out{{float("y", "n", 85, 22, 22), []task.End{{Kind: "sigmoid", Part: [2]int{0, 1}, PartAxis: 1}, {Kind: "values", Part: [2]int{1, 85}, PartAxis: 1}}}}},
		{"classes, and features besides", "classify", rgb, []out{of(float("y", "n", 1000), "softmax", 1), of(float("map", "n", 512, 7, 7), "values", 1)}},
		{"the best classes", "classify", rgb, []out{of(float("y", "n", 5), "values", 1), of(port("i", tensor.Int64, "n", 5), "indices", -1)}},
		{"a class number", "classify", rgb, []out{of(port("i", tensor.Int64, "n"), "indices", -1)}},
		{"grey, logits", "classify", grey, []out{of(float("y", "n", 10), "values", 1)}},
	} {
		m := task.Model{Inputs: []model.Port{c.input}, Ends: map[string][]task.End{}}
		for _, o := range c.outputs {
			m.Outputs, m.Ends[o.port.Name] = append(m.Outputs, o.port), o.ends
		}
		got, why := task.Guess(m)
		if got != c.want {
			t.Errorf("%s: %s (%s), expected %s", c.name, got, why, c.want)
		}
		if got != task.Classify && !strings.Contains(why, c.outputs[0].port.Name+" float32[n") && !strings.Contains(why, c.outputs[0].port.Name+" int64[n") {
			t.Errorf("%s: %q does not name the output", c.name, why)
		}
		if _, err := task.Open(got, m); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestPrimaryOf: what counts is a mean over outputs, not over measures.
func TestPrimaryOf(t *testing.T) {
	taught := []task.Value{
		{Output: "a", Measure: "cosine", Value: 0.5, Images: 9, Interval: [2]float64{0.4, 0.6}}, {Output: "a", Measure: "neighbours", Value: 0, Images: 9},
		{Output: "b", Measure: "cosine", Value: 0.75, Images: 9, Interval: [2]float64{0.7, 0.8}}, {Output: "b", Measure: "neighbours", Value: 0, Images: 9},
	}
	if p := task.PrimaryOf(nil, taught); p.Name != "cosine" || p.Value != 0.625 || p.Interval != [2]float64{0.55, 0.7} {
		t.Errorf("%+v", p)
	}
	for kind, want := range map[string]string{"classify": "top1", "embed": "neighbour_top1", "text": "exact", "image": "psnr"} {
		k, err := task.Open(kind, task.Model{})
		if err != nil || task.First(k).Name != want {
			t.Errorf("%s: %v, %v", kind, task.First(k), err)
		}
	}
}

// TestTold: what a teacher gives is told from what labels give by the same measure.
func TestTold(t *testing.T) {
	segment, err := task.Open("segment", task.Model{})
	if err != nil {
		t.Fatal(err)
	}
	of := func(measure string) task.Value { return task.Value{Output: "y", Measure: measure} }
	told := task.Told(segment, []task.Value{of("miou")}, []task.Value{of("miou"), of("side_miou")})
	if len(told) != 3 || told[0].Words() != "mean IoU" || told[1].Words() != "mean IoU beside the teacher" || told[2].Taught {
		t.Errorf("%+v", told)
	}
	classify, err := task.Open("classify", task.Model{})
	if err != nil {
		t.Fatal(err)
	}
	if told := task.Told(classify, []task.Value{of("top1"), of("top5")}, []task.Value{of("agreement")}); len(told) != 2 || told[1].Measure != "agreement" || told[1].Taught {
		t.Errorf("%+v", told)
	}
}
