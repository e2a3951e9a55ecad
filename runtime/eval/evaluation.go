package eval

import (
	"context"
	"fmt"
	"image"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagecodec"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/task"
)

// Evaluation is a subject with what it is judged by.
type Evaluation struct {
	Subject *Subject
	Task    task.Task
	Outputs task.Outputs // of the subject, that are judged
	Set     *data.Set
	Choose  feed.Chooser     // of the subject's images
	Given   feed.Given       // of inputs that get no images, the teacher's too
	Sent    *imagecodec.Sent // how the images themselves are sent, at each quality; nil for bundles and images as they are
	Batch   int              // 0 for the default
	Step    func(images int)
	OnSkip  func(name string, err error)

	Teacher       *Subject   // nil for none
	Said          task.Judge // what the teacher says; Run asks it where this is nil
	Asked         task.Outputs
	TeacherChoose feed.Chooser
	// NoTeacher is told of a teacher that fails; nil goes on without.
	NoTeacher func(error) error

	judges map[int]task.Judge // what the subject says at each quality
}

// Steps are how many images are run in all.
func (e *Evaluation) Steps(qualities []int) int {
	n := len(qualities) * e.Set.Len()
	if e.Teacher != nil && e.Said == nil {
		n += e.Set.Len()
	}
	return n
}

// Run runs the teacher, if there is one, and the subject at each quality.
func (e *Evaluation) Run(ctx context.Context, qualities []int) (rows []Row, err error) {
	e.judges = map[int]task.Judge{}
	if e.Teacher != nil && e.Said == nil {
		if e.Said, err = e.teach(ctx); err != nil {
			if err = e.NoTeacher(err); err != nil {
				return nil, err
			}
		}
	}
	for _, q := range qualities {
		row, err := e.measure(ctx, q)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// ShortSide is how many pixels the short side of an image has that is sent, 0 where that is
// not known.
func (e *Evaluation) ShortSide() int {
	if e.Sent.Size > 0 {
		return e.Sent.Size
	}
	port, err := e.Given.One(e.Subject.Inputs)
	if err != nil {
		return 0
	}
	layout, err := imagein.LayoutOf(port)
	if err != nil {
		return 0
	}
	p, err := e.Choose(layout, image.Point{})
	if err != nil {
		return 0
	}
	return min(p.Crop[0], p.Crop[1])
}

// options are those of a run of s.
func (e *Evaluation) options(s *Subject) Options {
	port, err := e.Given.One(s.Inputs)
	if err != nil {
		port = s.Inputs[0] // the feeder tells
	}
	o := s.Batches(port, e.Batch)
	o.Step, o.OnSkip = e.Step, e.OnSkip
	return o
}

// teach runs the teacher on the images as they are, and returns what it says of the
// subject's outputs.
func (e *Evaluation) teach(ctx context.Context) (task.Judge, error) {
	feeder, err := e.Given.New(e.Teacher.Inputs, e.TeacherChoose)
	if err != nil {
		return nil, fault.Unusable("option teacher: %w", err)
	}
	judge, err := e.Task.Judge(e.Set, e.Asked)
	if err != nil {
		return nil, err
	}
	if _, err := e.Teacher.Run(ctx, 0, feeder, e.Set, judge, e.options(e.Teacher)); err != nil {
		return nil, fmt.Errorf("teacher: %w", err)
	}
	return judge, nil
}

// measure evaluates the subject at one quality.
func (e *Evaluation) measure(ctx context.Context, quality int) (Row, error) {
	set, feeder, sizes, err := e.input(quality)
	if err != nil {
		return Row{}, err
	}
	judge, err := e.Task.Judge(set, e.Outputs)
	if err != nil {
		return Row{}, err
	}
	e.judges[quality] = judge
	r, err := e.Subject.Run(ctx, quality, feeder, set, judge, e.options(e.Subject))
	if err != nil {
		return Row{}, err
	}
	row, err := NewRow(quality, e.Task, r, judge, e.Said)
	if err != nil {
		return row, fault.Unusable("%s: %w; name the model that it was made from with option teacher", e.Subject.Path, err)
	}
	switch {
	case sizes != nil:
		row.PayloadBytes, row.FileBytes = Summarise(r.Of(sizes.Payload)), Summarise(r.Of(sizes.File))
	case r.Bytes != nil:
		row.PayloadBytes, row.FileBytes = Summarise(r.Bytes), Summarise(e.Subject.Meta.FileBytes(r.Bytes))
	}
	return row, nil
}

// input prepares the set for the subject, with the images' codec at a quality, whose sizes
// it returns.
func (e *Evaluation) input(quality int) (*data.Set, *feed.Feeder, *imagecodec.Sizes, error) {
	feeder, err := e.Given.New(e.Subject.Inputs, e.Choose)
	if err != nil {
		return nil, nil, nil, fault.Unusable("%s: %w", e.Subject.Path, err)
	}
	if e.Sent == nil {
		return e.Set, feeder, nil, nil
	}
	sent := *e.Sent
	sent.Quality = quality
	return imagecodec.Recode(e.Set, e.Subject.Inputs, e.Given, e.Choose, sent)
}
