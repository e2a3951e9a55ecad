package grad

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ends"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/opt"
)

// Learnable are the passes that a network goes through before it is trained and that
// what is written keeps: they give each weight a name of its own.
var Learnable = []passes.Pass{
	convert.Initializers, convert.InlineFunctions,
	{Name: "own-weights", Run: OwnWeights},
}

// BuildOptions say what a training is of, and what is open in it. Messages name options
// by the words option NAME.
type BuildOptions struct {
	Loss    Loss
	Output  string   // the only output to train, "" for all that the loss takes
	Outputs []string // those that count, nil for all
	Classes int      // of the labels, 0 for unknown
	// Distilled tells that a teacher teaches all outputs; else labels teach the first one.
	Distilled bool
	// Masks tells that labels are masks: the class of each place of the first output that
	// tells it.
	Masks bool
	// OwnTeacher tells that the teacher is the student as it was, without its bottleneck.
	OwnTeacher bool

	// Given are the inputs that are given something else than images; all but one.
	Given []string

	Bottleneck bool // the student is the joined network of a bundle
	Original   bool // its own weights are those of the model that was split
	Naive      bool // quantiser and codec are left out

	Freeze        string   // what keeps its weights: one of Frozen, "" for the default
	Batch         int      // images a step, 0 for the default
	Images        int      // to train on
	Rate          float64  // learning rate, 0 for the default
	FeatureWeight *float64 // Loss's, nil for the default
	Decay         *float64 // Opt's WeightDecay, nil for the default
	Clip          *float64 // Opt's ClipNorm, nil for the default
	Opt           Optimizer
	Statistics    string // of batch normalisation: "batch", "running", or "" for the default
	Layout        Layout

	// Teach are the only outputs that a teacher teaches, NAME, NAME=LOSS or
	// NAME=LOSS:WEIGHT; nil for all, by what they end in.
	Teach []string
	// Raw tells that outputs are no scores of classes, whatever they look like.
	Raw bool
	// Places tells that outputs say what is where: boxes, masks.
	Places bool
	// Overlap tells that outputs are judged by how far their masks overlap: those behind a
	// Sigmoid are taught by it, too.
	Overlap bool
	// Measure returns the means over some images to train on of what a network gives, by
	// the names of its outputs, float32 [n] each, of a batch; nil where losses are not to be
	// balanced.
	Measure func(ctx context.Context, m *ir.Model) (map[string][]float64, error)
	// Compute returns the outputs of a network that computes weights, by their names: its
	// input is float32 [1] and of no account.
	Compute func(ctx context.Context, m *ir.Model) (map[string]*ir.Tensor, error)
	// Fit compares the first output that is trained with the labels, before the rest.
	Fit func(first *Scores) error
	// Notice tells what a person should know.
	Notice func(format string, args ...any)
}

// Build makes a training step of the student, which stays as it is, from its form at hand
// to the compiled graph: it is prepared, the teacher, nil for none, is put beside it, and
// what the options leave open is chosen by the network. It ends early with ctx. A network
// that cannot be trained gives a [*passes.UnsuitableError] or a [*BuildError].
func Build(ctx context.Context, student, teacher *ir.Model, o BuildOptions) (*Program, error) {
	b := &build{BuildOptions: o, m: student.Clone(), student: student, teacher: teacher}
	builtIn, err := b.prepare(ctx, b.m)
	if err != nil {
		return nil, err
	}
	if n := inTrainingMode(b.m); n != nil {
		return nil, &BuildError{fmt.Errorf("%s is in training mode, in which answers depend on chance and on the other images: export the model for inference", n.Label())}
	}
	if b.objective, err = ObjectiveOf(b.Loss.Kind); err != nil {
		return nil, err
	}
	chosen, err := b.choose()
	if err != nil {
		return nil, err
	}
	if n := len(b.images()); n != 1 {
		return nil, passes.Unsuitable("model", "it has %d inputs that get images: only models with one such can be trained; give the others by option feed NAME=FILE.npy", n)
	}
	b.shared = chosen.ends && b.Distilled
	careful := b.Distilled && b.Rate == 0 && (b.Bottleneck || b.shared)
	b.complete(builtIn)
	careful = careful && b.Opt.Kind == SGD
	options, err := b.options()
	if err != nil {
		return nil, err
	}
	whole := b.m.Clone() // what is evaluated
	p := &Program{Rate: b.Rate, Careful: careful}
	if err := b.target(ctx, options, chosen, p); err != nil {
		return nil, err
	}
	if err := passes.Verify(b.m, "the network with its teacher"); err != nil {
		return nil, err
	}
	recipe := []passes.Pass{opt.CommonSubexpressions, opt.FoldFrozenBatchNorm(options.Train), opt.DeadCode}
	if b.Naive {
		recipe = append([]passes.Pass{bottleneck.Uncoded}, recipe...)
	}
	if _, err := passes.RunContext(ctx, b.m, recipe, nil); err != nil {
		return nil, err
	}
	if _, err := passes.RunContext(ctx, whole, recipe[len(recipe)-2:], nil); err != nil {
		return nil, err
	}
	compiled, err := Compile(ctx, b.m, whole, *options)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, &BuildError{fmt.Errorf("%w%s", err, b.around(err))}
	}
	if compiled.Statistics != nil {
		if _, err := passes.RunContext(ctx, compiled.Statistics, []passes.Pass{opt.DeadCode}, nil); err != nil {
			return nil, err
		}
	}
	for what, m := range map[string]*ir.Model{"the step": compiled.Step, "the evaluated network": compiled.Eval, "the measuring network": compiled.Statistics} {
		if m == nil {
			continue
		}
		if err := passes.Verify(m, what); err != nil {
			return nil, err
		}
	}
	compiled.Rate, compiled.Careful, compiled.Judged, compiled.Teacher = p.Rate, p.Careful, p.Judged, p.Teacher
	return compiled, nil
}

// BuildError says why a network cannot be trained.
type BuildError struct{ err error }

// Error is the reason.
func (e *BuildError) Error() string { return e.err.Error() }

// Unwrap returns what the reason was made of, an [*Error] where a node has no gradient.
func (e *BuildError) Unwrap() error { return e.err }

// build is a step that is being made.
type build struct {
	BuildOptions
	student, teacher *ir.Model
	objective        Objective
	shared           bool      // losses are shares of what there is to be learnt, by ends
	m                *ir.Model // the student in the form that is differentiated
}

// images are the inputs that get images.
func (b *build) images() []*ir.Value {
	return slices.DeleteFunc(slices.Clone(b.m.Graph.Feeds()), func(v *ir.Value) bool { return slices.Contains(b.Given, v.Name()) })
}

// options are those of the step, but for the outputs that are compared.
func (b *build) options() (*Options, error) {
	if b.Freeze != "backbone" {
		b.tellFixed()
	}
	trained, err := b.trained()
	if err != nil {
		return nil, err
	}
	o := &Options{
		Batch: int64(b.Batch), Input: b.images()[0].Name(), Given: b.Given, Loss: b.Loss, Opt: b.Opt, Train: trained,
		KeepStatistics: b.Statistics == "running" || b.Statistics == "" && b.Freeze == "backbone",
		Layout:         b.Layout,
	}
	if b.Bottleneck && !b.Naive {
		o.Watch = "payload_bytes"
	}
	if b.Loss.Rate {
		all, err := bottleneck.Anatomy(b.m)
		if err != nil {
			return nil, err
		}
		for _, j := range all {
			o.Targets.Tiles = append(o.Targets.Tiles, Tile{j.Grey.Name(), j.Spec.Codec})
		}
	}
	return o, nil
}

// chosen are the outputs that are trained.
type chosen struct {
	heads []*Scores // that the objective compares
	// ends tells that others are taught by what they end in, all but those that are told
	// already.
	ends bool
	told map[string]bool
	// scores are those of classes among what is taught by ends, by which epochs are judged;
	// nil for by all outputs.
	scores []*Scores
	masks  *classMap // that labels teach which are masks
}

// choose finds the outputs that are trained and tells of the others. Where labels teach
// one of several, the original's answers teach the others.
func (b *build) choose() (*chosen, error) {
	if b.Masks {
		return b.chooseMasks()
	}
	heads, err := b.objective.Outputs(Want{Output: b.Output, Classes: b.Classes, Of: b.Outputs}, b.m)
	if b.byEnds(heads, err) {
		if err != nil || b.Raw {
			return &chosen{ends: true}, nil
		}
		return &chosen{ends: true, scores: heads.Scores}, b.Fit(heads.Scores[0])
	}
	if err != nil {
		return nil, err
	}
	first := heads.Scores[0]
	if err := b.Fit(first); err != nil {
		return nil, err
	}
	c := &chosen{heads: heads.Scores, told: map[string]bool{}}
	for _, h := range heads.Scores {
		c.told[h.Output.Name()] = true
	}
	before := ends.Ancestors(first.Value)
	for _, other := range heads.Others {
		if !b.Distilled && b.Output == "" && b.Bottleneck && b.Original && !before[ends.Origin(other.Output)] {
			c.ends = true
			continue
		}
		c.told[other.Output.Name()] = true
		b.Notice("output %q is left out, and may change with the weights: %s", other.Output.Name(), other.Reason)
	}
	if b.Distilled || len(heads.Scores) == 1 && !c.ends {
		return c, nil
	}
	if b.Bottleneck && !b.Original {
		for _, rest := range heads.Scores[1:] {
			b.Notice("output %q is left out, and may change with the weights: the labels are taken for those of %q, and the bundle's weights are not the original's any more; option distill option teacher MODEL teaches all outputs", rest.Output.Name(), first.Output.Name())
		}
		c.heads = c.heads[:1]
		return c, nil
	}
	b.Notice("the labels are taken for those of output %q; what the others say, the model as it was teaches. option scores names the only output to train", first.Output.Name())
	b.teacher = b.student.Clone()
	if b.Bottleneck {
		return c, bottleneck.Bypass(b.teacher)
	}
	return c, nil
}

// around tells what trains in spite of a node without a gradient, as far as it was not
// asked for already.
func (b *build) around(err error) string {
	switch node := (*Error)(nil); {
	case !errors.As(err, &node) || !b.Bottleneck:
		return ""
	case b.Freeze == "none" || b.Freeze == "cloud":
		return "; where it is before the cut, option freeze before or option freeze mobile trains what is behind it; else split at a cut behind it"
	}
	return "; split at a cut behind it"
}
