package task_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// show writes rankings as class=label:score with two digits.
func show(rows [][]task.Class) string {
	var lines []string
	for _, row := range rows {
		var words []string
		for _, c := range row {
			words = append(words, fmt.Sprintf("%d=%s:%.2f", c.Class, c.Label, c.Score))
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return strings.Join(lines, "; ")
}

func TestTop(t *testing.T) {
	names := []string{"cat", "dog", "emu"}
	value := func(x *tensor.Tensor) ort.Value { return ort.Value{Tensor: x} }
	f32 := func(shape []int64, v ...float32) ort.Value { return value(tensor.Of(shape, v)) }
	maps := ort.Value{Sequence: []ort.Value{{
		Keys:   &tensor.Tensor{DType: tensor.String, Shape: []int64{2}, Strings: []string{"emu", "yak"}},
		Values: tensor.Of([]int64{2}, []float32{.25, .75}),
	}}}
	numbered := ort.Value{Sequence: []ort.Value{{
		Keys:   tensor.Of([]int64{2}, []int64{1, 2}),
		Values: tensor.Of([]int64{2}, []float32{.75, .25}),
	}}}
	text := value(&tensor.Tensor{DType: tensor.String, Shape: []int64{2}, Strings: []string{"emu", "yak"}})
	// Softmax of (0, ln 3): 1/4 and 3/4.
	ln3 := float32(math.Log(3))
	tests := []struct {
		name    string
		outputs []ort.Value
		k       int
		want    string
	}{
		{"logits", []ort.Value{f32([]int64{2, 2}, 0, ln3, ln3, 0)}, 2, "1=dog:0.75 0=cat:0.25; 0=cat:0.75 1=dog:0.25"},
		{"probabilities", []ort.Value{f32([]int64{1, 3}, .2, .5, .3)}, 2, "1=dog:0.50 2=emu:0.30"},
		{"negative logits", []ort.Value{f32([]int64{1, 2}, -ln3, 0)}, 1, "1=dog:0.75"},
		{"in 0..1 but no distribution", []ort.Value{f32([]int64{1, 2}, 0, 0)}, 2, "0=cat:0.50 1=dog:0.50"},
		{"axes of 1", []ort.Value{f32([]int64{1, 2, 1, 1}, 0, ln3)}, 1, "1=dog:0.75"},
		{"more than labels", []ort.Value{f32([]int64{1, 4}, 0, 0, 0, 1)}, 9, "3=:1.00 0=cat:0.00 1=dog:0.00 2=emu:0.00"},
		{"single score", []ort.Value{f32([]int64{2, 1}, .8, .1)}, 1, "0=cat:0.80; 0=cat:0.10"},
		{"uint8", []ort.Value{value(tensor.Of([]int64{1, 2}, []uint8{50, 150}))}, 2, "1=dog:0.75 0=cat:0.25"},
		{"int8", []ort.Value{value(tensor.Of([]int64{1, 2}, []int8{-128, -64}))}, 2, "1=dog:1.00 0=cat:0.00"},
		{"TopK of probabilities", []ort.Value{f32([]int64{2, 2}, .5, .3, .9, .05), value(tensor.Of([]int64{2, 2}, []int64{2, 0, 1, 7}))}, 2, "2=emu:0.50 0=cat:0.30; 1=dog:0.90 7=:0.05"},
		{"TopK of scores, indices first", []ort.Value{value(tensor.Of([]int64{1, 2}, []int64{2, 0})), f32([]int64{1, 2}, ln3, 0)}, 1, "2=emu:0.75"},
		{"no TopK: the values rise", []ort.Value{f32([]int64{1, 2}, 0, ln3), value(tensor.Of([]int64{1, 2}, []int64{0, 0}))}, 1, "1=dog:0.75"},
		{"after a vector", []ort.Value{f32([]int64{1}, 9), f32([]int64{1, 2}, 0, ln3)}, 1, "1=dog:0.75"},
		{"maps", []ort.Value{text, maps}, 2, "1=yak:0.75 2=emu:0.25"},
		{"numbered maps", []ort.Value{numbered}, 2, "1=dog:0.75 2=emu:0.25"},
		{"argmax", []ort.Value{value(tensor.Of([]int64{2}, []int64{2, 7}))}, 5, "2=emu:1.00; 7=:1.00"},
		{"labels only", []ort.Value{text}, 5, "2=emu:1.00; -1=yak:1.00"},
		{"no batch", []ort.Value{f32([]int64{2}, 0, ln3)}, 1, "1=dog:0.75"},
		{"infinite", []ort.Value{f32([]int64{1, 2}, float32(math.Inf(1)), 0)}, 1, "0=cat:1.00"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var outputs ort.Results
			for i, v := range test.outputs {
				outputs = append(outputs, ort.Result{Name: fmt.Sprint("out", i), Value: v})
			}
			rows, err := task.Top(outputs, names, test.k)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(rows); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
	for name, outputs := range map[string]ort.Results{
		"image": {{Name: "picture", Value: f32([]int64{1, 1, 2, 2}, 0, 0, 0, 0)}},
		"NaN":   {{Name: "logits", Value: f32([]int64{1, 2}, 0, float32(math.NaN()))}},
	} {
		if rows, err := task.Top(outputs, nil, 1); err == nil || !strings.Contains(err.Error(), outputs[0].Name) {
			t.Errorf("%s: %v, %v", name, rows, err)
		}
	}
	if _, err := task.Top(nil, nil, 0); err == nil {
		t.Error("the best 0 classes were given")
	}
}

// TestTopOfModels runs models that end in ZipMap and ArgMax.
func TestTopOfModels(t *testing.T) {
	rttest.Library(t)
	for name, want := range map[string]string{"zipmap.onnx": "1=dog:0.70 2=emu:0.20", "argmax.onnx": "1=:1.00"} {
		r, err := bundle.OpenRunner(rttest.Data(name), ort.Options{})
		if err != nil {
			t.Fatal(err)
		}
		result, err := r.Run(t.Context(), ort.Feed{"scores": tensor.Of([]int64{1, 3}, []float32{.1, .7, .2})})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := task.Top(result.Outputs, nil, 2)
		if err != nil {
			t.Fatal(err)
		}
		if got := show(rows); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
