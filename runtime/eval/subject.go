package eval

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagecodec"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
)

// Subject is a bundle or a model to be evaluated.
type Subject struct {
	Path   string
	Meta   bundle.Meta
	Inputs []model.Port
	// Outputs are the model's own in its order, and Metadata all that the file says.
	Outputs  []model.Port
	Metadata map[string]string
	// Joined is the path of bottlenet.onnx, "" for whole models and plain pairs.
	Joined string
	// Pair is the bundle, whose halves are run where there is no joined network; nil for a
	// file.
	Pair    *bundle.Bundle
	Session ort.Options
	Graphs  Graphs // of its files
	// MaxBytes is how long a record of a pair of many rates may be: its halves are run, as they
	// are deployed. 0 for any length.
	MaxBytes int
	// Change gives the network that is run with its codec at a quality, 0 for its own; nil
	// for as its file is. Nil for never.
	Change func(path string, quality int) ([]byte, error)
}

// OpenSubject reads the heads of the files at path. Session is how they are to be run, and
// graphs tells of their graphs.
func OpenSubject(path string, session ort.Options, graphs Graphs) (*Subject, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if stat.IsDir() {
		return openBundle(path, session, graphs)
	}
	head, err := model.ReadFile(path)
	if err != nil {
		return nil, fault.Unusable("%w", err)
	}
	meta, err := bundle.ParseMeta(head.Metadata)
	if err != nil {
		return nil, fault.Unusable("%s: %w", path, err)
	}
	s := &Subject{Path: path, Meta: meta, Inputs: head.Inputs, Outputs: head.Outputs, Metadata: head.Metadata, Session: session, Graphs: graphs}
	switch meta.Part {
	case "":
	case bundle.PartJoined:
		s.Joined, s.Change = path, s.atQuality
		s.Outputs = slices.DeleteFunc(slices.Clone(head.Outputs), func(p model.Port) bool { return p.Name == payloadBytes })
	default:
		return nil, fault.Unusable("%s is the %s half of a bundle: give the folder %s", path, meta.Part, filepath.Dir(path))
	}
	return s, nil
}

func openBundle(dir string, session ort.Options, graphs Graphs) (*Subject, error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return nil, fault.Unusable("%w", err)
	}
	s := &Subject{
		Path: dir, Meta: b.Meta, Inputs: b.Inputs(), Outputs: ports(b.Outputs(), b.Mobile.Outputs, b.Cloud.Outputs), Metadata: b.Mobile.Metadata,
		Pair: b, Session: session, Graphs: graphs,
	}
	joined, err := b.Joined()
	if b.Meta.Plain() || errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	own, err := OpenSubject(joined, session, graphs)
	if err != nil {
		return nil, err
	}
	if own.Meta.Pair != b.Meta.Pair {
		return nil, fault.Unusable("%s does not belong to the halves beside it: its bnc.pair is %s, theirs %s; take all three files from one split or training",
			joined, own.Meta.Pair, b.Meta.Pair)
	}
	s.Joined, s.Change = joined, s.atQuality
	return s, nil
}

// ports are those of names among the outputs of files.
func ports(names []string, files ...[]model.Port) (all []model.Port) {
	for _, name := range names {
		for _, outputs := range files {
			if p, ok := model.Find(outputs, name); ok {
				all = append(all, p)
				break
			}
		}
	}
	return all
}

// Known is what the subject's files tell of its task, but for what its outputs end in.
func (s *Subject) Known() task.Model {
	return task.Model{Inputs: s.Inputs, Outputs: slices.Clone(s.Outputs), Metadata: s.Metadata, Labels: s.Meta.Labels, Decoder: s.Meta.Decoder}
}

// Files are the networks that are run: one, or the halves of a pair.
func (s *Subject) Files() []string {
	switch {
	case s.Joined != "":
		return []string{s.Joined}
	case s.Pair != nil:
		return []string{filepath.Join(s.Path, bundle.MobileFile), filepath.Join(s.Path, bundle.CloudFile)}
	}
	return []string{s.Path}
}

// inHalves tells whether the halves of a pair are run.
func (s *Subject) inHalves() bool { return s.Pair != nil && (s.Joined == "" || s.MaxBytes > 0) }

// open loads the subject with its codec, if any, at a quality; 0 stands for its own.
func (s *Subject) open(quality int) (Model, io.Closer, error) {
	if s.inHalves() {
		r, err := s.Pair.OpenRunner(s.Session)
		if err != nil {
			return nil, nil, err
		}
		rate := bundle.Rate{}
		if s.MaxBytes > 0 {
			rate = bundle.Rate{Quality: quality, MaxBytes: s.MaxBytes}
		}
		return Pair(r, rate), r, nil
	}
	files := s.Files()
	var network []byte
	var err error
	if s.Change != nil {
		if network, err = s.Change(files[0], quality); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", files[0], err)
		}
	}
	var session *ort.Session
	if network == nil {
		session, err = ort.Open(files[0], s.Session)
	} else {
		session, err = ort.OpenBytes(files[0], network, s.Session)
	}
	if err != nil {
		return nil, nil, err
	}
	return Session(session), session, nil
}

// Batches returns how batches of n images, 0 for the default, are to be made for an input.
func (s *Subject) Batches(port model.Port, n int) Options {
	if s.inHalves() && !s.Meta.Plain() {
		n = 1 // so that each image's payload is counted
	}
	return BatchOf(port, n)
}

// OwnQuality returns the quality at which the subject itself is measured where others are
// asked for, or one: its own, 75 for images, 0 for none. It fails where how images are sent,
// nil for as they are, or a quality does not fit it.
func (s *Subject) OwnQuality(sent *imagecodec.Sent, asked []int) (int, error) {
	lossy := sent != nil && !sent.Lossless
	switch {
	case sent != nil && s.Meta.Part != "":
		return 0, fault.Usage("input_codec", "is for a whole model: %s sends features, not images", s.Path)
	case s.Joined != "" && len(asked) > 0 && s.Meta.Quality == 0:
		return 0, fault.Usage("quality", "has no meaning for codec %s, which has none", s.Meta.Codec)
	case len(asked) == 1 && (lossy || s.Joined != ""):
		return asked[0], nil
	case lossy:
		return imagecodec.DefaultQuality, nil
	case s.Joined != "":
		return s.Meta.Quality, nil
	case len(asked) == 0:
		return 0, nil
	case s.Meta.Part != "" && !s.Meta.Plain():
		return 0, fault.Usage("quality", "needs the bundle's bottlenet.onnx, which is not there")
	case sent != nil:
		return 0, fault.Usage("quality", "has no meaning with option input_codec %s: it is lossless", sent.Name)
	}
	return 0, fault.Usage("quality", "has no meaning for %s, which has no codec; option input_codec avif, webp or jpeg measures images that are sent so", s.Path)
}

// Run evaluates the subject at a quality on a set that feeder prepares; judge hears what
// it says.
func (s *Subject) Run(ctx context.Context, quality int, feeder *feed.Feeder, set *data.Set, judge task.Judge, o Options) (*Result, error) {
	m, closer, err := s.open(quality)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	r, err := Run(ctx, m, feeder, set, judge, o)
	var unfit *UnusableError
	var node *ort.NodeError
	switch {
	case errors.As(err, &unfit):
		return nil, fault.Unusable("%s: %w", s.Path, err)
	case errors.As(err, &node) && o.Batch != 1:
		return nil, fmt.Errorf("%s: %w; if the model takes single images only, use option batch 1", s.Path, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", s.Path, err)
	}
	return r, nil
}
