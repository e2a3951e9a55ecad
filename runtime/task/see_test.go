package task_test

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// look is what a task sees in an output y.
func look(t *testing.T, kind string, m task.Model, y *tensor.Tensor, s task.Sight) []task.Seen {
	t.Helper()
	k, err := task.Open(kind, m)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := k.See(task.Batch{Outputs: ort.Results{{Name: "y", Value: ort.Value{Tensor: y}}}}, s)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func ends(kind string, axis int) map[string][]task.End {
	return map[string][]task.End{"y": {{Kind: kind, Axis: axis}}}
}

// TestSeeMasks: the classes of places, and their names: what is in no mask has none.
func TestSeeMasks(t *testing.T) {
	one := tensor.Of([]int64{2, 1, 2, 2}, []float32{0, 0.6, 0.4, 0.5, 1, 0, 0, 0})
	two := tensor.Of([]int64{1, 2, 2, 2}, []float32{0.9, 0.2, 0.6, 0, 0.1, 0.7, 0.8, 0})
	for _, c := range []struct {
		m      task.Model
		y      *tensor.Tensor
		labels []string
		want   string
	}{
		{task.Model{Ends: ends("sigmoid", -1)}, one, []string{"person"}, "[0 1 0 1] [ person] [1 0 0 0] [ person] "},
		{task.Model{Ends: ends("sigmoid", -1)}, one, []string{"rest", "person"}, "[0 1 0 1] [rest person] [1 0 0 0] [rest person] "},
		{task.Model{}, one, nil, "[0 1 0 1] [] [1 0 0 0] [] "},
		{task.Model{Ends: ends("sigmoid", -1)}, two, []string{"cat", "dog"}, "[1 2 2 0] [ cat dog] "},
		{task.Model{Ends: ends("softmax", 1)}, two, []string{"cat", "dog"}, "[0 1 1 0] [cat dog] "},
	} {
		got := ""
		for _, s := range look(t, "segment", c.m, c.y, task.Sight{Labels: c.labels}) {
			got += fmt.Sprint(s.Mask.Classes, s.Mask.Names, " ")
			if a := s.Mask.Areas(c.labels)[0]; len(c.labels) > 0 && a.Label != s.Mask.Names[a.Class] {
				t.Errorf("%+v, expected %q", a, s.Mask.Names)
			}
			if s.Mask.Width != 2 || s.Mask.Height != 2 {
				t.Errorf("%d x %d", s.Mask.Width, s.Mask.Height)
			}
		}
		if got != c.want {
			t.Errorf("%q: %s, expected %s", c.labels, got, c.want)
		}
	}
}

// TestSeeText: characters by the labels that there are: all classes, all but the blank, or
// all but the blank and a space; numbers where they are of another model.
func TestSeeText(t *testing.T) {
	steps := func(classes ...int) *tensor.Tensor {
		y := make([]float32, 5*len(classes))
		for i, c := range classes {
			y[5*i+c] = 1
		}
		return tensor.Of([]int64{1, int64(len(classes)), 5}, y)
	}
	said := steps(1, 1, 0, 1, 2, 4, 4, 3, 0)
	for _, c := range []struct {
		m      task.Model
		labels []string // of the sight
		want   string
	}{
		{task.Model{Labels: []string{"a", "b", "c", "d"}}, nil, "aabdc"},
		{task.Model{Labels: []string{"", "a", "b", "c", "d"}}, nil, "aabdc"},
		{task.Model{Labels: []string{"a", "b", "c"}}, nil, "aab c"},
		{task.Model{Metadata: map[string]string{"character": "a\nb\nc\n"}}, nil, "aab c"},
		{task.Model{Labels: []string{"a", "b", "c", "d"}, Metadata: map[string]string{"blank": "last"}}, nil, "babcda"},
		{task.Model{}, []string{"a", "b", "c", "d"}, "aabdc"},
		{task.Model{}, nil, "1 1 2 4 3"},
		{task.Model{Labels: []string{"a"}}, nil, "1 1 2 4 3"},
	} {
		if got := look(t, "text", c.m, said, task.Sight{Labels: c.labels})[0].Text; got != c.want {
			t.Errorf("%q, %v: %q, expected %q", c.m.Labels, c.m.Metadata, got, c.want)
		}
	}
}

// TestSeePictures of each range and layout: the same one.
func TestSeePictures(t *testing.T) {
	for _, c := range []struct {
		shape  []int64
		values []float32
	}{
		{[]int64{1, 3, 1, 2}, []float32{0, 1, 0.2, 0, 0.4, 0}},
		{[]int64{1, 2, 1, 3}, []float32{-1, -0.6, -0.2, 1, -1, -1}},
		{[]int64{1, 2, 1, 3}, []float32{0, 51, 102, 255, 0, 0}},
		{[]int64{1, 2, 1, 3}, []float32{-2.5, -1.5, -0.5, 2.5, -2.5, -2.5}},
	} {
		img := look(t, "image", task.Model{}, tensor.Of(c.shape, c.values), task.Sight{})[0].Image
		last := img.Bounds().Max.Sub(image.Pt(1, 1)) // of 2 x 1 or 1 x 2 pixels
		got := []color.Color{img.At(0, 0), img.At(last.X, last.Y)}
		if want := []color.Color{color.RGBA{0, 51, 102, 255}, color.RGBA{255, 0, 0, 255}}; !slices.Equal(got, want) {
			t.Errorf("%v: %v, expected %v", c.shape, got, want)
		}
	}
}

// TestSeeVectors and scores among outputs of several kinds.
func TestSeeVectors(t *testing.T) {
	y := tensor.Of([]int64{2, 2}, []float32{0.25, 0.75, 1, 0})
	if got := look(t, "embed", task.Model{}, y, task.Sight{}); !slices.Equal(got[0].Vector, []float64{0.25, 0.75}) || len(got) != 2 {
		t.Errorf("%v", got)
	}
	m := task.Model{Ends: ends("softmax", 1), Outputs: []model.Port{float("y", "n", 2)}}
	if got := look(t, "raw", m, y, task.Sight{Most: 1}); len(got) != 2 || got[0].Top[0].Class != 1 || got[1].Top[0].Class != 0 {
		t.Errorf("%v", got)
	}
	if got := look(t, "regress", task.Model{}, y, task.Sight{}); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// TestRawLabels: labels are of the scores, where these are of as many classes.
func TestRawLabels(t *testing.T) {
	set := images13(t)
	for width, labelled := range map[int]bool{3: true, 4: false} {
		m := task.Model{
			Outputs: []model.Port{float("box", "n", 4), float("face", "n", width)},
			Ends:    map[string][]task.End{"box": {{Kind: "values", Axis: 1}}, "face": {{Kind: "softmax", Axis: 1}}},
		}
		kind, err := task.Open("raw", m)
		if err != nil {
			t.Fatal(err)
		}
		j, err := kind.Judge(set, task.Outputs{})
		if err != nil {
			t.Fatal(err)
		}
		face := make([]float32, 3*width)
		face[0], face[width+1], face[2*width] = 1, 1, 1 // the labels are 0, 1 and 2
		b := task.Batch{Outputs: ort.Results{
			{Name: "box", Value: ort.Value{Tensor: tensor.Of([]int64{3, 4}, make([]float32, 12))}},
			{Name: "face", Value: ort.Value{Tensor: tensor.Of([]int64{3, int64(width)}, face)}},
		}}
		if err := j.Add(b, []int{0, 1, 2}); err != nil {
			t.Fatal(err)
		}
		values := j.Values()
		if labelled != (len(values) > 0) || labelled && (values[0].Measure != "top1" || math.Abs(values[0].Value-2./3) > 1e-12) { // a rounding
			t.Errorf("%d classes: %+v", width, values)
		}
		same, err := j.Agreement(j)
		if err != nil || len(same) != 3 || same[0].Output != "box" || same[0].Value != 1 || same[1].Measure != "relative_error" || same[2].Output != "face" || same[2].Value != 1 {
			t.Errorf("%+v, %v", same, err)
		}
		if each, err := j.Each(j); err != nil || each[0] != 1 || !math.IsNaN(each[3]) {
			t.Errorf("%v, %v", each, err)
		}
	}
}

// TestLargeOutputs: of more numbers than are kept, the error of those that are stands for
// that of all.
func TestLargeOutputs(t *testing.T) {
	set := images13(t)
	kind, err := task.Open("regress", task.Model{})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	const n = 400 * 1000
	said := [2]task.Judge{}
	var mine, theirs [2 * n]float32
	for i := range theirs {
		theirs[i] = r.Float32()
		mine[i] = theirs[i] + 0.1*float32(r.NormFloat64())
	}
	for k, v := range [][]float32{mine[:], theirs[:]} {
		if said[k], err = kind.Judge(set, task.Outputs{}); err != nil {
			t.Fatal(err)
		}
		if err := said[k].Add(task.Batch{Outputs: ort.Results{{Name: "y", Value: ort.Value{Tensor: tensor.Of([]int64{2, n}, v)}}}}, []int{4, 5}); err != nil {
			t.Fatal(err)
		}
	}
	// The variance of two uniform numbers about their mean is half of 1/12, that of the noise
	// is 0.01: 131,072 numbers leave 0.3% of the root of their ratio.
	got, err := said[0].Agreement(said[1])
	if want := math.Sqrt(0.01 * 24); err != nil || math.Abs(got[0].Value-want) > 0.01*want {
		t.Errorf("%+v, %v, expected %v", got, err, want)
	}
}

// TestSideOutputs: the first mask is the answer, others of the same classes are told besides.
func TestSideOutputs(t *testing.T) {
	kind, err := task.Open("segment", task.Model{})
	if err != nil {
		t.Fatal(err)
	}
	mask := func(name string, v ...float32) ort.Result {
		return ort.Result{Name: name, Value: ort.Value{Tensor: tensor.Of([]int64{1, 1, 2, 2}, v)}}
	}
	set, all := images13(t), task.Outputs{}
	for _, name := range []string{"d0", "d1", "classes"} {
		all.Judged = append(all.Judged, task.Output{Name: name, From: name})
	}
	var said [2]task.Judge
	for k, outputs := range []ort.Results{
		{mask("d0", 1, 1, 0, 0), mask("d1", 1, 0, 0, 0)}, {mask("d0", 1, 1, 0, 0), mask("d1", 0, 1, 0, 0)},
	} {
		outputs = append(outputs, ort.Result{Name: "classes", Value: ort.Value{Tensor: tensor.Of([]int64{1, 3, 2, 2}, make([]float32, 12))}})
		if said[k], err = kind.Judge(set, all); err != nil {
			t.Fatal(err)
		}
		if err := said[k].Add(task.Batch{Outputs: outputs}, []int{2}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := said[0].Agreement(said[1])
	if err != nil || len(got) != 3 || got[0].Measure != "miou" || got[0].Value != 1 || got[1].Measure != "side_miou" || got[1].Value != 0 || got[2].Measure != "miou" {
		t.Errorf("%+v, %v", got, err)
	}
	if p := task.PrimaryOf(nil, got); p.Value != 1 {
		t.Errorf("%+v", p)
	}
}
