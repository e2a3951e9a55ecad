package feed

import (
	"context"
	"image"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestOriented feeds an image whose file is turned as the upright one is fed: to a single
// run, in a batch, and to training, of an input that only the upright one fits without being
// resized. Preprocessing that does not honour orientations gets what the file holds.
func TestOriented(t *testing.T) {
	port := model.Port{Name: "x", Kind: model.Tensor, DType: tensor.Uint8, Ranked: true, Shape: []model.Dim{{Size: -1}, {Size: 1}, {Size: 4}, {Size: 6}}}
	raw, upright := image.NewGray(image.Rect(0, 0, 4, 6)), image.NewGray(image.Rect(0, 0, 6, 4))
	for y := range 6 {
		for x := range 4 {
			raw.Pix[y*raw.Stride+x] = uint8(10*y + x)
			// 6: "the 0th row is the visual right-hand side, the 0th column the visual top".
			upright.Pix[x*upright.Stride+5-y] = uint8(10*y + x)
		}
	}
	pictures := func(img image.Image) *data.Set {
		all := tensor.Of([]int64{4, 1}, make([]uint8, 4))
		set, err := data.OfTensor("pictures", all, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return set.Map(func(int, data.Item) (data.Item, error) { return data.Item{Image: img}, nil })
	}
	for _, orient := range []bool{true, false} {
		f, err := New([]model.Port{port}, func(l imagein.Layout, size image.Point) (imagein.Preprocess, error) {
			p := imagein.Default(l, size)
			p.Orient = orient
			return p, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		fed := func(img image.Image) (all [][]byte) {
			one, err := f.One(data.Item{Image: img})
			if err != nil {
				t.Fatal(err)
			}
			batch, _, err := f.Batch(pictures(img), []int{0, 1})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, one.Data, batch.Data)
			for _, augment := range []Augment{{}, {ResizedCrop: [2]float64{0.3, 1}, Flip: true, Pad: 1}} {
				l, err := NewLoader(f, pictures(img), LoaderOptions{Batch: 4, Augment: augment, Seed: 3})
				if err != nil {
					t.Fatal(err)
				}
				e := l.Epoch(context.Background(), 0, 0)
				b, err := e.Next()
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, slices.Clone(b.X.Data))
				e.Close()
			}
			return all
		}
		plain := image.Image(upright)
		if !orient {
			plain = raw
		}
		got, want := fed(&imagein.Oriented{Raw: raw, Orientation: 6}), fed(plain)
		for i := range want {
			if !slices.Equal(got[i], want[i]) {
				t.Errorf("orient %v, way %d: %v, expected %v", orient, i, got[i], want[i])
			}
		}
		if orient && !slices.Equal(got[0], upright.Pix) {
			t.Errorf("%v, expected the upright image's own pixels %v", got[0], upright.Pix)
		}
	}
}
