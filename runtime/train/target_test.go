package train

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestSteering: payloads of a network that follows the weight late, and as a power of it,
// settle next to their target, whatever the weight begins with. Batches differ by a tenth, and
// images to train on take a quarter more than those that judge.
func TestSteering(t *testing.T) {
	const steps, began, ratio = 600, 500.0, 1.25
	for _, target := range []float64{250, 400, 480, 900} {
		for _, first := range []float64{1e-3, 3e-3, 1e-2} {
			rng := rand.New(rand.NewPCG(1, uint64(target)))
			s := steering{First: first, Bytes: began * ratio, Began: began * ratio, Ratio: 1}
			s.judged(began)
			log := math.Log(began)
			for step := range steps {
				// Without a weight payloads would be 520 bytes, with one of 0.01 half as large.
				settled := math.Log(520) - math.Ln2*math.Sqrt(s.weight(target, steps)/0.01)
				log += (settled - log) / 30
				s.step(math.Exp(log)*ratio*(1+0.1*rng.NormFloat64()), target, steps)
				if step%100 == 99 {
					s.judged(math.Exp(log))
				}
			}
			want := min(target, 520)
			if got := math.Exp(log); got > 1.04*want || got < 0.93*want { // noise, and what is late
				t.Errorf("from a weight of %v: %.0f bytes, with a target of %v", first, got, target)
			}
		}
	}
}

// TestWeightThatStays is that of a training without a target.
func TestWeightThatStays(t *testing.T) {
	s := steering{First: 0.25, Ratio: 1}
	for _, bytes := range []float64{100, 1000, 10} {
		s.step(bytes, 0, 10)
		if w := s.weight(0, 10); w != 0.25 {
			t.Errorf("a byte weighs %v", w)
		}
	}
}

// TestFirstWeight: a byte weighs by a tenth of the gradient's norm, and where that is mostly noise
// the bytes of an image are no heavier than the loss.
func TestFirstWeight(t *testing.T) {
	for _, c := range []struct {
		loss, norm, bytes, heavyNorm, want float64
	}{
		{0.6, 0.2, 400, 2e7, 1e-3},      // 0.1 * 0.2 / (2e7 / 1e6)
		{0.02, 40, 2000, 4e8, 1e-5},     // of the loss; the norm says 0.01
		{0.0246, 40, 1900, 4e8, 1.3e-5}, // two digits
	} {
		got := firstWeight(StepResult{Loss: c.loss, Norm: c.norm, Bytes: c.bytes}, StepResult{Norm: c.heavyNorm})
		if math.Abs(got/c.want-1) > 1e-9 { // float64
			t.Errorf("%+v: %v", c, got)
		}
	}
}
