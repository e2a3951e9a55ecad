package main

import (
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
	"strconv"
	"strings"

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
	"github.com/bottlenet/bnc/runtime/train"
)

// trainingStep is a compiled step with its sessions.
type trainingStep struct {
	session, evaluation *ort.Session
	measuring           *ort.Session // of batch statistics, nil for none
	trainer             *train.Trainer
	feeder              *feed.Feeder
	id                  string // of graph and first weights
	heads               []trainHead
	taught              map[string][]int // by head, the teacher's classes of the images to judge by
}

func (s *trainingStep) close() {
	for _, session := range []*ort.Session{s.session, s.evaluation, s.measuring} {
		if session != nil {
			session.Close()
		}
	}
}

// compile makes the step graph and opens the sessions. It completes o by
// defaults that depend on the network.
func (t *trainable) compile(ctx context.Context, s streams, o *trainOptions, sets *trainingSets) (*trainingStep, error) {
	m := t.source.Clone()
	builtIn, err := t.prepare(ctx, m)
	if err != nil {
		return nil, err
	}
	if n := inTrainingMode(m); n != nil {
		return nil, unusablef("%s: %s is in training mode, in which answers depend on chance and on the other images: export the model for inference", t.path, n.Label())
	}
	heads, err := t.chooseHeads(s, m, o, sets)
	if err != nil {
		return nil, err
	}
	port, err := inputPort(m)
	if err != nil {
		return nil, err
	}
	o.defaults(t.bottleneck, m)
	switch {
	case builtIn != nil:
		o.oneByOne(s, m, builtIn, sets.train.Len())
	case o.batch == 0:
		o.batch = defaultBatch(m, sets.train.Len())
	}
	if o.freeze != "backbone" {
		tellFixed(s, m)
	}
	trained, err := t.trained(m, o.freeze)
	if err != nil {
		return nil, err
	}
	options := grad.Options{
		Batch: int64(o.batch), Input: port.Name, Loss: o.loss, Opt: o.opt, Train: trained, KeepStatistics: o.statistics == "running" || o.statistics == "" && o.freeze == "backbone",
		Layout: grad.Layout(o.layout),
	}
	whole := m.Clone() // what is evaluated
	if t.bottleneck && !o.naive {
		options.Watch = "payload_bytes"
	}
	if o.loss.RateWeight > 0 {
		anatomy, err := bottleneck.Anatomy(m)
		if err != nil {
			return nil, err
		}
		options.Targets.Tile, options.Targets.Quality = anatomy.Tile.Name(), t.meta.Quality
	}
	if err := t.target(ctx, s, m, &options, o, heads); err != nil {
		return nil, err
	}
	recipe := []passes.Pass{opt.CommonSubexpressions, opt.FoldFrozenBatchNorm(trained), opt.DeadCode}
	if o.naive {
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
		return nil, unusablef("%s: %w%s", t.path, err, t.around(err, o.freeze))
	}
	return t.open(ctx, program, port, sets, o.dump)
}

// around tells what trains in spite of a node without a gradient, as far as it was not
// asked for already.
func (t *trainable) around(err error, freeze string) string {
	switch node := (*grad.Error)(nil); {
	case !errors.As(err, &node) || !t.bottleneck:
		return ""
	case freeze == "none" || freeze == "cloud":
		return "; where it is before the cut, --freeze mobile or --freeze backbone trains what is behind it; else split at a cut behind it"
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

// trained tells which weights --freeze leaves to change.
func (t *trainable) trained(m *ir.Model, freeze string) (func(name string) bool, error) {
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
func (t *trainable) open(ctx context.Context, p *grad.Program, input model.Port, sets *trainingSets, dump string) (*trainingStep, error) {
	s := &trainingStep{heads: t.heads}
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
	if dump != "" {
		if err := os.MkdirAll(dump, 0o777); err != nil {
			return nil, err
		}
		for name, graph := range graphs {
			if err := files.Write(filepath.Join(dump, name), graph); err != nil {
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

// augment returns how training images vary: flags, or the defaults for small
// images (random crops) and for larger ones (random resized crops).
func (o *trainOptions) augment(sets *trainingSets) (feed.Augment, error) {
	var a feed.Augment
	if sets.preprocess == nil { // tensors
		a.Flip = o.flip == "on"
		return a, nil
	}
	a.Flip = o.flip != "off"
	switch {
	case o.crop == "none":
	case o.crop != "":
		low, high, ok := strings.Cut(o.crop, ",")
		var err1, err2 error
		a.ResizedCrop[0], err1 = strconv.ParseFloat(low, 64)
		a.ResizedCrop[1], err2 = strconv.ParseFloat(high, 64)
		if c := a.ResizedCrop; !ok || err1 != nil || err2 != nil || !(0 < c[0] && c[0] <= c[1] && c[1] <= 1) {
			return a, usagef("--random-resized-crop %q: expected SMALLEST,LARGEST part of the area, for example 0.35,1", o.crop)
		}
	case sets.whole:
		a.ResizedCrop = [2]float64{0.5, 1}
	}
	switch {
	case o.pad == "none":
	case o.pad != "":
		n, err := strconv.Atoi(o.pad)
		if err != nil || n < 0 {
			return a, usagef("--random-crop %q: expected a number of pixels, or none", o.pad)
		}
		a.Pad = n
	case !sets.whole:
		a.Pad = 2
	}
	return a, nil
}

// run trains.
func (s *trainingStep) run(ctx context.Context, io streams, dir string, t *trainable, sets *trainingSets, o trainOptions) (*train.History, error) {
	augment, err := o.augment(sets)
	if err != nil {
		return nil, err
	}
	loader, err := feed.NewLoader(s.feeder, sets.train, feed.LoaderOptions{
		Batch: o.batch, Seed: o.seed, Shuffle: true, Augment: augment, Labels: s.trainer.Labelled(),
		OnSkip: func(name string, err error) { io.notice("left out: %v", err) },
	})
	if err != nil {
		return nil, unusablef("--data: %w", err)
	}
	if err := s.teach(ctx, t, sets, o); err != nil {
		return nil, err
	}
	steps := loader.Batches()
	settings, err := o.identity(s.id, augment, sets)
	if err != nil {
		return nil, err
	}
	checkpoint := filepath.Join(dir, checkpointFile)
	bar := newTrainBar(io.err)
	defer bar.done()
	options := train.Options{
		Epochs:   o.epochs,
		Schedule: train.Schedule{Kind: o.schedule, Rate: o.lr, Warmup: int(math.Round(o.warmup * float64(steps))), Total: o.epochs * steps},
		Loader:   loader, Patience: o.patience, KeepBest: !o.keepLast,
		Checkpoint: checkpoint, Every: o.every, Settings: settings, Resume: o.resume,
		Log: filepath.Join(dir, "log.jsonl"), Step: bar.step, Notice: io.notice, Start: bar.start, Epoch: bar.epoch,
		Hopeless: o.hopeless,
	}
	if o.epochs == 0 { // log and checkpoint of another training stay
		options.Log, options.Checkpoint = "", ""
	}
	if sets.val != nil {
		options.Validate = func(ctx context.Context, weights ort.Feed) (train.Validation, error) {
			return s.validate(ctx, sets, o.batch, weights)
		}
	}
	if _, err := os.Stat(checkpoint); err == nil && options.Checkpoint != "" && !o.resume {
		io.notice("the checkpoint of an interrupted training in %s is replaced: --resume would have gone on from it", dir)
	}
	if options.Log != "" {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, err
		}
	}
	history, err := train.Run(ctx, s.trainer, options)
	var unusable *train.DataError
	switch {
	case errors.Is(err, train.ErrOtherTraining):
		return nil, usageError{fmt.Errorf("--resume: %w: give the flags, data and bundle of the training that was interrupted, or start without --resume", err)}
	case errors.As(err, &unusable):
		return nil, unusablef("--data: %w", err)
	case errors.Is(err, context.Canceled):
		if _, err := os.Stat(checkpoint); err != nil {
			return nil, fmt.Errorf("interrupted before there was a checkpoint: the same command begins again")
		}
		return nil, fmt.Errorf("interrupted; bnc train ... --resume goes on from the last checkpoint")
	}
	return history, err
}

// identity is what a checkpoint must share with the training that goes on from
// it: all that decides about the result.
func (o trainOptions) identity(id string, a feed.Augment, sets *trainingSets) (string, error) {
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
	}{id, itemsID(sets.train), itemsID(sets.val), o.seed, o.epochs, o.lr, o.warmup, o.schedule, a, sets.preprocess, o.keepLast, o.patience})
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
func (t *trainable) measureRange(ctx context.Context, s streams, trained *ir.Model, sets *trainingSets) (lo, hi float32, err error) {
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
		return 0, 0, unusableError{err}
	}
	var r bottleneck.ValueRange
	n := min(sets.train.Len(), maxCalibration)
	for i := range n {
		item, err := sets.train.Item(i * sets.train.Len() / n)
		if err != nil {
			continue // told when it was trained on
		}
		x, err := feeder.One(item)
		if err != nil {
			continue
		}
		results, err := session.Run(ctx, ort.Feed{feeder.Input(): x})
		if err != nil {
			return 0, 0, err
		}
		values, err := floats(results[0].Tensor)
		if err != nil {
			return 0, 0, err
		}
		r.Add(values)
	}
	return r.Bounds()
}
