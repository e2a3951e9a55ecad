package serve

import (
	"bytes"
	"context"
	"image"
	"runtime"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// ImageInput is an input that every whole model with an image as its only input
// also takes, in that input's place: a JPEG or PNG file, UINT8 [L] or BYTES [1],
// one a request. The server prepares it as the model's bnc.preprocess says. A
// photograph crosses a slow link in a tenth of the bytes of a tensor this way.
const ImageInput = "image"

// maxImagePixels bounds the images that the server decodes: a file of a few
// kilobytes can claim to be as large as memory.
const maxImagePixels = 1 << 26

// images decodes and prepares image files for a model's input.
type images struct {
	feeder *feed.Feeder
	turns  chan struct{} // as many are decoded at a time as there are cores
}

// newImages returns nil for a model whose input is no image, or that calls an
// input of its own by that name.
func newImages(m *served) *images {
	inputs := m.session.Inputs()
	if len(inputs) != 1 || inputs[0].Name == ImageInput {
		return nil
	}
	if _, err := imagein.LayoutOf(inputs[0]); err != nil {
		return nil
	}
	feeder, err := feed.New(inputs, func(l imagein.Layout, size image.Point) (imagein.Preprocess, error) {
		if m.meta.Preprocess != nil {
			return *m.meta.Preprocess, nil
		}
		return imagein.Default(l, size), nil
	})
	if err != nil {
		return nil
	}
	return &images{feeder, make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// prepare returns the model's input for an image file.
func (p *images) prepare(ctx context.Context, t *tensor.Tensor) (ort.Feed, error) {
	var file []byte
	row := len(t.Shape) == 1 || len(t.Shape) == 2 && t.Shape[0] == 1
	switch err := t.Validate(); {
	case err == nil && row && t.DType == tensor.Uint8:
		file = t.Data
	case err == nil && t.DType == tensor.String && len(t.Strings) == 1:
		file = []byte(t.Strings[0])
	default:
		return nil, oip.Errorf(oip.Invalid, "input %s: expected a JPEG or PNG file as UINT8 [L] or BYTES [1], found %s", ImageInput, describe(t))
	}
	select {
	case p.turns <- struct{}{}:
		defer func() { <-p.turns }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if head, _, err := image.DecodeConfig(bytes.NewReader(file)); err == nil && head.Width > 0 && head.Height > maxImagePixels/head.Width {
		return nil, oip.Errorf(oip.TooLarge, "input %s: %d x %d pixels are more than the %d that the server decodes", ImageInput, head.Width, head.Height, maxImagePixels)
	}
	img, err := imagein.Decode(file)
	if err != nil {
		return nil, oip.Errorf(oip.Invalid, "input %s: %v", ImageInput, err)
	}
	x, err := p.feeder.One(data.Item{Image: img})
	if err != nil {
		return nil, oip.Errorf(oip.Invalid, "input %s: %v", ImageInput, err)
	}
	return ort.Feed{p.feeder.Input(): x}, nil
}
