package main

import (
	"context"
	"os"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/opt"
	splitter "github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/search"
)

// Screen trains the bottleneck alone for an epoch, on activations at the cut that
// were computed once for all sizes: through the frozen layers behind the cut, so
// that it learns what they need. Matching the cut tensor alone takes a quarter of
// the time and orders sizes in the same way, but with losses that say even less of
// what a full training reaches: up to 45 points more after rb1 of a ResNet-20,
// where this is up to 12 more (2048 images of Fashion-MNIST, six sizes). After rb5
// this is up to 50 more, in an order that is much like that of full training.
func (t *searchTrainer) Screen(ctx context.Context, c plan.Candidate) (search.Outcome, error) {
	o, err := parseTrain(append(t.flags(only(t.settings.Train, ofScreening), c), "--epochs=1", "--freeze=backbone", "--checkpoint-every=0"))
	if err != nil {
		return search.Outcome{}, err
	}
	dir := t.folder(c)
	o.out = dir + ".screen"
	if err := t.split(ctx, c, dir); err != nil {
		return search.Outcome{}, own(err)
	}
	defer func() {
		for _, old := range []string{dir, trainingFolder(o.out)} {
			os.RemoveAll(old)
		}
	}()
	b, err := openTrainable(ctx, dir, o)
	if err != nil {
		return search.Outcome{}, own(err)
	}
	if err := b.calibrate(ctx, quiet, t.sets, o); err != nil {
		return search.Outcome{}, own(err)
	}
	if err := t.cache(ctx, c); err != nil {
		return search.Outcome{}, err
	}
	if err := b.keepBehindCut(ctx); err != nil {
		return search.Outcome{}, own(err)
	}
	step, err := b.compile(ctx, quiet, &o, t.cached.sets)
	if err != nil {
		return search.Outcome{}, own(err)
	}
	defer step.close()
	history, err := step.run(ctx, quiet, trainingFolder(o.out), b, t.cached.sets, o)
	if err != nil {
		return search.Outcome{}, own(err)
	}
	kept := history.Result()
	out := search.Outcome{Top1: kept.Top1, Agreement: kept.Agreement, Settings: map[string]any{"threads": t.threads}}
	if kept.PayloadBytes != nil {
		out.PayloadBytes = *kept.PayloadBytes
	}
	return out, nil
}

// keepBehindCut makes the trainable what is behind the cut of a joined network,
// bottleneck included: a network whose input is the cut tensor.
func (t *trainable) keepBehindCut(ctx context.Context) error {
	m := t.source.Clone()
	anatomy, err := bottleneck.Anatomy(m)
	if err != nil {
		return err
	}
	recipe := []passes.Pass{convert.Initializers, splitter.CloudSide(splitter.Named(anatomy.Cut.Name()), outputsBehind(anatomy.Cut)), opt.DropUnusedDomains}
	if _, err := passes.RunContext(ctx, m, recipe, nil); err != nil {
		return err
	}
	t.source = m
	if t.teacher != nil {
		t.teacher = m.Clone()
		return bottleneck.Bypass(t.teacher)
	}
	return nil
}

// outputsBehind names the model's outputs that depend on v.
func outputsBehind(v *ir.Value) (names []string) {
	seen := map[*ir.Value]bool{v: true}
	for todo := []*ir.Value{v}; len(todo) > 0; {
		v, todo = todo[0], todo[1:]
		if v.IsOutput() {
			names = append(names, v.Name())
		}
		for _, u := range v.Uses() {
			for _, out := range u.Node.Outputs() {
				if out != nil && !seen[out] {
					seen[out] = true
					todo = append(todo, out)
				}
			}
		}
	}
	return names
}
