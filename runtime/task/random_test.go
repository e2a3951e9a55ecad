package task_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestAnyOutputs: whatever outputs are, and whatever is said of them, tasks are guessed,
// opened and either see something in them or tell why not; and what a judge takes it can
// compare with itself, as equal.
func TestAnyOutputs(t *testing.T) {
	set := images13(t)
	r := rand.New(rand.NewPCG(3, 5))
	one := func(n int) bool { return r.IntN(n) == 0 }
	dtypes := []tensor.DType{tensor.Float32, tensor.Float32, tensor.Float32, tensor.Float16, tensor.Float64, tensor.Int64, tensor.Uint8, tensor.Int8, tensor.Bool, tensor.String}
	kinds := []string{"", "softmax", "sigmoid", "l2norm", "indices", "values"}
	taken, guessed := map[string]int{}, map[string]int{}
	for range 800 {
		m := task.Model{Inputs: []model.Port{float("image", "n", 3, 6, 8)}, Ends: map[string][]task.End{}}
		var outputs ort.Results
		for k := range 1 + r.IntN(3) {
			name, dtype := string(rune('a'+k)), dtypes[r.IntN(len(dtypes))]
			shape := []int64{2, 1 + r.Int64N(9), 6, 8, 2}[:r.IntN(6)]
			for i := range shape {
				if one(4) {
					shape[i] = r.Int64N(10)
				}
			}
			y, err := tensor.New(dtype, shape...)
			if err != nil {
				t.Fatal(err)
			}
			if dtype == tensor.Float32 {
				for i := range tensor.Slice[float32](y) {
					tensor.Slice[float32](y)[i] = float32(2 * r.NormFloat64())
				}
			}
			p := model.Port{Name: name, Kind: model.Tensor, DType: dtype, Ranked: !one(9)}
			for _, d := range shape {
				if p.Ranked {
					p.Shape = append(p.Shape, model.Dim{Size: d})
				}
				if p.Ranked && one(5) {
					p.Shape[len(p.Shape)-1] = model.Dim{Size: -1}
				}
			}
			for range r.IntN(3) {
				end := task.End{Kind: kinds[r.IntN(len(kinds))], Axis: r.IntN(6) - 1}
				if one(4) {
					end.Part, end.PartAxis = [2]int{r.IntN(4), r.IntN(8)}, r.IntN(5)
				}
				m.Ends[name] = append(m.Ends[name], end)
			}
			m.Outputs, outputs = append(m.Outputs, p), append(outputs, ort.Result{Name: name, Value: ort.Value{Tensor: y}})
		}
		name, _ := task.Guess(m)
		guessed[name]++
		for _, name := range task.Kinds() {
			kind, err := task.Open(name, m)
			if err != nil {
				continue
			}
			b := task.Batch{Outputs: outputs}
			if _, err := kind.See(b, task.Sight{Most: 5}); err != nil && err.Error() == "" {
				t.Errorf("%s: an error that says nothing", name)
			}
			j, err := kind.Judge(set.Unlabelled(), m.All(""))
			if err != nil || j.Add(b, []int{3, 8}) != nil || name == task.Detect { // which finds nothing in noise
				continue
			}
			same, err := j.Agreement(j)
			if err != nil {
				t.Errorf("%s: %v: %v", name, outputs, err)
				continue
			}
			for _, v := range same {
				if best := task.MeasureOf(v.Measure).Perfect(); math.Abs(v.Value-best) > 1e-9 { // of roundings
					t.Errorf("%s: %s of itself is %v: %v %v", name, v.Measure, v.Value, m.Outputs, m.Ends)
				}
			}
			each, err := j.Each(j)
			if err != nil || len(each) != set.Len() || !math.IsNaN(each[0]) {
				t.Errorf("%s: %v, %v", name, each, err)
			}
			taken[name]++
		}
	}
	for _, name := range task.Kinds() {
		if name != task.Detect && taken[name] < 10 {
			t.Errorf("%s took outputs %d times of 800: %v, guessed %v", name, taken[name], taken, guessed)
		}
	}
}
