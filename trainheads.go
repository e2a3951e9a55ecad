package bnc

import (
	"context"
	"errors"
	"slices"

	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/train"
)

// validate judges weights by the images that are kept for that.
func (s *trainingStep) validate(ctx context.Context, sets *trainingSets, batch int, weights ort.Feed) (train.Validation, error) {
	options, judge := batchesOf(s.Evaluation, s.feeder.Input(), batch), taskOf().Judge(sets.val, outputsOf(s.heads, nil))
	options.Extra = weights
	r, err := eval.Run(ctx, eval.Session(s.Evaluation), s.feeder, sets.val, judge, options)
	if unfit := (*eval.UnusableError)(nil); errors.As(err, &unfit) {
		return train.Validation{}, unusable("images to judge by: %w", err)
	}
	if err != nil {
		return train.Validation{}, err
	}
	v := train.Validation{}
	if values := judge.Values(); values != nil {
		v.Primary, v.Outputs = &values[0].Value, values[:1:1]
	}
	if s.taught != nil {
		agreement, err := judge.Agreement(s.taught)
		if err != nil {
			return v, unusable("option teacher: %w", err)
		}
		v.Outputs = append(v.Outputs, agreement...)
		if s.heads[0].Taught {
			v.Agreement = task.Mean(agreement)
		}
	}
	if len(s.heads) == 1 {
		v.Outputs = nil
	}
	if sum := eval.Summarise(r.Bytes); sum != nil {
		v.PayloadBytes = &sum.Mean
		v.Dead = len(r.Bytes) >= 16 && slices.Max(r.Bytes) == slices.Min(r.Bytes)
	}
	return v, nil
}

// teach notes what the teacher says of the images to judge by.
func (s *trainingStep) teach(ctx context.Context, t *training, sets *trainingSets) error {
	if t.teaching == nil || sets.val == nil {
		return nil
	}
	session, err := t.session(t.teaching, "teacher")
	if err != nil {
		return err
	}
	defer session.Close()
	var asked task.Outputs
	for _, h := range s.heads {
		if h.Taught {
			asked.Judged = append(asked.Judged, task.Output{Name: h.Output, From: h.Teacher})
		}
	}
	judge := taskOf().Judge(sets.val, asked)
	if _, err := eval.Run(ctx, eval.Session(session), s.feeder, sets.val, judge, batchesOf(session, s.feeder.Input(), s.batch)); err != nil {
		return err
	}
	s.taught, t.said = judge, judge
	return nil
}

// judge evaluates what was written, beside what training has learnt of the teacher.
func (t *training) judge(ctx context.Context, sets *trainingSets) (train.Validation, error) {
	if t.heads == nil { // of a training that had ended before
		found, err := grad.Logits(grad.Want{Output: t.Scores, Classes: len(sets.train.Classes()), Of: t.meta.Outputs}, t.source)
		if err != nil {
			return train.Validation{}, err
		}
		if err := t.fit(sets, found.Scores[0]); err != nil {
			return train.Validation{}, err
		}
		t.heads = []grad.Judged{{Output: found.Scores[0].Output.Name(), Scores: found.Scores[0].Name()}}
	}
	session, err := t.session(t.source, t.path)
	if err != nil {
		return train.Validation{}, err
	}
	defer session.Close()
	feeder, err := feed.New(session.Inputs(), sets.choose)
	if err != nil {
		return train.Validation{}, err
	}
	s := &trainingStep{Sessions: &train.Sessions{Evaluation: session}, feeder: feeder, heads: t.heads, taught: t.said}
	return s.validate(ctx, sets, eval.DefaultBatch, nil)
}

// batchesOf are batches of n images to a session's input of that name, or of as many as
// it takes.
func batchesOf(session *ort.Session, input string, n int) eval.Options {
	for _, p := range session.Inputs() {
		if p.Name == input {
			return eval.BatchOf(p, n)
		}
	}
	return eval.Options{Batch: n}
}
