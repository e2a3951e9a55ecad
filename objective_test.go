package bnc

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/ort"
)

// squares is the mean squared difference of every output from the teacher's.
type squares struct{}

func (squares) Teachers() (labels, teacher bool) { return false, true }

func (squares) Outputs(want grad.Want, m *ir.Model) (*grad.Heads, error) {
	found, err := grad.Logits(want, m)
	if err != nil {
		return nil, err
	}
	for _, o := range found.Others {
		found.Scores = append(found.Scores, &grad.Scores{Value: o.Output, Output: o.Output})
	}
	found.Others = nil
	return found, nil
}

func (squares) Term(c *grad.Comparison) (*grad.Term, error) {
	e := c.Emit()
	diff := e.Binary("diff", "Sub", c.Output, c.Teacher)
	mean := e.Op("mean", "ReduceMean", []*ir.Value{e.Binary("square", "Mul", diff, diff)}, ir.IntAttr("keepdims", 0))
	return &grad.Term{Loss: e.Reshape("loss", mean, 1)}, nil
}

// TestAnotherObjective: an objective that one registration adds compiles, its first loss
// is what the outputs of ONNX Runtime give in float64, and what trains by it comes close
// to the teacher in every output.
func TestAnotherObjective(t *testing.T) {
	rttest.Library(t)
	grad.RegisterObjective("squares", squares{})
	dir, rng := t.TempDir(), rand.New(rand.NewPCG(1, 2))
	network := func(name string) *ir.Model {
		weights := func(n int) string {
			text := make([]string, n)
			for i := range text {
				text[i] = fmt.Sprintf("%.4f", rng.NormFloat64()/2)
			}
			return strings.Join(text, ",")
		}
		m := oracletest.Parse(t, fmt.Sprintf(`<ir_version: 8, opset_import: ["" : 17]>
			net (float[batch,1,6,6] x) => (float[batch,3] y, float[batch,2,6,6] features)
			<float[2,1,3,3] w = {%s}, float[2,3] v = {%s}, float[3] b = {%s}> {
				features = Conv <pads = [1,1,1,1]> (x, w) r = Relu (features)
				p = GlobalAveragePool (r) f = Flatten (p) y = Gemm (f, v, b)
			}`, weights(18), weights(6), weights(3)))
		if err := onnx.Save(t.Context(), filepath.Join(dir, name), m, onnx.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		return m
	}
	student, teacher := network("student.onnx"), network("teacher.onnx")
	x := oracletest.Normal(rng, 32, 1, 6, 6)
	data := filepath.Join(dir, "x.npy")
	header := fmt.Sprintf("%-117s\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (32, 1, 6, 6), }")
	if err := os.WriteFile(data, append([]byte("\x93NUMPY\x01\x00\x76\x00"+header), x.Data...), 0o666); err != nil {
		t.Fatal(err)
	}
	loss := func(m *ir.Model) float64 {
		total, want := 0.0, oracletest.Compute(t, teacher, ort.Feed{"x": x})
		for i, got := range oracletest.Compute(t, m, ort.Feed{"x": x}) {
			a, b := oracletest.Floats(t, got.Tensor), oracletest.Floats(t, want[i].Tensor)
			sum := 0.0
			for k := range a {
				sum += (a[k] - b[k]) * (a[k] - b[k])
			}
			total += sum / float64(len(a)) / 2
		}
		return total
	}
	written := filepath.Join(dir, "trained.onnx")
	_, err := Train(t.Context(), filepath.Join(dir, "student.onnx"), TrainOptions{
		Data: data, ValSplit: new(0.0), Distill: true, Teacher: filepath.Join(dir, "teacher.onnx"), Loss: "squares",
		Epochs: 200, Batch: 32, Optimizer: "adam", LR: 0.05, KeepLast: true, Output: written,
	})
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "trained.train", "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var first struct{ Loss float64 }
	line, _, _ := strings.Cut(string(log), "\n")
	if err := json.Unmarshal([]byte(line), &first); err != nil {
		t.Fatal(err)
	}
	before := loss(student)
	if math.Abs(first.Loss-before) > 1e-5*before { // float32 sums of 2304 products
		t.Errorf("the first loss is %v, the outputs say %v", first.Loss, before)
	}
	trained, err := onnx.Load(written)
	if err != nil {
		t.Fatal(err)
	}
	if after := loss(trained); after > before/20 { // gradients of the wrong sign or of one output alone leave more than half
		t.Errorf("the loss was %v and is %v", before, after)
	}
}
