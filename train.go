package bnc

import (
	"cmp"
	"context"
	"os"

	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/train"
)

// TrainOptions say how a bundle or a model is trained.
type TrainOptions = train.RunOptions

// NoEpochs stands for no training at all: only the quality of the codec changes.
const NoEpochs = train.NoEpochs

// checkTraining finds wrong usage before any work.
func checkTraining(o *TrainOptions) error {
	return o.Check(func() error { return stepOf(o).Check() })
}

// stepOf says what a step is.
func stepOf(o *TrainOptions) grad.BuildOptions {
	return grad.BuildOptions{
		Loss: lossOf(o), Teach: o.Outputs, Output: o.Scores, Distilled: o.Distill, OwnTeacher: o.Teacher == "", Naive: o.Naive,
		Freeze: o.Frozen(), Batch: o.Batch, Rate: o.LR, FeatureWeight: o.FeatureWeight, Decay: o.WeightDecay, Clip: o.ClipNorm,
		Opt:        grad.Optimizer{Kind: o.Optimizer, Momentum: orElse(o.Momentum, 0.9), Nesterov: o.Nesterov, DecayAll: o.DecayAll, EMA: o.EMA},
		Statistics: o.Statistics, Layout: grad.Layout(cmp.Or(o.Layout, "auto")),
	}
}

// lossOf is what training makes small.
func lossOf(o *TrainOptions) grad.Loss {
	l := grad.Loss{Kind: o.Loss, LabelSmoothing: o.LabelSmoothing, Temperature: orElse(o.Temperature, 1), Rate: o.Counting() != ""}
	if l.Kind == "" {
		l.Kind = grad.CrossEntropy
		if o.Distill {
			l.Kind = grad.Distill
		}
	}
	return l
}

// TrainResult is what a training gave.
type TrainResult = train.Result

// OutputLosses are the losses that TrainOptions.Outputs can name.
func OutputLosses() []string { return grad.OutputLosses() }

// Train trains a bundle with its codec in the way, or a whole model. A bundle is updated
// in place, its three files together; a whole model goes to Output. An untrained
// bottleneck is calibrated on the training images first. Beside what is written,
// NAME.train holds log.jsonl, curves.html and, until the training is done, the checkpoint
// that Resume goes on from.
func Train(ctx context.Context, path string, o TrainOptions) (*TrainResult, error) {
	return trained(ctx, path, o, nil)
}

// trained is what Train gives, for a search which adds what it wants of the training, or for
// nil.
func trained(ctx context.Context, path string, o TrainOptions, search func(*train.Training)) (*TrainResult, error) {
	if err := checkTraining(&o); err != nil {
		return nil, err
	}
	opened, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	t, err := openTraining(ctx, path, o)
	if err != nil {
		return nil, err
	}
	run := t.around(path)
	run.Opened = opened
	if search != nil {
		search(run)
	}
	return run.Run(ctx)
}

// around is the training at path.
func (t *training) around(path string) *train.Training {
	return &train.Training{RunOptions: &t.TrainOptions, Network: t, Path: path, Progress: t.Progress}
}

// Sets implements train.Network.
func (t *training) Sets() (*train.Sets, error) {
	sets, err := t.openSets()
	if err == nil {
		t.kind, err = t.TaskOf(t.kind, t.known, sets, t.Notice)
	}
	return sets, err
}

// Compile implements train.Network.
func (t *training) Compile(ctx context.Context, sets *train.Sets) (*train.Job, error) {
	if err := t.calibrate(ctx, sets); err != nil {
		return nil, err
	}
	if _, _, err := t.settleCodec(ctx, sets, false); err != nil {
		return nil, err
	}
	return t.compile(ctx, sets)
}

// Task implements train.Network.
func (t *training) Task() *task.Chosen { return t.kind }

// Pair implements train.Network.
func (t *training) Pair() (string, bool) { return t.meta.Pair, t.bottleneck }
