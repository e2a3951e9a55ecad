//go:build cgo

package oracle

import (
	"bytes"
	"errors"
	"image"
	"os"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/ort"
)

// TestUncalibratedTells demands of bottlenecks that were neither calibrated nor
// trained, at every residual block, that two photographs give different
// payloads, and a tile of 256 cells or more 16 values or more. The cuts of
// ResNet-50 cannot be negative, those of MobileNetV2 can.
func TestUncalibratedTells(t *testing.T) {
	rttest.Plugin(t)
	var items []data.Item
	for _, name := range []string{"chelsea.png", "rocket.jpg"} {
		item, err := data.ReadItem(rttest.Cached(t, "", "photos/"+name, "make deps"))
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	networks := map[string]*ir.Model{}
	for _, name := range []string{"resnet50", "mobilenetv2"} {
		m, err := models.Build(name, models.Options{})
		if err != nil {
			t.Fatal(err)
		}
		networks[name] = m
	}
	trained, err := onnx.Load(rttest.Source("..", "shared", "models", "imagenet", "mobilenetv2.onnx"))
	switch {
	case err == nil:
		networks["mobilenetv2 with trained weights"] = trained
	case errors.Is(err, os.ErrNotExist):
		t.Logf("without trained weights: %v", err)
	default:
		t.Fatal(err)
	}
	for name, m := range networks {
		same := m.Clone()
		info, err := shape.Infer(same, shape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		blocks := slices.DeleteFunc(cut.Find(same, info).Cuts, func(c cut.Cut) bool { return len(c.Aliases) == 0 })
		if len(blocks) < 10 {
			t.Errorf("%s: only %d residual blocks", name, len(blocks))
		}
		for i, c := range blocks {
			t.Run(name+"/"+c.Aliases[0], func(t *testing.T) {
				b := oracletest.Bottleneck{After: c.ID, Channels: []int64{1, 2, 5, 10}[i%4]}
				tells(t, oracletest.Split(t, m, b).Mobile, items)
			})
		}
	}
}

// tells runs a mobile half on photographs.
func tells(t *testing.T, mobile *ir.Model, items []data.Item) {
	t.Helper()
	mobile.Graph.AddOutput(mobile.Graph.Value("tile"), nil)
	session := oracletest.Open(t, mobile, ort.Options{})
	feeder, err := feed.New(session.Inputs(), func(l imagein.Layout, size image.Point) (imagein.Preprocess, error) {
		return imagein.Default(l, size), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var payloads [][]byte
	for i, item := range items {
		x, err := feeder.One(item)
		if err != nil {
			t.Fatal(err)
		}
		out, err := session.Run(t.Context(), ort.Feed{feeder.Input(): x})
		if err != nil {
			t.Fatal(err)
		}
		tile, err := out.Tensor("tile")
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, out[0].Tensor.Data)
		values := map[byte]bool{}
		for _, v := range tile.Data {
			values[v] = true
		}
		if len(tile.Data) >= 256 && len(values) < 16 {
			t.Errorf("photograph %d: %d values in a tile of %d cells", i, len(values), len(tile.Data))
		}
	}
	// Without the ranges, which differ between any two images.
	if bytes.Equal(payloads[0][12:], payloads[1][12:]) {
		t.Errorf("two photographs give the same payload")
	}
}
