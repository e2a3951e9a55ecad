package imagein

import (
	"context"
	"fmt"
	"image"
	"math"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// Preparer prepares images for one graph input. It may be used from many
// goroutines at once.
type Preparer struct {
	preprocess Preprocess
	layout     Layout
	fill       func(batch *tensor.Tensor, index int, pixels []uint8)
}

// New returns the Preparer for p and a graph input's layout, and an error
// where they do not go together.
func New(p Preprocess, l Layout) (*Preparer, error) {
	if err := p.Validate(l); err != nil {
		return nil, err
	}
	encode, ok := encoders[l.DType]
	if !ok {
		return nil, fmt.Errorf("preprocess: images cannot become %v", l.DType)
	}
	prep := &Preparer{preprocess: p, layout: l}
	switch l.DType.Size() {
	case 1:
		prep.fill = filler[uint8](p, l, encode)
	case 2:
		prep.fill = filler[uint16](p, l, encode)
	case 4:
		prep.fill = filler[uint32](p, l, encode)
	default:
		prep.fill = filler[uint64](p, l, encode)
	}
	return prep, nil
}

// Preprocess returns what the Preparer was made from.
func (prep *Preparer) Preprocess() Preprocess { return prep.preprocess }

// NewBatch returns a tensor for n images, [n C H W] or [n H W C], zeroed.
func (prep *Preparer) NewBatch(n int) (*tensor.Tensor, error) {
	return tensor.New(prep.layout.DType, prep.layout.shape(n, prep.preprocess.Crop)...)
}

// One prepares a single image as a batch of one.
func (prep *Preparer) One(img image.Image) (*tensor.Tensor, error) {
	return prep.OneWithin(context.Background(), img)
}

// OneWithin is One that ends with ctx.
func (prep *Preparer) OneWithin(ctx context.Context, img image.Image) (*tensor.Tensor, error) {
	batch, err := prep.NewBatch(1)
	if err != nil {
		return nil, err
	}
	pixels, err := prep.pixels(ctx, new(Scratch), img)
	if err != nil {
		return nil, err
	}
	prep.fill(batch, 0, pixels)
	return batch, nil
}

// Into prepares an image into place index of a batch that NewBatch made.
// Different places may be filled at the same time.
func (prep *Preparer) Into(batch *tensor.Tensor, index int, img image.Image) error {
	pixels, err := prep.Pixels(img)
	if err != nil {
		return err
	}
	prep.fill(batch, index, pixels)
	return nil
}

// Pixels returns the image in the input's size as bytes 0..255, row by row, with 3 bytes
// (R, G, B) a pixel, or 1 where the color is gray, or 4 where it has alpha.
func (prep *Preparer) Pixels(img image.Image) ([]uint8, error) {
	return prep.PixelsWith(new(Scratch), img)
}

// encoders turn a preprocessed value into the bits of an element. Integers
// are rounded half to even and clamped.
var encoders = map[tensor.DType]func(float64) uint64{
	tensor.Float32: func(v float64) uint64 { return uint64(math.Float32bits(float32(v))) },
	tensor.Float64: math.Float64bits,
	tensor.Float16: func(v float64) uint64 { return uint64(tensor.Float32ToFloat16(float32(v))) },
	tensor.Int8:    integer(math.MinInt8, math.MaxInt8),
	tensor.Int16:   integer(math.MinInt16, math.MaxInt16),
	tensor.Int32:   integer(math.MinInt32, math.MaxInt32),
	tensor.Int64:   integer(-1<<53, 1<<53), // what float64 counts exactly
	tensor.Uint8:   integer(0, math.MaxUint8),
	tensor.Uint16:  integer(0, math.MaxUint16),
	tensor.Uint32:  integer(0, math.MaxUint32),
	tensor.Uint64:  integer(0, 1<<53),
}

func integer(low, high float64) func(float64) uint64 {
	return func(v float64) uint64 {
		return uint64(int64(min(max(math.RoundToEven(v), low), high)))
	}
}

// filler returns the function that writes cropped pixels to a batch. A pixel
// has 256 values, so the arithmetic is done once for each and channel. W is
// the unsigned integer of the element's size.
func filler[W uint8 | uint16 | uint32 | uint64](p Preprocess, l Layout, encode func(float64) uint64) func(*tensor.Tensor, int, []uint8) {
	tables := make([][256]W, l.Channels)
	source := make([]int, l.Channels) // where a channel lies in an RGB pixel
	for k := range tables {
		source[k] = k
		if p.Color == BGR {
			source[k] = l.Channels - 1 - k
		}
		for v := range 256 {
			tables[k][v] = W(encode((float64(v)*p.Scale - p.Mean[k]) / p.Std[k]))
		}
	}
	area := p.Crop[0] * p.Crop[1]
	pixelStep, channelStep := 1, area
	if l.ChannelsLast {
		pixelStep, channelStep = l.Channels, 1
	}
	return func(batch *tensor.Tensor, index int, pixels []uint8) {
		all := tensor.Words[W](batch)
		image := all[index*area*l.Channels:][:area*l.Channels]
		for k := range tables {
			table, from, at := &tables[k], source[k], k*channelStep
			for i := range area {
				image[at] = table[pixels[i*l.Channels+from]]
				at += pixelStep
			}
		}
	}
}
