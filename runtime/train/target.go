package train

import (
	"math"

	"github.com/bottlenet/bnc/internal/fault"
)

// Payload says how the bytes of payloads count in the loss. The zero value: not.
type Payload struct {
	// Weight is how much of the loss a byte is: with a Target at the start, where 0 stands
	// for as much as the bytes of an image are as heavy together as what there is to be
	// learnt.
	Weight float64
	// Target is the mean payload, in bytes, that the weight is steered to end below; 0 for
	// a weight that stays.
	Target float64
	// Loose is how far above its target a payload may end, as a share: what the caller makes
	// good.
	Loose float64

	bytes float64 // mean payload of images to train on, at the start
}

// Where the quality follows the target, it is aimed under it by a share, as payloads of images to
// train on differ from others, and training may end loose above it by another: what a few steps
// of quality make good.
const under, loose = 0.01, 0.1

// Aim is what payloads of images to train on are to take at most, where the quality follows a
// target.
func Aim(target float64) float64 { return target * (1 - under) }

// Check finds what cannot be.
func (p Payload) Check() error {
	if err := (fault.Shares{{"rate_weight", p.Weight, fault.Unbounded}}).Check(); err != nil {
		return err
	}
	if !(p.Target >= 0) || math.IsInf(p.Target, 1) {
		return fault.Usage("target_bytes", "%v: expected a number larger than 0", p.Target)
	}
	return nil
}

// Counts tells whether the bytes of payloads count in the loss.
func (p Payload) Counts() bool { return p.Weight > 0 || p.Target > 0 }

// excess is how much larger than their target payloads are, as a share, beyond what is made
// good.
func (p Payload) excess(v Validation) float64 {
	if p.Target == 0 || v.PayloadBytes == nil {
		return 0
	}
	return max(0, *v.PayloadBytes/p.Target-1-p.Loose)
}

// How payloads are steered: by a controller with a proportional and an integral part, as PI
// Lagrangians have it (Stooke et al., arXiv 2007.03964), on logarithms. What a payload has
// told once is hardly learnt again, so that it comes down slowly and does not swing.
const (
	// below is how far under its target a payload is aimed: what differs between the last
	// steps and the images that judge, and no more.
	below = 0.02
	// descent is the share of a training in which payloads come down to their target.
	descent = 0.5
	// pull is how many times the excess of payloads is that of the weight, and turns how many
	// times a lasting one adds as much again in the course of a training.
	pull, turns = 2, 12
	// recent is the share of the last batch in the mean of payloads.
	recent = 0.1
	// farthest is the logarithm of the largest factor between the weight and where it began.
	farthest = 5
)

// steering is the state of a controller of payloads, which a checkpoint keeps.
type steering struct {
	First float64 `json:"first"` // the weight at the start
	Steps int     `json:"steps"` // that were done
	Sum   float64 `json:"sum"`   // of excesses, by which the weight's logarithm has moved
	Bytes float64 `json:"bytes"` // mean payload of the last batches; 0 before the first
	Began float64 `json:"began"` // the first such mean
	// Ratio is that of payloads of images to train on, which vary, to those of images that
	// judge.
	Ratio float64 `json:"ratio"`
}

// excess is how much larger payloads are than they should be by now, as a logarithm. A
// training has so many steps.
func (s *steering) excess(target float64, steps int) float64 {
	if s.Bytes == 0 {
		return 0
	}
	aim := math.Log(target * (1 - below) * s.Ratio)
	left := max(0, 1-float64(s.Steps)/(descent*float64(steps)))
	return math.Log(s.Bytes) - aim - left*max(0, math.Log(s.Began)-aim)
}

// weight is how much of the loss a byte is in the next step.
func (s *steering) weight(target float64, steps int) float64 {
	if target == 0 {
		return s.First
	}
	return s.First * math.Exp(max(-farthest, min(s.Sum+pull*s.excess(target, steps), farthest)))
}

// step takes the mean payload of a batch.
func (s *steering) step(bytes, target float64, steps int) {
	if s.Bytes == 0 {
		s.Bytes = bytes
	}
	if s.Began == 0 {
		s.Began = bytes
	}
	s.Bytes += recent * (bytes - s.Bytes)
	s.Steps++
	if target > 0 {
		s.Sum = max(-farthest, min(s.Sum+pull*turns/float64(steps)*s.excess(target, steps), farthest))
	}
}

// judged takes the mean payload of the images that judge, of today's weights.
func (s *steering) judged(bytes float64) {
	if s.Bytes > 0 && bytes > 0 {
		s.Ratio = s.Bytes / bytes
	}
}
