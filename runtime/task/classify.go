package task

import (
	"fmt"
	"math"
	"slices"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/ort"
)

// classification is the task of class scores.
type classification struct{}

// top1 and top5 are the shares of images whose label is the best class, and among the five
// best.
var (
	top1 = ofImages(Top1, "top-1")
	top5 = ofImages("top5", "top-5")
)

// Top1 is the name of the share of images whose label is the best class.
const Top1 = "top1"

// best is how many classes count for top5.
const best = 5

// ofScores marks the task that OfScores is of.
func (classification) ofScores() {}

func (classification) Measures() []Measure { return []Measure{top1, top5} }

func (classification) Agreement() Measure { return Agreement }

func (classification) See(b Batch, s Sight) ([]Seen, error) {
	rows, err := Top(s.ranked(b.Outputs), s.Labels, s.Most)
	seen := make([]Seen, len(rows))
	for i, row := range rows {
		seen[i].Top = row
	}
	return seen, err
}

// ranked are the outputs among which scores are looked for.
func (o Outputs) ranked(outputs ort.Results) ort.Results {
	if len(o.Judged) > 0 {
		if v, ok := outputs.Find(o.Judged[0].From); ok {
			return ort.Results{{Name: o.Judged[0].From, Value: v}}
		}
	}
	return slices.DeleteFunc(slices.Clone(outputs), func(r ort.Result) bool { return slices.Contains(o.Except, r.Name) })
}

func (classification) Judge(set *data.Set, o Outputs) (Judge, error) {
	if len(o.Judged) == 0 {
		o.Judged = []Output{{}}
	}
	j := &classJudge{set: set, o: o}
	for range o.Judged {
		j.said = append(j.said, saidClasses{classes: slices.Repeat([]int{noClass}, set.Len())})
	}
	return j, nil
}

// classJudge judges class scores.
type classJudge struct {
	set                  *data.Set
	o                    Outputs
	said                 []saidClasses // of each output
	images, first, among int
}

// saidClasses is what an output says.
type saidClasses struct {
	classes []int // the best class of each item, noClass for those that were not judged
	width   int   // the number of classes, 0 where the output does not tell
}

// noClass stands for the class of an item that was left out.
const noClass = -1

func (j *classJudge) Add(b Batch, items []int) error {
	for k := range j.said {
		labels := slices.Repeat([]int{noClass}, len(items))
		var names []string
		if k == 0 { // the one that labels are of
			names = j.set.Classes()
			for i, item := range items {
				labels[i] = j.set.Label(item)
			}
		}
		from, err := j.pick(b.Outputs, j.o.Judged[k].From)
		if err != nil {
			return err
		}
		verdicts, width, err := judge(from, labels, names)
		if err != nil {
			return err
		}
		if k == 0 && width > 0 {
			if err := j.set.CheckClasses(width); err != nil {
				return err
			}
		}
		j.said[k].width = width
		for i, v := range verdicts {
			j.said[k].classes[items[i]] = v.class
			if k == 0 {
				j.count(v)
			}
		}
	}
	return nil
}

func (j *classJudge) count(v verdict) {
	j.images++
	if v.before < 1 {
		j.first++
	}
	if v.before < best {
		j.among++
	}
}

// pick returns the output of a name, or for "" all that may be scores.
func (j *classJudge) pick(outputs ort.Results, name string) (ort.Results, error) {
	if name == "" {
		return slices.DeleteFunc(slices.Clone(outputs), func(r ort.Result) bool { return slices.Contains(j.o.Except, r.Name) }), nil
	}
	scores, ok := outputs.Find(name)
	if !ok {
		return nil, fmt.Errorf("there is no output %q to judge by", name)
	}
	return ort.Results{{Name: name, Value: scores}}, nil
}

func (j *classJudge) Values() []Value {
	if !j.set.Labelled() || j.images == 0 {
		return nil
	}
	name, n := j.o.Judged[0].Name, float64(j.images)
	return []Value{
		{Output: name, Measure: top1.Name, Value: float64(j.first) / n, Images: j.images},
		{Output: name, Measure: top5.Name, Value: float64(j.among) / n, Images: j.images},
	}
}

// Samples implements Judge.
func (j *classJudge) Samples() *Samples {
	if !j.set.Labelled() || j.images == 0 {
		return nil
	}
	s := &Samples{Output: j.o.Judged[0].Name, Measure: top1.Name}
	for item, class := range j.said[0].classes {
		if class != noClass {
			s.Items, s.Right = append(s.Items, item), append(s.Right, class == j.set.Label(item))
		}
	}
	return s
}

func (j *classJudge) Agreement(teacher Judge) (values []Value, err error) {
	t, ok := teacher.(*classJudge)
	if !ok {
		panic("BUG: judges of different tasks compared")
	}
	for k, out := range j.o.Judged {
		i := slices.IndexFunc(t.o.Judged, func(o Output) bool { return o.Name == out.Name })
		switch {
		case i < 0:
			continue
		case t.said[i].width == j.said[k].width:
			values = append(values, agreement(out.Name, j.said[k].classes, t.said[i].classes))
		case k == 0:
			return nil, fmt.Errorf("it has %d classes, the teacher has %d: expected the same", j.said[k].width, t.said[i].width)
		}
	}
	return values, nil
}

// agreement is the share of items that both give the same class, of those that both
// judged.
func agreement(name string, a, b []int) Value {
	same, both := 0, 0
	for i := range a {
		if a[i] == noClass || b[i] == noClass {
			continue
		}
		both++
		if a[i] == b[i] {
			same++
		}
	}
	return Value{Output: name, Measure: Agreement.Name, Value: float64(same) / float64(both), Images: both}
}

// Each is 1 where the first output's classes are the same.
func (j *classJudge) Each(teacher Judge) ([]float64, error) {
	t, ok := teacher.(*classJudge)
	if !ok {
		panic("BUG: judges of different tasks compared")
	}
	each := make([]float64, j.set.Len())
	for i := range each {
		switch mine, theirs := j.said[0].classes[i], t.said[0].classes[i]; {
		case mine == noClass || theirs == noClass:
			each[i] = math.NaN()
		case mine == theirs:
			each[i] = 1
		}
	}
	return each, nil
}
