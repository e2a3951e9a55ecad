// Package imagein turns image files into graph inputs: decoding, resizing,
// cropping and normalising as a model's bnc.preprocess metadata says.
//
//	layout, err := imagein.LayoutOf(session.Inputs()[0])
//	prep, err := imagein.New(imagein.Default(layout, image.Point{}), layout)
//	img, err := imagein.DecodeFile("cat.jpg")
//	x, err := prep.One(img) // float32[1 3 224 224]
package imagein

import (
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// The values of Preprocess.Color.
const (
	RGB  = "rgb"
	BGR  = "bgr"
	Gray = "gray"
	RGBA = "rgba" // alpha is 255 where a picture has none
)

// Preprocess says how an image becomes a graph's input; it is the value of
// the bnc.preprocess metadata. A pixel p (0..255) of channel k becomes
// (p * Scale - Mean[k]) / Std[k], in Color's order of channels.
type Preprocess struct {
	Color  string    `json:"color"`
	Fit    string    `json:"fit,omitempty"` // FitStretch, FitLetterbox; "" for FitCrop
	Resize int       `json:"resize"`        // the short side in pixels for FitCrop; 0 keeps the size
	Crop   [2]int    `json:"crop"`          // height and width of the input; for FitCrop from the centre
	Pad    []int     `json:"pad,omitempty"` // 0..255 of each channel of a letterbox's border; nil for 114, alpha 255
	Orient bool      `json:"orient"`        // images are turned as their EXIF orientation says
	Scale  float64   `json:"scale"`
	Mean   []float64 `json:"mean"`
	Std    []float64 `json:"std"`
}

// channelsOf are how many channels each color has.
var channelsOf = map[string]int{RGB: 3, BGR: 3, Gray: 1, RGBA: 4}

// Colors are the values that Preprocess.Color can have.
func Colors() []string { return []string{RGB, BGR, Gray, RGBA} }

// ImageNet's mean and standard deviation of each channel of RGB in 0..1, as
// published models are trained with.
var (
	imageNetMean = [3]float64{0.485, 0.456, 0.406}
	imageNetStd  = [3]float64{0.229, 0.224, 0.225}
)

// Default returns what is done to images where nothing else is said. The crop
// is the layout's height and width (0 where the graph takes any size: set it
// before use), the short side becomes 256/224 of its own, or stays where
// images (their size; zero if not known) already have it. EXIF orientations are
// honoured. Floating-point inputs of 3 channels get ImageNet's normalisation, those of 4
// pixel / 255, and so do those of 1, which a training set's own mean and deviation
// replace; int8 gets pixel - 128, other integers the raw pixel.
func Default(l Layout, images image.Point) Preprocess {
	p := Preprocess{Color: RGB, Crop: [2]int{l.Height, l.Width}, Orient: true, Scale: 1}
	if color, ok := map[int]string{1: Gray, 4: RGBA}[l.Channels]; ok {
		p.Color = color
	}
	if images != (image.Point{X: l.Width, Y: l.Height}) {
		p.Resize = int(math.Round(float64(min(l.Height, l.Width)) * 256 / 224))
	}
	for k := range l.Channels {
		mean, std := 0.0, 1.0
		switch {
		case l.DType == tensor.Int8:
			mean = 128
		case l.DType.IsFloat():
			p.Scale = 1.0 / 255
			if l.Channels == 3 {
				mean, std = imageNetMean[k], imageNetStd[k]
			}
		}
		p.Mean, p.Std = append(p.Mean, mean), append(p.Std, std)
	}
	return p
}

// Validate tells what in p cannot be done for a graph with that layout.
func (p Preprocess) Validate(l Layout) error {
	channels, ok := channelsOf[p.Color]
	if !ok {
		return fmt.Errorf("preprocess: color %q: expected %s", p.Color, strings.Join(Colors(), ", "))
	}
	if channels != l.Channels {
		return fmt.Errorf("preprocess: color %s has %d channels, the input has %d", p.Color, channels, l.Channels)
	}
	if len(p.Mean) != channels || len(p.Std) != channels {
		return fmt.Errorf("preprocess: %d means and %d deviations, expected %d of each for color %s", len(p.Mean), len(p.Std), channels, p.Color)
	}
	for k := range channels {
		if p.Std[k] == 0 || !finite(p.Std[k]) || !finite(p.Mean[k]) {
			return fmt.Errorf("preprocess: mean %v and std %v: expected finite numbers, std not 0", p.Mean, p.Std)
		}
	}
	if !finite(p.Scale) || p.Scale == 0 {
		return fmt.Errorf("preprocess: scale %v: expected a finite number other than 0", p.Scale)
	}
	if p.Crop[0] <= 0 || p.Crop[1] <= 0 {
		return errors.New("preprocess: the graph takes images of any size: say which crop [height, width] it is to get")
	}
	if l.Height > 0 && l.Height != p.Crop[0] || l.Width > 0 && l.Width != p.Crop[1] {
		return fmt.Errorf("preprocess: the crop is %dx%d, the input is %dx%d (height x width)", p.Crop[0], p.Crop[1], l.Height, l.Width)
	}
	if err := p.fits(channels); err != nil {
		return err
	}
	if p.Resize < 0 || p.Crop[0] > maxPixels/p.Crop[1] || p.Resize > maxSide {
		return fmt.Errorf("preprocess: resize %d and crop %dx%d are out of range", p.Resize, p.Crop[0], p.Crop[1])
	}
	return nil
}

// fits tells what in Fit and what belongs to it cannot be done.
func (p Preprocess) fits(channels int) error {
	if p.Fit != "" && !slices.Contains(Fits(), p.Fit) {
		return fmt.Errorf("preprocess: fit %q: expected %s", p.Fit, strings.Join(Fits(), ", "))
	}
	if p.Whole() && p.Resize != 0 {
		return fmt.Errorf("preprocess: resize %d: the short side of images has a size of its own for fit %s only, found %s", p.Resize, FitCrop, p.Fit)
	}
	if p.Pad != nil && (len(p.Pad) != channels || slices.ContainsFunc(p.Pad, func(v int) bool { return v < 0 || v > math.MaxUint8 })) {
		return fmt.Errorf("preprocess: pad %v: expected %d numbers from 0 to 255 for color %s", p.Pad, channels, p.Color)
	}
	return nil
}

// maxSide bounds the short side that images are resized to.
const maxSide = 1 << 14

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
