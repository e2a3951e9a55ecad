package eval

import (
	"context"
	"path/filepath"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/task"
)

// Graphs tells what the graphs of files say, and changes them: what runs files knows no graphs.
type Graphs interface {
	// Tell adds to what is known of a task what the outputs of the network in files, which may
	// be divided into parts, end in.
	Tell(known *task.Model, files []string)
	// Scores are the outputs with scores of classes that such a network is judged by, and the
	// others.
	Scores(w Want, files []string) (task.Outputs, []Other, error)
	// AtQuality is the joined network in a file with its codec at a quality, and Original that
	// without its bottleneck.
	AtQuality(file string, quality int) ([]byte, error)
	Original(file string) ([]byte, error)
	// MACs are the multiply-adds of the network in a file, and OriginalMACs those of Original;
	// nil where they are not known.
	MACs(ctx context.Context, file string) *int64
	OriginalMACs(file string) *int64
	// Unsuitable tells whether an error says that a network cannot be what is asked of it.
	Unsuitable(err error) bool
}

// Want says which outputs are wanted where a network has several.
type Want struct {
	Output  string   // the only one wanted, "" for all
	Classes int      // that the first has scores of, where one has as many; 0 for any number
	Of      []string // the outputs that count, in their order; nil for all
	// Optional makes do with all outputs where there is none of that name.
	Optional bool
}

// Other is an output that is not judged.
type Other struct{ Name, Reason string }

// AllKnown is what the subject's files and their graphs tell of its task.
func (s *Subject) AllKnown() task.Model {
	known := s.Known()
	known.Ends = map[string][]task.End{}
	s.Graphs.Tell(&known, s.Files())
	return known
}

// Labels are the names of classes: those of a file, "" for none, else the subject's own.
func (s *Subject) Labels(file string) ([]string, error) {
	labels, err := data.ReadLabels(file)
	if labels == nil {
		labels = s.Meta.Labels
	}
	return labels, err
}

// OpenTask opens the task of the subject, whose classes have those names; nil for its own.
func (s *Subject) OpenTask(o TaskOptions, labels []string) (*task.Chosen, error) {
	known := s.AllKnown()
	if labels != nil {
		known.Labels = labels
	}
	return o.Open(known, s.Meta.Task)
}

// JudgedBy are the outputs that the subject is judged by: of a task of scores those with
// scores of classes, else all, or the one that is wanted by name.
func (s *Subject) JudgedBy(t task.Task, w Want) (o task.Outputs, others []Other, err error) {
	if !task.OfScores(t) {
		if o = s.AllKnown().All(w.Output); len(o.Judged) == 0 && !w.Optional {
			return o, nil, fault.Unusable("%s: there is no output %q to judge by", s.Path, w.Output)
		}
		return o, nil, nil
	}
	w.Of = s.Meta.Outputs
	if o, others, err = s.Graphs.Scores(w, s.Files()); err != nil {
		err = fault.Unusable("%s: %w", s.Path, err)
	}
	return o, others, err
}

// Bypassed is a bundle's own network without its bottleneck.
func (s *Subject) Bypassed() *Subject {
	original := *s
	original.MaxBytes = 0
	original.Change = func(path string, _ int) ([]byte, error) { return s.Graphs.Original(path) }
	return &original
}

// atQuality is the joined network at path at a quality, nil for as it is.
func (s *Subject) atQuality(path string, quality int) ([]byte, error) {
	if quality == 0 || quality == s.Meta.Quality {
		return nil, nil
	}
	return s.Graphs.AtQuality(path, quality)
}

// Multiplies are the multiply-adds of an image on the device and of the whole model, nil for
// what is not known: of a bundle those of its mobile half, and of both without the
// bottleneck; nothing on the device where images themselves are sent.
func (s *Subject) Multiplies(ctx context.Context, sent bool) (device, model *int64) {
	if s.Pair != nil {
		device = s.Graphs.MACs(ctx, filepath.Join(s.Path, bundle.MobileFile))
	}
	switch {
	case s.Joined != "":
		model = s.Graphs.OriginalMACs(s.Joined)
	case s.Pair != nil && s.Meta.Plain():
		if cloud := s.Graphs.MACs(ctx, filepath.Join(s.Path, bundle.CloudFile)); device != nil && cloud != nil {
			model = new(*device + *cloud)
		}
	case s.Pair == nil:
		model = s.Graphs.MACs(ctx, s.Path)
	}
	if sent {
		device = new(int64(0))
	}
	return device, model
}
