package bnc

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/opt"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/probe"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/runtime/train"
)

// trainingStep is a compiled step with its sessions.
type trainingStep struct {
	session, evaluation *ort.Session
	measuring           *ort.Session // of batch statistics, nil for none
	trainer             *train.Trainer
	feeder              *feed.Feeder
	id                  string // of graph and first weights
	heads               []head
	chosen
	taught map[string][]int // by head, the teacher's classes of the images to judge by
}

func (s *trainingStep) close() {
	for _, session := range []*ort.Session{s.session, s.evaluation, s.measuring} {
		if session != nil {
			session.Close()
		}
	}
}

// chosen is what options leave open and the network decides.
type chosen struct {
	batch      int
	lr         float64
	statistics string
}

// compile makes the step graph and opens the sessions.
func (t *training) compile(ctx context.Context, sets *trainingSets) (*trainingStep, error) {
	m := t.source.Clone()
	builtIn, err := t.prepare(ctx, m)
	if err != nil {
		return nil, err
	}
	if n := inTrainingMode(m); n != nil {
		return nil, unusable("%s: %s is in training mode, in which answers depend on chance and on the other images: export the model for inference", t.path, n.Label())
	}
	heads, err := t.chooseHeads(t.progress, m, sets)
	if err != nil {
		return nil, err
	}
	port, err := inputPort(m)
	if err != nil {
		return nil, err
	}
	optimizer, lr := t.defaults(t.bottleneck, m)
	c := chosen{batch: t.Batch, lr: lr, statistics: t.Statistics}
	switch {
	case builtIn != nil:
		c.oneByOne(t.progress, m, builtIn, sets.train.Len(), t.LR != 0)
	case c.batch == 0:
		c.batch = defaultBatch(m, sets.train.Len())
	}
	freeze := t.frozen()
	if freeze != "backbone" {
		tellFixed(t.progress, m)
	}
	trained, err := t.trained(m, freeze)
	if err != nil {
		return nil, err
	}
	options := grad.Options{
		Batch: int64(c.batch), Input: port.Name, Loss: t.loss(), Opt: optimizer, Train: trained, KeepStatistics: c.statistics == "running" || c.statistics == "" && freeze == "backbone",
		Layout: grad.Layout(cmp.Or(t.Layout, "auto")),
	}
	whole := m.Clone() // what is evaluated
	if t.bottleneck && !t.Naive {
		options.Watch = "payload_bytes"
	}
	if t.RateWeight > 0 {
		anatomy, err := bottleneck.Anatomy(m)
		if err != nil {
			return nil, err
		}
		options.Targets.Tile, options.Targets.Quality = anatomy.Tile.Name(), t.meta.Quality
	}
	if err := t.target(ctx, m, &options, heads); err != nil {
		return nil, err
	}
	recipe := []passes.Pass{opt.CommonSubexpressions, opt.FoldFrozenBatchNorm(trained), opt.DeadCode}
	if t.Naive {
		recipe = append([]passes.Pass{bottleneck.Uncoded}, recipe...)
	}
	if _, err := passes.RunContext(ctx, m, recipe, nil); err != nil {
		return nil, err
	}
	if _, err := passes.RunContext(ctx, whole, recipe[len(recipe)-2:], nil); err != nil {
		return nil, err
	}
	program, err := grad.Compile(ctx, m, whole, options)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, unusable("%s: %w%s", t.path, err, t.around(err, freeze))
	}
	return t.open(ctx, program, port, sets, c)
}

// around tells what trains in spite of a node without a gradient, as far as it was not
// asked for already.
func (t *training) around(err error, freeze string) string {
	switch node := (*grad.Error)(nil); {
	case !errors.As(err, &node) || !t.bottleneck:
		return ""
	case freeze == "none" || freeze == "cloud":
		return "; where it is before the cut, option freeze mobile or option freeze backbone trains what is behind it; else split at a cut behind it"
	}
	return "; split at a cut behind it"
}

// hasBatchNorm reports whether the model's own layers are normalised.
func hasBatchNorm(m *ir.Model) bool {
	return slices.ContainsFunc(m.Graph.Nodes(), func(n *ir.Node) bool {
		return n.Op == "BatchNormalization" && !strings.HasPrefix(n.Name, bottleneck.UnitName)
	})
}

// unitFanIn is how many elements an output of the bottleneck's widest reduction reads.
func unitFanIn(m *ir.Model) int64 {
	most := int64(1)
	for _, unit := range []string{"reduce.channel", "reduce.spatial"} {
		if v := m.Graph.Value(bottleneck.UnitName + unit + ".weight"); v != nil && v.Init() != nil {
			d := v.Init().Dims() // [out, in, k, k]
			most = max(most, d[1]*d[2]*d[3])
		}
	}
	return most
}

// inTrainingMode returns a node that does at inference what is for training only, nil
// for none.
func inTrainingMode(m *ir.Model) *ir.Node {
	for _, n := range m.Graph.Nodes() {
		switch {
		case n.Domain != "":
		case n.Op == "BatchNormalization" && n.Int("training_mode", 0) != 0:
			return n
		case n.Op == "Dropout" && n.Input(2) != nil && n.Input(2).Const() != nil:
			if on, err := n.Input(2).Const().Ints(); err == nil && slices.Contains(on, 1) {
				return n
			}
		}
	}
	return nil
}

// defaultBatch is 64 for inputs of at most 64 x 64, 16 for larger ones, and not
// more than there are images.
func defaultBatch(m *ir.Model, images int) int {
	n := 64
	if dims, ok := m.Graph.Feeds()[0].Shape(); ok {
		area := int64(1)
		for _, d := range dims[1:] {
			area *= max(d.N, 1)
		}
		if area > 3*64*64 {
			n = 16
		}
	}
	return min(n, images)
}

// trained tells which weights option freeze leaves to change.
func (t *training) trained(m *ir.Model, freeze string) (func(name string) bool, error) {
	own := map[string]bool{}
	for _, v := range grad.Parameters(m.Graph) {
		own[v.Name()] = true
	}
	of := func(name string) bool { return own[name] }
	switch freeze {
	case "backbone":
		return func(name string) bool { return own[name] && strings.HasPrefix(name, bottleneck.UnitName) }, nil
	case "mobile", "cloud":
		mobile, err := bottleneck.MobileSideOf(m)
		if err != nil {
			return nil, err
		}
		return func(name string) bool { return own[name] && mobile[name] == (freeze == "cloud") }, nil
	}
	return of, nil
}

// open makes the sessions of a program that reads images from input.
func (t *training) open(ctx context.Context, p *grad.Program, input model.Port, sets *trainingSets, c chosen) (*trainingStep, error) {
	s := &trainingStep{heads: t.heads, chosen: c}
	step, err := onnx.Marshal(p.Step)
	if err != nil {
		return nil, err
	}
	evaluation, err := onnx.Marshal(p.Eval)
	if err != nil {
		return nil, err
	}
	graphs := map[string][]byte{"step.onnx": step, "eval.onnx": evaluation}
	if p.Statistics != nil {
		if _, err := passes.RunContext(ctx, p.Statistics, []passes.Pass{opt.DeadCode}, nil); err != nil {
			return nil, err
		}
		if graphs["statistics.onnx"], err = onnx.Marshal(p.Statistics); err != nil {
			return nil, err
		}
	}
	if t.Dump != "" {
		if err := os.MkdirAll(t.Dump, 0o777); err != nil {
			return nil, err
		}
		for name, graph := range graphs {
			if err := files.Write(filepath.Join(t.Dump, name), graph); err != nil {
				return nil, err
			}
		}
	}
	h := sha256.New()
	h.Write(step)
	names := []string{}
	for name := range p.Initial {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		h.Write(ir.AppendFloat32s(nil, p.Initial[name]))
	}
	s.id = hex.EncodeToString(h.Sum(nil))
	if s.session, err = ort.OpenBytes("training step", step, t.session); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		s.close()
		return nil, err
	}
	if s.evaluation, err = ort.OpenBytes("evaluation", evaluation, t.session); err != nil {
		s.close()
		return nil, err
	}
	if graph := graphs["statistics.onnx"]; graph != nil {
		if s.measuring, err = ort.OpenBytes("batch statistics", graph, t.session); err != nil {
			s.close()
			return nil, err
		}
	}
	if s.trainer, err = train.NewTrainer(s.session, s.measuring, p.Initial); err != nil {
		s.close()
		return nil, err
	}
	debug.FreeOSMemory() // what compiling took
	if s.feeder, err = newFeeder(input, sets); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// run trains.
func (s *trainingStep) run(ctx context.Context, dir train.Folder, t *training, sets *trainingSets) (*train.History, error) {
	augment, err := t.augment(sets.preprocess != nil, sets.whole)
	if err != nil {
		return nil, err
	}
	loader, err := feed.NewLoader(s.feeder, sets.train, feed.LoaderOptions{
		Batch: s.batch, Seed: t.Seed, Shuffle: true, Augment: augment, Labels: s.trainer.Labelled(),
		OnSkip: func(name string, err error) { t.notice("left out: %v", err) },
	})
	if err != nil {
		return nil, unusable("option data: %w", err)
	}
	if err := s.teach(ctx, t, sets); err != nil {
		return nil, err
	}
	steps := loader.Batches()
	settings, err := t.identity(s, augment, sets)
	if err != nil {
		return nil, err
	}
	shown := &shownTraining{progress: t.progress}
	epochs := t.epochs()
	options := train.Options{
		Epochs:   epochs,
		Schedule: train.Schedule{Kind: cmp.Or(t.Schedule, train.Cosine), Rate: s.lr, Warmup: int(math.Round(orElse(t.Warmup, 0.5) * float64(steps))), Total: epochs * steps},
		Loader:   loader, Patience: t.Patience, KeepBest: !t.KeepLast,
		Checkpoint: dir.Checkpoint(), Every: orElse(t.CheckpointEvery, time.Minute), Settings: settings, Resume: t.Resume,
		Log: dir.Log(), Step: shown.step, Notice: t.notice, Start: shown.start, Epoch: shown.epoch,
		Hopeless: t.hopeless,
	}
	if epochs == 0 { // log and checkpoint of another training stay
		options.Log, options.Checkpoint = "", ""
	}
	if sets.val != nil {
		options.Validate = func(ctx context.Context, weights ort.Feed) (train.Validation, error) {
			return s.validate(ctx, sets, s.batch, weights)
		}
	}
	if held, _ := dir.HasCheckpoint(); held && options.Checkpoint != "" && !t.Resume {
		t.notice("the checkpoint of an interrupted training in %s is replaced: option resume would have gone on from it", dir)
	}
	if options.Log != "" {
		if err := os.MkdirAll(string(dir), 0o777); err != nil {
			return nil, err
		}
	}
	history, err := train.Run(ctx, s.trainer, options)
	var unfit *train.DataError
	switch {
	case errors.Is(err, train.ErrOtherTraining):
		return nil, usage("resume", ": %w: give the flags, data and bundle of the training that was interrupted, or start without option resume", err)
	case errors.As(err, &unfit):
		return nil, unusable("option data: %w", err)
	case errors.Is(err, context.Canceled):
		return nil, interrupted(dir)
	}
	return history, err
}

// identity is what a checkpoint must share with the training that goes on from
// it: all that decides about the result.
func (o *TrainOptions) identity(s *trainingStep, a feed.Augment, sets *trainingSets) (string, error) {
	b, err := json.Marshal(struct {
		Graph, Train, Val string
		Seed              uint64
		Epochs            int
		Rate, Warmup      float64
		Schedule          string
		Augment           feed.Augment
		Preprocess        any
		KeepLast          bool
		Patience          int
	}{s.id, itemsID(sets.train), itemsID(sets.val), o.Seed, o.epochs(), s.lr, orElse(o.Warmup, 0.5), cmp.Or(o.Schedule, train.Cosine), a, sets.preprocess, o.KeepLast, o.Patience})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// itemsID tells sets apart by their classes and the names and labels of their items,
// wherever their folders are.
func itemsID(sets ...*data.Set) string {
	h := sha256.New()
	for _, set := range sets {
		if set == nil {
			continue
		}
		fmt.Fprintln(h, set.Len(), set.Classes())
		for i := range set.Len() {
			fmt.Fprintln(h, filepath.Base(set.Name(i)), set.Label(i))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// measureRange returns the range of what the trained quantiser reads on the
// training images, but for its tails.
func (t *training) measureRange(ctx context.Context, trained *ir.Model, sets *trainingSets) (lo, hi float32, err error) {
	m := trained.Clone()
	anatomy, err := bottleneck.Anatomy(m)
	if err != nil {
		return 0, 0, err
	}
	m.Graph.SetOutputs(anatomy.Reduced)
	if _, err := passes.RunContext(ctx, m, []passes.Pass{opt.DeadCode, opt.DropUnusedDomains}, nil); err != nil {
		return 0, 0, err
	}
	if _, err := shape.Infer(m, shape.Options{}); err != nil {
		return 0, 0, err
	}
	b, err := onnx.Marshal(m)
	if err != nil {
		return 0, 0, err
	}
	session, err := ort.OpenBytes("reduction", b, t.session)
	if err != nil {
		return 0, 0, err
	}
	defer session.Close()
	feeder, err := feed.New(session.Inputs(), sets.choose)
	if err != nil {
		return 0, 0, unusable("%w", err)
	}
	var r bottleneck.ValueRange
	_, err = probe.Run(ctx, session, probe.Options{Set: sets.train, Feeder: feeder}, func(_ string, x *tensor.Tensor) error { // what is left out was told when it was trained on
		values, err := x.Float32s()
		r.Add(values)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	return r.Bounds()
}
