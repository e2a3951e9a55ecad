package model_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestEndBefore takes the encoder out of mobile graphs: what is left gives what the graph
// that was split without one gives.
func TestEndBefore(t *testing.T) {
	rttest.Library(t)
	ends := []model.Port{{Name: "tile", DType: tensor.Uint8}, {Name: "range", DType: tensor.Float32}}
	image := make([]float32, 2*3*32*32)
	for i := range image {
		image[i] = float32(i%97) / 97
	}
	feed := ort.Feed{"input": tensor.Of([]int64{2, 3, 32, 32}, image)}
	for name, ends := range map[string][]model.Port{"static": ends[:1], "dynamic": ends} {
		file, err := os.ReadFile(rttest.Data("graph-"+name, "mobile.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		edited, err := model.EndBefore(file, "bnc", ends)
		if err != nil {
			t.Fatal(err)
		}
		if head, err := model.ReadBytes(edited); err != nil || len(head.Opsets) != 1 {
			t.Errorf("%s: operator sets %v, %v", name, head.Opsets, err)
		}
		session, err := ort.OpenBytes(name, edited, ort.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		other, err := ort.Open(rttest.Data("device-host-"+name, "mobile.onnx"), ort.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		got, err := session.Run(t.Context(), feed)
		if err != nil {
			t.Fatal(err)
		}
		want, err := other.Run(t.Context(), feed)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) || len(got) != len(ends)+1 {
			t.Fatalf("%s: %d outputs, expected %d", name, len(got), len(want))
		}
		for i, w := range want {
			if g := got[i]; g.Name != w.Name || g.Tensor.DType != w.Tensor.DType || !bytes.Equal(g.Tensor.Data, w.Tensor.Data) {
				t.Errorf("%s: output %d is %s %v, expected %s %v", name, i, g.Name, g.Tensor, w.Name, w.Tensor)
			}
		}
		for n := range file { // cut short
			if _, err := model.EndBefore(file[:n], "bnc", ends); err != nil && !errors.Is(err, model.ErrFormat) {
				t.Fatalf("%s: %d bytes: %v", name, n, err)
			}
		}
	}
}
