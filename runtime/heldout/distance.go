package heldout

import (
	"errors"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// mostCompared is how many numbers of an output are compared of an image, evenly spread over
// it.
const mostCompared = 4096

// reference is what the whole model gives for the images: some numbers of each output.
type reference struct {
	outputs int
	images  [][][]float32
}

// numbers are some of a tensor's, evenly spread; none where they are no floating-point
// numbers.
func numbers(t *tensor.Tensor) []float32 {
	if t == nil || !t.DType.IsFloat() {
		return nil
	}
	all, err := t.Float32s()
	if err != nil {
		return nil
	}
	some := make([]float32, min(len(all), mostCompared))
	for i := range some {
		some[i] = all[i*len(all)/len(some)]
	}
	return some
}

// add takes what it gives for the next image.
func (e *reference) add(outputs ort.Results) {
	var image [][]float32
	for _, r := range outputs {
		image = append(image, numbers(r.Tensor))
	}
	e.outputs, e.images = len(outputs), append(e.images, image)
}

// means are those of each number of each output over the images; nil of outputs whose size
// is not the same for all.
func (e *reference) means() [][]float64 {
	means := make([][]float64, e.outputs)
	for k := range means {
		mean := make([]float64, len(e.images[0][k]))
		for _, image := range e.images {
			if len(image[k]) != len(mean) {
				mean = nil
				break
			}
			for i, v := range image[k] {
				mean[i] += float64(v) / float64(len(e.images))
			}
		}
		means[k] = mean
	}
	return means
}

// leastUnusual is what a number counts that is what it always is, in variances.
const leastUnusual = 0.1

// distance compares what is given for images with a reference. A number counts by how unusual
// it is, the square of its distance from its mean: most cells of a detector are empty, and say
// the same of every image.
type distance struct {
	*reference
	mean             [][]float64
	usual            []float64 // the variance of an output's numbers
	square, variance []float64 // sums of each output
}

func (e *reference) distance() *distance {
	s := &distance{e, e.means(), make([]float64, e.outputs), make([]float64, e.outputs), make([]float64, e.outputs)}
	for k, mean := range s.mean {
		n := 0.0
		for _, image := range e.images {
			for i, m := range mean {
				if w := float64(image[k][i]) - m; w-w == 0 {
					s.usual[k], n = s.usual[k]+w*w, n+1
				}
			}
		}
		s.usual[k] /= max(n, 1)
	}
	return s
}

// add compares what is given for an image.
func (s *distance) add(image int, outputs ort.Results) {
	for k, r := range outputs {
		got, want := numbers(r.Tensor), s.images[image][k]
		if s.mean[k] == nil || len(got) != len(want) {
			continue
		}
		for i, v := range want {
			d, w := float64(got[i]-v), float64(v)-s.mean[k][i]
			if d-d != 0 || w-w != 0 {
				continue // as the scores of what cannot be, -Inf
			}
			counts := w*w + leastUnusual*s.usual[k]
			s.square[k] += counts * d * d
			s.variance[k] += counts * w * w
		}
	}
}

// relative is the mean over the outputs of the square error by that of the mean answer: 0 for
// the same answers, 1 where it is the mean of all.
func (s *distance) relative() (float64, error) {
	sum, n := 0.0, 0.0
	for k, v := range s.variance {
		if v > 0 {
			sum, n = sum+s.square[k]/v, n+1
		}
	}
	if n == 0 {
		return 0, errors.New("no output has numbers that change")
	}
	return sum / n, nil
}
