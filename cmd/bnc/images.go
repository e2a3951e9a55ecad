package main

import (
	"image"
	"math"
	"slices"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/spf13/pflag"
)

// imageFlags say how an image becomes a model's input. What they leave open
// comes from the model's metadata, and else from its input's shape and type.
type imageFlags struct {
	flags  *pflag.FlagSet
	color  string
	resize int
	crop   string
	orient bool
	scale  float64
	mean   []float64
	std    []float64
	labels string
}

// preparing are the flags that say how images are prepared.
var preparing = []string{"color", "resize", "crop", "orient", "scale", "mean", "std"}

func (f *imageFlags) declare(fs *pflag.FlagSet) {
	f.flags = fs
	fs.StringVar(&f.color, "color", "", "order of an image's channels: rgb, bgr or gray")
	fs.IntVar(&f.resize, "resize", 0, "short side that images are resized to, 0 to keep their size")
	fs.StringVar(&f.crop, "crop", "", "HxW cut out of the centre (default: the input's)")
	fs.BoolVar(&f.orient, "orient", true, "turn images as their EXIF orientation says; what the model says goes before the default")
	fs.Float64Var(&f.scale, "scale", 0, "a pixel becomes (pixel * scale - mean) / std")
	fs.Float64SliceVar(&f.mean, "mean", nil, "mean of each channel, a,b,c")
	fs.Float64SliceVar(&f.std, "std", nil, "standard deviation of each channel, a,b,c")
	fs.StringVar(&f.labels, "labels", "", "file with the name of a class a line")
}

// given reports whether any of the flags that prepare images was set.
func (f *imageFlags) given() bool {
	return slices.ContainsFunc(preparing, f.flags.Changed)
}

// check finds values that fit no model.
func (f *imageFlags) check() error {
	number := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	divisor := func(v float64) bool { return number(v) && v != 0 }
	switch {
	case f.flags.Changed("scale") && !divisor(f.scale):
		return usagef("--scale %v: expected a number other than 0", f.scale)
	case slices.ContainsFunc(f.mean, func(v float64) bool { return !number(v) }):
		return usagef("--mean: expected finite numbers")
	case slices.ContainsFunc(f.std, func(v float64) bool { return !divisor(v) }):
		return usagef("--std: expected numbers other than 0")
	}
	return oneOf("color", f.color, []string{"", imagein.RGB, imagein.BGR, imagein.Gray})
}

// resolve returns how images become an input of layout l: the flags, else what
// is inherited, else the defaults for images of the given size.
func (f *imageFlags) resolve(l imagein.Layout, inherited *imagein.Preprocess, size image.Point) (imagein.Preprocess, error) {
	if err := f.check(); err != nil {
		return imagein.Preprocess{}, err
	}
	var crop []int64
	if f.crop != "" {
		var err error
		if crop, err = parseDims(f.crop); err != nil || len(crop) != 2 {
			return imagein.Preprocess{}, usagef("--crop %q: expected HxW, for example 224x224", f.crop)
		}
		if l.Height == 0 && l.Width == 0 {
			l.Height, l.Width = int(crop[0]), int(crop[1])
		}
	}
	p := imagein.Default(l, size)
	if inherited != nil {
		p = *inherited
	}
	if crop != nil {
		p.Crop = [2]int{int(crop[0]), int(crop[1])}
	}
	if f.color != "" {
		p.Color = f.color
	}
	if f.flags.Changed("resize") {
		p.Resize = f.resize
	}
	if f.flags.Changed("orient") {
		p.Orient = f.orient
	}
	if f.flags.Changed("scale") {
		p.Scale = f.scale
	}
	if f.mean != nil {
		p.Mean = f.mean
	}
	if f.std != nil {
		p.Std = f.std
	}
	if p.Crop == ([2]int{}) {
		return p, unusablef("the model takes images of any size: say which it is to get by --crop HxW")
	}
	if err := p.Validate(l); err != nil {
		return p, unusableError{err}
	}
	return p, nil
}

// chooser is resolve for a model that says inherited.
func (f *imageFlags) chooser(inherited *imagein.Preprocess) feed.Chooser {
	return func(l imagein.Layout, size image.Point) (imagein.Preprocess, error) {
		return f.resolve(l, inherited, size)
	}
}

// forModel returns what a model's bundle is to say about images and labels: nil
// where neither flags nor the model say anything, so that whatever runs it
// decides by the images. Fix holds the --input flags.
func (f *imageFlags) forModel(path string, fix []string) (*imagein.Preprocess, []string, error) {
	labels, err := f.readLabels()
	if err != nil {
		return nil, nil, err
	}
	head, err := model.ReadFile(path)
	if err != nil {
		return nil, nil, unusableError{err}
	}
	meta, err := bundle.ParseMeta(head.Metadata)
	if err != nil {
		return nil, nil, unusableError{err}
	}
	if labels == nil {
		labels = meta.Labels
	}
	if !f.given() {
		return meta.Preprocess, labels, nil
	}
	if len(head.Inputs) == 0 {
		return nil, nil, unusablef("%s has no input", path)
	}
	inputs, err := fixedPorts(head.Inputs, fix)
	if err != nil {
		return nil, nil, err
	}
	layout, err := imagein.LayoutOf(inputs[0])
	if err != nil {
		return nil, nil, unusableError{err}
	}
	p, err := f.resolve(layout, meta.Preprocess, image.Point{})
	return &p, labels, err
}

// readLabels reads the --labels file, nil where there is none.
func (f *imageFlags) readLabels() ([]string, error) {
	if f.labels == "" {
		return nil, nil
	}
	labels, err := data.ReadNames(f.labels)
	if err != nil {
		return nil, unusablef("--labels: %w", err)
	}
	return labels, nil
}
