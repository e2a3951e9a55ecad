package budget

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
)

// Space are the candidates at a place.
type Space struct {
	Families []Family
	// Channels of each tensor, where they are given.
	Channels []int
	// Most channels of all tensors together, and how so many are divided among them, where
	// they are not given.
	Most   int
	Divide func(n int) ([]int, error)
	// Unmixed are channels that stand for all of each tensor as they are, tried besides;
	// nil for none.
	Unmixed []int
}

// Family are candidates that differ in their channels.
type Family struct {
	Stride []int // of each tensor
	Codec  string
	// Lowest and Highest are the qualities to choose from: the same where it is given, 0 of a
	// codec that has none.
	Lowest, Highest int
}

// FamilyOf is the family of a codec whose quality, where it has one, is given or, 0, open.
func FamilyOf(codec string, hasQuality bool, quality int) Family {
	f := Family{Codec: codec}
	if hasQuality {
		f.Lowest, f.Highest = cmp.Or(quality, 1), cmp.Or(quality, 100)
	}
	return f
}

// MostChannels bounds the channels of a tensor that are chosen: the components behind them
// explain next to nothing, and the device computes them.
const MostChannels = 512

// Tensor is a tensor of a cut.
type Tensor struct{ Channels, Height, Width int }

// SpaceOf are the candidates at a cut of tensors: of codecs, with channels and strides that are
// given, one for all tensors or one for each, or those that there are. Order is that of Divide,
// and whole stands for all channels of a tensor as they are.
func SpaceOf(tensors []Tensor, codecs []Family, channels, strides, order []int, whole int) (s Space) {
	var most []int
	var sizes [][2]int
	for i, t := range tensors {
		most, sizes = append(most, min(t.Channels, MostChannels)), append(sizes, [2]int{t.Height, t.Width})
		s.Most += most[i]
		s.Unmixed = append(s.Unmixed, whole)
		if len(channels) > 0 {
			s.Channels = append(s.Channels, channels[min(i, len(channels)-1)])
		}
	}
	s.Divide = func(n int) ([]int, error) { return Divide(n, most, order), nil }
	s.Families = Strided(codecs, sizes, strides)
	return s
}

// Strided are families of codecs at strides: of tensors of those heights and widths 1 and,
// where there is room, 2, or the ones that are given.
func Strided(codecs []Family, sizes [][2]int, given []int) (all []Family) {
	var whole, half []int
	for _, size := range sizes {
		whole, half = append(whole, 1), append(half, 1+min(size[0]-1, size[1]-1, 1))
	}
	strides := [][]int{whole}
	if !slices.Equal(whole, half) {
		strides = append(strides, half)
	}
	if len(given) > 0 {
		strides = [][]int{given}
	}
	for _, f := range codecs {
		for _, f.Stride = range strides {
			all = append(all, f)
		}
	}
	return all
}

// TooSmallError says that no candidate takes so few bytes.
type TooSmallError struct {
	Bytes int
	Least float64 // what the one that takes least takes in the mean
}

// Error names both.
func (e *TooSmallError) Error() string {
	return fmt.Sprintf("no bottleneck takes %d bytes in the mean: the smallest that was tried takes %.0f", e.Bytes, math.Ceil(e.Least))
}

// Choose returns the trial that is best of those that take no more bytes than there are,
// and all of them in the order in which they were made. The error is a *TooSmallError where
// none takes so few.
//
// Of each family all channels are tried first, as they are and mixed, then half of them and so
// on, as long as that is no worse: with fewer channels the same bytes code each of them better.
// Then the numbers beside the best one are.
func Choose(ctx context.Context, p Place, s Space, o Options) (*Trial, []Trial, error) {
	c := &chooser{place: p, space: s, options: o}
	for _, f := range s.Families {
		if err := c.family(ctx, f); err != nil {
			return nil, nil, err
		}
	}
	if found := best(c.trials); found != nil && s.Channels == nil && !slices.Equal(found.Channels, s.Unmixed) {
		if err := c.beside(ctx, *found); err != nil {
			return nil, nil, err
		}
	}
	found := best(c.trials)
	if found == nil {
		least := math.Inf(1)
		for _, t := range c.trials {
			least = min(least, t.Mean)
		}
		return nil, c.trials, &TooSmallError{o.Bytes, least}
	}
	return found, c.trials, nil
}

// chooser tries candidates of a place.
type chooser struct {
	place   Place
	space   Space
	options Options
	trials  []Trial
}

// family tries the candidates of a family, the most channels first.
func (c *chooser) family(ctx context.Context, f Family) error {
	if c.space.Channels != nil {
		_, err := c.try(ctx, f, c.space.Channels)
		return err
	}
	if f.Lowest == f.Highest {
		return c.mostThatFit(ctx, f)
	}
	if c.space.Unmixed != nil {
		if _, err := c.try(ctx, f, c.space.Unmixed); err != nil {
			return err
		}
	}
	var found *Trial
	for n := c.space.Most; n >= 1; n /= 2 {
		t, err := c.divided(ctx, f, n)
		switch {
		case err != nil:
			return err
		case t.Judgement == nil && found == nil: // fewer channels may fit
		case found != nil && (t.Judgement == nil || !noWorse(t.Judgement, found.Judgement)):
			return nil
		default:
			found = t
		}
	}
	return nil
}

// mostThatFit tries as many channels as fit, where nothing else can be chosen: the more, the
// better.
func (c *chooser) mostThatFit(ctx context.Context, f Family) error {
	low, high := 0, c.space.Most+1 // low fits, or is none; high does not
	for high-low > 1 {
		n := (low + high) / 2
		if high > c.space.Most {
			n = c.space.Most // often all do
		}
		t, err := c.divided(ctx, f, n)
		if err != nil {
			return err
		}
		if t.Judgement != nil {
			low = n
		} else {
			high = n
		}
	}
	return nil
}

// beside tries a quarter less and half more channels than a trial has.
func (c *chooser) beside(ctx context.Context, t Trial) error {
	for _, f := range c.space.Families {
		if n := t.total(); f.Codec == t.Codec && slices.Equal(f.Stride, t.Stride) && f.Lowest < f.Highest {
			for _, n := range []int{n * 3 / 4, n * 3 / 2} {
				if n < 1 || n > c.space.Most {
					continue
				}
				if _, err := c.divided(ctx, f, n); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// divided tries so many channels of all tensors together.
func (c *chooser) divided(ctx context.Context, f Family, n int) (*Trial, error) {
	channels, err := c.space.Divide(n)
	if err != nil {
		return nil, err
	}
	return c.try(ctx, f, channels)
}

// try tries a candidate, unless it was.
func (c *chooser) try(ctx context.Context, f Family, channels []int) (*Trial, error) {
	candidate := Candidate{channels, f.Stride, f.Codec}
	if t := tried(c.trials, candidate); t != nil {
		return t, nil
	}
	b, err := c.place.Make(ctx, candidate)
	if err != nil {
		return nil, err
	}
	t := Trial{Candidate: candidate, MACs: b.MACs(), Bottleneck: b}
	err = c.judge(ctx, f, &t)
	if closed := b.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	c.trials = append(c.trials, t)
	if c.options.Step != nil {
		c.options.Step(t)
	}
	return &c.trials[len(c.trials)-1], nil
}

// judge finds the highest quality of a trial that fits, and judges it there.
func (c *chooser) judge(ctx context.Context, f Family, t *Trial) (err error) {
	if t.Mean, err = t.Bottleneck.Bytes(ctx, f.Lowest); err != nil {
		return err
	}
	t.Quality = f.Lowest
	if t.Mean > float64(c.options.Bytes) {
		return nil
	}
	for high := f.Highest + 1; high-t.Quality > 1; {
		q := (t.Quality + high) / 2
		mean, err := t.Bottleneck.Bytes(ctx, q)
		if err != nil {
			return err
		}
		if mean <= float64(c.options.Bytes) {
			t.Quality, t.Mean = q, mean
		} else {
			high = q
		}
	}
	t.Judgement, err = t.Bottleneck.Judge(ctx, t.Quality)
	return err
}

// Divide divides n channels among tensors that have so many at most: one each, then in an order
// of tensors, then in turns.
func Divide(n int, most, order []int) []int {
	channels := make([]int, len(most))
	for i := range channels {
		channels[i] = 1
		n--
	}
	give := func(i int) {
		if n > 0 && channels[i] < most[i] {
			channels[i]++
			n--
		}
	}
	for _, i := range order {
		give(i)
	}
	for range slices.Max(most) {
		for i := range channels {
			give(i)
		}
	}
	return channels
}
