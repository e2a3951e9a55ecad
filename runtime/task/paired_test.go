package task_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestPairedClasses: the difference of two classifiers that are right of mostly the same
// images, over those that both saw. Its interval is Bonett's and Price's, written out here,
// and is narrower than that of two samples.
func TestPairedClasses(t *testing.T) {
	const classes, each = 4, 50
	dir := t.TempDir()
	for class := range classes {
		folder := filepath.Join(dir, fmt.Sprint(class))
		if err := os.Mkdir(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		for i := range each {
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%02d.jpg", i)), nil, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	set := openSet(t, dir)
	kind, err := task.Open(task.Classify, task.Model{})
	if err != nil {
		t.Fatal(err)
	}
	judged := func(said []int, items ...int) task.Judge {
		j, err := kind.Judge(set, task.Outputs{})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range items {
			y := make([]float32, classes)
			y[said[i]] = 1
			if err := j.Add(task.Batch{Outputs: ort.Results{{Name: "y", Value: ort.Value{Tensor: tensor.Of([]int64{1, classes}, y)}}}}, []int{i}); err != nil {
				t.Fatal(err)
			}
		}
		return j
	}
	rng := rand.New(rand.NewPCG(3, 4))
	whole, model := make([]int, set.Len()), make([]int, set.Len())
	var all, some []int
	won, lost, n, right := 0.0, 0.0, 0.0, 0.0
	for i := range whole {
		label := set.Label(i)
		whole[i], model[i] = label, label
		if rng.Float64() < 0.2 {
			whole[i] = (label + 1) % classes
		}
		if rng.Float64() < 0.2 {
			model[i] = whole[i]
		}
		if rng.Float64() < 0.1 {
			model[i] = (label + 2) % classes
		}
		all = append(all, i)
		if i%7 == 3 {
			continue // the model has not seen it
		}
		some = append(some, i)
		n++
		switch {
		case model[i] == label && whole[i] != label:
			won++
		case model[i] != label && whole[i] == label:
			lost++
		}
		if whole[i] == label {
			right++
		}
	}
	p := task.Pair(judged(model, some...), judged(whole, all...))
	w, l := (won+1)/(n+2), (lost+1)/(n+2)
	spread := 1.959964 * math.Sqrt((w+l-(w-l)*(w-l))/(n+2))
	if p == nil || p.Name != "top1" || p.Images != len(some) || math.Abs(p.Teacher-right/n) > 1e-12 || math.Abs(p.Difference-(won-lost)/n) > 1e-12 ||
		math.Abs(p.Interval[0]-(w-l-spread)) > 1e-6 || math.Abs(p.Interval[1]-(w-l+spread)) > 1e-6 {
		t.Fatalf("%+v: expected %v of %v, %v less %v of %v", p, (won-lost)/n, right/n, won, lost, n)
	}
	if p = task.Pair(judged(whole, all...), judged(whole, all...)); p.Difference != 0 || p.Interval[0] != -p.Interval[1] || p.Interval[1] > 0.02 {
		t.Errorf("with itself: %+v", p)
	}
	if p = task.Pair(judged(whole), judged(whole, all...)); p != nil {
		t.Errorf("of nothing: %+v", p)
	}
}

// alike checks the comparison of judges whose measure is no share of images: with another,
// and with itself.
func alike(t *testing.T, model, teacher task.Judge) {
	t.Helper()
	p := task.Pair(model, teacher)
	mine, theirs := model.Values()[0], teacher.Values()[0]
	if p == nil || p.Name != mine.Measure || p.Images != mine.Images || p.Teacher != theirs.Value || p.Difference != mine.Value-theirs.Value || p.Difference == 0 ||
		p.Interval[0] > p.Difference || p.Interval[1] < p.Difference {
		t.Errorf("%+v: expected %v less %v", p, mine, theirs)
	}
	if p = task.Pair(model, model); p == nil || p.Difference != 0 || p.Interval != [2]float64{} {
		t.Errorf("with itself: %+v", p)
	}
}
