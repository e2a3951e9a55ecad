package eval

import (
	"errors"
	"fmt"
	"image"
	"math"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
)

// Sent is how images themselves are sent to a whole model.
type Sent struct {
	Codec
	Quality int // nothing for a lossless codec
	// Size is the short side in pixels that images are sent with, and enlarged again for the
	// model: what saves bytes without any codec. 0 for the input's own.
	Size int
}

// Sizes are what the images of a set take as files and without their headers,
// for those that have been read.
type Sizes struct{ File, Payload []int }

// Recode returns the set's images as they come out of being sent, after they are
// resized and cropped as choose says and before they are normalised, with a
// Feeder for them. The sizes are there when every item has been read.
func Recode(set *data.Set, inputs []model.Port, given feed.Given, choose feed.Chooser, s Sent) (*data.Set, *feed.Feeder, *Sizes, error) {
	plain, err := given.New(inputs, choose)
	if err != nil {
		return nil, nil, nil, fault.Unusable("option input_codec: %w", err)
	}
	layout, err := imagein.LayoutOf(plain.Port())
	if err != nil {
		return nil, nil, nil, fault.Unusable("option input_codec: %w", err)
	}
	if p, err := choose(layout, image.Point{}); err == nil && s.Size > min(p.Crop[0], p.Crop[1]) {
		return nil, nil, nil, fault.Usage("input_size", "%d: the input's short side has %d pixels, expected at most that", s.Size, min(p.Crop[0], p.Crop[1]))
	}
	feeder, err := given.New(inputs, func(l imagein.Layout, size image.Point) (imagein.Preprocess, error) {
		p, err := choose(l, size)
		p.Resize = 0 // done before the codec
		return p, err
	})
	if err != nil {
		return nil, nil, nil, fault.Unusable("option input_codec: %w", err)
	}
	sizes := &Sizes{File: make([]int, set.Len()), Payload: make([]int, set.Len())}
	recoded := set.Map(func(i int, item data.Item) (data.Item, error) {
		if item.Image == nil {
			return data.Item{}, errors.New("found a tensor; an input codec needs images")
		}
		p := plain.Preprocess(item.Image)
		if p == nil {
			_, err := plain.One(item) // tells why
			return data.Item{}, err
		}
		img, err := s.reduced(item.Image, *p, layout)
		if err != nil {
			return data.Item{}, err
		}
		back, file, payload, err := s.roundTrip(img, s.Quality)
		if err != nil {
			return data.Item{}, fmt.Errorf("as %s: %w", s.at(s.Quality), err)
		}
		sizes.File[i], sizes.Payload[i] = file, payload
		if input := image.Pt(p.Crop[1], p.Crop[0]); back.Bounds().Size() != input {
			if back, err = pixels(back, stretched(*p, p.Crop), layout); err != nil {
				return data.Item{}, err
			}
		}
		frame, err := plain.Frame(item)
		return data.Item{Image: back, Frame: &frame}, err
	})
	return recoded, feeder, sizes, nil
}

// reduced returns the pixels that are sent of an image: those that a model would get by p,
// or as many fewer of the same as Size says, made of the image itself.
func (s Sent) reduced(img image.Image, p imagein.Preprocess, l imagein.Layout) (image.Image, error) {
	short := min(p.Crop[0], p.Crop[1])
	if s.Size == 0 || s.Size == short {
		return pixels(img, p, l)
	}
	less := func(n int) int { return max(1, int(math.Round(float64(n)*float64(s.Size)/float64(short)))) }
	crop := [2]int{less(p.Crop[0]), less(p.Crop[1])}
	if p.Resize == 0 && !p.Whole() { // the crop takes pixels as they are
		cropped, err := pixels(img, p, l)
		if err != nil {
			return nil, err
		}
		return pixels(cropped, stretched(p, crop), l)
	}
	p.Crop = crop
	if p.Resize > 0 {
		p.Resize = less(p.Resize)
	}
	return pixels(img, p, l)
}

// stretched is p for an image that is cropped already, and becomes height and width.
func stretched(p imagein.Preprocess, size [2]int) imagein.Preprocess {
	p.Fit, p.Resize, p.Pad, p.Crop = imagein.FitStretch, 0, nil, size
	return p
}

// pixels returns what a model would get of an image by p: grey, RGB or RGBA. The layout's
// height and width do not count.
func pixels(img image.Image, p imagein.Preprocess, l imagein.Layout) (image.Image, error) {
	l.Height, l.Width = 0, 0
	prep, err := imagein.New(p, l)
	if err != nil {
		return nil, err
	}
	pixels, err := prep.Pixels(img)
	if err != nil {
		return nil, err
	}
	frame := image.Rect(0, 0, p.Crop[1], p.Crop[0])
	if p.Color == imagein.Gray {
		return &image.Gray{Pix: pixels, Stride: frame.Dx(), Rect: frame}, nil
	}
	if p.Color == imagein.RGBA {
		return &image.NRGBA{Pix: pixels, Stride: 4 * frame.Dx(), Rect: frame}, nil
	}
	rgb := image.NewRGBA(frame)
	for i := range len(pixels) / 3 {
		copy(rgb.Pix[4*i:], pixels[3*i:3*i+3])
		rgb.Pix[4*i+3] = 255
	}
	return rgb, nil
}
