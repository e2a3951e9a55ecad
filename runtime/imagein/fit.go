package imagein

import (
	"fmt"
	"image"
	"math"
)

// The values of Preprocess.Fit: how a picture is brought to the size of an input.
const (
	// FitCrop resizes the short side and takes the centre. It is what "" stands for.
	FitCrop = "crop"
	// FitStretch brings the whole picture to the input's height and width.
	FitStretch = "stretch"
	// FitLetterbox brings the whole picture into the input as large as it goes, in the
	// middle, with a border of Preprocess.Pad: the convention of Ultralytics' LetterBox.
	FitLetterbox = "letterbox"
)

// Fits are the values that Preprocess.Fit can have.
func Fits() []string { return []string{FitCrop, FitStretch, FitLetterbox} }

// Whole tells whether the whole picture becomes the input, as what looks for things
// anywhere in it wants it.
func (p Preprocess) Whole() bool { return p.Fit == FitStretch || p.Fit == FitLetterbox }

// padLevel is the grey of a letterbox where nothing else is said: Ultralytics'.
const padLevel = 114

// padding returns the colour of a letterbox's border in an image's own order of channels.
func (p Preprocess) padding(channels int) [4]uint8 {
	colour := [4]uint8{padLevel, padLevel, padLevel, math.MaxUint8}
	for k, v := range p.Pad {
		if p.Color == BGR {
			k = channels - 1 - k
		}
		colour[k] = uint8(v)
	}
	return colour
}

// lies returns where a picture of a size comes to lie, resized: in the pixels of the
// input, whose corner is at 0, 0. What of it is beyond the input is cut off.
func (p Preprocess) lies(size image.Point) (image.Rectangle, error) {
	input := image.Pt(p.Crop[1], p.Crop[0])
	switch p.Fit {
	case FitStretch:
		return image.Rectangle{Max: input}, nil
	case FitLetterbox:
		return letterbox(size, input), nil
	}
	w, h, err := shortSide(size.X, size.Y, p.Resize, p.Crop)
	if err != nil {
		return image.Rectangle{}, err
	}
	// Crop offsets are rounded half to even, as torchvision's center_crop does.
	left := int(math.RoundToEven(float64(w-input.X) / 2))
	top := int(math.RoundToEven(float64(h-input.Y) / 2))
	return image.Rect(0, 0, w, h).Sub(image.Pt(left, top)), nil
}

// letterbox returns where a picture lies in an input that it fits into. Sizes are rounded
// half to even; of a border with an odd number of pixels the right and the lower part
// have one more (LetterBox.__call__ of ultralytics/data/augment.py).
func letterbox(size, input image.Point) image.Rectangle {
	scale := min(float64(input.Y)/float64(size.Y), float64(input.X)/float64(size.X))
	side := func(n, most int) int { return min(max(int(math.RoundToEven(float64(n)*scale)), 1), most) }
	inner := image.Pt(side(size.X, input.X), side(size.Y, input.Y))
	corner := input.Sub(inner).Div(2)
	return image.Rectangle{Min: corner, Max: corner.Add(inner)}
}

// shortSide returns the size that an image of w x h gets: the short side as asked,
// the long one in proportion, rounded down as torchvision does; more where the
// crop (height, width) would not fit into that. Without resize (0) the image
// must hold the crop as it is.
func shortSide(w, h, resize int, crop [2]int) (nw, nh int, err error) {
	if resize == 0 {
		if w < crop[1] || h < crop[0] {
			return 0, 0, fmt.Errorf("the image is %dx%d pixels, less than the crop of %dx%d (width x height): have images resized", w, h, crop[1], crop[0])
		}
		return w, h, nil
	}
	if w <= h {
		nw, nh = resize, int(int64(resize)*int64(h)/int64(w))
	} else {
		nw, nh = int(int64(resize)*int64(w)/int64(h)), resize
	}
	grow := max(float64(crop[1])/float64(nw), float64(crop[0])/float64(nh))
	if grow > 1 {
		nw = max(int(math.Round(float64(nw)*grow)), crop[1])
		nh = max(int(math.Round(float64(nh)*grow)), crop[0])
	}
	if nh > maxPixels/nw {
		return 0, 0, fmt.Errorf("an image of %dx%d pixels would become %dx%d: it is too long", w, h, nw, nh)
	}
	return nw, nh, nil
}
