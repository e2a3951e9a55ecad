package train

import (
	"context"
	"errors"
	"slices"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
)

// Judging is what weights are judged by.
type Judging struct {
	Task    task.Task
	Outputs task.Outputs // first the one that labels are of, or the only one
	First   bool         // a teacher teaches the first one, too
	Set     *data.Set
	Feeder  *feed.Feeder
	Batch   int
	Said    task.Judge // what the teacher says of the set, nil for none
}

// Teach notes what a teacher in memory says: of the outputs, each read from one of its own.
func (j *Judging) Teach(ctx context.Context, network []byte, o ort.Options, asked task.Outputs) error {
	teacher, err := ort.OpenBytes("teacher", network, o)
	if err != nil {
		return err
	}
	defer teacher.Close()
	said, err := j.Task.Judge(j.Set, asked)
	if err != nil {
		return err
	}
	if _, err := eval.Run(ctx, eval.Session(teacher), j.Feeder, j.Set, said, j.batches(teacher)); err != nil {
		return err
	}
	j.Said = said
	return nil
}

// Judge judges a network with weights as further inputs; nil for none.
func (j *Judging) Judge(ctx context.Context, network *ort.Session, weights ort.Feed) (v Validation, err error) {
	judge, err := j.Task.Judge(j.Set, j.Outputs)
	if err != nil {
		return v, err
	}
	options := j.batches(network)
	options.Extra = weights
	r, err := eval.Run(ctx, eval.Session(network), j.Feeder, j.Set, judge, options)
	if unfit := (*eval.UnusableError)(nil); errors.As(err, &unfit) {
		return v, fault.Unusable("images to judge by: %w", err)
	}
	if err != nil {
		return v, err
	}
	values := judge.Values()
	var agreement []task.Value
	if j.Said != nil {
		if agreement, err = judge.Agreement(j.Said); err != nil {
			return v, fault.Unusable("option teacher: %w", err)
		}
	}
	v.compare(j, values, agreement)
	if sum := eval.Summarise(r.Bytes); sum != nil {
		v.PayloadBytes = &sum.Mean
		v.Dead = len(r.Bytes) >= 16 && slices.Max(r.Bytes) == slices.Min(r.Bytes)
	}
	return v, nil
}

// JudgeFile judges a network in memory, by what images of sets are for it.
func (j *Judging) JudgeFile(ctx context.Context, name string, network []byte, o ort.Options, sets *Sets) (v Validation, err error) {
	session, err := ort.OpenBytes(name, network, o)
	if err != nil {
		return v, err
	}
	defer session.Close()
	if j.Feeder, err = sets.Given.New(session.Inputs(), sets.Choose); err != nil {
		return v, err
	}
	return j.Judge(ctx, session, nil)
}

// compare takes over what labels and a teacher say.
func (v *Validation) compare(j *Judging, values, agreement []task.Value) {
	if len(values) > 0 {
		if v.Labelled = &values[0].Value; values[0].Measure == task.Top1 {
			v.Top1, v.Labelled = v.Labelled, nil
		}
	}
	if j.First {
		v.Agreement = task.Mean(agreement)
	}
	if len(j.Outputs.Judged) > 1 || !task.OfScores(j.Task) {
		v.Outputs = task.Told(j.Task, values, agreement)
	}
	if len(values) > 0 || j.First {
		v.Primary = task.PrimaryOf(values, agreement)
	}
}

// batches are batches for the images' input of a session, or of as many as it takes.
func (j *Judging) batches(session *ort.Session) eval.Options {
	for _, p := range session.Inputs() {
		if p.Name == j.Feeder.Input() {
			return eval.BatchOf(p, j.Batch)
		}
	}
	return eval.Options{Batch: j.Batch}
}
