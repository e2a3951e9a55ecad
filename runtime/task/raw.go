package task

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// likeness is how alike outputs of any kind are, 0 to 1, by what they end in: a softmax, the
// share of rows whose best class is the same; scores from 0 to 1, the intersection over union
// of those of 0.5 and more, 1 where there are none; vectors of length 1, their cosine, 0 at
// least; what is chosen or counted, the share that is the same; other numbers, 1 less their
// relative error, 0 at least. All but the last are means over images. Of an output that is
// joined of several, the mean over its parts.
var likeness = share("likeness", "likeness")

// raw is the task of outputs that are of several kinds, or of none that is known. Labels are
// of the first that has scores of classes behind a softmax, as many as a set has.
type raw struct {
	outputsOf[[]spoken]
	outputs []model.Port
	scores  *model.Port // nil for none
}

// guessRaw takes what is not, or not only, scores of classes: where these come first, what a
// classifier may show besides are the classes' numbers and maps of features.
func guessRaw(m Model) string {
	scores := func(p model.Port) bool {
		shape := trimmed(p)
		return len(shape) <= 2 && (len(shape) < 2 || shape[1].Size != 1) && len(m.Ends[p.Name]) <= 1 && m.end(p).Kind != EndL2Norm
	}
	kind := EndSigmoid // of the first that is not behind one: scores that are are a gate beside others
	if i := slices.IndexFunc(m.Outputs, func(p model.Port) bool { return m.end(p).Kind != EndSigmoid }); i >= 0 {
		kind = m.end(m.Outputs[i]).Kind
	}
	var others []string
	for i, p := range m.Outputs {
		rank := len(trimmed(p))
		switch {
		case p.Kind != model.Tensor || !p.Ranked: // what a classifier of other libraries may give
			return ""
		case !p.DType.IsFloat() && rank <= 2:
		case i == 0 && rank == 2 && len(m.Labels) > 1 && p.Shape[1].Size == int64(len(m.Labels)): // its classes have names
			return ""
		case i == 0 && !scores(p):
			return m.because("is not known to be anything else")
		case rank > 2 && m.end(p).Kind == EndValues:
		case scores(p) && m.end(p).Kind == EndSigmoid:
		case !scores(p) || m.end(p).Kind != kind:
			others = append(others, p.String())
		}
	}
	if len(others) == 0 {
		return ""
	}
	return m.because("is not all: there is %s besides", strings.Join(others, ", "))
}

func openRaw(m Model) (Task, error) {
	r := raw{outputsOf: outputsOf[[]spoken]{reading: parts{ends: m.Ends}, ends: m.Ends}, outputs: m.Outputs}
	for i, p := range m.Outputs {
		if shape := trimmed(p); len(shape) == 2 && shape[1].Size > 1 && m.end(p).Kind == EndSoftmax {
			r.scores = &m.Outputs[i]
			break
		}
	}
	return r, nil
}

// Measures implements Task.
func (r raw) Measures() []Measure {
	if r.scores == nil {
		return nil
	}
	return classification{}.Measures()
}

// Agreement implements Task.
func (raw) Agreement() Measure { return likeness }

// See implements Task: the best classes, if there are any.
func (r raw) See(b Batch, s Sight) ([]Seen, error) {
	if r.scores != nil {
		s.Judged = []Output{{Name: r.scores.Name, From: r.scores.Name}}
		return classification{}.See(b, s)
	}
	said, err := r.seen(b, s)
	return make([]Seen, len(said)), err
}

// Judge implements Task.
func (r raw) Judge(set *data.Set, o Outputs) (Judge, error) {
	if len(o.Judged) == 0 {
		for _, p := range r.outputs {
			if !slices.Contains(o.Except, p.Name) {
				o.Judged = append(o.Judged, Output{Name: p.Name, From: p.Name})
			}
		}
	}
	j := &rawJudge{answersJudge: r.judge(set, o)}
	if r.scores == nil || !set.Labelled() || int(trimmed(*r.scores)[1].Size) != len(set.Classes()) {
		return j, nil
	}
	for _, judged := range o.Judged {
		if judged.Name != r.scores.Name {
			continue
		}
		var err error
		if j.classes, err = (classification{}).Judge(set, Outputs{Judged: []Output{judged}}); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// rawJudge judges outputs of any kind.
type rawJudge struct {
	*answersJudge[[]spoken]
	classes Judge // of the scores, nil where labels are nothing to them
}

// Add implements Judge.
func (j *rawJudge) Add(b Batch, items []int) error {
	if err := j.answersJudge.Add(b, items); err != nil || j.classes == nil {
		return err
	}
	return j.classes.Add(b, items)
}

// Values implements Judge.
func (j *rawJudge) Values() []Value {
	if j.classes == nil {
		return nil
	}
	return j.classes.Values()
}

// Samples implements Judge.
func (j *rawJudge) Samples() *Samples {
	if j.classes == nil {
		return nil
	}
	return j.classes.Samples()
}

// Each implements Judge: the mean over the outputs.
func (j *rawJudge) Each(teacher Judge) ([]float64, error) {
	t := sameTask[[]spoken](teacher)
	each, outputs := slices.Repeat([]float64{math.NaN()}, j.set.Len()), 0
	for k, judged := range j.o.Judged {
		other := slices.IndexFunc(t.o.Judged, func(o Output) bool { return o.Name == judged.Name })
		if other < 0 {
			continue
		}
		items, mine, theirs := both(j.said[k], t.said[other])
		if len(items) == 0 {
			continue
		}
		values, err := j.each(mine, theirs)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", judged.Name, err)
		}
		for i, v := range values {
			if outputs == 0 {
				each[items[i]] = 0
			}
			each[items[i]] += v
		}
		outputs++
	}
	for i := range each {
		each[i] /= float64(outputs)
	}
	return each, nil
}

// spoken is what a part of an output says of an image.
type spoken struct {
	numbers        // of a softmax the best classes of rows; of scores 1 for 0.5 and more, else 0
	kind    string // one of the constants of ends
	length  int    // of vectors
}

// parts reads outputs, part by part.
type parts struct {
	firstAxis
	ends map[string][]End
}

func (parts) expected() string { return "tensors of numbers, of which the first axis counts images" }

func (parts) looks(t *tensor.Tensor, _ End) bool { return regressed{}.looks(t, End{}) }

func (p parts) read(one *tensor.Tensor, out picked) (said []spoken, err error) {
	ends := p.ends[out.Name]
	if len(ends) == 0 {
		ends = []End{out.end}
	}
	for _, end := range ends {
		t := one
		if end.Part != [2]int{} {
			if end.PartAxis < 1 || end.PartAxis >= len(t.Shape) || end.Part[0] >= end.Part[1] || int64(end.Part[1]) > t.Shape[end.PartAxis] {
				return nil, fmt.Errorf("found %v, expected elements %d to %d of axis %d to be %s", t, end.Part[0], end.Part[1], end.PartAxis, end.Kind)
			}
			if t, err = part(one, end.PartAxis, end.Part[0], end.Part[1]); err != nil {
				return nil, err
			}
		}
		s, err := speak(t, end)
		if err != nil {
			return nil, err
		}
		said = append(said, s)
	}
	return said, nil
}

// speak reads a part of an output.
func speak(t *tensor.Tensor, end End) (s spoken, err error) {
	axis := end.Axis
	if axis < 1 || axis >= len(t.Shape) {
		axis = len(t.Shape) - 1
	}
	width := int(t.Shape[axis])
	inner, _ := tensor.Elements(t.Shape[axis+1:])
	s.kind = end.Kind
	switch end.Kind {
	case EndSoftmax:
		values, err := t.Float32s()
		if err != nil {
			return s, err
		}
		if slices.ContainsFunc(values, func(v float32) bool { return v != v }) {
			return s, errNaN
		}
		s.all = len(values) / width
		for _, row := range places(s.all, mostKept) {
			at, best := row/inner*inner*width+row%inner, 0
			for c := range width {
				if values[at+c*inner] > values[at+best*inner] {
					best = c
				}
			}
			s.kept = append(s.kept, float32(best))
		}
		return s, nil
	case EndL2Norm:
		values, err := finite(t)
		if err != nil {
			return s, err
		}
		s.all, s.length = len(values)/width, width
		for _, row := range places(s.all, max(1, mostKept/width)) {
			for c := range width {
				s.kept = append(s.kept, float32(values[row/inner*inner*width+row%inner+c*inner]))
			}
		}
		return s, nil
	}
	s.numbers, err = numbersOf(t)
	if end.Kind == EndSigmoid {
		for i, v := range s.kept {
			s.kept[i] = 0
			if v >= 0.5 {
				s.kept[i] = 1
			}
		}
	}
	return s, err
}

// alike is how alike a part of an output is.
type alike struct {
	each   []float64                 // image by image
	over   func(picks []int) float64 // over images
	errors func(picks []int) float64 // its relative error, nil but for numbers
}

// compare compares the parts of an output with the teacher's.
func compare(mine, theirs [][]spoken) (all []alike, err error) {
	for k, part := range theirs[0] {
		a, b := make([]spoken, len(mine)), make([]spoken, len(mine))
		for i := range mine {
			if len(mine[i]) != len(theirs[i]) || mine[i][k].kind != theirs[i][k].kind || mine[i][k].all != theirs[i][k].all || mine[i][k].length != theirs[i][k].length {
				return nil, fmt.Errorf("it is not made up as the teacher's: found %d numbers, expected %d", mine[i][min(k, len(mine[i])-1)].all, theirs[i][k].all)
			}
			a[i], b[i] = mine[i][k], theirs[i][k]
		}
		same, known := likenesses[part.kind]
		if !known {
			e, err := errorsOf(numbersIn(a), numbersIn(b))
			if err != nil {
				return nil, err
			}
			all = append(all, alike{e.likeness(), func(picks []int) float64 { return 1 - min(1, e.relative(picks)) }, e.relative})
			continue
		}
		each := make([]float64, len(a))
		for i := range each {
			each[i] = same(a[i], b[i])
		}
		all = append(all, alike{each: each, over: func(picks []int) float64 {
			sum := 0.0
			for _, i := range picks {
				sum += each[i]
			}
			return sum / float64(len(picks))
		}})
	}
	return all, nil
}

func numbersIn(said []spoken) []numbers {
	all := make([]numbers, len(said))
	for i, s := range said {
		all[i] = s.numbers
	}
	return all
}

// likenesses are those of what is no plain numbers, for an image.
var likenesses = map[string]func(mine, theirs spoken) float64{
	EndSoftmax: equalShare,
	EndIndices: equalShare,
	EndSigmoid: func(mine, theirs spoken) float64 {
		var both, either float64
		for i, t := range theirs.kept {
			both += float64(min(mine.kept[i], t))
			either += float64(max(mine.kept[i], t))
		}
		if either == 0 {
			return 1
		}
		return both / either
	},
	EndL2Norm: func(mine, theirs spoken) float64 {
		var cosines []float64
		for i := 0; i < len(theirs.kept); i += theirs.length {
			a, b := numbers{kept: mine.kept[i : i+theirs.length]}, numbers{kept: theirs.kept[i : i+theirs.length]}
			cosines = append(cosines, max(0, Cosine(a.floats(), b.floats())))
		}
		return mean(cosines)
	},
}

func equalShare(mine, theirs spoken) float64 {
	same := 0
	for i, t := range theirs.kept {
		if mine.kept[i] == t {
			same++
		}
	}
	return float64(same) / float64(len(theirs.kept))
}

func (parts) agree(mine, theirs [][]spoken) ([]Value, error) {
	all, err := compare(mine, theirs)
	if err != nil {
		return nil, err
	}
	values := []Value{meanOf(likeness, len(mine), all, func(a alike) func([]int) float64 { return a.over })}
	if plain := slices.DeleteFunc(all, func(a alike) bool { return a.errors == nil }); len(plain) > 0 {
		values = append(values, meanOf(relativeError, len(mine), plain, func(a alike) func([]int) float64 { return a.errors }))
	}
	return values, nil
}

// meanOf is the mean over parts of a measure over images.
func meanOf(m Measure, images int, parts []alike, of func(alike) func(picks []int) float64) Value {
	over := func(picks []int) float64 {
		sum := 0.0
		for _, p := range parts {
			sum += of(p)(picks)
		}
		return sum / float64(len(parts))
	}
	v := Value{Measure: m.Name, Value: over(everyOne(images)), Images: images}
	v.Interval[0], v.Interval[1] = stats.Bootstrap(images, 1, over)
	return v
}

func (parts) each(mine, theirs [][]spoken) ([]float64, error) {
	all, err := compare(mine, theirs)
	each := make([]float64, len(mine))
	for _, a := range all {
		for i, v := range a.each {
			each[i] += v / float64(len(all))
		}
	}
	return each, err
}
