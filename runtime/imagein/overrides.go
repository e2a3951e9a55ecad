package imagein

import (
	"cmp"
	"image"
	"math"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/model"
)

// Overrides say how an image becomes a model's input where they say anything. What they
// leave open comes from the model's metadata, and else from its input's shape and type.
type Overrides struct {
	Color  string    `json:"color,omitempty"`  // RGB, BGR, Gray or RGBA
	Fit    string    `json:"fit,omitempty"`    // FitCrop, FitStretch or FitLetterbox
	Resize *int      `json:"resize,omitempty"` // pixels of the short side; 0 keeps an image's size
	Crop   [2]int    `json:"crop,omitzero"`    // height and width of the input, cut out of the centre for FitCrop
	Pad    []int     `json:"pad,omitempty"`    // of each channel of a letterbox's border, 0 to 255; one for all
	Orient *bool     `json:"orient,omitempty"` // whether EXIF orientation is honoured
	Scale  *float64  `json:"scale,omitempty"`  // a pixel becomes (pixel * scale - mean) / std
	Mean   []float64 `json:"mean,omitempty"`   // of each channel
	Std    []float64 `json:"std,omitempty"`    // of each channel

	// Usual is the fit where neither these nor the model say one: that of the model's task.
	Usual string `json:"-"`
}

// Given reports whether o says anything.
func (o Overrides) Given() bool {
	return o.Color != "" || o.Fit != "" || o.Pad != nil || o.Resize != nil || o.Crop != [2]int{} || o.Orient != nil || o.Scale != nil || o.Mean != nil || o.Std != nil
}

// Check returns a *fault.UsageError where a value fits no model.
func (o Overrides) Check() error {
	number := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	divisor := func(v float64) bool { return number(v) && v != 0 }
	switch {
	case o.Scale != nil && !divisor(*o.Scale):
		return fault.Usage("scale", "%v: expected a number other than 0", *o.Scale)
	case o.Color != "" && !slices.Contains(Colors(), o.Color):
		return fault.Usage("color", "%q: expected one of %s", o.Color, strings.Join(Colors(), ", "))
	case o.Fit != "" && !slices.Contains(Fits(), o.Fit):
		return fault.Usage("fit", "%q: expected one of %s", o.Fit, strings.Join(Fits(), ", "))
	case slices.ContainsFunc(o.Pad, func(v int) bool { return v < 0 || v > math.MaxUint8 }):
		return fault.Usage("pad", "%v: expected numbers from 0 to 255", o.Pad)
	case o.Fit != "" && o.Fit != FitCrop && o.Resize != nil && *o.Resize != 0:
		return fault.Usage("resize", "%d has no meaning with option fit %s: the whole picture becomes the input, whose size option crop says", *o.Resize, o.Fit)
	case slices.ContainsFunc(o.Mean, func(v float64) bool { return !number(v) }):
		return fault.Usage("mean", ": expected finite numbers")
	case slices.ContainsFunc(o.Std, func(v float64) bool { return !divisor(v) }):
		return fault.Usage("std", ": expected numbers other than 0")
	}
	return nil
}

// Resolve returns how images become an input of layout l: what o says, else what is
// inherited, else the defaults for images of the given size. The error is a
// *fault.UsageError where a value fits no model, else a *fault.DataError.
func (o Overrides) Resolve(l Layout, inherited *Preprocess, size image.Point) (Preprocess, error) {
	if err := o.Check(); err != nil {
		return Preprocess{}, err
	}
	l.Height, l.Width = cmp.Or(l.Height, o.Crop[0]), cmp.Or(l.Width, o.Crop[1])
	p := Default(l, size)
	p.setFit(o.Usual, 0)
	if inherited != nil {
		p = *inherited
	}
	p.Color = cmp.Or(o.Color, p.Color)
	p.setFit(o.Fit, Default(l, size).Resize)
	if p.Whole() { // a size that the model fixes, or is given, is what it takes
		p.Crop = [2]int{cmp.Or(l.Height, p.Crop[0]), cmp.Or(l.Width, p.Crop[1])}
	}
	p.Crop = cmp.Or(o.Crop, p.Crop)
	if o.Pad != nil {
		if p.Fit != FitLetterbox {
			return p, fault.Usage("pad", "is the colour of a border that there is with option fit %s only", FitLetterbox)
		}
		p.Pad = o.Pad
		if len(o.Pad) == 1 {
			p.Pad = slices.Repeat(o.Pad, channelsOf[p.Color])
		}
	}
	if p.Whole() && o.Resize != nil && *o.Resize != 0 {
		return p, fault.Usage("resize", "%d has a meaning with option fit %s only: the model's images are fit %s", *o.Resize, FitCrop, p.Fit)
	}
	replace(&p.Resize, o.Resize)
	replace(&p.Orient, o.Orient)
	replace(&p.Scale, o.Scale)
	if o.Mean != nil {
		p.Mean = o.Mean
	}
	if o.Std != nil {
		p.Std = o.Std
	}
	if p.Crop[0] == 0 || p.Crop[1] == 0 {
		return p, fault.Unusable("the model takes images of any size: say which it is to get by option crop, height and width")
	}
	if err := p.Validate(l); err != nil {
		return p, fault.Unusable("%w", err)
	}
	return p, nil
}

// Chooser is Resolve for a model that says inherited.
func (o Overrides) Chooser(inherited *Preprocess) func(l Layout, size image.Point) (Preprocess, error) {
	return func(l Layout, size image.Point) (Preprocess, error) { return o.Resolve(l, inherited, size) }
}

// setFit replaces the fit, "" for leaving it as it is, and what another one has of its own:
// resize is the short side for FitCrop.
func (p *Preprocess) setFit(fit string, resize int) {
	is := cmp.Or(p.Fit, FitCrop)
	if fit == "" || fit == is {
		return
	}
	if p.Pad = nil; fit == FitCrop {
		p.Fit, p.Resize = "", resize
		return
	}
	p.Fit, p.Resize = fit, 0
}

func replace[T any](value *T, by *T) {
	if by != nil {
		*value = *by
	}
}

// ForModel returns what a bundle of the model at path is to say about images: nil where
// neither o nor the model say anything, so that whatever runs it decides by the images.
func (o Overrides) ForModel(path string, inputs []model.Port, says *Preprocess) (*Preprocess, error) {
	if !o.Given() && says == nil {
		return nil, nil
	}
	p, err := o.forInputs(path, inputs, says)
	if err != nil && !o.Given() { // whatever runs it tells what is missing
		return says, nil
	}
	return p, err
}

func (o Overrides) forInputs(path string, inputs []model.Port, says *Preprocess) (*Preprocess, error) {
	if len(inputs) == 0 {
		return nil, fault.Unusable("%s has no input", path)
	}
	layout, err := LayoutOf(inputs[0])
	if err != nil {
		return nil, fault.Unusable("%w", err)
	}
	p, err := o.Resolve(layout, says, image.Point{})
	return &p, err
}
