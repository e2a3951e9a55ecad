package task

import (
	"math"
	"slices"

	"github.com/bottlenet/bnc/internal/stats"
)

// Samples are what the first of a judge's values is of other samples of the images.
type Samples struct {
	Output, Measure string
	Items           []int // of the set, in the order in which they count
	// Right tells which of Items are right, where the measure is their share; nil for others.
	Right []bool
	// Of is the value of some of Items, numbers below their length that may repeat; NaN for
	// none. Nil where there is Right.
	Of func(picks []int) float64
}

// of is the value of some of the items.
func (s *Samples) of(picks []int) float64 {
	if s.Right == nil {
		return s.Of(picks)
	}
	right := 0
	for _, i := range picks {
		if s.Right[i] {
			right++
		}
	}
	return float64(right) / float64(len(picks))
}

// among are those of the items that are also in others.
func (s *Samples) among(others []int) *Samples {
	there := map[int]bool{}
	for _, item := range others {
		there[item] = true
	}
	var picks []int
	sub := &Samples{Output: s.Output, Measure: s.Measure}
	for i, item := range s.Items {
		if there[item] {
			picks, sub.Items = append(picks, i), append(sub.Items, item)
			if s.Right != nil {
				sub.Right = append(sub.Right, s.Right[i])
			}
		}
	}
	sub.Of = func(some []int) float64 {
		all := make([]int, len(some))
		for i, k := range some {
			all[i] = picks[k]
		}
		return s.Of(all)
	}
	return sub
}

// Paired is how a model compares with its teacher by labels, image by image: what both get
// right or wrong cancels out, so that its interval is narrower than either's own.
type Paired struct {
	Name       string     `json:"name"`       // of the measure
	Teacher    float64    `json:"teacher"`    // what it is of the teacher
	Difference float64    `json:"difference"` // the model's value less the teacher's
	Interval   [2]float64 `json:"interval"`   // of the difference, 95% confidence
	Images     int        `json:"n"`
}

// Pair compares what labels say of a model and of its teacher, over the images that both saw:
// shares of images by stats.PairedShares, other measures by samples of the same images for
// both. It is nil where labels say nothing, or of another output.
func Pair(model, teacher Judge) *Paired {
	mine, theirs := model.Samples(), teacher.Samples()
	if mine == nil || theirs == nil || mine.Measure != theirs.Measure || mine.Output != theirs.Output {
		return nil
	}
	mine, theirs = mine.among(theirs.Items), theirs.among(mine.Items)
	n := len(mine.Items)
	if n == 0 || !slices.Equal(mine.Items, theirs.Items) {
		return nil
	}
	all := everyOne(n)
	p := &Paired{Name: mine.Measure, Teacher: theirs.of(all), Images: n}
	p.Difference = mine.of(all) - p.Teacher
	if math.IsNaN(p.Difference) {
		return nil
	}
	if mine.Right == nil {
		p.Interval[0], p.Interval[1] = stats.Bootstrap(n, 1, func(picks []int) float64 { return mine.of(picks) - theirs.of(picks) })
		return p
	}
	won, lost := 0, 0
	for i, right := range mine.Right {
		switch {
		case right && !theirs.Right[i]:
			won++
		case !right && theirs.Right[i]:
			lost++
		}
	}
	p.Interval[0], p.Interval[1] = stats.PairedShares(won, lost, n)
	return p
}
