package train

import (
	"context"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/search"
	"github.com/bottlenet/bnc/runtime/task"
)

// Whole is a model that bundles are made from and measured beside, on the images that judge.
type Whole struct {
	*eval.Subject
	Sets    *Sets
	Options task.Options
	Scores  string // the only output with scores of classes that counts, "" for all
	Data    string // what holds the images to train on, for errors
	Taught  bool   // bundles are, by the model itself

	said task.Judge // what it says of the images, nil as long as it was not asked
}

// Task is the model's task, for its images.
func (w *Whole) Task() (*task.Chosen, error) {
	kind, err := w.OpenTask(w.Options, nil)
	if err != nil {
		return nil, err
	}
	kind = kind.WithClasses(w.AllKnown(), task.ClassesBeside(w.Scores, len(w.Sets.Train.Classes())))
	if w.Sets.MasksTeach(w.Taught) {
		return TaughtByMasks(kind, w.AllKnown(), w.Data)
	}
	return kind, nil
}

// Plan notes in a plan by which images, and beside what, its candidates are judged, who are
// trained in batches of so many images.
func (w *Whole) Plan(ctx context.Context, p *search.Plan, batch int, to progress.Progress) error {
	if batch > w.Sets.Train.Len() {
		return fault.Usage("batch", "%d: there are %d images to train on", batch, w.Sets.Train.Len())
	}
	if w.Sets.Val == nil {
		return fault.Usage("", "there are no images to judge by: give option val DATA, or an option val_split larger than 0")
	}
	baseline, kind, measure, err := w.baseline(ctx, !p.Exhaustive, to.Notice, func(images int) func(int) { return to.Phase("evaluating the model", images).Step })
	if err != nil {
		return err
	}
	if p.Baseline, p.Measure = baseline, measure; measure != nil {
		p.Task = kind.Kind
	}
	p.DataSHA256 = data.ID(w.Sets.Train, w.Sets.Val)
	return nil
}

// baseline is what bundles are compared by, and how good the model itself is: by labels, where
// there are some, and as its own teacher. Masks are refused where activations are kept, which
// have none.
func (w *Whole) baseline(ctx context.Context, activations bool, notice data.Notice, phase func(steps int) func(int)) (b plan.Accuracy, kind *task.Chosen, m *plan.Measure, err error) {
	masks := w.Sets.MasksTeach(w.Taught)
	if masks && activations {
		return b, nil, nil, fault.Unusable("option data %s: its labels are masks, by which candidates are not screened: option exhaustive trains each of them, option distill lets the original model teach", w.Data)
	}
	if kind, err = w.Task(); err != nil {
		return b, nil, nil, err
	}
	kind.Tell(notice)
	if w.Taught {
		b.Agreement = new(kind.Agreement().Perfect())
	}
	if (w.Sets.Val.Labelled() || masks && w.Sets.Val.Masked()) && len(kind.Measures()) > 0 {
		if err := w.judge(ctx, kind, phase, &b); err != nil {
			return b, nil, nil, err
		}
	}
	if task.OfScores(kind.Task) {
		return b, kind, nil, nil
	}
	by := kind.Agreement()
	if b.Labels() != nil {
		by = task.First(kind)
	}
	return b, kind, by.Named(), nil
}

// wanted are the outputs that are judged.
func (w *Whole) wanted() eval.Want {
	return eval.Want{Output: w.Scores, Classes: len(w.Sets.Val.Classes())}
}

// judge evaluates the model by labels; b is left as it is where they are of no use.
func (w *Whole) judge(ctx context.Context, kind *task.Chosen, phase func(steps int) func(int), b *plan.Accuracy) error {
	outputs, _, err := w.JudgedBy(kind.Task, w.wanted())
	if err != nil {
		return err
	}
	if task.OfScores(kind.Task) {
		outputs.Judged = outputs.Judged[:1]
	}
	rows, err := (&eval.Evaluation{
		Subject: w.Subject, Task: kind.Task, Outputs: outputs, Set: w.Sets.Val, Choose: w.Sets.Choose, Given: w.Sets.Given,
		Step: phase(w.Sets.Val.Len()),
	}).Run(ctx, []int{0})
	switch {
	case err != nil:
		return err
	case len(rows[0].Values) == 0:
		return nil
	case rows[0].Top1 != nil:
		b.Primary = rows[0].Top1
	default:
		b.Labelled = &rows[0].Values[0].Value
	}
	return nil
}

// Computes notes what a bundle makes the device compute.
func Computes(ctx context.Context, s *eval.Subject, axes *plan.Axes) {
	device, model := s.Multiplies(ctx, false)
	if axes.DeviceMACs = device; device != nil && model != nil && *model > 0 {
		axes.DeviceShare = new(float64(*device) / float64(*model))
	}
}

// Beside measures a trained bundle beside the model itself, image by image, and the bytes of
// every image. Losses are by m.
func (w *Whole) Beside(ctx context.Context, s *eval.Subject, m plan.Measure, phase func(steps int) func(int)) (axes plan.Axes, err error) {
	Computes(ctx, s, &axes)
	kind, err := w.Task()
	if err != nil {
		return axes, err
	}
	e := &eval.Evaluation{
		Subject: s, Task: kind.Task, Set: w.Sets.Val, Choose: w.Sets.Choose, Given: w.Sets.Given,
		Teacher: w.Subject, Said: w.said, TeacherChoose: w.Sets.Choose, NoTeacher: func(err error) error { return err },
	}
	if e.Outputs, _, err = s.JudgedBy(kind.Task, w.wanted()); err != nil {
		return axes, err
	}
	theirs, _, err := w.JudgedBy(kind.Task, w.wanted())
	if err != nil {
		return axes, err
	}
	if task.OfScores(kind.Task) {
		e.Outputs.Judged, theirs.Judged = e.Outputs.Judged[:1], theirs.Judged[:1]
	}
	e.Asked = e.Outputs.Of(theirs)
	e.Step = phase(e.Steps([]int{0}))
	rows, err := e.Run(ctx, []int{0})
	if err != nil {
		return axes, err
	}
	w.said = e.Said
	rows[0].Axes(m, &axes)
	return axes, nil
}
