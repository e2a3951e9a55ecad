package task_test

import (
	"encoding/json"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestMasksAgainstNumpy compares class maps with masks of pictures of other sizes.
func TestMasksAgainstNumpy(t *testing.T) {
	script, err := os.ReadFile("testdata/masks.py")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var want struct {
		Frames [][2]int
		Scores [][]float64
		Shape  []int64
		MIoU   float64
	}
	if err := json.Unmarshal(rttest.Python(t, string(script), dir), &want); err != nil {
		t.Fatal(err)
	}
	set := openSet(t, dir)
	kind, err := task.Open("segment", task.Model{})
	if err != nil {
		t.Fatal(err)
	}
	j, err := kind.Judge(set, task.Outputs{})
	if err != nil {
		t.Fatal(err)
	}
	batch := func(i int, size [2]int) task.Batch {
		frame := imagein.Frame{
			Picture: image.Pt(size[0], size[1]), Input: image.Pt(20, 12),
			ScaleX: 20 / float64(size[0]), ScaleY: 12 / float64(size[1]),
		}
		y := tensor.Of(want.Shape, as[float32](want.Scores[i]))
		return task.Batch{Outputs: ort.Results{{Name: "y", Value: ort.Value{Tensor: y}}}, Frames: []imagein.Frame{frame}}
	}
	for i, size := range want.Frames {
		if err := j.Add(batch(i, size), []int{i}); err != nil {
			t.Fatal(err)
		}
	}
	got := j.Values()
	// Quotients of the same integers, summed in another order.
	if len(got) != 1 || got[0].Measure != "miou" || got[0].Images != len(want.Frames) || math.Abs(got[0].Value-want.MIoU) > 1e-12 || want.MIoU < 0.2 || want.MIoU > 0.8 {
		t.Errorf("%+v, expected %v", got, want.MIoU)
	}

	worse, err := kind.Judge(set, task.Outputs{})
	if err != nil {
		t.Fatal(err)
	}
	for i, size := range want.Frames {
		b := batch(i, size)
		if y := tensor.Slice[float32](b.Outputs[0].Tensor); i%2 == 0 {
			for k := range y {
				y[k] = -y[k]
			}
		}
		if err := worse.Add(b, []int{i}); err != nil {
			t.Fatal(err)
		}
	}
	alike(t, worse, j)

	wider := [2]int{want.Frames[0][0] + 1, want.Frames[0][1]}
	if err := j.Add(batch(0, wider), []int{0}); err == nil || !strings.Contains(err.Error(), "0.jpg: the mask is") || !strings.Contains(err.Error(), "the picture") {
		t.Errorf("a mask of another size: %v", err)
	}
	mask := image.NewGray(image.Rect(0, 0, want.Frames[0][0], want.Frames[0][1]))
	for i := range mask.Pix {
		mask.Pix[i] = 5
	}
	f, err := os.Create(filepath.Join(dir, "0.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, mask); err != nil {
		t.Fatal(err)
	}
	if err := j.Add(batch(0, want.Frames[0]), []int{0}); err == nil || !strings.Contains(err.Error(), "0.jpg: its mask has class 5, the model has 5 classes, counted from 0") {
		t.Errorf("a class that there is none of: %v", err)
	}
}
