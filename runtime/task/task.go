// Package task says what the outputs of a model are: what a person sees of them, and by
// which measure epochs, candidates and selections are compared.
//
//	kind := task.Of("classify")
//	seen, err := kind.See(outputs, labels, 5)
//
//	judge := kind.Judge(set, task.Outputs{})
//	err := judge.Add(outputs, []int{0, 1, 2, 3}) // what the model says of those items
//	values := judge.Values()                     // of kind.Measures() in their order
//
// Tasks are known by their names; nothing else asks which one it is.
package task

import (
	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/ort"
)

// Task is what a model's outputs are.
type Task interface {
	// Measures are what labels give, the primary one first.
	Measures() []Measure
	// See returns what a person sees of each image of a batch. Labels are the names of
	// what can be told apart, at most so many of which are wanted.
	See(outputs ort.Results, labels []string, most int) ([]Seen, error)
	// Judge begins to judge what a model says of the items of a set.
	Judge(set *data.Set, o Outputs) Judge
}

// Classify is a classification: the scores of classes, of which an image has one.
const Classify = "classify"

// tasks are all that are known, by their names.
var tasks = map[string]Task{Classify: classification{}}

// Of returns the task of a name, nil for none.
func Of(name string) Task { return tasks[name] }

// Measure is a share of images, 0..1: the more the better.
type Measure struct {
	Name string // in results
	Text string // in words
}

// Agreement is the measure that a teacher gives, of every task.
var Agreement = Measure{"agreement", "agreement"}

// Text is the measure of a name in words.
func Text(name string) string {
	for _, t := range tasks {
		for _, m := range t.Measures() {
			if m.Name == name {
				return m.Text
			}
		}
	}
	return name
}

// Seen is what a person sees of an image.
type Seen struct {
	Top []Class // the best classes, best first
}

// Outputs tell what is judged.
type Outputs struct {
	// Judged are the outputs: first the one that labels are of. None stand for one that
	// whatever looks right is taken for, but for those of Except.
	Judged []Output
	Except []string
}

// Output is an output that is judged.
type Output struct {
	Name string // of the model that is judged
	From string // the output that it is read from, a teacher's has another; "" for whatever looks right
}

// Judge compares what a model says of the items of a set with their labels, and with a
// teacher.
type Judge interface {
	// Add takes the outputs for some items of the set: the first images of a batch.
	Add(outputs ort.Results, items []int) error
	// Values are those of Task.Measures for the first output; nil without labels.
	Values() []Value
	// Agreement compares with what a teacher said of the same items, output by output as
	// far as it was asked. It fails where the two cannot be compared.
	Agreement(teacher Judge) ([]Value, error)
}

// Value is how good an output is.
type Value struct {
	Output  string  `json:"name"`
	Measure string  `json:"measure"`
	Value   float64 `json:"value"` // 0..1
	Images  int     `json:"-"`     // that it is a share of
}

// Primary is the value by which models are compared.
type Primary struct {
	Name     string     `json:"name"` // of the measure
	Value    float64    `json:"value"`
	Interval [2]float64 `json:"interval"` // of 95% confidence, Wilson's
}

// PrimaryOf returns the value that counts: the first that labels give, else the mean of
// those that a teacher gives; nil where there is none.
func PrimaryOf(labelled, taught []Value) *Primary {
	if len(labelled) > 0 {
		return primary(labelled[0].Measure, labelled[0].Value, labelled[0].Images)
	}
	if mean := Mean(taught); mean != nil {
		return primary(Agreement.Name, *mean, taught[0].Images)
	}
	return nil
}

func primary(name string, value float64, images int) *Primary {
	low, high := stats.Wilson(value, images)
	return &Primary{Name: name, Value: value, Interval: [2]float64{low, high}}
}

// Mean is the mean of values, nil for none.
func Mean(values []Value) *float64 {
	if len(values) == 0 {
		return nil
	}
	sum := 0.0
	for _, v := range values {
		sum += v.Value
	}
	return new(sum / float64(len(values)))
}
