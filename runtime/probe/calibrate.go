package probe

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Source are the images that bottlenecks at a cut are calibrated on.
type Source struct {
	Path    string   // of the model, for errors
	Tensors []string // of the cut
	Set     *data.Set
	Choose  feed.Chooser
	Given   feed.Given
	Option  string // that named the images, for errors
	// LeftOut is told of images that cannot be used and are left out; nil for nobody.
	LeftOut func(name string, err error)
	Session ort.Options
}

// Calibration takes what a tensor of a cut holds for images, and gradients of what the outputs
// feel of it: [C,H,W] of one image each.
type Calibration interface {
	Add(activations []float32) error
	Feel(gradients []float32) error
	Forget() // what was felt
	Seed() uint64
}

// Gradients is a network whose outputs are those of directions, followed by gradients of a cut's
// tensors, its inputs.
type Gradients struct {
	Network    []byte
	Directions []Direction
}

// Calibrated is what a calibration has seen.
type Calibrated struct {
	*Seen
	Feeder *feed.Feeder // of the network before the cut
}

// Calibrate gives the calibrations, one a tensor of the cut, what the network before the cut
// gives for images, and where felt is not nil gradients. Where there are none, as felt's error
// tells, they are to choose by variance.
func Calibrate[C Calibration](ctx context.Context, p progress.Progress, s *Source, before *ort.Session, all []C, felt func() (*Gradients, error)) (*Calibrated, error) {
	feeder, err := s.Feeder(before)
	if err != nil {
		return nil, err
	}
	if in := feeder.Port(); len(in.Shape) > 0 && in.Shape[0].Size > 1 {
		return nil, fault.Unusable("option %s: a batch of %d is built into input %q of %s, and calibration takes single images: fix it at 1 by option input %s=1,...", s.Option, in.Shape[0].Size, in.Name, s.Path, in.Name)
	}
	n := Images(s.Set, MostImages)
	bar := p.Phase("calibrating", n)
	seen, err := Run(ctx, before, Options{Set: s.Set, Feeder: feeder, LeftOut: s.LeftOut, Step: func() { bar.Step(1) }}, func(name string, xs []*tensor.Tensor) error {
		for i, c := range all {
			activations, err := xs[i].Float32s()
			if err != nil {
				return err
			}
			if err := c.Add(activations); err != nil {
				return fault.Unusable("%s: %w", name, s.of(i, err))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if seen.Images == 0 {
		return nil, fault.Unusable("option %s: none of %d images can be used: %w", s.Option, n, seen.Damage)
	}
	if felt != nil {
		if err := feel(ctx, p, s, before, feeder, all, felt); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			p.Notice("channels are chosen by their variance, not by what the outputs feel: %v", err)
			for _, c := range all {
				c.Forget()
			}
		}
	}
	return &Calibrated{seen, feeder}, nil
}

// feel gives the calibrations gradients of the images.
func feel[C Calibration](ctx context.Context, p progress.Progress, s *Source, before *ort.Session, feeder *feed.Feeder, all []C, felt func() (*Gradients, error)) error {
	g, err := felt()
	if err != nil {
		return err
	}
	session, err := ort.OpenBytes("gradients at the cut", g.Network, s.Session)
	if err != nil {
		return err
	}
	defer session.Close()
	given, err := s.Given.ForOne(session.Inputs())
	if err != nil {
		return err
	}
	f := newFeeling(session, s.Tensors, given, g.Directions, all[0].Seed())
	o := Options{Set: s.Set, Feeder: feeder}
	bar := p.Phase("what the outputs feel", f.steps(o))
	o.Step = func() { bar.Step(1) }
	return f.Run(ctx, before, o, func(gradients [][]float32) error {
		for i, c := range all {
			if err := c.Feel(gradients[i]); err != nil {
				return s.of(i, err)
			}
		}
		return nil
	})
}

// Feeder prepares images for the network before the cut.
func (s *Source) Feeder(before *ort.Session) (*feed.Feeder, error) {
	feeder, err := s.Given.New(before.Inputs(), s.Choose)
	if err != nil {
		return nil, fault.Unusable("%w", err)
	}
	return feeder, nil
}

// network opens a network in memory that takes the model's images.
func (s *Source) network(name string, network []byte) (*ort.Session, *feed.Feeder, error) {
	session, err := ort.OpenBytes(name, network, s.Session)
	if err != nil {
		return nil, nil, err
	}
	feeder, err := s.Feeder(session)
	if err != nil {
		session.Close()
	}
	return session, feeder, err
}

// Look gives each the outputs of a network in memory for images of the source, one after
// another: as many as a calibration takes.
func (s *Source) Look(ctx context.Context, name string, network []byte, each func(xs []*tensor.Tensor) error) error {
	session, feeder, err := s.network(name, network)
	if err != nil {
		return err
	}
	defer session.Close()
	_, err = Run(ctx, session, Options{Set: s.Set, Feeder: feeder, LeftOut: s.LeftOut}, func(_ string, xs []*tensor.Tensor) error { return each(xs) })
	return err
}

// Means are those of a network in memory over so many images of the source.
func (s *Source) Means(ctx context.Context, name string, network []byte, images int) (map[string][]float64, error) {
	session, feeder, err := s.network(name, network)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	return Means(ctx, session, Options{Set: s.Set, Feeder: feeder}, images)
}

// Unfit is the error of a tensor that cannot be calibrated.
func (s *Source) Unfit(i int, err error) error {
	return fault.Unusable("option %s: %w", s.Option, s.of(i, err))
}

// of says which of several tensors an error is about.
func (s *Source) of(i int, err error) error {
	if len(s.Tensors) > 1 {
		return fmt.Errorf("tensor %q: %w", s.Tensors[i], err)
	}
	return err
}

// Open opens a session of a part of the model, which save writes.
func (s *Source) Open(save func(file string) error) (*ort.Session, error) {
	scratch, err := files.Scratch()
	if err != nil {
		return nil, err
	}
	defer scratch.Discard() // ONNX Runtime has read the file by then
	file := filepath.Join(scratch.Temp, "half.onnx")
	if err := save(file); err != nil {
		return nil, err
	}
	session, err := ort.Open(file, s.Session)
	if refused := (*ort.ModelError)(nil); errors.As(err, &refused) {
		return nil, fault.Unusable("%s: %w", s.Path, refused) // not the file that is gone
	}
	return session, err
}

// Read adds the files of a set to those that were read.
func (s *Seen) Read(set *data.Set) {
	for i := range set.Len() {
		if file := set.File(i); file != "" && !slices.Contains(s.Files, file) {
			s.Files = append(s.Files, file)
		}
	}
}
