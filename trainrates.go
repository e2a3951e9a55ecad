package bnc

import (
	"context"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/train"
)

// mostRated is how many images rates are measured on after a training, at most.
const mostRated = 256

// rates measures a pair of many rates again, for which that was asked at its split, when it is
// trained: by the labels of the images that judge, or by the agreement with its own network
// without the bottleneck. It is nil where nothing tells.
func (t *training) rates(ctx context.Context, joined *ir.Model, sets *train.Sets) (*Rates, error) {
	if t.meta.Rates == nil {
		return nil, nil
	}
	forgotten := func(why string) (*Rates, error) {
		t.Notice("clients will not choose a rate by the link: what the split measured is no longer true, and %s", why)
		return nil, nil
	}
	if sets.Val == nil {
		return forgotten("there are no images to judge by")
	}
	before, err := openSubject(t.path, t.running)
	if err != nil {
		return nil, err
	}
	now := *before
	now.Change = func(_ string, quality int) ([]byte, error) {
		m := joined.Clone()
		if err := bottleneck.SetQuality(m, int64(quality)); err != nil {
			return nil, err
		}
		return onnx.Marshal(m)
	}
	e := &eval.Evaluation{Subject: &now, Task: t.kind.Task, Set: sets.Val.Spread(mostRated), Choose: sets.Choose, Given: sets.Given, OnSkip: func(string, error) {}}
	if e.Outputs, _, err = before.JudgedBy(e.Task, eval.Want{Output: t.Scores, Classes: len(e.Set.Classes())}); err != nil {
		return nil, err
	}
	if !e.Set.Labelled() && !e.Set.Masked() {
		if !t.meta.Backbone {
			return forgotten("there are neither labels nor the original network to judge by")
		}
		e.Teacher, e.Asked, e.TeacherChoose = before.Bypassed(), e.Outputs, e.Choose
		e.NoTeacher = func(err error) error { return err }
	}
	e.Step = t.Phase("trying rates", e.Steps(plan.TriedRates)).Step
	points, err := e.Rates(ctx)
	switch {
	case err != nil:
		return nil, err
	case points == nil:
		return forgotten("nothing of the outputs can be judged")
	}
	return &Rates{MaxLoss: t.meta.Rates.MaxLoss, Points: points}, nil
}
