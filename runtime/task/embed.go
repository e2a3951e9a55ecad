package task

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Measures of embeddings. Of vectors of zeros the cosine with another is 0, with one of zeros
// too 1. The nearest of an image is the other one, of those that are compared, whose vector
// has the largest cosine with its own, the first of equal ones.
var (
	cosine     = share("cosine", "cosine")                                         // mean over images
	neighbours = share("neighbours", "agreement of nearest neighbours")            // share of images whose nearest one is the teacher's
	neighbour1 = share("neighbour_top1", "nearest neighbour is of the same class") // share of images that share theirs with another
)

// embedding is the task of vectors that are compared by their direction.
type embedding struct{ outputsOf[vector] }

// embedNames are parts of the names that vectors to compare have.
var embedNames = []string{"embed", "descriptor"}

func guessEmbed(m Model) string {
	one := func(p model.Port) bool { s := trimmed(p); return len(s) == 2 && s[1].Size != 1 }
	switch {
	case m.every(func(p model.Port, end End) bool { return one(p) && end.Kind == EndL2Norm && end.Axis == 1 }):
		return m.because("is vectors of length 1")
	case m.every(func(p model.Port, end End) bool {
		return one(p) && (end.Kind == EndValues || end.Kind == EndL2Norm) && called(p, embedNames...)
	}):
		return m.because("is called so")
	}
	return ""
}

func openEmbed(m Model) (Task, error) {
	return embedding{outputsOf[vector]{reading: vectors{}, ends: m.Ends}}, nil
}

// Measures implements Task.
func (embedding) Measures() []Measure { return []Measure{neighbour1} }

// Agreement implements Task.
func (embedding) Agreement() Measure { return cosine }

// See implements Task.
func (e embedding) See(b Batch, s Sight) ([]Seen, error) {
	vectors, err := e.seen(b, s)
	seen := make([]Seen, len(vectors))
	for i, v := range vectors {
		seen[i].Vector = v
	}
	return seen, err
}

// Judge implements Task.
func (e embedding) Judge(set *data.Set, o Outputs) (Judge, error) {
	return &vectorsJudge{e.judge(set, o)}, nil
}

// vectorsJudge judges vectors.
type vectorsJudge struct{ *answersJudge[vector] }

// Values implements Judge: of the images that share their class with another one, how many
// are nearest to one of it; nothing where these are less than half of all.
func (j *vectorsJudge) Values() []Value {
	s := j.Samples()
	if s == nil {
		return nil
	}
	return []Value{{Output: s.Output, Measure: s.Measure, Value: s.of(everyOne(len(s.Items))), Images: len(s.Items)}}
}

// Samples implements Judge.
func (j *vectorsJudge) Samples() *Samples {
	var items, labels []int
	var said []vector
	members := map[int]int{}
	for i, v := range j.said[j.first()] {
		if label := j.set.Label(i); v != nil && label != data.NoLabel {
			items, said, labels = append(items, i), append(said, *v), append(labels, label)
			members[label]++
		}
	}
	shared := len(labels)
	for _, n := range members {
		if n == 1 {
			shared--
		}
	}
	if shared == 0 || 2*shared < len(labels) {
		return nil
	}
	s := &Samples{Output: j.o.Judged[j.first()].Name, Measure: neighbour1.Name}
	for i, other := range nearest(said) {
		if members[labels[i]] > 1 {
			s.Items, s.Right = append(s.Items, items[i]), append(s.Right, labels[i] == labels[other])
		}
	}
	return s
}

// vector is the embedding of an image.
type vector []float64

// vectors reads embeddings.
type vectors struct{ firstAxis }

func (vectors) expected() string { return "a vector for each image [N,D]" }

func (vectors) looks(t *tensor.Tensor, _ End) bool {
	_, d, ok := Matrix(t)
	return ok && d > 1 && t.DType != tensor.String
}

func (vectors) read(one *tensor.Tensor, _ picked) (vector, error) { return finite(one) }

// finite are the numbers of a tensor, of which each has to be one.
func finite(t *tensor.Tensor) ([]float64, error) {
	values, err := t.Floats()
	if err != nil {
		return nil, err
	}
	for _, v := range values {
		switch {
		case math.IsNaN(v):
			return nil, errNaN
		case math.IsInf(v, 0):
			return nil, errors.New("the values hold infinity")
		}
	}
	return values, nil
}

func (v vectors) agree(mine, theirs []vector) ([]Value, error) {
	cosines, err := v.cosines(mine, theirs)
	if err != nil {
		return nil, err
	}
	value := Value{Measure: cosine.Name, Value: mean(cosines), Images: len(cosines)}
	value.Interval[0], value.Interval[1] = stats.MeanInterval(cosines)
	if len(mine) < 3 { // of two, each is the other's nearest
		return []Value{value}, nil
	}
	same, others := 0, nearest(theirs)
	for i, n := range nearest(mine) {
		if n == others[i] {
			same++
		}
	}
	return []Value{value, {Measure: neighbours.Name, Value: float64(same) / float64(len(mine)), Images: len(mine)}}, nil
}

func (v vectors) each(mine, theirs []vector) ([]float64, error) {
	each, err := v.cosines(mine, theirs)
	for i := range each {
		each[i] = max(0, each[i])
	}
	return each, err
}

func (vectors) cosines(mine, theirs []vector) ([]float64, error) {
	all := make([]float64, len(mine))
	for i, a := range mine {
		b := theirs[i]
		if len(a) != len(b) {
			return nil, fmt.Errorf("its vectors have %d numbers, the teacher's %d: expected the same", len(a), len(b))
		}
		all[i] = Cosine(a, b)
	}
	return all, nil
}

// Cosine is that of the angle between two vectors of one length: 1 where both are 0, 0 where
// one is.
func Cosine(a, b []float64) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab, aa, bb = ab+a[i]*b[i], aa+a[i]*a[i], bb+b[i]*b[i]
	}
	switch {
	case aa == 0 && bb == 0:
		return 1
	case aa == 0 || bb == 0:
		return 0
	}
	return ab / math.Sqrt(aa) / math.Sqrt(bb)
}

// nearest returns for each of two or more vectors of one length the other one that is nearest.
func nearest(vectors []vector) []int {
	const block = 256 // rows of cosines that are there at a time
	n, d := len(vectors), len(vectors[0])
	unit := mat.NewDense(n, d, nil)
	for i, v := range vectors {
		length := mat.Norm(mat.NewVecDense(d, v), 2)
		for k, x := range v {
			if length > 0 {
				unit.Set(i, k, x/length)
			}
		}
	}
	others := make([]int, n)
	for from := 0; from < n; from += block {
		to := min(n, from+block)
		var cosines mat.Dense
		cosines.Mul(unit.Slice(from, to, 0, d), unit.T())
		for i := from; i < to; i++ {
			row, best := cosines.RawRowView(i-from), -1
			for k, c := range row {
				if k != i && (best < 0 || c > row[best]) {
					best = k
				}
			}
			others[i] = best
		}
	}
	return others
}

// mean of values, NaN of none.
func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
