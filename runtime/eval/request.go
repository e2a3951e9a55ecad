package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagecodec"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
)

// ReportOptions say what is measured on which images.
type ReportOptions struct {
	// Data are the images to evaluate on: an image folder (one sub-folder a class), a
	// flat folder without labels, a folder with MNIST-named IDX files, or .npy arrays; of
	// a divided one val/ or t10k-* is taken.
	Data string `json:"data"`
	// Annotations say what is to be detected in the images: a file in COCO's JSON, of a
	// detector.
	Annotations string `json:"annotations,omitempty"`
	// Scores is the output with the scores of the classes, or the only one that is judged of
	// another task; "" for all that have them, or all.
	Scores string `json:"scores,omitempty"`
	// Teacher is a model, or a bundle, whose answers are compared with. Without it a
	// bundle's own network without its bottleneck is, as long as its weights are the
	// original model's; with InputCodec the model itself, on images as they are.
	Teacher string `json:"teacher,omitempty"`
	// Quality are the codec's qualities, 1 to 100: one replaces the bundle's own, several
	// give a row each beside it. None: the bundle's, 75 for images.
	Quality []int `json:"quality,omitempty"`
	// MaxBytes is how long the record of an image may be, of pairs of many rates: one that takes
	// more gets the highest quality that fits. The halves are run then, image by image; 0 for
	// any length.
	MaxBytes int `json:"max_bytes,omitempty"`
	// InputCodec sends the images themselves, as one of InputCodecs; "" for no codec.
	InputCodec string `json:"input_codec,omitempty"`
	// InputSize is the short side in pixels that images are sent with, and enlarged again
	// for the model; 0 for the input's own. With InputCodec.
	InputSize int `json:"input_size,omitempty"`
	// Plot makes sure, before any work, that the result can be drawn.
	Plot bool `json:"plot,omitempty"`
	// Draw is a folder for pictures of the images on which the teacher's answer and the
	// subject's agree worst, in the middle and best, side by side; "" for none.
	Draw string `json:"draw,omitempty"`
	// Batch is the number of images of a run where the model does not fix it; 0 for 32.
	Batch int `json:"batch,omitempty"`
	// Limit is how many images are taken, spread over the set; 0 for all.
	Limit int `json:"limit,omitempty"`
	// Threads of a session; 0 for one a core.
	Threads int `json:"threads,omitempty"`
	TaskOptions
	ImageOptions
	FeedOptions
	Reporter progress.Reporter `json:"-"`
}

func (o ReportOptions) check() error {
	switch {
	case o.Data == "":
		return fault.Usage("data", "is missing: which images?")
	case o.Batch < 0 || o.Limit < 0:
		return fault.Usage("batch", "%d, option limit %d: expected 1 or more, and 0 or more", o.Batch, o.Limit)
	}
	if err := fault.OneOf("input_codec", o.InputCodec, append([]string{""}, imagecodec.Names()...)...); err != nil {
		return err
	}
	switch {
	case o.InputSize < 0:
		return fault.Usage("input_size", "%d: expected pixels, 1 or more", o.InputSize)
	case o.InputSize > 0 && o.InputCodec == "":
		return fault.Usage("input_size", "is the size of images that are sent: which option input_codec are they sent as?")
	}
	for _, q := range o.Quality {
		if q < 1 || q > 100 {
			return fault.Usage("quality", "%d: expected 1 to 100, or a range such as 5-95:10", q)
		}
	}
	return o.TaskOptions.Check()
}

// sent is how the images themselves are sent, nil where they are not.
func (o ReportOptions) sent() *imagecodec.Sent {
	codec, ok := imagecodec.Lookup(o.InputCodec)
	if !ok {
		return nil
	}
	return &imagecodec.Sent{Codec: codec, Size: o.InputSize}
}

// Report measures accuracy, payload and agreement with a teacher of a bundle or a model
// over a set of images. A bundle is evaluated by its bottlenet.onnx, in batches; its
// halves compute the same function. Where images could not be used and were left out,
// there are both, a result of the others and an error.
func (o ReportOptions) Report(ctx context.Context, path string, graphs Graphs) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p := progress.Progress{To: o.Reporter}
	s, err := OpenSubject(path, ort.Options{Threads: o.Threads}, graphs)
	if err != nil {
		return nil, err
	}
	if err := o.bound(s); err != nil {
		return nil, err
	}
	sent := o.sent()
	own, err := s.OwnQuality(sent, o.Quality)
	if err != nil {
		return nil, err
	}
	imagecodec.TellSystem(p.Notice, o.InputCodec)
	set, err := o.open(s, p)
	if err != nil {
		return nil, err
	}
	kind, err := o.openTask(s, set, p)
	if err != nil {
		return nil, err
	}
	kind.Adapt(&o.Overrides, s.Meta.Preprocess, p.Notice)
	skipped := &progress.LeftOut{To: p}
	e := &Evaluation{Subject: s, Task: kind.Task, Set: set, Choose: o.Chooser(s.Meta.Preprocess), Sent: sent, Batch: o.Batch, OnSkip: skipped.Add}
	if e.Given, err = o.OpenGiven(s.Inputs); err != nil {
		return nil, err
	}
	if e.Teacher, err = o.openTeacher(s); err != nil {
		return nil, err
	}
	switch {
	case o.Plot && s.Meta.Part == "" && sent == nil:
		return nil, fault.Usage("plot", ": nothing crosses in %s; option input_codec measures images that are sent themselves", path)
	case o.Plot && e.Teacher == nil && !set.Labelled() && !set.Masked() && o.Annotations == "":
		return nil, fault.Unusable("option plot: %s has no labels and there is no option teacher: there is no accuracy to draw", o.Data)
	}
	if o.Draw != "" && e.Teacher == nil {
		return nil, fault.Usage("draw", "compares with a teacher, and there is none: give option teacher MODEL")
	}
	var others []Other
	if e.Outputs, others, err = s.JudgedBy(kind.Task, Want{Output: o.Scores, Classes: len(set.Classes())}); err != nil {
		return nil, err
	}
	e.Outputs.Annotations = o.Annotations
	for _, other := range others {
		p.Notice("output %q is not judged: %s", other.Name, other.Reason)
	}
	if e.Teacher != nil {
		if err := o.ask(e, p); err != nil {
			return nil, err
		}
	}
	asked := slices.Clone(o.Quality)
	if !slices.Contains(asked, own) {
		asked = append([]int{own}, asked...)
	}
	e.Step = p.Phase("evaluating", e.Steps(asked)).Step
	rows, err := e.Run(ctx, asked)
	if err != nil {
		return nil, err
	}
	r := NewReport(filepath.Base(path), kind, rows, len(o.Quality), slices.Index(asked, own))
	if o.Draw != "" {
		labels, err := s.Labels(o.Labels)
		if err != nil {
			return nil, err
		}
		pictures, err := e.Pictures(ctx, own, labels)
		if err == nil {
			err = SavePictures(o.Draw, pictures)
		}
		if err != nil {
			return nil, err
		}
		r.Pictures = pictures
	}
	if len(e.Outputs.Judged) > 1 || !task.OfScores(e.Task) {
		r.Outputs = rows[slices.Index(asked, own)].Outputs
	}
	r.Computes(s.Multiplies(ctx, sent != nil))
	r.ImagesSHA256 = data.ID(set.Select(rows[slices.Index(asked, own)].Items))
	r.MaxBytes = o.MaxBytes
	if sent != nil {
		r.InputCodec, r.InputSize = sent.Name, e.ShortSide()
	}
	return r, skipped.Err(set.Len())
}

// bound bounds the records of a subject.
func (o ReportOptions) bound(s *Subject) error {
	if o.MaxBytes == 0 {
		return nil
	}
	rate := bundle.Rate{MaxBytes: o.MaxBytes}
	if s.Pair == nil {
		return s.Meta.CheckFileRate(rate, s.Path)
	}
	s.MaxBytes = o.MaxBytes
	return s.Meta.CheckRate(rate)
}

// openTask opens the task of a subject, which is told where it was guessed.
func (o ReportOptions) openTask(s *Subject, set *data.Set, p progress.Progress) (*task.Chosen, error) {
	labels, err := s.Labels(o.Labels)
	if err != nil {
		return nil, err
	}
	kind, err := s.OpenTask(o.TaskOptions, labels)
	if err != nil {
		return nil, err
	}
	if kind = kind.WithClasses(s.AllKnown(), task.ClassesBeside(o.Scores, len(set.Classes()))); o.Annotations != "" && !task.Annotated(kind.Task) {
		return nil, fault.Usage("annotations", "has no meaning for task %s: it says what is to be detected", kind.Kind)
	}
	kind.Tell(p.Notice)
	return kind, nil
}

// open opens the images, their classes numbered as the subject's labels.
func (o ReportOptions) open(s *Subject, p progress.Progress) (*data.Set, error) {
	set, err := data.OpenOption("data", o.Data, data.Val, p.Notice)
	if err != nil {
		return nil, err
	}
	labels, err := s.Labels(o.Labels)
	if err != nil {
		return nil, err
	}
	if set, err = set.Named(labels, "data"); err != nil {
		return nil, err
	}
	return set.Spread(o.Limit), nil
}

// openTeacher returns the model to compare with: the one that is named, else for images that
// are sent the model itself, else a bundle's own network without the bottleneck as long as its
// weights are the original's, else nil.
func (o ReportOptions) openTeacher(s *Subject) (*Subject, error) {
	if o.Teacher == "" {
		if o.InputCodec != "" { // the model itself, on images as they are
			return s, nil
		}
		if s.Joined == "" || !s.Meta.Backbone {
			return nil, nil
		}
		return s.Bypassed(), nil
	}
	teacher, err := OpenSubject(o.Teacher, s.Session, s.Graphs)
	if err != nil {
		return nil, fmt.Errorf("option teacher: %w", err)
	}
	return teacher, nil
}

// ask says what the teacher is asked of the subject's outputs. What neither options nor
// the teacher's metadata say of images, the subject's do.
func (o ReportOptions) ask(e *Evaluation, p progress.Progress) error {
	e.NoTeacher = func(err error) error {
		if o.Teacher != "" || !e.Subject.Graphs.Unsuitable(err) {
			return err
		}
		p.Notice("no agreement is measured, option teacher names no model: %v", err)
		return nil
	}
	e.TeacherChoose = o.Chooser(cmp.Or(e.Teacher.Meta.Preprocess, e.Subject.Meta.Preprocess))
	theirs, _, err := e.Teacher.JudgedBy(e.Task, Want{Output: o.Scores, Classes: len(e.Set.Classes()), Optional: true})
	if err == nil && len(theirs.Judged) == 0 {
		err = errors.New("it has none of the outputs that are judged")
	}
	if err != nil {
		e.Teacher = nil
		return e.NoTeacher(fmt.Errorf("teacher: %w", err))
	}
	e.Asked = e.Outputs.Of(theirs)
	return nil
}
