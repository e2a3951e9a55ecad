package bnc

import (
	"context"

	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/train"
)

// computes notes what a candidate's bundle makes the device compute.
func (t *searchTrainer) computes(ctx context.Context, dir string, axes *plan.Axes) error {
	s, err := openSubject(dir, ort.Options{})
	if err != nil {
		return err
	}
	device, model := s.Multiplies(ctx, false)
	if axes.DeviceMACs = device; device != nil && model != nil && *model > 0 {
		axes.DeviceShare = new(float64(*device) / float64(*model))
	}
	return nil
}

// axes measures a trained bundle as it is written: beside the model itself image by image,
// and the bytes of every image.
func (t *searchTrainer) axes(ctx context.Context, c plan.Candidate, dir string) (plan.Axes, error) {
	var axes plan.Axes
	if err := t.computes(ctx, dir, &axes); err != nil {
		return axes, err
	}
	o := t.training(c)
	session := ort.Options{Threads: t.threads}
	e := &eval.Evaluation{Set: t.sets.Val, Choose: t.sets.Choose, Given: t.sets.Given, Said: t.said, TeacherChoose: t.sets.Choose, NoTeacher: func(err error) error { return err }}
	var err error
	if e.Subject, err = openSubject(dir, session); err != nil {
		return axes, err
	}
	if e.Teacher, err = openSubject(t.settings.Model, session); err != nil {
		return axes, err
	}
	kind, err := wholeTask(o, e.Teacher, t.sets)
	if err != nil {
		return axes, err
	}
	e.Task = kind.Task
	want := eval.Want{Output: o.Scores, Classes: len(t.sets.Val.Classes())}
	if e.Outputs, _, err = e.Subject.JudgedBy(kind.Task, want); err != nil {
		return axes, err
	}
	theirs, _, err := e.Teacher.JudgedBy(kind.Task, want)
	if err != nil {
		return axes, err
	}
	if task.OfScores(kind.Task) {
		e.Outputs.Judged, theirs.Judged = e.Outputs.Judged[:1], theirs.Judged[:1]
	}
	e.Asked = e.Outputs.Of(theirs)
	e.Step = t.Phase("evaluating "+c.String(), e.Steps([]int{0})).Step
	rows, err := e.Run(ctx, []int{0})
	if err != nil {
		return axes, err
	}
	t.said = e.Said
	row := rows[0]
	if row.PayloadBytes != nil {
		axes.PayloadP95, axes.PayloadMax = row.PayloadBytes.P95, row.PayloadBytes.Max
	}
	if row.Primary != nil {
		axes.Interval = &row.Primary.Interval
	}
	m := plan.MeasureOf(t.plan.Measure, t.plan.Baseline)
	switch {
	case row.Paired != nil:
		axes.LossInterval = lossInterval(m, row.Paired.Teacher, row.Paired.Teacher+row.Paired.Interval[0], row.Paired.Teacher+row.Paired.Interval[1])
	case row.Primary != nil && len(row.Values) == 0: // of agreement
		axes.LossInterval = lossInterval(m, m.Perfect(), row.Primary.Interval[0], row.Primary.Interval[1])
	}
	return axes, nil
}

// lossInterval is the interval of the loss in points against a value, of those of a measure.
func lossInterval(m plan.Measure, against, low, high float64) *[2]float64 {
	lost := func(v float64) float64 { return 100 * (m.Rate(against) - m.Rate(v)) }
	a, b := lost(low), lost(high)
	return &[2]float64{min(a, b), max(a, b)}
}

// wholeTask is the task of a search's model, for its images.
func wholeTask(o TrainOptions, s *eval.Subject, sets *train.Sets) (*task.Chosen, error) {
	kind, err := s.OpenTask(o.TaskOptions, nil)
	if err != nil {
		return nil, err
	}
	kind = kind.WithClasses(s.AllKnown(), task.ClassesBeside(o.Scores, len(sets.Train.Classes())))
	if o.masks(sets) {
		return o.taughtByMasks(kind, s.AllKnown())
	}
	return kind, nil
}
