package main

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
)

// TestTrainMeasuresStatistics: after few steps the written normalisation has the mean and
// the unbiased variance of what its own convolution makes of the training images, which
// are one batch here. ONNX Runtime computes the convolution, this test the two.
func TestTrainMeasuresStatistics(t *testing.T) {
	plugin(t)
	const images = 48
	set, out := stripes(t, images, 8), filepath.Join(t.TempDir(), "o.onnx")
	trained(t, stripeNet(t), "--data", set, "--epochs", "3", "--batch", "48", "--flip", "off", "--random-crop", "none", "--keep-last", "-o", out)
	m, err := onnx.Load(out)
	if err != nil {
		t.Fatal(err)
	}
	running := map[string][]float32{}
	for _, name := range []string{"mean1", "var1"} {
		if running[name], err = m.Graph.Value(name).Init().Floats(); err != nil {
			t.Fatal(err)
		}
	}
	m.Graph.SetOutputs(m.Graph.Value("a"))
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	session, err := ort.OpenBytes("convolution", b, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	f, err := feed.New(session.Inputs(), feed.Always(modelMeta(t, out).Preprocess))
	if err != nil {
		t.Fatal(err)
	}
	train, err := data.Open(set, data.Train)
	if err != nil {
		t.Fatal(err)
	}
	items := make([]int, images)
	for i := range items {
		items[i] = i
	}
	x, _, err := f.Batch(train, items)
	if err != nil {
		t.Fatal(err)
	}
	results, err := session.Run(t.Context(), ort.Feed{f.Input(): x})
	if err != nil {
		t.Fatal(err)
	}
	y, err := results[0].Tensor.Floats()
	if err != nil {
		t.Fatal(err)
	}
	channels := int(results[0].Tensor.Shape[1])
	plane := len(y) / images / channels
	for c := range channels {
		var n, sum, squares float64
		for i := range images {
			for _, v := range y[(i*channels+c)*plane:][:plane] {
				n, sum, squares = n+1, sum+v, squares+v*v
			}
		}
		mean := sum / n
		variance := (squares - n*mean*mean) / (n - 1)
		// float32 sums of 1,728 numbers about 1
		if math.Abs(float64(running["mean1"][c])-mean) > 1e-4 || math.Abs(float64(running["var1"][c])-variance) > 1e-4*(1+variance) {
			t.Errorf("channel %d: mean %v, variance %v are written, the images have %v, %v", c, running["mean1"][c], running["var1"][c], mean, variance)
		}
	}
}
