package bnc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/train"
)

// chooseHeads finds the outputs that are trained, tells of the others, and compares
// labels with the first. Where labels teach one of several, the original's answers
// teach the others.
func (t *training) chooseHeads(p progress, m *ir.Model, sets *trainingSets) ([]*grad.Scores, error) {
	heads, err := grad.Logits(grad.Want{Output: t.Scores, Classes: len(sets.train.Classes()), Of: t.meta.Outputs}, m)
	if err != nil {
		return nil, err
	}
	first := heads.Scores[0]
	if err := sets.fit(first.Output.Name(), int(first.Classes), t.Distill, p); err != nil {
		return nil, err
	}
	if t.Labels != "" && len(t.labels) != int(first.Classes) {
		return nil, unusable("option labels: %d names, the model's output %q is %d wide: give as many, one a line", len(t.labels), first.Output.Name(), first.Classes)
	}
	for _, other := range heads.Others {
		p.notice("output %q is left out, and may change with the weights: %s", other.Output.Name(), other.Reason)
	}
	if t.Distill || len(heads.Scores) == 1 {
		return heads.Scores, nil
	}
	if t.bottleneck && !t.meta.Backbone {
		for _, rest := range heads.Scores[1:] {
			p.notice("output %q is left out, and may change with the weights: the labels are taken for those of %q, and the bundle's weights are not the original's any more; option distill option teacher MODEL teaches all outputs", rest.Output.Name(), first.Output.Name())
		}
		return heads.Scores[:1], nil
	}
	p.notice("the labels are taken for those of output %q; what the others say, the model as it was teaches. option scores names the only output to train", first.Output.Name())
	t.teacher = t.source.Clone()
	if t.bottleneck {
		return heads.Scores, bottleneck.Bypass(t.teacher)
	}
	return heads.Scores, nil
}

// target tells the loss which tensors of m it compares, and notes the outputs to judge
// by. Of a teacher's network, which is put beside m, what both compute from weights that
// do not change is computed once.
func (t *training) target(ctx context.Context, m *ir.Model, options *grad.Options, heads []*grad.Scores) error {
	t.heads = nil
	beside := &teacherBeside{}
	if t.teacher != nil {
		var err error
		if beside, err = t.graft(ctx, m, options, int(heads[0].Classes)); err != nil {
			return err
		}
	}
	for i, h := range heads {
		head, target := head{output: h.Output.Name(), scores: h.Name()}, grad.Head{Scores: h.Value.Name()}
		if t.Distill || i > 0 {
			theirs := beside.same(h, i == 0)
			switch {
			case i == 0 && theirs.Classes != h.Classes:
				return unusable("option teacher: its output %q is %d wide, the model's %d", theirs.Output.Name(), theirs.Classes, h.Classes)
			case theirs == nil || theirs.Classes != h.Classes:
				t.notice("output %q is left out, and may change with the weights: the teacher has no such output with scores of %d classes", h.Output.Name(), h.Classes)
				continue
			}
			head.taught, head.teacher = true, theirs.Name()
			target.Teacher = keep(m, beside.at[theirs.Value.Name()])
		}
		keep(m, h.Value)
		t.heads = append(t.heads, head)
		options.Targets.Heads = append(options.Targets.Heads, target)
	}
	feature := beside.at[t.meta.Tensor] // another network's tensors have other names
	if !t.Distill || !t.bottleneck || feature == nil {
		options.Loss.FeatureWeight = 0
	}
	if options.Loss.FeatureWeight > 0 {
		anatomy, err := bottleneck.Anatomy(m)
		if err != nil {
			return err
		}
		options.Targets.Restored, options.Targets.Feature = keep(m, anatomy.Restored), keep(m, feature)
	}
	return m.Graph.Sort()
}

// keep makes v an output, so that it keeps its name whatever passes do to m; the step
// has other outputs. It returns the name.
func keep(m *ir.Model, v *ir.Value) string {
	if !v.IsOutput() {
		m.Graph.AddOutput(v, nil)
	}
	return v.Name()
}

// teacherBeside is a teacher's network beside the one that learns.
type teacherBeside struct {
	heads []*grad.Scores
	at    map[string]*ir.Value // its tensors there, by their names
}

// same returns the teacher's output of a name or, for the first, its own first.
func (b *teacherBeside) same(h *grad.Scores, first bool) *grad.Scores {
	i := slices.IndexFunc(b.heads, func(s *grad.Scores) bool { return s.Output.Name() == h.Output.Name() })
	switch {
	case i >= 0:
		return b.heads[i]
	case first:
		return b.heads[0]
	}
	return nil
}

// graft puts the teacher beside the network.
func (t *training) graft(ctx context.Context, m *ir.Model, options *grad.Options, classes int) (*teacherBeside, error) {
	teacher, whose := t.teacher.Clone(), "option teacher"
	if t.Teacher == "" { // of the prepared network, so that names and constants are the same
		teacher, whose = m.Clone(), "the network as it was, which teaches"
		if t.bottleneck {
			if err := bottleneck.Bypass(teacher); err != nil {
				return nil, err
			}
		}
	} else if _, err := t.prepare(ctx, teacher); err != nil {
		return nil, fmt.Errorf("%s: %w", whose, err)
	}
	heads, err := grad.Logits(grad.Want{Output: t.Scores, Classes: classes, Optional: true}, teacher)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", whose, err)
	}
	if in := teacher.Graph.Feeds(); len(in) == 1 && in[0].Name() != options.Input {
		return nil, unusable("%s: its input is called %q, the model's %q", whose, in[0].Name(), options.Input)
	}
	at, err := grad.Graft(m, teacher, "teacher.", func(name string) bool { return !options.Train(name) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", whose, err)
	}
	return &teacherBeside{heads.Scores, at}, nil
}

// validate judges weights by the images that are kept for that.
func (s *trainingStep) validate(ctx context.Context, sets *trainingSets, batch int, weights ort.Feed) (train.Validation, error) {
	options := batchesOf(s.evaluation, s.feeder.Input(), batch)
	options.Scores, options.Extra = scoresOf(s.heads), weights
	r, err := eval.Run(ctx, eval.Session(s.evaluation), s.feeder, sets.val, options)
	if unfit := (*eval.UnusableError)(nil); errors.As(err, &unfit) {
		return train.Validation{}, unusable("images to judge by: %w", err)
	}
	if err != nil {
		return train.Validation{}, err
	}
	v := train.Validation{Top1: rate(r.Top1)}
	if v.Top1 != nil {
		v.Outputs = append(v.Outputs, train.Output{Name: s.heads[0].output, Measure: measureTop1, Value: *v.Top1})
	}
	for i, out := range r.Outputs() {
		if classes, ok := s.taught[s.heads[i].output]; ok {
			v.Outputs = append(v.Outputs, train.Output{Name: s.heads[i].output, Measure: measureAgreement, Value: eval.Agreement(out.Classes, classes)})
		}
	}
	if s.heads[0].taught {
		v.Agreement = meanAgreement(v.Outputs)
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

// teach notes the teacher's classes of the images to judge by.
func (s *trainingStep) teach(ctx context.Context, t *training, sets *trainingSets) error {
	var taught []head
	var names []string
	for _, h := range s.heads {
		if h.taught {
			taught, names = append(taught, h), append(names, h.teacher)
		}
	}
	if len(taught) == 0 || sets.val == nil {
		return nil
	}
	m := t.teacher.Clone()
	if _, err := t.prepare(ctx, m); err != nil {
		return err
	}
	b, err := onnx.Marshal(m)
	if err != nil {
		return err
	}
	session, err := ort.OpenBytes("teacher", b, t.session)
	if err != nil {
		return err
	}
	defer session.Close()
	options := batchesOf(session, s.feeder.Input(), s.batch)
	options.Scores = names
	r, err := eval.Run(ctx, eval.Session(session), s.feeder, sets.val, options)
	if err != nil {
		return err
	}
	s.taught = map[string][]int{}
	t.said = s.taught
	for i, out := range r.Outputs() {
		s.taught[taught[i].output] = out.Classes
	}
	return nil
}

// judge evaluates what was written, beside what training has learnt of the teacher.
func (t *training) judge(ctx context.Context, sets *trainingSets) (train.Validation, error) {
	if t.heads == nil { // of a training that had ended before
		scores, err := t.chooseHeads(progress{}, t.source, sets)
		if err != nil {
			return train.Validation{}, err
		}
		for _, h := range scores {
			t.heads = append(t.heads, head{output: h.Output.Name(), scores: h.Name()})
		}
	}
	b, err := onnx.Marshal(t.source)
	if err != nil {
		return train.Validation{}, err
	}
	session, err := ort.OpenBytes(t.path, b, t.session)
	if err != nil {
		return train.Validation{}, err
	}
	defer session.Close()
	feeder, err := feed.New(session.Inputs(), sets.choose)
	if err != nil {
		return train.Validation{}, err
	}
	s := &trainingStep{evaluation: session, feeder: feeder, heads: t.heads, taught: t.said}
	return s.validate(ctx, sets, eval.DefaultBatch, nil)
}
