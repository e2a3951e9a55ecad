package budget

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
)

// fake is a place whose trials follow a formula.
type fake struct {
	bytes func(c Candidate, quality int) float64
	error func(c Candidate, quality int) float64
	made  []string
	open  int
}

type fakeBottleneck struct {
	*fake
	c Candidate
}

func (f *fake) Make(_ context.Context, c Candidate) (Bottleneck, error) {
	f.made = append(f.made, fmt.Sprint(c.Codec, c.Stride, c.Channels))
	f.open++
	return fakeBottleneck{f, c}, nil
}

func (b fakeBottleneck) Bytes(_ context.Context, q int) (float64, error) { return b.bytes(b.c, q), nil }

func (b fakeBottleneck) Judge(_ context.Context, q int) (*Judgement, error) {
	return &Judgement{Bytes: []int{int(b.bytes(b.c, q))}, Error: b.error(b.c, q)}, nil
}

func (b fakeBottleneck) MACs() int64 { return int64(b.c.total() * 10) }

func (b fakeBottleneck) Close() error {
	b.open--
	return nil
}

func one(n int) ([]int, error) { return []int{n}, nil }

// TestChoose: the highest quality that fits is found, and among channels, strides and codecs
// what an exhaustive search finds, of 64 numbers of channels in few trials.
func TestChoose(t *testing.T) {
	// Each channel tells half as much as the one before; a level of quality is a step of noise.
	formula := func(best float64) *fake {
		return &fake{
			bytes: func(c Candidate, q int) float64 {
				rate := float64(c.total()) * float64(q) / float64(c.Stride[0]*c.Stride[0])
				if c.Codec == "coarse" {
					rate *= 2
				}
				return rate
			},
			error: func(c Candidate, q int) float64 {
				return math.Exp2(-float64(c.total())/8) + float64(c.total())/float64(q*q) + 0.3*float64(c.Stride[0]-1)*best
			},
		}
	}
	families := []Family{{[]int{1}, "coarse", 1, 100}, {[]int{2}, "coarse", 1, 100}, {[]int{1}, "fine", 1, 100}, {[]int{2}, "fine", 1, 100}}
	for _, bytes := range []int{20, 200, 2000} {
		f := formula(1)
		chosen, tried, err := Choose(t.Context(), f, Space{Families: families, Most: 64, Divide: one}, Options{Bytes: bytes})
		if err != nil {
			t.Fatal(err)
		}
		least := math.Inf(1)
		for _, family := range families {
			for n := 1; n <= 64; n++ {
				c := Candidate{[]int{n}, family.Stride, family.Codec}
				for q := 1; q <= 100 && f.bytes(c, q) <= float64(bytes); q++ {
					least = min(least, f.error(c, q))
				}
			}
		}
		if got := chosen.Judgement.Error; got > 1.15*least || chosen.Codec != "fine" {
			t.Errorf("%d bytes: %s, %v channels, stride %v, quality %d: error %.3f, the least is %.3f", bytes, chosen.Codec, chosen.Channels, chosen.Stride, chosen.Quality, got, least)
		}
		if q := chosen.Quality; f.bytes(chosen.Candidate, q) > float64(bytes) || q < 100 && f.bytes(chosen.Candidate, q+1) <= float64(bytes) {
			t.Errorf("%d bytes: quality %d is not the highest that fits", bytes, q)
		}
		if len(tried) > 7*len(families) || f.open != 0 {
			t.Errorf("%d trials, %d bottlenecks left open", len(tried), f.open)
		}
	}
}

// TestChooseGiven: what is given stays, and no candidate is tried twice.
func TestChooseGiven(t *testing.T) {
	f := &fake{
		bytes: func(c Candidate, q int) float64 { return float64(10 * c.total()) },
		error: func(c Candidate, q int) float64 { return 1 / float64(c.total()) },
	}
	for _, c := range []struct {
		name     string
		space    Space
		channels int
		quality  int
	}{
		{"quality", Space{Families: []Family{{[]int{1}, "a", 30, 30}}, Most: 64, Divide: one}, 37, 30},
		{"quality, all fit", Space{Families: []Family{{[]int{1}, "a", 30, 30}}, Most: 20, Divide: one}, 20, 30},
		{"no quality", Space{Families: []Family{{[]int{1}, "a", 0, 0}}, Most: 64, Divide: one}, 37, 0},
		{"channels", Space{Families: []Family{{[]int{1}, "a", 1, 100}}, Channels: []int{8}}, 8, 100},
	} {
		f.made = nil
		chosen, _, err := Choose(t.Context(), f, c.space, Options{Bytes: 379})
		if err != nil || chosen.total() != c.channels || chosen.Quality != c.quality {
			t.Errorf("%s: %+v, %v", c.name, chosen, err)
		}
		slices.Sort(f.made)
		if len(slices.Compact(slices.Clone(f.made))) != len(f.made) {
			t.Errorf("%s: tried twice: %v", c.name, f.made)
		}
	}
}

// TestChooseUnmixed: channels as they are come besides the numbers of mixed ones.
func TestChooseUnmixed(t *testing.T) {
	for _, better := range []bool{false, true} {
		f := &fake{
			bytes: func(c Candidate, q int) float64 { return float64(q) },
			error: func(c Candidate, q int) float64 {
				if c.Channels[0] < 0 && better {
					return 0.1
				}
				return 1 / (1 + math.Abs(float64(c.Channels[0])))
			},
		}
		chosen, _, err := Choose(t.Context(), f, Space{Families: []Family{{[]int{1}, "a", 1, 100}}, Most: 8, Divide: one, Unmixed: []int{-1}}, Options{Bytes: 50})
		if err != nil || (chosen.Channels[0] == -1) != better {
			t.Errorf("%+v, %v", chosen, err)
		}
	}
}

// TestTooSmall: where nothing fits the error tells what the least takes.
func TestTooSmall(t *testing.T) {
	f := &fake{bytes: func(c Candidate, q int) float64 { return float64(100 + c.total() + q) }}
	_, tried, err := Choose(t.Context(), f, Space{Families: []Family{{[]int{1}, "a", 1, 100}}, Most: 8, Divide: one}, Options{Bytes: 50})
	var small *TooSmallError
	if !errors.As(err, &small) || small.Least != 102 || len(tried) == 0 {
		t.Errorf("%v of %d trials, expected the 102 bytes of one channel at quality 1", err, len(tried))
	}
}

// TestFailing: what fails ends the choice, with everything closed.
func TestFailing(t *testing.T) {
	f := &fake{bytes: func(Candidate, int) float64 { return 1 }}
	broken := errors.New("broken")
	if _, _, err := Choose(t.Context(), &failing{f, broken}, Space{Families: []Family{{[]int{1}, "a", 1, 100}}, Most: 8, Divide: one}, Options{Bytes: 50}); err != broken || f.open != 0 {
		t.Errorf("%v, %d left open", err, f.open)
	}
}

type failing struct {
	*fake
	err error
}

type failingBottleneck struct {
	Bottleneck
	err error
}

func (f *failing) Make(ctx context.Context, c Candidate) (Bottleneck, error) {
	b, err := f.fake.Make(ctx, c)
	return failingBottleneck{b, f.err}, err
}

func (b failingBottleneck) Judge(context.Context, int) (*Judgement, error) { return nil, b.err }

// TestBest: agreement decides where images tell a difference, else the outputs' error, and of what
// is alike the work on the device.
func TestBest(t *testing.T) {
	each := func(good, of int) (all []float64) {
		for i := range of {
			v := 0.0
			if i < good {
				v = 1
			}
			all = append(all, v)
		}
		return append(all, math.NaN())
	}
	for _, c := range []struct {
		name   string
		trials []Judgement
		best   int
		macs   []int64 // nil for as many
		fewer  bool    // the second of two may take the first's place
	}{
		{"clearly more images", []Judgement{{Each: each(60, 100), Error: 0.1}, {Each: each(90, 100), Error: 0.5}}, 1, nil, true},
		{"clearly fewer", []Judgement{{Each: each(90, 100), Error: 0.5}, {Each: each(60, 100), Error: 0.1}}, 0, nil, false},
		{"one image more, which tells nothing", []Judgement{{Each: each(60, 100), Error: 0.1}, {Each: each(61, 100), Error: 0.5}}, 0, nil, false},
		{"as many, less error", []Judgement{{Each: each(60, 100), Error: 0.2}, {Each: each(60, 100), Error: 0.1}}, 1, nil, true},
		{"as many, as much error but for the slack", []Judgement{{Each: each(60, 100), Error: 0.1}, {Each: each(60, 100), Error: 0.101}}, 0, nil, true},
		{"of one image", []Judgement{{Each: []float64{0}, Error: 0.2}, {Each: []float64{1}, Error: 0.3}}, 0, nil, false},
		{"less error, but clearly fewer than the most", []Judgement{{Each: each(80, 100), Error: 0.3}, {Each: each(81, 100), Error: 0.2}, {Each: each(60, 100), Error: 0.1}}, 1, nil, true},
		{"as many, alike, less work", []Judgement{{Each: each(60, 100), Error: 0.1}, {Each: each(60, 100), Error: 0.101}}, 1, []int64{20, 10}, true},
		{"as many, less work, but more error", []Judgement{{Each: each(60, 100), Error: 0.1}, {Each: each(60, 100), Error: 0.103}}, 0, []int64{20, 10}, false},
	} {
		var trials []Trial
		for i := range c.trials {
			trials = append(trials, Trial{Judgement: &c.trials[i]})
			if c.macs != nil {
				trials[i].MACs = c.macs[i]
			}
		}
		if got := best(append(trials, Trial{})); got != nil && got.Judgement != &c.trials[c.best] || got == nil {
			t.Errorf("%s: %+v", c.name, got)
		}
		if got := noWorse(&c.trials[1], &c.trials[0]); got != c.fewer {
			t.Errorf("%s: the second may take the first's place: %v", c.name, got)
		}
	}
}

// TestDivide: channels are divided in the order that is told, and then in turns, as far as there
// are any.
func TestDivide(t *testing.T) {
	most, order := []int{4, 2, 8}, []int{2, 2, 0, 2, 1, 2}
	for n, want := range map[int][]int{1: {1, 1, 1}, 3: {1, 1, 1}, 5: {1, 1, 3}, 8: {2, 2, 4}, 11: {3, 2, 6}, 14: {4, 2, 8}, 99: {4, 2, 8}} {
		if got := Divide(n, most, order); !slices.Equal(got, want) {
			t.Errorf("%d channels: %v, expected %v", n, got, want)
		}
	}
}
