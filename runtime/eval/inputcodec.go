package eval

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
)

// Codec is an image codec for what a model gets: what it would cost to send the
// image itself, and what that does to accuracy.
type Codec struct {
	name    string
	encode  func(b *bytes.Buffer, img image.Image) error
	decode  func(b []byte) (image.Image, error)
	payload func(file []byte) (int, error)
}

// JPEG is baseline JPEG of a quality 1..100 on libjpeg's scale: with halved
// chroma (4:2:0) for colour images. Its payload is the entropy-coded segment,
// since headers and tables are known beforehand.
func JPEG(quality int) Codec {
	return Codec{
		name: fmt.Sprintf("JPEG of quality %d", quality),
		encode: func(b *bytes.Buffer, img image.Image) error {
			return jpeg.Encode(b, img, &jpeg.Options{Quality: quality})
		},
		decode:  decodeJPEG,
		payload: entropyBytes,
	}
}

// PNG is lossless. Its payload is the contents of the IDAT chunks.
func PNG() Codec {
	return Codec{
		name:    "PNG",
		encode:  func(b *bytes.Buffer, img image.Image) error { return png.Encode(b, img) },
		decode:  func(b []byte) (image.Image, error) { return png.Decode(bytes.NewReader(b)) },
		payload: idatBytes,
	}
}

// Sizes are what the images of a set take as files and without their headers,
// for those that have been read.
type Sizes struct{ File, Payload []int }

// Recode returns the set's images as a codec gives them back, after they are
// resized and cropped as choose says and before they are normalised, with a
// Feeder for them. The sizes are there when every item has been read.
func Recode(set *data.Set, inputs []model.Port, given feed.Given, choose feed.Chooser, c Codec) (*data.Set, *feed.Feeder, *Sizes, error) {
	plain, err := given.New(inputs, choose)
	if err != nil {
		return nil, nil, nil, err
	}
	layout, err := imagein.LayoutOf(plain.Port())
	if err != nil {
		return nil, nil, nil, err
	}
	feeder, err := given.New(inputs, func(l imagein.Layout, size image.Point) (imagein.Preprocess, error) {
		p, err := choose(l, size)
		p.Resize = 0 // done before the codec
		return p, err
	})
	if err != nil {
		return nil, nil, nil, err
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
		img, err := cropped(item.Image, *p, layout)
		if err != nil {
			return data.Item{}, err
		}
		back, file, payload, err := c.roundTrip(img)
		if err != nil {
			return data.Item{}, fmt.Errorf("as %s: %w", c.name, err)
		}
		sizes.File[i], sizes.Payload[i] = file, payload
		frame, err := plain.Frame(item)
		return data.Item{Image: back, Frame: &frame}, err
	})
	return recoded, feeder, sizes, nil
}

// roundTrip encodes and decodes an image and returns the bytes it took.
func (c Codec) roundTrip(img image.Image) (back image.Image, file, payload int, err error) {
	var b bytes.Buffer
	if err := c.encode(&b, img); err != nil {
		return nil, 0, 0, err
	}
	if payload, err = c.payload(b.Bytes()); err != nil {
		return nil, 0, 0, err
	}
	back, err = c.decode(b.Bytes())
	return back, b.Len(), payload, err
}

// cropped returns the pixels that a model would get: grey, RGB or RGBA.
func cropped(img image.Image, p imagein.Preprocess, l imagein.Layout) (image.Image, error) {
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

// entropyBytes returns the length of a JPEG file's entropy-coded segment: what
// is between the header of its single scan and the end marker (ITU-T T.81, B.1).
func entropyBytes(file []byte) (int, error) {
	const sos, marker, end = 0xda, 2, 2
	for at := 2; at+4 <= len(file); {
		length := int(binary.BigEndian.Uint16(file[at+2:]))
		if file[at] != 0xff {
			break
		}
		if file[at+1] == sos {
			return len(file) - (at + marker + length) - end, nil
		}
		at += marker + length
	}
	return 0, errors.New("no scan in the JPEG file")
}

// idatBytes returns how much image data a PNG file holds: the contents of its
// IDAT chunks (PNG specification, 11.2.4).
func idatBytes(file []byte) (int, error) {
	const signature, frame = 8, 12 // length, type and CRC of a chunk
	total := 0
	for at := signature; at+frame <= len(file); {
		length := int(binary.BigEndian.Uint32(file[at:]))
		if string(file[at+4:at+8]) == "IDAT" {
			total += length
		}
		at += frame + length
	}
	if total == 0 {
		return 0, errors.New("no image data in the PNG file")
	}
	return total, nil
}
