package imagein

import (
	"cmp"
	"image"
	"math"
	"slices"

	"github.com/bottlenet/bnc/internal/fault"
)

// Overrides say how an image becomes a model's input where they say anything. What they
// leave open comes from the model's metadata, and else from its input's shape and type.
type Overrides struct {
	Color  string    `json:"color,omitempty"`  // RGB, BGR or Gray
	Resize *int      `json:"resize,omitempty"` // pixels of the short side; 0 keeps an image's size
	Crop   [2]int    `json:"crop,omitzero"`    // height and width that are cut out of the centre
	Orient *bool     `json:"orient,omitempty"` // whether EXIF orientation is honoured
	Scale  *float64  `json:"scale,omitempty"`  // a pixel becomes (pixel * scale - mean) / std
	Mean   []float64 `json:"mean,omitempty"`   // of each channel
	Std    []float64 `json:"std,omitempty"`    // of each channel
}

// Given reports whether o says anything.
func (o Overrides) Given() bool {
	return o.Color != "" || o.Resize != nil || o.Crop != [2]int{} || o.Orient != nil || o.Scale != nil || o.Mean != nil || o.Std != nil
}

// Check returns a *fault.UsageError where a value fits no model.
func (o Overrides) Check() error {
	number := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	divisor := func(v float64) bool { return number(v) && v != 0 }
	switch {
	case o.Scale != nil && !divisor(*o.Scale):
		return fault.Usage("scale", "%v: expected a number other than 0", *o.Scale)
	case !slices.Contains([]string{"", RGB, BGR, Gray}, o.Color):
		return fault.Usage("color", "%q: expected one of %s, %s, %s", o.Color, RGB, BGR, Gray)
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
	if l.Height == 0 && l.Width == 0 {
		l.Height, l.Width = o.Crop[0], o.Crop[1]
	}
	p := Default(l, size)
	if inherited != nil {
		p = *inherited
	}
	p.Color = cmp.Or(o.Color, p.Color)
	p.Crop = cmp.Or(o.Crop, p.Crop)
	replace(&p.Resize, o.Resize)
	replace(&p.Orient, o.Orient)
	replace(&p.Scale, o.Scale)
	if o.Mean != nil {
		p.Mean = o.Mean
	}
	if o.Std != nil {
		p.Std = o.Std
	}
	if p.Crop == ([2]int{}) {
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

func replace[T any](value *T, by *T) {
	if by != nil {
		*value = *by
	}
}
