package detect

import (
	"encoding/json"
	"image"
	"math/rand/v2"
	"testing"

	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// BenchmarkDecode reads the 8,400 candidates of a YOLOv8 of 640 x 640, all of them boxes to
// be compared.
func BenchmarkDecode(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	values := make([]float32, 84*8400)
	for i := range values {
		values[i] = r.Float32() / 10
		if i < 4*8400 {
			values[i] = 640 * r.Float32()
		}
	}
	y := tensor.Of([]int64{1, 84, 8400}, values)
	port := model.Port{Name: "y", Kind: model.Tensor, DType: tensor.Float32, Ranked: true, Shape: []model.Dim{{Size: 1}, {Size: 84}, {Size: 8400}}}
	m := Model{Size: image.Pt(640, 640), Outputs: []model.Port{port}}
	d, _, err := Choose(json.RawMessage(`{"name": "yolo"}`), m)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := d.Decode(func(string) (*tensor.Tensor, error) { return y, nil }, m.Size, 1, Floor); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAP is one of a bootstrap's samples, of 500 images with 100 boxes each.
func BenchmarkAP(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	found, there := make([][]Box, 500), make([][]Truth, 500)
	picks := make([]int, len(found))
	for i := range found {
		found[i] = Suppress(made(r, 100, 20), 0, 100, false)
		for _, x := range made(r, 5, 20) {
			there[i] = append(there[i], Truth{Box: x})
		}
		picks[i] = r.IntN(len(found))
	}
	p := Match(found, there, Thresholds)
	for b.Loop() {
		p.AP(1, picks)
	}
}
