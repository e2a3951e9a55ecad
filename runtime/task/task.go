// Package task says what the outputs of a model are: what a person sees of them, and by
// which measure epochs, candidates and selections are compared.
//
//	kind, why := task.Guess(model)
//	t, err := task.Open(kind, model)
//	seen, err := t.See(task.Batch{Outputs: outputs}, task.Sight{Labels: labels, Most: 5})
//
//	judge, err := t.Judge(set, task.Outputs{})
//	err = judge.Add(task.Batch{Outputs: outputs}, []int{0, 1, 2, 3}) // what the model says of those items
//	values := judge.Values()                                        // of t.Measures() in their order
//
// Tasks are known by their names; nothing else asks which one it is.
package task

import (
	"encoding/json"
	"fmt"
	"image"
	"math"
	"strings"

	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
)

// Task is what a model's outputs are.
type Task interface {
	// Measures are what labels give, the primary one first; none where labels are nothing to
	// the task.
	Measures() []Measure
	// Agreement is what the comparison with a teacher gives.
	Agreement() Measure
	// See returns what a person sees of each image of a batch.
	See(b Batch, s Sight) ([]Seen, error)
	// Judge begins to judge what a model says of the items of a set.
	Judge(set *data.Set, o Outputs) (Judge, error)
}

// Model is what is known of a model, from which its task is told and opened.
type Model struct {
	Inputs, Outputs []model.Port
	Ends            map[string][]End  // of each output, by its name; of one that is joined of several, in their order
	Metadata        map[string]string // the file's own
	Labels          []string          // names of what can be told apart
	Decoder         json.RawMessage   // of a detector's outputs, nil for none known
}

// End is what an output, or a part of it, ends in, as the graph tells.
type End struct {
	Kind string // one of the End constants
	Axis int    // of a softmax that of the classes, of vectors theirs, of values that of the channels; -1 where it is not known
	Part [2]int // which elements along PartAxis, from and to; 0, 0 for all
	// PartAxis is the axis along which several ends are joined.
	PartAxis int
}

// Kinds of ends.
const (
	EndSoftmax = "softmax" // probabilities, or their logarithms, of classes that exclude each other
	EndSigmoid = "sigmoid" // scores that do not exclude each other
	EndL2Norm  = "l2norm"  // vectors of length 1
	EndIndices = "indices" // what is chosen or counted: nothing passes a gradient
	EndValues  = "values"  // any numbers
)

// Names of tasks.
const (
	Classify = "classify" // scores of classes, of which an image has one
	Detect   = "detect"   // boxes around things
	Segment  = "segment"  // the class of each place
	Embed    = "embed"    // vectors that are compared by their direction
	Lines    = "text"     // a score of each character at each step along a picture
	Regress  = "regress"  // numbers that are no scores
	Image    = "image"    // pictures
	Raw      = "raw"      // any numbers
)

// kinds are all tasks that are known. Guess takes the first whose guess is not empty.
var kinds = []struct {
	name string
	// guess says why a model's outputs are taken for this, "" where they are not.
	guess func(m Model) string
	open  func(m Model) (Task, error)
}{
	{Detect, guessDetect, openDetect},
	{Segment, guessSegment, openSegment},
	{Embed, guessEmbed, openEmbed},
	{Lines, guessText, openText},
	{Image, guessImage, openImage},
	{Regress, guessRegress, openRegress},
	{Raw, guessRaw, openRaw},
	{Classify, func(Model) string { return "nothing tells otherwise" }, func(Model) (Task, error) { return classification{}, nil }},
}

// Kinds are the names of tasks.
func Kinds() (names []string) {
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// Open returns the task of a name for a model.
func Open(name string, m Model) (Task, error) {
	for _, k := range kinds {
		if k.name == name {
			return k.open(m)
		}
	}
	return nil, fmt.Errorf("task %q: expected one of %s", name, strings.Join(Kinds(), ", "))
}

// Guess tells what a model's outputs are, and why they are taken for that.
func Guess(m Model) (name, why string) {
	for _, k := range kinds {
		if why := k.guess(m); why != "" {
			return k.name, why
		}
	}
	panic("BUG: no task takes every model")
}

// Batch is what a model says of some images.
type Batch struct {
	Outputs ort.Results // the first axis of each is the images'
	// Frames are how each image lies in the model's input; nil where they are not known,
	// as those of tensors.
	Frames []imagein.Frame
}

// Sight says what is wanted to be seen.
type Sight struct {
	Outputs
	Labels []string // names of what can be told apart
	Most   int      // at most so many of what can be ranked
}

// Measure is what models are compared by.
type Measure struct {
	Name string // in results
	Text string // in words
	Axis string // of plots, with its unit; "" for Text and Unit
	// Points is how many points a difference of 1 is: 100 for a share in 0..1, 1 for decibels.
	Points float64
	Unit   string // of points, "%" for shares
	Lower  bool   // less is better
}

// First is the measure that a task's models are compared by where there are labels, or the
// agreement with a teacher where labels are nothing to it.
func First(t Task) Measure {
	if labelled := t.Measures(); len(labelled) > 0 {
		return labelled[0]
	}
	return t.Agreement()
}

// share is a measure in 0..1: the more the better.
func share(name, text string) Measure { return Measure{Name: name, Text: text, Points: 100, Unit: "%"} }

// ofImages is a share of images.
func ofImages(name, text string) Measure {
	m := share(name, text)
	m.Axis = "images, %"
	return m
}

// Agreement is the share of images of which a model says what its teacher says.
var Agreement = ofImages("agreement", "agreement")

// MeasureOf returns the measure of a name. One that is not known, as of a later version, is
// a number.
func MeasureOf(name string) Measure {
	for _, m := range measures {
		if m.Name == name {
			return m
		}
	}
	return Measure{Name: name, Text: name, Points: 1}
}

// Text returns a measure's name in words.
func Text(name string) string { return MeasureOf(name).Text }

// Format writes a value in points, with so many digits behind the point: "87.5%", "31.20 dB".
func (m Measure) Format(value float64, digits int) string {
	space := " "
	if m.Unit == "%" || m.Unit == "" {
		space = ""
	}
	return fmt.Sprintf("%.*f%s%s", digits, m.Points*value, space, m.Unit)
}

// Short is Format with as many digits as people compare.
func (m Measure) Short(value float64) string {
	switch m.Unit {
	case "%":
		return m.Format(value, 1)
	case "":
		return fmt.Sprintf("%.4g", m.Points*value)
	}
	return m.Format(value, 2)
}

// Perfect is the value of answers that are as they should be.
func (m Measure) Perfect() float64 {
	if m.Lower {
		return 0
	}
	return 100 / m.Points
}

// Named is the measure as results of searches and evaluations name it.
func (m Measure) Named() *plan.Measure {
	return &plan.Measure{Name: m.Name, Text: m.Text, Points: m.Points, Unit: m.Unit, Lower: m.Lower}
}

// OnAxis is what the axis of a plot says.
func (m Measure) OnAxis() string {
	switch {
	case m.Axis != "":
		return m.Axis
	case m.Unit == "":
		return m.Text
	}
	return m.Text + ", " + m.Unit
}

// Better tells whether a value is better than another.
func (m Measure) Better(value, than float64) bool {
	if m.Lower {
		return value < than
	}
	return value > than
}

// Loss is by how many points a value is worse than another; below 0 where it is better. It is
// rounded, so that 95 of 100 images lose the 5 points that they may, and not 4e-15 more.
func (m Measure) Loss(value, than float64) float64 {
	if m.Lower {
		value, than = than, value
	}
	return math.Round(m.Points*(than-value)*1e9) / 1e9
}

// SetLosses sets what each of some rates loses, values of the measure being those of its points.
func (m Measure) SetLosses(points []plan.RatePoint, values []float64) {
	best := values[0]
	for _, v := range values {
		if m.Better(v, best) {
			best = v
		}
	}
	for i, v := range values {
		points[i].Loss = m.Loss(v, best)
	}
}

// measures are all that there are.
var measures = []Measure{
	top1, top5, Agreement, ap50, ap5095, meanIoU, sideIoU, cosine, neighbours, neighbour1,
	exact, edits, relativeError, absoluteError, psnr, likeness,
}

// Seen is what a person sees of an image.
type Seen struct {
	Top    []Class     // the best classes, best first
	Boxes  []Box       // what was detected, best first
	Mask   *Mask       // the class of each place
	Vector []float64   // an embedding
	Text   string      // what was read
	Image  image.Image // a picture that is the answer
}

// Box is something detected.
type Box struct {
	X0     float64      `json:"x0"` // in pixels of the upright picture; without a frame, of the model's input
	Y0     float64      `json:"y0"`
	X1     float64      `json:"x1"`
	Y1     float64      `json:"y1"`
	Class  int          `json:"class"`
	Label  string       `json:"label,omitempty"`
	Score  float64      `json:"score"`
	Points [][2]float64 `json:"points,omitempty"` // landmarks, where the model tells them
}

// Mask is the class of each place of the model's input, or of a grid over it.
type Mask struct {
	Width, Height int
	Classes       []uint8 // row by row
	// Names of the classes by their numbers, as far as there are labels; 0 of masks, what is
	// in none, has "".
	Names []string
}

// Outputs tell what is judged.
type Outputs struct {
	// Judged are the outputs: first the one that labels are of. None stand for one that
	// whatever looks right is taken for, but for those of Except.
	Judged []Output
	Except []string
	// Annotations is a file that tells what is to be detected, as COCO's JSON; "" for none.
	Annotations string
}

// Output is an output that is judged.
type Output struct {
	Name string // of the model that is judged
	From string // the output that it is read from, a teacher's has another; "" for whatever looks right
	End         // what it ends in; of kind "" where it is not known
}

// Judge compares what a model says of the items of a set with their labels, and with a
// teacher.
type Judge interface {
	// Add takes the outputs for some items of the set: the first images of a batch.
	Add(b Batch, items []int) error
	// Values are those of Task.Measures for the first output; nil without labels.
	Values() []Value
	// Samples are what the first of Values is of other samples of the items; nil without
	// labels.
	Samples() *Samples
	// Agreement compares with what a teacher said of the same items, output by output as
	// far as it was asked. It fails where the two cannot be compared.
	Agreement(teacher Judge) ([]Value, error)
	// Each is how far a teacher's and the model's answers agree for each item of the set, 0
	// to 1; NaN for those that one of them did not see.
	Each(teacher Judge) ([]float64, error)
}

// Value is how good an output is.
type Value struct {
	Output  string  `json:"name"`
	Measure string  `json:"measure"`
	Value   float64 `json:"value"` // of a share 0..1
	// Taught tells what a teacher gives from what labels give by the same measure.
	Taught bool `json:"taught,omitempty"`
	Images int  `json:"-"` // that it is measured on
	// Interval is that of 95% confidence where the judge knows one; 0, 0 for Wilson's of a
	// share of images.
	Interval [2]float64 `json:"-"`
}

// Words say what is measured.
func (v Value) Words() string {
	if v.Taught {
		return Text(v.Measure) + " beside the teacher"
	}
	return Text(v.Measure)
}

// Primary is the value by which models are compared.
type Primary struct {
	Name     string     `json:"name"` // of the measure
	Value    float64    `json:"value"`
	Interval [2]float64 `json:"interval"` // of 95% confidence
}

// PrimaryOf returns the value that counts: the first that labels give, else the mean of
// those that a teacher gives, see Mean; nil where there is none.
func PrimaryOf(labelled, taught []Value) *Primary {
	if len(labelled) > 0 {
		return primary(labelled[0])
	}
	alike := firstMeasure(taught)
	if len(alike) == 0 {
		return nil
	}
	v := alike[0]
	v.Value = *Mean(alike)
	if len(alike) > 1 && v.Interval != [2]float64{} {
		v.Interval = [2]float64{}
		for _, t := range alike {
			v.Interval[0] += t.Interval[0] / float64(len(alike))
			v.Interval[1] += t.Interval[1] / float64(len(alike))
		}
	}
	return primary(v)
}

// firstMeasure are the values of the first one's measure: those of each output.
func firstMeasure(values []Value) (alike []Value) {
	for _, v := range values {
		if v.Measure == values[0].Measure {
			alike = append(alike, v)
		}
	}
	return alike
}

func primary(v Value) *Primary {
	if v.Interval == [2]float64{} && !MeasureOf(v.Measure).Lower { // an error is no share of images
		v.Interval[0], v.Interval[1] = stats.Wilson(v.Value, v.Images)
	}
	return &Primary{Name: v.Measure, Value: v.Value, Interval: v.Interval}
}

// Mean is the mean over outputs of the values of the first one's measure, nil for none.
func Mean(values []Value) *float64 {
	if len(values) == 0 {
		return nil
	}
	sum, alike := 0.0, firstMeasure(values)
	for _, v := range alike {
		sum += v.Value
	}
	return new(sum / float64(len(alike)))
}
