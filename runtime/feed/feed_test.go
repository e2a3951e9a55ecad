package feed_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// input declares a graph input.
func input(dtype tensor.DType, sizes ...int64) []model.Port {
	port := model.Port{Name: "x", Kind: model.Tensor, DType: dtype, Ranked: true}
	for _, s := range sizes {
		port.Shape = append(port.Shape, model.Dim{Size: s})
	}
	return []model.Port{port}
}

// flat is a grey picture of one level.
func flat(w, h int, level uint8) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = level
	}
	return img
}

func newFeeder(t *testing.T, inputs []model.Port, p *imagein.Preprocess) *feed.Feeder {
	t.Helper()
	f, err := feed.New(inputs, feed.Always(p))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestOneImage(t *testing.T) {
	f := newFeeder(t, input(tensor.Uint8, -1, 1, 4, 4), nil)
	// A picture of the input's size is taken as it is; its corner would be lost
	// if it were resized by 256/224 and cropped.
	img := flat(4, 4, 9)
	img.Pix[0] = 200
	for _, test := range []struct {
		img  image.Image
		want uint8
	}{{img, 200}, {flat(40, 30, 7), 7}} {
		x, err := f.One(data.Item{Image: test.img})
		if err != nil {
			t.Fatal(err)
		}
		if x.String() != "uint8[1 1 4 4]" || x.Data[0] != test.want {
			t.Errorf("%v %v, want %d first", x, x.Data, test.want)
		}
	}
	p := imagein.Preprocess{Color: imagein.Gray, Resize: 4, Crop: [2]int{4, 4}, Scale: 1, Mean: []float64{1}, Std: []float64{1}}
	x, err := newFeeder(t, input(tensor.Uint8, -1, 1, 4, 4), &p).One(data.Item{Image: flat(8, 8, 7)})
	if err != nil || x.Data[0] != 6 {
		t.Errorf("%v, %v: the preprocessing that was asked for was not done", x, err)
	}
}

func TestOneTensor(t *testing.T) {
	f := newFeeder(t, input(tensor.Float32, -1, 2, 2), nil)
	values := []float32{1, 2, 3, 4}
	for _, shape := range [][]int64{{2, 2}, {1, 2, 2}} {
		x, err := f.One(data.Item{Tensor: tensor.Of(shape, values)})
		if err != nil || x.String() != "float32[1 2 2]" {
			t.Errorf("%v: %v, %v", shape, x, err)
		}
	}
	if _, err := f.One(data.Item{Tensor: tensor.Of([]int64{1}, []float64{1})}); err == nil || !strings.Contains(err.Error(), "save it as float32") {
		t.Errorf("a tensor of another type: %v", err)
	}
	if _, err := f.One(data.Item{Image: flat(2, 2, 0)}); err == nil || !strings.Contains(err.Error(), "input x") {
		t.Errorf("an image for an input that is none: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := feed.New(nil, feed.Always(nil)); err == nil {
		t.Error("a model without inputs was taken")
	}
	p := imagein.Preprocess{Color: "none"}
	if _, err := feed.New(input(tensor.Float32, 1, 3, 8, 8), feed.Always(&p)); err == nil {
		t.Error("a preprocessing that cannot be was taken")
	}
	f := newFeeder(t, input(tensor.Float32, 1, 3, -1, -1), nil)
	if _, err := f.One(data.Item{Image: flat(8, 8, 0)}); err == nil || !strings.Contains(err.Error(), "any size") {
		t.Errorf("an input of any size without a crop: %v", err)
	}
}

func TestBatch(t *testing.T) {
	dir := t.TempDir()
	for i := range 10 {
		path := filepath.Join(dir, fmt.Sprintf("class%d", i%2), fmt.Sprintf("%d.png", i))
		var buf bytes.Buffer
		if err := png.Encode(&buf, flat(2, 2, uint8(i))); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	set, err := data.Open(dir, data.Train)
	if err != nil {
		t.Fatal(err)
	}
	f := newFeeder(t, input(tensor.Uint8, -1, 1, 2, 2), nil)
	// Items 0..4 are 0, 2, 4, 6, 8 of class 0, items 5..9 the odd ones.
	x, labels, err := f.Batch(set, []int{9, 0, 5, 4})
	if err != nil {
		t.Fatal(err)
	}
	if x.String() != "uint8[4 1 2 2]" || !slices.Equal([]uint8{x.Data[0], x.Data[4], x.Data[8], x.Data[12]}, []uint8{9, 0, 1, 8}) {
		t.Errorf("%v %v", x, x.Data)
	}
	if !slices.Equal(labels, []int{1, 0, 1, 0}) {
		t.Errorf("labels %v", labels)
	}
	if _, _, err := f.Batch(set, nil); err == nil {
		t.Error("an empty batch was made")
	}
	broken := filepath.Join(dir, "class0", "2.png")
	if err := os.WriteFile(broken, []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Batch(set, []int{0, 1, 2}); err == nil || !strings.Contains(err.Error(), broken) {
		t.Errorf("the error %v does not name %s", err, broken)
	}
}

func TestBatchOfUnlikeTensors(t *testing.T) {
	dir := t.TempDir()
	for i, shape := range []string{"1,2", "1,3"} {
		header := fmt.Sprintf("{'descr': '|u1', 'fortran_order': False, 'shape': (%s), }", shape)
		file := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), 0)
		file = append(append(file, header...), make([]byte, 2+i)...)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.npy", i)), file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	set, err := data.Open(dir, data.Train)
	if err != nil {
		t.Fatal(err)
	}
	f := newFeeder(t, input(tensor.Uint8, -1, -1), nil)
	if _, _, err := f.Batch(set, []int{0, 1}); err == nil || !strings.Contains(err.Error(), "alike") {
		t.Errorf("tensors of two shapes in a batch: %v", err)
	}
}
