package grad

import (
	"context"
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
)

// target tells the loss which tensors it compares, and p the outputs to judge by. Of a
// teacher's network, which is put beside the student, what both compute from weights that
// do not change is computed once.
func (b *build) target(ctx context.Context, o *Options, chosen *chosen, p *Program) error {
	beside := &teacherBeside{}
	if b.teacher != nil {
		var err error
		if beside, err = b.graft(ctx, o, chosen.heads); err != nil {
			return err
		}
	}
	if err := b.compareScores(o, chosen.heads, beside, p); err != nil {
		return err
	}
	if chosen.masks != nil {
		b.compareMasks(o, chosen.masks, p)
	}
	if err := b.match(o, beside); err != nil {
		return err
	}
	if chosen.ends {
		if err := b.teachEnds(ctx, o, beside, chosen, p); err != nil {
			return err
		}
	}
	if p.Judged == nil {
		return passes.Unsuitable("model", "none of the outputs that are trained has class scores, by which epochs are compared")
	}
	if slices.ContainsFunc(p.Judged, func(j Judged) bool { return j.Taught }) {
		p.Teacher = b.teacher.Clone()
		if _, err := b.prepare(ctx, p.Teacher); err != nil {
			return err
		}
	}
	return b.m.Graph.Sort()
}

// compareScores names the outputs that the objective compares.
func (b *build) compareScores(o *Options, heads []*Scores, beside *teacherBeside, p *Program) error {
	for i, h := range heads {
		judged, head := Judged{Output: h.Output.Name(), Scores: h.Name()}, Head{Scores: h.Value.Name()}
		if b.Distilled || i > 0 {
			theirs := beside.same(h, i == 0)
			switch {
			case i == 0 && theirs.Classes != h.Classes:
				return passes.Unsuitable("option teacher", "its output %q is %d wide, the model's %d", theirs.Output.Name(), theirs.Classes, h.Classes)
			case theirs == nil || theirs.Classes != h.Classes:
				b.Notice("output %q is left out, and may change with the weights: the teacher has no such output with scores of %d classes", h.Output.Name(), h.Classes)
				continue
			}
			judged.Taught, judged.Teacher = true, theirs.Name()
			head.Teacher = b.keep(beside.at[theirs.Value.Name()])
		}
		b.keep(h.Value)
		if h.Classes > 0 {
			p.Judged = append(p.Judged, judged)
		}
		o.Targets.Heads = append(o.Targets.Heads, head)
	}
	return nil
}

// match names what stands for the teacher's tensors at the cut, where it has them: those of
// another network have other names.
func (b *build) match(o *Options, beside *teacherBeside) error {
	if b.Distilled && b.Bottleneck && o.Loss.FeatureWeight > 0 {
		all, err := bottleneck.Anatomy(b.m)
		if err != nil {
			return err
		}
		for _, j := range all {
			if original := beside.at[j.Sites.Cut]; original != nil {
				o.Targets.Features = append(o.Targets.Features, Feature{Restored: b.keep(j.Restored), Original: b.keep(original)})
				beside.matched = append(beside.matched, j.Sites.Cut)
			}
		}
	}
	if o.Targets.Features == nil {
		o.Loss.FeatureWeight = 0
	}
	return nil
}

// keep makes v an output, so that it keeps its name whatever passes do to the network;
// the step has other outputs. It returns the name.
func (b *build) keep(v *ir.Value) string {
	if !v.IsOutput() {
		b.m.Graph.AddOutput(v, nil)
	}
	return v.Name()
}

// teacherBeside is a teacher's network beside the one that learns.
type teacherBeside struct {
	heads   []*Scores
	m       *ir.Model            // by itself
	at      map[string]*ir.Value // its tensors there, by their names
	matched []string             // those that features are matched with
}

// same returns the teacher's output of a name or, for the first, its own first.
func (t *teacherBeside) same(h *Scores, first bool) *Scores {
	i := slices.IndexFunc(t.heads, func(s *Scores) bool { return s.Output.Name() == h.Output.Name() })
	switch {
	case i >= 0:
		return t.heads[i]
	case first:
		return t.heads[0]
	}
	return nil
}

// graft puts the teacher beside the student, of which the objective compares heads.
func (b *build) graft(ctx context.Context, o *Options, heads []*Scores) (*teacherBeside, error) {
	teacher, whose := b.teacher.Clone(), "option teacher"
	if b.OwnTeacher { // of the prepared network, so that names and constants are the same
		teacher, whose = b.m.Clone(), "the network as it was, which teaches"
		if b.Bottleneck {
			if err := bottleneck.Bypass(teacher); err != nil {
				return nil, err
			}
		}
	} else if _, err := b.prepare(ctx, teacher); err != nil {
		return nil, fmt.Errorf("%s: %w", whose, err)
	}
	beside := &teacherBeside{m: teacher}
	if len(heads) > 0 {
		found, err := b.objective.Outputs(Want{Output: b.Output, Classes: int(heads[0].Classes), Optional: true}, teacher)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", whose, err)
		}
		beside.heads = found.Scores
	}
	if in := teacher.Graph.Feeds(); len(in) == 1 && len(b.Given) == 0 && in[0].Name() != o.Input {
		return nil, passes.Unsuitable(whose, "its input is called %q, the model's %q", in[0].Name(), o.Input)
	}
	var err error
	if beside.at, err = Graft(b.m, teacher, "teacher.", func(name string) bool { return !o.Train(name) }); err != nil {
		return nil, fmt.Errorf("%s: %w", whose, err)
	}
	return beside, nil
}
