package serve

import (
	"context"
	"errors"
	"image"
	"runtime"

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

// pictures is what a server spends on decoding images, of all its models together:
// a file of a few kilobytes can claim to be as large as memory.
type pictures struct {
	most   int           // pixels of one
	memory *budget       // that decoding takes
	turns  chan struct{} // as many are decoded at a time as there are cores
}

func newPictures(opts Options) *pictures {
	return &pictures{opts.MaxPixels, newBudget(opts.Memory), make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// images decodes and prepares image files for a model's input.
type images struct {
	*pictures
	feeder *feed.Feeder
}

// newImages returns nil for a model whose input is no image, or that calls an
// input of its own by that name.
func newImages(m *served, shared *pictures) *images {
	inputs := m.session.Inputs()
	if len(inputs) != 1 || inputs[0].Name == ImageInput {
		return nil
	}
	if _, err := imagein.LayoutOf(inputs[0]); err != nil {
		return nil
	}
	feeder, err := feed.New(inputs, func(l imagein.Layout, size image.Point) (imagein.Preprocess, error) {
		return imagein.Overrides{}.Resolve(l, m.meta.Preprocess, size)
	})
	if err != nil {
		return nil
	}
	return &images{shared, feeder}
}

// prepare returns the model's input for an image file. It ends with ctx.
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
	picture, err := imagein.Open(file)
	if errors.Is(err, imagein.ErrFormat) {
		return nil, oip.Errorf(oip.Invalid, "input %s: expected a JPEG or PNG file", ImageInput)
	}
	if err != nil {
		return nil, oip.Errorf(oip.Invalid, "input %s: %v", ImageInput, err)
	}
	if picture.Format != "jpeg" && picture.Format != "png" { // others do not end with ctx
		return nil, oip.Errorf(oip.Invalid, "input %s: expected a JPEG or PNG file, found %s", ImageInput, picture.Format)
	}
	size := picture.Size
	if size.Y > p.most/size.X {
		return nil, oip.Errorf(oip.TooLarge, "input %s: %d x %d pixels are more than the %d that this server takes", ImageInput, size.X, size.Y, p.most)
	}
	fraction := p.feeder.Reduction(picture)
	need := picture.Memory(fraction)
	if need > p.memory.size {
		return nil, oip.Errorf(oip.TooLarge, "input %s: decoding %d x %d pixels takes %d bytes of memory, this server has %d for it", ImageInput, size.X, size.Y, need, p.memory.size)
	}
	select {
	case p.turns <- struct{}{}:
		defer func() { <-p.turns }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	memory, err := p.memory.wait(ctx, need)
	if err != nil {
		return nil, err
	}
	defer memory.release()
	if need > large {
		// Else it would be there beside the next one's until the collector finds it.
		defer runtime.GC()
	}
	x, err := p.decode(ctx, picture, fraction)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, oip.Errorf(oip.Invalid, "input %s: %v", ImageInput, err)
	}
	return ort.Feed{p.feeder.Input(): x}, nil
}

// large is the memory of an image that is worth a collection of garbage.
const large = 16 << 20

// decode returns the input for a picture that is decoded at a fraction of its size.
func (p *images) decode(ctx context.Context, picture *imagein.Picture, fraction int) (*tensor.Tensor, error) {
	img, err := picture.Decode(ctx, fraction)
	if err != nil {
		return nil, err
	}
	return p.feeder.Image(ctx, img)
}
