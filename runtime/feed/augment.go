package feed

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/runtime/imagein"
)

// Augment says how training images vary; the zero value does not vary them.
// ResizedCrop, Pad and Flip are done in this order, each where it is asked
// for. Items that are tensors are only flipped.
type Augment struct {
	// ResizedCrop is the range of the areas of random windows, as parts of the
	// image's, such as {0.35, 1}; each is resized to the input's size, in place
	// of the preprocessing's resizing and central crop. The windows' aspect
	// ratios are 3/4 to 4/3, as in torchvision's RandomResizedCrop; where the whole
	// image becomes the input, stretched or in a letterbox, they are those times the
	// image's own, and a window is fit as the image would be. Zero: none.
	ResizedCrop [2]float64
	// Pad is the pixels of value 0 (before normalising) that are put on each
	// side before a random window of the input's size is cut out.
	Pad int
	// Flip mirrors half of the images left to right.
	Flip bool
}

// validate tells what in a cannot be done.
func (a Augment) validate() error {
	if low, high := a.ResizedCrop[0], a.ResizedCrop[1]; a.ResizedCrop != [2]float64{} && !(0 < low && low <= high && high <= 1) {
		return fmt.Errorf("random resized crops of %v to %v of the image: expected parts of its area, above 0 and up to 1, in order", low, high)
	}
	if a.Pad < 0 {
		return fmt.Errorf("random crops with a border of %d pixels: expected 0 or more", a.Pad)
	}
	return nil
}

// pixels returns an image as prepared pixels, varied as a says, and how they lie over it.
// They are memory of s or of pad and valid until these are used again.
func (a Augment) pixels(prep *imagein.Preparer, img image.Image, rng *rand.Rand, s *imagein.Scratch, pad *[]uint8) ([]uint8, imagein.Frame, error) {
	var pixels []uint8
	var frame imagein.Frame
	var err error
	if a.ResizedCrop == [2]float64{} {
		if pixels, err = prep.PixelsWith(s, img); err == nil {
			frame, err = prep.Frame(imagein.SizeOf(img))
		}
	} else if !img.Bounds().Empty() {
		window := a.window(img.Bounds(), shapeOf(prep, img), rng)
		pixels, err = prep.WindowWith(s, img, window)
		frame = prep.WindowFrame(img, window)
	} else {
		err = fmt.Errorf("the image is empty (%v)", img.Bounds())
	}
	if err != nil {
		return nil, frame, err
	}
	crop := prep.Preprocess().Crop
	rows := rows{pixels, crop[1], len(pixels) / (crop[0] * crop[1])}
	if a.Pad > 0 {
		dx, dy := rng.IntN(2*a.Pad+1)-a.Pad, rng.IntN(2*a.Pad+1)-a.Pad
		*pad = rows.shift(*pad, dx, dy)
		rows.pix = *pad
		frame.OffsetX, frame.OffsetY = frame.OffsetX-float64(dx), frame.OffsetY-float64(dy)
	}
	if a.Flip && rng.Uint64()&1 == 1 {
		rows.flip()
		frame.ScaleX, frame.OffsetX = -frame.ScaleX, float64(frame.Input.X)-frame.OffsetX
	}
	return rows.pix, frame, nil
}

// shapeOf returns the aspect ratio about which those of an image's windows are: its own
// where the whole becomes the input.
func shapeOf(prep *imagein.Preparer, img image.Image) float64 {
	if !prep.Preprocess().Whole() {
		return 1
	}
	size := img.Bounds().Size()
	return float64(size.X) / float64(size.Y)
}

// The bounds of the aspect ratio of a random window, and how many are drawn
// before the largest central one is taken: torchvision's.
const (
	minAspect   = 3.0 / 4
	maxAspect   = 4.0 / 3
	windowTries = 10
)

// window draws the window of a random resized crop (RandomResizedCrop.get_params), whose
// aspect ratio is about that of shape.
func (a Augment) window(b image.Rectangle, shape float64, rng *rand.Rand) image.Rectangle {
	w, h := b.Dx(), b.Dy()
	for range windowTries {
		area := float64(w) * float64(h) * between(rng, a.ResizedCrop[0], a.ResizedCrop[1])
		aspect := shape * math.Exp(between(rng, math.Log(minAspect), math.Log(maxAspect)))
		cw := int(math.RoundToEven(math.Sqrt(area * aspect)))
		ch := int(math.RoundToEven(math.Sqrt(area / aspect)))
		if 0 < cw && cw <= w && 0 < ch && ch <= h {
			y, x := rng.IntN(h-ch+1), rng.IntN(w-cw+1)
			return image.Rect(x, y, x+cw, y+ch).Add(b.Min)
		}
	}
	cw, ch := w, h
	switch aspect := float64(w) / float64(h); {
	case aspect < shape*minAspect:
		ch = int(math.RoundToEven(float64(w) / (shape * minAspect)))
	case aspect > shape*maxAspect:
		cw = int(math.RoundToEven(float64(h) * shape * maxAspect))
	}
	x, y := (w-cw)/2, (h-ch)/2
	return image.Rect(x, y, x+cw, y+ch).Add(b.Min)
}

// between draws a number from low to high.
func between(rng *rand.Rand, low, high float64) float64 { return low + rng.Float64()*(high-low) }

// rows is an image of width pixels of keep samples a row.
type rows struct {
	pix         []uint8
	width, keep int
}

// shift returns the window at dx, dy of the image with zeros around it, in out
// where that is large enough.
func (r rows) shift(out []uint8, dx, dy int) []uint8 {
	out = slices.Grow(out[:0], len(r.pix))[:len(r.pix)]
	clear(out)
	stride, height := r.width*r.keep, len(r.pix)/(r.width*r.keep)
	left, right := max(-dx, 0), min(r.width-dx, r.width)
	if left >= right {
		return out
	}
	for y := max(-dy, 0); y < min(height-dy, height); y++ {
		from := r.pix[(y+dy)*stride:][:stride]
		copy(out[y*stride:][left*r.keep:right*r.keep], from[(left+dx)*r.keep:])
	}
	return out
}

// flip mirrors the rows.
func (r rows) flip() {
	stride := r.width * r.keep
	for at := 0; at < len(r.pix); at += stride {
		row := r.pix[at : at+stride]
		if r.keep == 1 {
			slices.Reverse(row)
			continue
		}
		for i, j := 0, stride-r.keep; i < j; i, j = i+r.keep, j-r.keep {
			for s := range r.keep {
				row[i+s], row[j+s] = row[j+s], row[i+s]
			}
		}
	}
}

// AugmentOf reads how training images vary: crop is SMALLEST,LARGEST part of an image's
// area for resized crops, pad a number of pixels, each "none" for none, and flip "on" or
// "off". What is "" has the default for images of the input's size, or of others, which
// are cropped as a whole. Items that are no images are flipped where flip is "on". The
// error's option is "random_resized_crop" or "random_crop".
func AugmentOf(crop, pad, flip string, images, whole bool) (a Augment, option string, err error) {
	if !images {
		return Augment{Flip: flip == "on"}, "", nil
	}
	a.Flip = flip != "off"
	switch {
	case crop == "none":
	case crop != "":
		low, high, ok := strings.Cut(crop, ",")
		var err1, err2 error
		a.ResizedCrop[0], err1 = strconv.ParseFloat(low, 64)
		a.ResizedCrop[1], err2 = strconv.ParseFloat(high, 64)
		if c := a.ResizedCrop; !ok || err1 != nil || err2 != nil || !(0 < c[0] && c[0] <= c[1] && c[1] <= 1) {
			return a, "random_resized_crop", fmt.Errorf("%q: expected SMALLEST,LARGEST part of the area, for example 0.35,1", crop)
		}
	case whole:
		a.ResizedCrop = [2]float64{0.5, 1}
	}
	switch {
	case pad == "none":
	case pad != "":
		if a.Pad, err = strconv.Atoi(pad); err != nil || a.Pad < 0 {
			return a, "random_crop", fmt.Errorf("%q: expected a number of pixels, or none", pad)
		}
	case !whole:
		a.Pad = 2
	}
	return a, "", nil
}
