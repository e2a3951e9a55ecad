package train

import (
	"context"

	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/task"
)

// mostRated is how many images rates are measured on after a training, at most.
const mostRated = 256

// Rates measures a pair of many rates, which was measured at its split, again when it is trained:
// by the labels of the images that judge, or by the agreement with its own network without
// the bottleneck. It is nil where nothing tells. Scores is the only output that counts, "" for all.
func (s *Sets) Rates(ctx context.Context, pair *eval.Subject, t task.Task, scores string, p progress.Progress) (*bundle.Rates, error) {
	forgotten := func(why string) (*bundle.Rates, error) {
		p.Notice("clients will not choose a rate by the link: what the split measured is no longer true, and %s", why)
		return nil, nil
	}
	if s.Val == nil {
		return forgotten("there are no images to judge by")
	}
	e := &eval.Evaluation{Subject: pair, Task: t, Set: s.Val.Spread(mostRated), Choose: s.Choose, Given: s.Given, OnSkip: func(string, error) {}}
	var err error
	if e.Outputs, _, err = pair.JudgedBy(t, eval.Want{Output: scores, Classes: len(e.Set.Classes())}); err != nil {
		return nil, err
	}
	if !e.Set.Labelled() && !e.Set.Masked() {
		if !pair.Meta.Backbone {
			return forgotten("there are neither labels nor the original network to judge by")
		}
		e.Teacher, e.Asked, e.TeacherChoose = pair.Bypassed(), e.Outputs, e.Choose
		e.NoTeacher = func(err error) error { return err }
	}
	e.Step = p.Phase("trying rates", e.Steps(plan.TriedRates)).Step
	points, err := e.Rates(ctx)
	switch {
	case err != nil:
		return nil, err
	case points == nil:
		return forgotten("nothing of the outputs can be judged")
	}
	return &bundle.Rates{MaxLoss: pair.Meta.Rates.MaxLoss, Points: points}, nil
}
