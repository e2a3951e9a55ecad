package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/internal/flags"
	"github.com/bottlenet/bnc/internal/table"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/search"
	"github.com/spf13/pflag"
)

var searchCommand = command{
	name:  "search",
	args:  "MODEL --data DATA -o DIR [FLAGS] | plan MODEL ... | run --index I -o DIR | collect -o DIR",
	short: "Train bottlenecks at many cuts and keep the smallest that are accurate",
	long: `
For every cut and every size (c channels, spatial reduction s) of a grid, coded by
every codec and at every quality that is given, the smallest payload whose accuracy loss is within --max-loss: the training phase of
the BottleNet paper's Algorithm 1. DIR/results.json is what bnc select and bnc
report read; DIR/bundles holds what was trained.

Not everything is trained. At each cut, the activations of a part of the training
images are written down once, and one epoch of the bottleneck alone on them screens
the sizes. What loses more than --max-loss and --margin there is out; the two
smallest of the others are trained in full, and more until one is good enough.
Few channels at a deep cut can lose 50 points there and
win them back when the layers around them learn too: a smaller --margin is faster,
and can miss the smallest payload. Fewer channels are taken to lose no less. A training behind one that was good enough
begins with its weights, and any ends early when it cannot reach the accuracy.
Codecs and qualities compete at a cut as sizes do; a lower quality is taken to lose
no less. Codec transform is fitted to what the outputs feel (--calib-by variance: to
what varies), all channels cross unless --c says otherwise, and --quality trades bytes.
Results say for each candidate what was done and why. --exhaustive skips nothing and begins
every training with the model's own weights.

A search that was interrupted, by SIGKILL too, goes on with the same command: what
has a file in DIR/candidates is not done again.

On many machines that share DIR: bnc search plan writes DIR/plan.json, bnc search
run --index I finishes one candidate, bnc search collect merges. bnc export slurm
and bnc export k8s write the jobs that do so.

Without labels: --distill, and --val for images to judge by; the loss is that of
agreement with the model. --max-loss and --margin are points of the task's measure
(docs/tasks.md): percentage points of a share, decibels of pictures.

Examples:
  bnc search resnet20.onnx --data fashion-mnist -o found
  bnc search net.onnx --data photos --distill --freeze backbone --cuts rb1,rb4 -o found
  bnc search net.onnx --data photos --distill --codec auto --quality 20,35,50 -o found
  bnc search plan net.onnx --data imagenette --c 1,2,4,8 -o /shared/found
  bnc search run --index 3 -o /shared/found
  bnc search collect -o /shared/found`,
	setup: func(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
		var o bnc.SearchOptions
		declareSearch(fs, &o)
		declareJobs(fs, &o)
		return searching(fs, &o, func(ctx context.Context, s streams, args []string, asJSON bool) error {
			path, err := oneArg(args, "model")
			if err != nil {
				return err
			}
			r, err := bnc.Search(ctx, path, o)
			return printSearch(s, r, err, asJSON)
		})
	},
	subs: []command{planCommand, runCandidateCommand, collectCommand},
}

var planCommand = command{
	name:  "plan",
	args:  "MODEL --data DATA -o DIR [FLAGS]",
	short: "Write down the candidates, without training one",
	long: `
DIR/plan.json says which candidates there are and how each is trained. The machines of a
cluster then run one each: bnc search run.

Examples:
  bnc search plan net.onnx --data imagenette --c 1,2,4,8 -o /shared/found`,
	setup: func(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
		var o bnc.SearchOptions
		declareSearch(fs, &o)
		return searching(fs, &o, func(ctx context.Context, s streams, args []string, asJSON bool) error {
			path, err := oneArg(args, "model")
			if err != nil {
				return err
			}
			p, err := bnc.PlanSearch(ctx, path, o)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(s.out, p)
			}
			fmt.Fprintf(s.out, "%s: %d candidates at %d cuts, indices 0 to %d\n", search.Dir(o.Out).PlanFile(), len(p.Candidates), len(p.Places()), len(p.Candidates)-1)
			return nil
		})
	},
}

var runCandidateCommand = command{
	name:  "run",
	args:  "--index I -o DIR [FLAGS]",
	short: "Train one candidate of a plan",
	long: `
What another process has finished is not done again, and the same command goes on where one
that was interrupted ended.

Examples:
  bnc search run --index 3 -o /shared/found`,
	setup: func(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
		var o bnc.SearchOptions
		index := fs.Int("index", -1, "the candidate, as the plan numbers them from 0 on")
		flags.StandsFor(fs, "index", 0) // there is none
		declareThreads(fs, &o)
		return searching(fs, &o, func(ctx context.Context, _ streams, args []string, _ bool) error {
			if len(args) > 0 {
				return usagef("run takes flags only, found %s", argumentsText(args))
			}
			return bnc.RunSearch(ctx, *index, o)
		})
	},
}

var collectCommand = command{
	name:  "collect",
	args:  "-o DIR [FLAGS]",
	short: "Merge what was trained into DIR/results.json",
	long: `
Examples:
  bnc search collect -o /shared/found`,
	setup: func(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
		var o bnc.SearchOptions
		fs.BoolVar(&o.Partial, "partial", false, "take what is finished")
		return searching(fs, &o, func(_ context.Context, s streams, args []string, asJSON bool) error {
			if len(args) > 0 {
				return usagef("collect takes flags only, found %s", argumentsText(args))
			}
			r, err := bnc.CollectSearch(o)
			return printSearch(s, r, err, asJSON)
		})
	},
}

// Flags of trainings and splits that a search takes and hands on.
var (
	passedToTrain = []string{"data", "val", "val-split", "limit", "val-limit", "epochs", "batch", "freeze", "distill", "loss", "label-smoothing", "temperature",
		"feature-weight", "rate-weight", "target-bytes", "calib-by", "optimizer", "lr", "momentum", "weight-decay", "clip-norm", "schedule", "warmup", "random-resized-crop", "random-crop", "flip",
		"statistics", "layout", "scores", "task", "decoder", "checkpoint-every", "input", "color", "fit", "resize", "crop", "pad", "feed", "orient", "scale", "mean", "std"}
	passedToSplit = []string{"bits", "codec-at", "restore-width"}
)

// declareSearch declares what a plan is made of.
func declareSearch(fs *pflag.FlagSet, o *bnc.SearchOptions) {
	fs.StringSliceVar(&o.Cuts, "cuts", nil, "cuts to try, rb1,rb2,..., those of several tensors joined with +; all for every one that takes a bottleneck (default: the residual blocks, else all)")
	fs.Var(channelList(&o.Channels), "c", "channels that cross, numbers or full")
	fs.IntSliceVar(&o.Strides, "s", nil, "spatial reductions, 1 to 4")
	fs.StringVar(&o.Split.Codec, "codec", "", "codec: "+strings.Join(bnc.Codecs(), " or ")+"; auto: all are tried")
	fs.IntSliceVar(&o.Qualities, "quality", nil, "qualities of the codec, 1 to 100, each of which is tried (default: the codec's own, 20 of jpeg, 50 of transform)")
	fs.Var(flags.Float(&o.MaxLoss), "max-loss", "accuracy that may be lost, in points of its measure")
	fs.Var(flags.Float(&o.Margin), "margin", "points of a screening's loss that a full training is trusted to win back")
	fs.BoolVar(&o.Exhaustive, "exhaustive", false, "train every candidate, from the model's own weights")
	fs.Var(flags.Bytes(&o.CacheBytes), "cache-bytes", "disk that the activations of a cut may take; fewer images are screened on where they are more")
	fs.Var(flags.CountFrom1(&o.ScreenImages), "screen-images", "images of a screening, at most")
	fs.Uint64Var(&o.Seed, "seed", 0, "seed of weights, shuffling and augmentation")
	train, split := pflag.NewFlagSet("train", pflag.ContinueOnError), pflag.NewFlagSet("split", pflag.ContinueOnError)
	declareTrain(train, &o.Train)
	declareSplit(split, &o.Split)
	for _, name := range passedToTrain {
		fs.AddFlag(train.Lookup(name))
	}
	for _, name := range passedToSplit {
		fs.AddFlag(split.Lookup(name))
	}
	for name, value := range map[string]any{"c": "1,2,4; of transform all", "s": "1,2; of transform 1", "codec": bnc.DefaultCodec, "max-loss": 2, "margin": 50, "cache-bytes": "4GB", "screen-images": 8192, "epochs": 3} {
		flags.StandsFor(fs, name, value)
	}
	declareThreads(fs, o)
}

func declareThreads(fs *pflag.FlagSet, o *bnc.SearchOptions) {
	fs.IntVar(&o.Threads, "threads", 0, "threads of a session, 0 for an equal share of the cores; results depend on it a little")
}

func declareJobs(fs *pflag.FlagSet, o *bnc.SearchOptions) {
	fs.Var(flags.CountFrom1(&o.Jobs), "jobs", "candidates that are worked on at a time")
	flags.StandsFor(fs, "jobs", 1)
}

// searching declares what all commands of a search have, and returns do with a reporter.
func searching(fs *pflag.FlagSet, o *bnc.SearchOptions, do func(ctx context.Context, s streams, args []string, asJSON bool) error) func(context.Context, streams, []string) error {
	fs.StringVarP(&o.Out, "output", "o", "", "folder of the search")
	asJSON := fs.Bool("json", false, "print one JSON document, and events as JSON lines to stderr")
	return func(ctx context.Context, s streams, args []string) error {
		if err := noStdout(o.Out, "a folder"); err != nil {
			return err
		}
		bar := newReporter(s.err)
		defer bar.done()
		o.Reporter = bar
		if *asJSON {
			o.Reporter = eventLines{bar}
		}
		return do(ctx, s, args, *asJSON)
	}
}

// printSearch prints what was found at each cut, where there is a result, and returns err.
func printSearch(s streams, r *search.Result, err error, asJSON bool) error {
	switch {
	case r == nil:
		return err
	case asJSON:
		return errors.Join(printJSON(s.out, r), err)
	}
	fmt.Fprintln(s.out, r.File)
	rows := [][]string{{"cut", "smallest", "bytes", "max", "accuracy", "loss", "device", "trained", "failed", "screened out", "skipped"}}
	for _, f := range r.Plan.Found(r.Results) {
		row := []string{f.Cut, "none", "-", "-", "-", "-", "-"}
		if c := f.Smallest; c != nil {
			accuracy := c.Agreement
			if r.Baseline.Labels() != nil {
				accuracy = c.Accuracy().Labels()
			}
			text := "-"
			if accuracy != nil {
				text = r.Measured().Short(*accuracy)
			}
			most, lost, device := "-", fmt.Sprintf("%.2f", c.Loss), "-"
			if c.PayloadMax > 0 {
				most = fmt.Sprint(c.PayloadMax)
			}
			if i := c.LossInterval; i != nil {
				lost += fmt.Sprintf(" [%.2f, %.2f]", i[0], i[1])
			}
			if c.DeviceShare != nil {
				device = fmt.Sprintf("%.1f%%", 100**c.DeviceShare)
			}
			row = []string{f.Cut, c.String(), fmt.Sprintf("%.1f", c.PayloadBytes), most, text, lost, device}
		}
		for _, status := range []string{plan.StatusTrained, plan.StatusFailed, plan.StatusScreened, plan.StatusSkipped} {
			row = append(row, fmt.Sprint(f.Count[status]))
		}
		rows = append(rows, row)
	}
	return errors.Join(table.Left(s.out, rows), err)
}

// eventLines is a reporter whose events are JSON.
type eventLines struct{ *reporter }

// Notice prints an event or a line.
func (r eventLines) Notice(text string, about any) {
	if e, ok := about.(search.Event); ok {
		if b, err := json.Marshal(e); err == nil {
			text = string(b)
		}
	}
	r.reporter.Notice(text, about)
}
