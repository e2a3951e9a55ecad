package task_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// kindCase is a case of testdata/kinds.py.
type kindCase struct {
	Name, Task, Kind, DType string
	Axis                    int
	Shape                   []int64
	Batch                   int // axis of the images
	Mine, Theirs            []float64
	Agreement, Labelled     []struct {
		Measure string
		Value   float64
		Images  int
	}
	Each     []*float64
	Metadata map[string]string
	Labels   []string
	Ends     []task.End // of an output that is joined of several
}

// images13 is a set of 13 items in three classes.
func images13(t *testing.T) *data.Set {
	t.Helper()
	dir := t.TempDir()
	labels := "\x00\x01\x02\x00\x01\x02\x00\x01\x02\x00\x01\x02\x02"
	for name, file := range map[string]string{
		"images.npy": task.NPY("|u1", "(13, 1, 1, 1)", labels), "labels.npy": task.NPY("|u1", "(13,)", labels),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(file), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return openSet(t, dir)
}

// values is a tensor of numpy's dtype.
func values(t *testing.T, dtype string, shape []int64, v []float64) *tensor.Tensor {
	t.Helper()
	switch dtype {
	case "float32":
		return tensor.Of(shape, as[float32](v))
	case "int64":
		return tensor.Of(shape, as[int64](v))
	case "int32":
		return tensor.Of(shape, as[int32](v))
	case "uint8":
		return tensor.Of(shape, as[uint8](v))
	case "float16":
		halves := make([]uint16, len(v))
		for i, x := range v {
			halves[i] = tensor.Float32ToFloat16(float32(x))
		}
		half, err := tensor.FromBytes(tensor.Float16, shape, tensor.Of(shape, halves).Data)
		if err != nil {
			t.Fatal(err)
		}
		return half
	}
	t.Fatalf("no dtype %s", dtype)
	return nil
}

func as[T float32 | int64 | int32 | uint8](v []float64) []T {
	out := make([]T, len(v))
	for i, x := range v {
		out[i] = T(x)
	}
	return out
}

// taken is a tensor of some images of one.
func taken(t *testing.T, x *tensor.Tensor, axis int, images []int) *tensor.Tensor {
	t.Helper()
	outer, _ := tensor.Elements(x.Shape[:axis])
	inner, _ := tensor.Elements(x.Shape[axis+1:])
	inner *= x.DType.Size()
	shape, row := slices.Clone(x.Shape), inner*int(x.Shape[axis])
	shape[axis] = int64(len(images))
	var bytes []byte
	for o := range outer {
		for _, i := range images {
			bytes = append(bytes, x.Data[o*row+i*inner:o*row+(i+1)*inner]...)
		}
	}
	y, err := tensor.FromBytes(x.DType, shape, bytes)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// judged tells a judge of all images but one, in batches of 5, of which the last is filled
// up with copies.
func judged(t *testing.T, kind task.Task, set *data.Set, x *tensor.Tensor, axis, without int, o task.Outputs) task.Judge {
	t.Helper()
	j, err := kind.Judge(set, o)
	if err != nil {
		t.Fatal(err)
	}
	var all []int
	for i := range set.Len() {
		if i != without {
			all = append(all, i)
		}
	}
	for items := range slices.Chunk(all, 5) {
		full := slices.Clone(items)
		for len(full) < 5 {
			full = append(full, items[0])
		}
		name := "y"
		if len(o.Judged) > 0 {
			name = o.Judged[0].From
		}
		if err := j.Add(task.Batch{Outputs: ort.Results{{Name: name, Value: ort.Value{Tensor: taken(t, x, axis, full)}}}}, items); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

// TestKindsAgainstNumpy compares measures of every task with numpy's: of outputs of several
// types and layouts, batches that do not divide the set, images that one was not asked of.
func TestKindsAgainstNumpy(t *testing.T) {
	script, err := os.ReadFile("testdata/kinds.py")
	if err != nil {
		t.Fatal(err)
	}
	var cases []kindCase
	if err := json.Unmarshal(rttest.Python(t, string(script)), &cases); err != nil {
		t.Fatal(err)
	}
	set := images13(t)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			end := task.End{Kind: c.Kind, Axis: c.Axis}
			m := task.Model{Metadata: c.Metadata, Labels: c.Labels}
			switch {
			case c.Ends != nil:
				m.Ends = map[string][]task.End{"y": c.Ends, "a": c.Ends, "b": c.Ends}
			case c.Kind != "":
				m.Ends = map[string][]task.End{"y": {end}}
			}
			if c.Batch == 1 { // as the graph's ports tell
				m.Inputs = []model.Port{float("image", "n", 1, 32, 100)}
				m.Outputs = []model.Port{float("y", "t", "n", int(c.Shape[2]))}
			}
			kind, err := task.Open(c.Task, m)
			if err != nil {
				t.Fatal(err)
			}
			mine, theirs := values(t, c.DType, c.Shape, c.Mine), values(t, c.DType, c.Shape, c.Theirs)
			for _, o := range [][2]task.Outputs{{}, { // whatever looks right, or an output that is named
				{Judged: []task.Output{{Name: "y", From: "a", End: end}}}, {Judged: []task.Output{{Name: "y", From: "b", End: end}}},
			}} {
				student := judged(t, kind, set, mine, c.Batch, 3, o[0])
				teacher := judged(t, kind, set, theirs, c.Batch, 7, o[1])
				got, err := student.Agreement(teacher)
				if err != nil {
					t.Fatal(err)
				}
				each, err := student.Each(teacher)
				if err != nil {
					t.Fatal(err)
				}
				compareValues(t, "agreement", got, c.Agreement)
				compareValues(t, "labels", student.Values(), c.Labelled)
				if kind.Agreement().Name != c.Agreement[0].Measure {
					t.Errorf("the task's measure is %s", kind.Agreement().Name)
				}
				for i, want := range c.Each {
					if want == nil && !math.IsNaN(each[i]) || want != nil && !(math.Abs(each[i]-*want) <= 1e-6) {
						t.Errorf("image %d: %v, expected %v", i, each[i], fmt.Sprint(want))
					}
				}
			}
		})
	}
}

// compareValues: sums in another order, and float32's roundings in what numpy is given as
// float64, leave less than 1e-6.
func compareValues(t *testing.T, what string, got []task.Value, want []struct {
	Measure string
	Value   float64
	Images  int
}) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %+v, expected %+v", what, got, want)
	}
	for i, w := range want {
		g := got[i]
		if g.Measure != w.Measure || g.Images != w.Images || !(math.Abs(g.Value-w.Value) <= 1e-6*max(1, math.Abs(w.Value))) {
			t.Errorf("%s: %+v, expected %+v", what, g, w)
		}
		if g.Interval != [2]float64{} && (g.Value < g.Interval[0]-1e-9 || g.Value > g.Interval[1]+1e-9 || math.IsNaN(g.Interval[0]+g.Interval[1])) {
			t.Errorf("%s: %v is not in its interval %v", what, g.Value, g.Interval)
		}
		if task.Text(g.Measure) == g.Measure && g.Measure != "cosine" && g.Measure != "likeness" {
			t.Errorf("measure %s has no words", g.Measure)
		}
	}
}

// TestKindsRefuse: what cannot be judged names the output, the item and what is expected.
func TestKindsRefuse(t *testing.T) {
	set := images13(t)
	bad := func(values []float32, at int, v float32) []float32 { values[at] = v; return values }
	nan := float32(math.NaN())
	for _, c := range []struct {
		task  string
		end   task.End
		value *tensor.Tensor
		items int
		want  string
	}{
		{"segment", task.End{Kind: "sigmoid"}, tensor.Of([]int64{2, 1, 2, 3}, bad(make([]float32, 12), 7, nan)), 2, "images.npy[1]: the values hold NaN"},
		{"segment", task.End{Kind: "sigmoid"}, tensor.Of([]int64{2, 1, 2, 3}, make([]float32, 12)), 3, "output y: float32[2 1 2 3] for a batch of 3 images"},
		{"segment", task.End{}, tensor.Of([]int64{2, 6}, make([]float32, 12)), 2, "found y float32[2 6]; expected a score of each class for each place"},
		{"segment", task.End{Kind: "indices"}, tensor.Of([]int64{1, 2, 2}, []int64{0, 1, 2, 300}), 1, "it holds 300, expected the numbers of classes, 0 to 254"},
		{"segment", task.End{Kind: "softmax", Axis: 1}, tensor.Of([]int64{1, 300, 2, 2}, make([]float32, 1200)), 1, "it has 300 classes, expected at most 255"},
		{"embed", task.End{}, tensor.Of([]int64{2, 3}, bad(make([]float32, 6), 1, nan)), 2, "images.npy[0]: the values hold NaN"},
		{"embed", task.End{}, tensor.Of([]int64{2, 3}, bad(make([]float32, 6), 5, float32(math.Inf(1)))), 2, "images.npy[1]: the values hold infinity"},
		{"embed", task.End{}, tensor.Of([]int64{2, 3, 4}, make([]float32, 24)), 2, "expected a vector for each image [N,D]"},
		{"text", task.End{}, tensor.Of([]int64{2, 3, 4}, bad(make([]float32, 24), 23, nan)), 2, "images.npy[1]: the values hold NaN"},
		{"text", task.End{}, tensor.Of([]int64{2, 12}, make([]float32, 24)), 2, "expected a score of each character at each step"},
		{"regress", task.End{}, tensor.Of([]int64{2, 3}, bad(make([]float32, 6), 0, nan)), 2, "images.npy[0]: the values hold NaN"},
		{"image", task.End{}, tensor.Of([]int64{2, 3, 1, 2}, bad(make([]float32, 12), 6, nan)), 2, "images.npy[1]: the values hold NaN"},
		{"image", task.End{}, tensor.Of([]int64{2, 6, 2, 2}, make([]float32, 48)), 2, "found y float32[2 6 2 2]; expected a picture"},
		{"raw", task.End{Kind: "softmax", Axis: 1}, tensor.Of([]int64{2, 3}, bad(make([]float32, 6), 4, nan)), 2, "images.npy[1]: the values hold NaN"},
		{"raw", task.End{Kind: "l2norm", Axis: 1}, tensor.Of([]int64{2, 3}, bad(make([]float32, 6), 4, nan)), 2, "images.npy[1]: the values hold NaN"},
		{"raw", task.End{Kind: "values", Part: [2]int{2, 9}, PartAxis: 1}, tensor.Of([]int64{2, 3}, make([]float32, 6)), 2, "expected elements 2 to 9 of axis 1 to be values"},
	} {
		kind, err := task.Open(c.task, task.Model{Ends: map[string][]task.End{"y": {c.end}}})
		if err != nil {
			t.Fatal(err)
		}
		j, err := kind.Judge(set, task.Outputs{})
		if err != nil {
			t.Fatal(err)
		}
		b := task.Batch{Outputs: ort.Results{{Name: "y", Value: ort.Value{Tensor: c.value}}}}
		if err := j.Add(b, []int{0, 1, 2}[:c.items]); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %v: %v, expected %q", c.task, c.value, err, c.want)
		}
	}
}
