package imagecodec

import (
	"bytes"
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

// DefaultQuality is the quality where none is said: that of cjpeg and cwebp.
const DefaultQuality = 75

// Sent is how images themselves are sent to a whole model.
type Sent struct {
	Codec
	Quality int // nothing for a lossless codec
	// Size is the short side in pixels that images are sent with, and enlarged again for the
	// model: what saves bytes without any codec. 0 for the input's own.
	Size int
}

// String names the codec with its quality.
func (s Sent) String() string {
	if s.Lossless {
		return s.Name
	}
	return fmt.Sprintf("%s of quality %d", s.Name, s.Quality)
}

// Sender makes files of images, and of files a model's input.
type Sender struct {
	Sent
	layout imagein.Layout
	plain  *feed.Feeder       // prepares images as they are
	feeder *feed.Feeder       // prepares those that were sent
	whole  imagein.Preprocess // enlarges those that were sent smaller
}

// NewSender returns the Sender to a model with such inputs, whose images become its input as
// choose says.
func NewSender(inputs []model.Port, given feed.Given, choose feed.Chooser, s Sent) (*Sender, error) {
	sender := &Sender{Sent: s}
	var err error
	if sender.plain, err = given.New(inputs, choose); err != nil {
		return nil, fault.Unusable("option input_codec: %w", err)
	}
	port := sender.plain.Port()
	if sender.layout, err = imagein.LayoutOf(port); err != nil {
		return nil, fault.Unusable("option input_codec: %w", err)
	}
	p, err := choose(sender.layout, image.Point{})
	if err != nil {
		return nil, fault.Unusable("option input_codec: input %s: %w", port, err)
	}
	if short := min(p.Crop[0], p.Crop[1]); s.Size > short {
		return nil, fault.Usage("input_size", "%d: the input's short side has %d pixels, expected at most that", s.Size, short)
	}
	sender.whole = stretched(p, p.Crop)
	sender.feeder, err = given.New(inputs, func(l imagein.Layout, size image.Point) (imagein.Preprocess, error) {
		p, err := choose(l, size)
		p.Resize = 0 // done before the codec
		return p, err
	})
	if err != nil {
		return nil, fault.Unusable("option input_codec: %w", err)
	}
	return sender, nil
}

// Feeder prepares what Decode returns.
func (s *Sender) Feeder() *feed.Feeder { return s.feeder }

// Pixels returns what is sent of an image: resized and cropped as the model wants it, and not
// yet normalised.
func (s *Sender) Pixels(img image.Image) (image.Image, error) {
	p := s.plain.Preprocess(img)
	if p == nil {
		_, err := s.plain.One(data.Item{Image: img}) // tells why
		return nil, err
	}
	return s.reduced(img, *p, s.layout)
}

// Encode returns the file that crosses of Pixels.
func (s *Sender) Encode(pixels image.Image) ([]byte, error) {
	var file bytes.Buffer
	if err := s.encode(&file, pixels, s.Quality); err != nil {
		return nil, fmt.Errorf("as %s: %w", s.Sent, err)
	}
	return file.Bytes(), nil
}

// Decode returns the image of a file, as large as the input.
func (s *Sender) Decode(file []byte) (image.Image, error) {
	img, err := s.decode(file)
	if err != nil {
		return nil, fmt.Errorf("as %s: %w", s.Sent, err)
	}
	if img.Bounds().Size() == image.Pt(s.whole.Crop[1], s.whole.Crop[0]) {
		return img, nil
	}
	return pixels(img, s.whole, s.layout)
}

// sent returns an image as it comes out of being sent, and the bytes that it took.
func (s *Sender) sent(img image.Image) (back image.Image, file, payload int, err error) {
	pixels, err := s.Pixels(img)
	if err != nil {
		return nil, 0, 0, err
	}
	bytes, err := s.Encode(pixels)
	if err != nil {
		return nil, 0, 0, err
	}
	if payload, err = s.payload(bytes); err != nil {
		return nil, 0, 0, fmt.Errorf("as %s: %w", s.Sent, err)
	}
	back, err = s.Decode(bytes)
	return back, len(bytes), payload, err
}

// Sizes are what the images of a set take as files and without their headers,
// for those that have been read.
type Sizes struct{ File, Payload []int }

// Recode returns the set's images as they come out of being sent, after they are
// resized and cropped as choose says and before they are normalised, with a
// Feeder for them. The sizes are there when every item has been read.
func Recode(set *data.Set, inputs []model.Port, given feed.Given, choose feed.Chooser, s Sent) (*data.Set, *feed.Feeder, *Sizes, error) {
	sender, err := NewSender(inputs, given, choose, s)
	if err != nil {
		return nil, nil, nil, err
	}
	sizes := &Sizes{File: make([]int, set.Len()), Payload: make([]int, set.Len())}
	recoded := set.Map(func(i int, item data.Item) (data.Item, error) {
		if item.Image == nil {
			return data.Item{}, errors.New("found a tensor; an input codec needs images")
		}
		back, file, payload, err := sender.sent(item.Image)
		if err != nil {
			return data.Item{}, err
		}
		sizes.File[i], sizes.Payload[i] = file, payload
		frame, err := sender.plain.Frame(item)
		return data.Item{Image: back, Frame: &frame}, err
	})
	return recoded, sender.Feeder(), sizes, nil
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
