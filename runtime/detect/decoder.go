// Package detect turns a detector's outputs into boxes and compares boxes: decoders, which
// are data, non-maximum suppression, COCO's annotations and average precision.
//
//	d, why, err := detect.Choose(nil, model)                  // or a decoder as JSON
//	boxes, err := d.Decode(outputs, size, 1, detect.Floor)    // of each image, best first
//
// Boxes are in pixels of the model's input: pixel k covers k to k+1.
package detect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/internal/fault"
)

// Decoder says how boxes are read from outputs. As JSON it is the value of the metadata
// bnc.decoder, and what a file of --decoder holds.
//
// An output [N ...] holds, for each image, candidates of some numbers each; parts say which
// of the numbers are what. A candidate's score is objectness^power * class^power of its best
// class. Those below the score are left out, then those that overlap a better one, of their
// class, by more than IoU, then all but the best.
type Decoder struct {
	Name  string `json:"name"` // the built-in one that it is, or any other word
	Boxes Boxes  `json:"boxes"`
	Grid  *Grid  `json:"grid,omitempty"` // where candidates are, of the forms anchor and distance
	// Objectness is one number: how sure it is that there is anything.
	Objectness *Part `json:"objectness,omitempty"`
	// Classes are the scores of classes. Without them a candidate is of the class that Class
	// tells, else of class 0.
	Classes *Part `json:"classes,omitempty"`
	Class   *Part `json:"class,omitempty"` // one number: the class
	Image   *Part `json:"image,omitempty"` // one number: which image of the batch it is of
	// Turned is one number: by how many radians the box is turned about its centre; what
	// is told then is the upright box around it.
	Turned *Part `json:"turned,omitempty"`
	// Landmarks are points in the form and unit of a box's centre.
	Landmarks *Landmarks `json:"landmarks,omitempty"`
	// Count is an output with how many candidates of each image there are, "" where all count.
	Count string `json:"count,omitempty"`
	// Background is the class that stands for nothing, nil for none.
	Background *int `json:"background,omitempty"`
	// First is the model's number of the first class that has a label.
	First int `json:"first,omitempty"`
	// Every tells that each class of a candidate is a box of its own, not its best alone.
	Every bool `json:"every,omitempty"`
	// Agnostic tells that what overlaps a better box of any class is left out.
	Agnostic bool    `json:"agnostic,omitempty"`
	Score    float64 `json:"score"` // what is shown has at least this
	IoU      float64 `json:"iou"`   // 0 where the model has left out what overlaps
	Most     int     `json:"most"`  // boxes of an image
	Truth    float64 `json:"truth"` // what a teacher says with at least this score is taken for true
}

// Part are numbers of a candidate.
type Part struct {
	// Outputs are the output's name, or those of several whose candidates follow each other.
	Outputs []string `json:"outputs"`
	// Axis is that of a candidate's numbers; the others but the first count candidates. 0 for
	// the last one. An output without an axis of images, [M C] or flat [M], is of one image,
	// or of those that Image or Count tell.
	Axis int `json:"axis,omitempty"`
	// Flat tells that there is no such axis but one number a candidate, [N M].
	Flat bool `json:"flat,omitempty"`
	From int  `json:"from,omitempty"`
	To   int  `json:"to,omitempty"` // exclusive; 0 for the end
	// Activation is what the numbers still have to go through: none, sigmoid, softmax over
	// the part, tanh, exp, sigmoid2 (2 sigmoid - 0.5) or square (4 sigmoid^2).
	Activation string  `json:"activation,omitempty"`
	Power      float64 `json:"power,omitempty"` // of the score's factor, 0 for 1
}

// Boxes are where boxes come from: 4 numbers, or 4 * Bins.
type Boxes struct {
	Part
	// Form is
	//
	//	corner    x0, y0, x1, y1
	//	centre    x, y, width, height
	//	anchor    x, y from the candidate's place in the grid; width, height
	//	distance  from the place to the left, the top, the right and the bottom
	Form string `json:"form"`
	// YX tells that y comes before x, and height before width.
	YX bool `json:"yx,omitempty"`
	// Unit is what numbers are counted in: pixels of the input, input (its width and
	// height), stride or anchor (its width and height, times a factor).
	Unit string `json:"unit,omitempty"`
	// SizeUnit, SizeActivation are those of width and height in the form anchor; "" for the same.
	SizeUnit       string `json:"size_unit,omitempty"`
	SizeActivation string `json:"size_activation,omitempty"`
	// Factors multiply x and y, and width and height before their activation (an SSD's
	// variances); 0 for 1.
	Factors [2]float64 `json:"factors,omitzero"`
	// Bins is into how many each of 4 distances is divided, whose mean by their softmax it is; 0
	// for plain numbers.
	Bins int `json:"bins,omitempty"`
}

// Landmarks are points of a candidate.
type Landmarks struct {
	Part
	Each int `json:"each,omitempty"` // numbers of a point: 2, or 3 with one that is not read; 0 for 2
}

// Grid are the places of candidates: of each level the cells row by row, in each cell its
// anchors.
type Grid struct {
	// Strides are pixels of the input from cell to cell, a level each. None stand for one
	// level, whose output tells how many cells there are.
	Strides []float64 `json:"strides,omitempty"`
	Shift   float64   `json:"shift,omitempty"` // from a cell's corner to the place, in cells
	// Anchors are the widths and heights of each level's anchors, in pixels of the input.
	Anchors [][][2]float64 `json:"anchors,omitempty"`
	// Repeat is how many candidates a cell of each level has where they have no anchors; none for 1.
	Repeat []int `json:"repeat,omitempty"`
	// Places are x, y, width and height of every candidate, as shares of the input; then
	// there are no strides.
	Places [][4]float64 `json:"places,omitempty"`
}

// Floor is the least score of boxes that are compared.
const Floor = 0.001

// defaults are what a decoder that says nothing else has.
func defaults() Decoder { return Decoder{Score: 0.25, IoU: 0.45, Most: 300, Truth: 0.5} }

// activations by their names; softmax is none of one number.
var activations = map[string]func(float64) float64{
	"": same, "none": same, "softmax": same, "tanh": math.Tanh, "exp": math.Exp, "sigmoid": sigmoid,
	"sigmoid2": func(x float64) float64 { return 2*sigmoid(x) - 0.5 },
	"square":   func(x float64) float64 { return 4 * sigmoid(x) * sigmoid(x) },
}

func same(x float64) float64 { return x }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// The forms and units of boxes.
const (
	corner   = "corner"
	centre   = "centre"
	anchor   = "anchor"
	distance = "distance"

	pixels   = "pixels"
	ofInput  = "input"
	ofStride = "stride"
	ofAnchor = "anchor"
)

// placed tells whether numbers are counted from a place in the grid.
func (b *Boxes) placed() bool { return b.Form == anchor || b.Form == distance }

// parse reads what a JSON object says over d. Unknown fields are errors.
func (d *Decoder) parse(object []byte) error {
	in := json.NewDecoder(bytes.NewReader(object))
	in.DisallowUnknownFields()
	if err := in.Decode(d); err != nil {
		return fmt.Errorf("decoder: %w", fault.JSON(err))
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decoder: expected one JSON object and nothing behind it")
	}
	return nil
}

// check finds what cannot be.
func (d *Decoder) check() error {
	fail := func(field, format string, args ...any) error {
		return fmt.Errorf("decoder %s: %s: %s", d.Name, field, fmt.Sprintf(format, args...))
	}
	oneOf := func(field, value string, known ...string) error {
		if !slices.Contains(known, value) {
			return fail(field, "%q: expected one of %s", value, strings.TrimPrefix(strings.Join(known, ", "), ", "))
		}
		return nil
	}
	parts := d.parts()
	for _, field := range slices.Sorted(maps.Keys(parts)) {
		p := parts[field]
		switch {
		case len(p.Outputs) == 0 || slices.Contains(p.Outputs, ""):
			return fail(field, "expected the names of outputs")
		case p.From < 0 || p.To < 0 || p.To > 0 && p.To <= p.From:
			return fail(field, "from %d to %d: expected a range", p.From, p.To)
		case p.Axis < 0:
			return fail(field, "axis %d: expected 1 or more", p.Axis)
		case !finite(p.Power) || p.Power < 0:
			return fail(field, "power %v: expected more than 0", p.Power)
		}
		if err := oneOf(field+".activation", p.Activation, slices.Sorted(maps.Keys(activations))...); err != nil {
			return err
		}
	}
	b, g := &d.Boxes, d.Grid
	units := []string{"", pixels, ofInput}
	if b.placed() {
		units = append(units, ofStride, ofAnchor)
	}
	for _, err := range []error{
		oneOf("boxes.form", b.Form, corner, centre, anchor, distance),
		oneOf("boxes.unit", b.Unit, units...),
		oneOf("boxes.size_unit", b.SizeUnit, units...),
		oneOf("boxes.size_activation", b.SizeActivation, slices.Sorted(maps.Keys(activations))...),
	} {
		if err != nil {
			return err
		}
	}
	switch {
	case d.Objectness == nil && d.Classes == nil:
		return fail("classes", "expected them, or objectness, for a score")
	case d.Classes != nil && d.Class != nil:
		return fail("class", "expected it or classes, not both")
	case b.placed() != (g != nil):
		return fail("grid", "expected for the forms %s and %s, and no others", anchor, distance)
	case b.Bins < 0 || b.Bins == 1 || b.Bins > 0 && b.Form != distance:
		return fail("boxes.bins", "%d: expected 2 or more, in the form %s", b.Bins, distance)
	case d.Turned != nil && b.Form == corner:
		return fail("turned", "expected for the form %s, and not for %s", centre, corner)
	case d.Landmarks != nil && !slices.Contains([]int{0, 2, 3}, d.Landmarks.Each):
		return fail("landmarks.each", "%d: expected 2 or 3", d.Landmarks.Each)
	case !finite(b.Factors[:]...):
		return fail("boxes.factors", "%v: expected numbers", b.Factors)
	case !(d.Score >= 0 && d.Score <= 1):
		return fail("score", "%v: expected 0 to 1", d.Score)
	case !(d.IoU >= 0 && d.IoU <= 1):
		return fail("iou", "%v: expected 0 to 1", d.IoU)
	case !(d.Truth > 0 && d.Truth <= 1):
		return fail("truth", "%v: expected more than 0 and at most 1", d.Truth)
	case d.Most < 1 || d.Most > mostBoxes:
		return fail("most", "%d: expected 1 to %d", d.Most, mostBoxes)
	}
	if g != nil {
		return g.check(fail, b)
	}
	return nil
}

// mostBoxes is how many boxes of an image there can be.
const mostBoxes = 10000

func (g *Grid) check(fail func(field, format string, args ...any) error, b *Boxes) error {
	levels := max(1, len(g.Strides))
	anchored := len(g.Anchors) > 0 || len(g.Places) > 0
	switch {
	case slices.ContainsFunc(g.Strides, func(s float64) bool { return !(s >= 1) || !finite(s) }):
		return fail("grid.strides", "%v: expected a pixel or more each", g.Strides)
	case !finite(g.Shift):
		return fail("grid.shift", "%v: expected a share of a cell", g.Shift)
	case len(g.Places) > 0 && (len(g.Strides) > 0 || len(g.Anchors) > 0 || len(g.Repeat) > 0):
		return fail("grid.places", "expected them or strides, anchors and repeat, not both")
	case len(g.Places) > 0 && (b.Unit == ofStride || b.SizeUnit == ofStride):
		return fail("boxes.unit", "%s: places have none", ofStride)
	case len(g.Anchors) > 0 && len(g.Anchors) != levels || len(g.Repeat) > 0 && len(g.Repeat) != levels:
		return fail("grid", "%d levels of anchors and %d of repeat: expected %d, as of strides", len(g.Anchors), len(g.Repeat), levels)
	case len(g.Anchors) > 0 && len(g.Repeat) > 0:
		return fail("grid.repeat", "expected it or anchors, not both")
	case !anchored && (b.Unit == ofAnchor || b.SizeUnit == ofAnchor):
		return fail("grid.anchors", "expected for the unit %s", ofAnchor)
	case slices.ContainsFunc(g.Repeat, func(n int) bool { return n < 1 || n > 1000 }):
		return fail("grid.repeat", "%v: expected 1 to 1000", g.Repeat)
	}
	for _, level := range g.Anchors {
		if len(level) == 0 || slices.ContainsFunc(level, func(a [2]float64) bool { return !finite(a[:]...) || a[0] <= 0 || a[1] <= 0 }) {
			return fail("grid.anchors", "%v: expected widths and heights", level)
		}
	}
	for _, p := range g.Places {
		if !finite(p[:]...) {
			return fail("grid.places", "%v: expected x, y, width and height", p)
		}
	}
	return nil
}

func finite(x ...float64) bool {
	return !slices.ContainsFunc(x, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}

// parts are those that there are, by their fields' names.
func (d *Decoder) parts() map[string]*Part {
	all := map[string]*Part{
		"boxes": &d.Boxes.Part, "objectness": d.Objectness, "classes": d.Classes, "class": d.Class, "image": d.Image, "turned": d.Turned,
	}
	if d.Landmarks != nil {
		all["landmarks"] = &d.Landmarks.Part
	}
	maps.DeleteFunc(all, func(_ string, p *Part) bool { return p == nil })
	return all
}

// Outputs are the names of the outputs that are read.
func (d *Decoder) Outputs() (names []string) {
	parts := d.parts()
	for _, field := range slices.Sorted(maps.Keys(parts)) {
		names = append(names, parts[field].Outputs...)
	}
	if d.Count != "" {
		names = append(names, d.Count)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
