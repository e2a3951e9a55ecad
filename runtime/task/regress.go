package task

import (
	"fmt"
	"math"

	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Measures of numbers.
var (
	// relativeError is the root of the squared error over the teacher's variance, both summed
	// over an output's elements and averaged over images: 1 is what an answer is worth that is
	// the teacher's mean for every image. Where the teacher says the same of all images, its
	// mean square stands for the variance.
	relativeError = Measure{Name: "relative_error", Text: "relative error", Points: 100, Unit: "%", Lower: true}
	// absoluteError is the mean over elements and images, in the output's own unit.
	absoluteError = Measure{Name: "absolute_error", Text: "mean absolute error", Points: 1, Lower: true}
)

// regression is the task of numbers that are no scores: coordinates, angles, an age.
type regression struct{ outputsOf[numbers] }

// regressNames are parts of the names that such outputs have.
var regressNames = []string{"landmark", "point", "coord", "offset", "angle", "bbox"}

func guessRegress(m Model) string {
	why := ""
	if !m.every(func(p model.Port, end End) bool {
		shape, reason := trimmed(p), ""
		plain := p.DType.IsFloat() && (end.Kind == EndValues || end.Kind == EndSigmoid)
		switch {
		case !plain:
		case len(shape) == 2 && shape[1].Size == 1:
			reason = "is a number for each image"
		case len(shape) == 2 && called(p, regressNames...):
			reason = "is called so"
		case len(shape) == 3 && end.Kind == EndValues && (shape[2].Size == 2 || shape[2].Size == 3) && shape[1].Size <= mostPoints:
			reason = "is points"
		}
		if why == "" {
			why = reason
		}
		return reason != ""
	}) {
		return ""
	}
	return m.because("%s", why)
}

// mostPoints is how many landmarks there are: those of a face's mesh are 478.
const mostPoints = 512

func openRegress(m Model) (Task, error) {
	return regression{outputsOf[numbers]{reading: regressed{}, ends: m.Ends}}, nil
}

// Measures implements Task: labels of sets are classes.
func (regression) Measures() []Measure { return nil }

// Agreement implements Task.
func (regression) Agreement() Measure { return relativeError }

// See implements Task: numbers speak for themselves.
func (r regression) See(b Batch, s Sight) ([]Seen, error) {
	said, err := r.seen(b, s)
	return make([]Seen, len(said)), err
}

// Judge implements Task.
func (r regression) Judge(set *data.Set, o Outputs) (Judge, error) { return r.judge(set, o), nil }

// regressed reads numbers.
type regressed struct{ firstAxis }

func (regressed) expected() string { return "numbers, of which the first axis counts images" }

func (regressed) looks(t *tensor.Tensor, _ End) bool {
	return len(t.Shape) > 0 && t.Len() > 0 && t.DType != tensor.String
}

func (regressed) read(one *tensor.Tensor, _ picked) (numbers, error) { return numbersOf(one) }

func (regressed) agree(mine, theirs []numbers) ([]Value, error) {
	e, err := errorsOf(mine, theirs)
	if err != nil {
		return nil, err
	}
	value := Value{Measure: relativeError.Name, Value: e.relative(everyOne(len(mine))), Images: len(mine)}
	value.Interval[0], value.Interval[1] = stats.Bootstrap(len(mine), 1, e.relative)
	absolute := Value{Measure: absoluteError.Name, Value: mean(e.absolute), Images: len(mine)}
	absolute.Interval[0], absolute.Interval[1] = stats.MeanInterval(e.absolute)
	return []Value{value, absolute}, nil
}

func (regressed) each(mine, theirs []numbers) ([]float64, error) {
	e, err := errorsOf(mine, theirs)
	if err != nil {
		return nil, err
	}
	return e.likeness(), nil
}

// numbersErrors are those of numbers beside a teacher's, of each image.
type numbersErrors struct {
	squared  []float64 // summed over elements
	absolute []float64 // averaged over elements
	spread   []float64 // the teacher's squared distance from its mean over images, summed over elements
	square   float64   // the teacher's own, summed over elements and averaged over images
}

func errorsOf(mine, theirs []numbers) (e numbersErrors, err error) {
	n := len(mine)
	means := make([]float64, len(theirs[0].kept))
	for i, t := range theirs {
		if mine[i].all != t.all || t.all != theirs[0].all {
			return e, fmt.Errorf("it has %d numbers, the teacher's %d, %d of another image: expected the same", mine[i].all, t.all, theirs[0].all)
		}
		for k, v := range t.kept {
			means[k] += float64(v) / float64(n)
		}
	}
	e.squared, e.absolute, e.spread = make([]float64, n), make([]float64, n), make([]float64, n)
	for i, t := range theirs {
		for k, v := range t.kept {
			wrong, far := float64(mine[i].kept[k])-float64(v), float64(v)-means[k]
			e.squared[i] += wrong * wrong
			e.absolute[i] += math.Abs(wrong) / float64(len(t.kept))
			e.spread[i] += far * far
			e.square += float64(v) * float64(v) / float64(n)
		}
	}
	return e, nil
}

// scale is what the squared error of the images of picks is divided by.
func (e numbersErrors) scale(picks []int) float64 {
	const constant = 1e-12 // of the mean square: what roundings leave
	spread := 0.0
	for _, i := range picks {
		spread += e.spread[i] / float64(len(picks))
	}
	if spread > constant*e.square {
		return spread
	}
	return e.square
}

// relative is the relative error over the images of picks.
func (e numbersErrors) relative(picks []int) float64 {
	squared := 0.0
	for _, i := range picks {
		squared += e.squared[i] / float64(len(picks))
	}
	return ratio(squared, e.scale(picks))
}

// ratio is the root of a share of whole, 1 of nothing.
func ratio(part, whole float64) float64 {
	switch {
	case part == 0:
		return 0
	case whole == 0:
		return 1
	}
	return math.Sqrt(part / whole)
}

// likeness is 1 less the relative error of each image, 0 at least.
func (e numbersErrors) likeness() []float64 {
	each, scale := make([]float64, len(e.squared)), e.scale(everyOne(len(e.squared)))
	for i, squared := range e.squared {
		each[i] = 1 - min(1, ratio(squared, scale))
	}
	return each
}

// everyOne are the numbers below n.
func everyOne(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
