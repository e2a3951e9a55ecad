package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/search"
	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"
)

var searchCommand = command{
	name:  "search",
	args:  "MODEL --data DATA -o DIR [FLAGS] | plan MODEL ... | run --index I -o DIR | collect -o DIR",
	short: "Train bottlenecks at many cuts and keep the smallest that are accurate",
	long: `
For every cut and every size (c channels, spatial reduction s) of a grid, the
smallest payload whose accuracy loss is within --max-loss: the training phase of
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
Results say for each candidate what was done and why. --exhaustive skips nothing and begins
every training with the model's own weights.

A search that was interrupted, by SIGKILL too, goes on with the same command: what
has a file in DIR/candidates is not done again.

On many machines that share DIR: bnc search plan writes DIR/plan.json, bnc search
run --index I finishes one candidate, bnc search collect merges. bnc export slurm
and bnc export k8s write the jobs that do so.

Without labels: --distill, and --val for images to judge by; the loss is that of
agreement with the model.

Examples:
  bnc search resnet20.onnx --data fashion-mnist -o found
  bnc search net.onnx --data photos --distill --freeze backbone --cuts rb1,rb4 -o found
  bnc search plan net.onnx --data imagenette --c 1,2,4,8 -o /shared/found
  bnc search run --index 3 -o /shared/found
  bnc search collect -o /shared/found`,
	setup: setupSearch,
	subs: []command{
		verb(setupSearch, "plan", "MODEL --data DATA -o DIR [FLAGS]", "Write down the candidates, without training one", `
DIR/plan.json says which candidates there are and how each is trained. Every machine of a
cluster then runs some of them: bnc search run.

Example:
  bnc search plan net.onnx --data imagenette --c 1,2,4,8 -o /shared/found`, without("index", "partial", "jobs")),
		verb(setupSearch, "run", "--index I -o DIR [FLAGS]", "Train one candidate of a plan", `
What another process has finished is taken over; the same command goes on where one that
was interrupted ended.

Example:
  bnc search run --index 3 -o /shared/found`, having("output", "index", "threads", "json")),
		verb(setupSearch, "collect", "-o DIR [FLAGS]", "Merge what was trained into DIR/results.json", `
Example:
  bnc search collect -o /shared/found`, having("output", "partial", "json")),
	},
}

// passedOn are the flags of other commands that a search takes and hands on.
var (
	passedToTrain = slices.Concat([]string{"data", "val", "val-split", "limit", "val-limit", "epochs", "batch", "freeze", "distill", "loss", "label-smoothing", "temperature",
		"feature-weight", "rate-weight", "optimizer", "lr", "momentum", "weight-decay", "clip-norm", "schedule", "warmup", "random-resized-crop", "random-crop", "flip",
		"statistics", "layout", "scores", "checkpoint-every", "input"}, preparing)
	passedToSplit = []string{"bits", "quality", "codec-at", "restore-width"}
	// ofScreening are those of training that say how a screening is, too.
	ofScreening = slices.Concat([]string{"data", "val", "val-split", "limit", "val-limit", "batch", "distill", "scores", "input"}, preparing)
)

type searchOptions struct {
	dir, cuts            string
	channels             []string
	strides              []int
	maxLoss, margin      float64
	seed                 uint64
	exhaustive, partial  bool
	jobs, index, threads int
	cacheBytes           string
	screenImages         int
	asJSON               bool
	flags                *pflag.FlagSet
	trainFlags, splitSet *pflag.FlagSet
}

func setupSearch(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	o := searchOptions{flags: fs, trainFlags: pflag.NewFlagSet("train", pflag.ContinueOnError), splitSet: pflag.NewFlagSet("split", pflag.ContinueOnError)}
	fs.StringVarP(&o.dir, "output", "o", "", "folder of the search")
	fs.StringVar(&o.cuts, "cuts", "", "cuts to try, rb1,rb2,...; all for every one that takes a bottleneck (default: the residual blocks, else all)")
	fs.StringSliceVar(&o.channels, "c", []string{"1", "2", "4"}, "channels that cross, numbers or full")
	fs.IntSliceVar(&o.strides, "s", []int{1, 2}, "spatial reductions, 1 to 4")
	fs.Float64Var(&o.maxLoss, "max-loss", 2, "accuracy that may be lost, percentage points")
	fs.Float64Var(&o.margin, "margin", 50, "percentage points of a screening's loss that a full training is trusted to win back")
	fs.BoolVar(&o.exhaustive, "exhaustive", false, "train every candidate, from the model's own weights")
	fs.IntVar(&o.jobs, "jobs", 1, "processes on this machine")
	fs.IntVar(&o.threads, "threads", 0, "threads of a process, 0 for an equal share of the cores; results depend on it a little")
	fs.IntVar(&o.index, "index", -1, "of run: the candidate")
	fs.BoolVar(&o.partial, "partial", false, "of collect: take what is finished")
	fs.StringVar(&o.cacheBytes, "cache-bytes", "4GB", "disk that the activations of a cut may take; fewer images are screened on where they are more")
	fs.IntVar(&o.screenImages, "screen-images", 8192, "images of a screening, at most")
	fs.Uint64Var(&o.seed, "seed", 0, "seed of weights, shuffling and augmentation")
	new(trainOptions).declare(o.trainFlags)
	setupSplit(o.splitSet)
	o.trainFlags.Lookup("epochs").DefValue = "3"
	for _, from := range []struct {
		flags *pflag.FlagSet
		names []string
	}{{o.trainFlags, passedToTrain}, {o.splitSet, passedToSplit}} {
		for _, name := range from.names {
			fs.AddFlag(from.flags.Lookup(name))
		}
	}
	fs.BoolVar(&o.asJSON, "json", false, "print one JSON document, and events as JSON lines to stderr")
	return func(ctx context.Context, s streams, args []string) error {
		verbs := map[string]func(context.Context, streams, []string, *searchOptions) error{"plan": searchPlan, "run": searchRun, "collect": searchCollect}
		do := searchWhole
		if len(args) > 0 && verbs[args[0]] != nil {
			do, args = verbs[args[0]], args[1:]
		}
		if o.dir == "" {
			return usagef("-o is missing: the folder of the search")
		}
		if err := noStdout(o.dir, "a folder"); err != nil {
			return err
		}
		if o.threads == 0 && o.jobs > 0 {
			o.threads = max(1, runtime.NumCPU()/o.jobs)
		}
		return do(ctx, s, args, &o)
	}
}

// given returns the flags of names that were given, in a form that a command
// parses again.
func given(fs *pflag.FlagSet, names []string) []string {
	args := []string{}
	for _, name := range names {
		f := fs.Lookup(name)
		list, many := f.Value.(pflag.SliceValue)
		switch {
		case !f.Changed:
		case many && f.Value.Type() == "stringArray":
			for _, v := range list.GetSlice() {
				args = append(args, "--"+name+"="+v)
			}
		case many:
			args = append(args, "--"+name+"="+strings.Join(list.GetSlice(), ","))
		default:
			args = append(args, "--"+name+"="+f.Value.String())
		}
	}
	return args
}

// only keeps the flags of names.
func only(args, names []string) (kept []string) {
	for _, a := range args {
		name, _, _ := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		if slices.Contains(names, name) {
			kept = append(kept, a)
		}
	}
	return kept
}

// searchSettings is what a plan tells its trainers.
type searchSettings struct {
	Model        string   `json:"model_file"`
	Train        []string `json:"train"`
	Split        []string `json:"split"`
	ScreenImages int      `json:"screen_images"`
	CacheBytes   int64    `json:"cache_bytes"`
}

func settingsOf(p *search.Plan) (searchSettings, error) {
	var s searchSettings
	b, err := json.Marshal(p.Settings)
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	return s, err
}

// check finds wrong usage before any work.
func (o *searchOptions) check() (sizes []search.Size, cacheBytes uint64, err error) {
	if !(o.maxLoss >= 0 && o.maxLoss <= 100) || !(o.margin >= 0 && o.margin <= 100) {
		return nil, 0, usagef("--max-loss %v, --margin %v: expected percentage points from 0 to 100", o.maxLoss, o.margin)
	}
	if o.jobs < 1 || o.screenImages < 1 {
		return nil, 0, usagef("--jobs %d, --screen-images %d: expected 1 or more", o.jobs, o.screenImages)
	}
	for _, c := range o.channels {
		n, err := strconv.Atoi(c)
		if c != "full" && (err != nil || n < 1) {
			return nil, 0, usagef("--c %q: expected numbers from 1 on, or full", c)
		}
		for _, s := range o.strides {
			if s < 1 || s > 4 {
				return nil, 0, usagef("--s %d: expected 1 to 4", s)
			}
			size := search.Size{C: n, S: s}
			if !slices.Contains(sizes, size) {
				sizes = append(sizes, size)
			}
		}
	}
	if len(sizes) == 0 {
		return nil, 0, usagef("--c and --s: expected at least one size")
	}
	if cacheBytes, err = humanize.ParseBytes(o.cacheBytes); err != nil || cacheBytes < 1 {
		return nil, 0, usagef("--cache-bytes %q: expected a size, for example 4GB", o.cacheBytes)
	}
	return sizes, cacheBytes, nil
}

// searchPlan writes a plan.
func searchPlan(ctx context.Context, s streams, args []string, o *searchOptions) error {
	p, err := writeSearchPlan(ctx, s, args, o)
	if err != nil {
		return err
	}
	if o.asJSON {
		return printJSON(s.out, p)
	}
	fmt.Fprintf(s.out, "%s: %d candidates at %d cuts, indices 0 to %d\n", search.Dir(o.dir).PlanFile(), len(p.Candidates), len(p.Places()), len(p.Candidates)-1)
	return nil
}

func writeSearchPlan(ctx context.Context, s streams, args []string, o *searchOptions) (*search.Plan, error) {
	path, err := oneArg(args, "model")
	if err != nil {
		return nil, err
	}
	p, err := o.plan(ctx, s, path)
	if err != nil {
		return nil, err
	}
	var other *search.OtherPlanError
	if err := search.Dir(o.dir).WritePlan(p); errors.As(err, &other) {
		return nil, usageError{err}
	} else if err != nil {
		return nil, err
	}
	return p, nil
}

// searchRun finishes one candidate.
func searchRun(ctx context.Context, s streams, args []string, o *searchOptions) error {
	if len(args) > 0 {
		return usagef("run takes flags only, found %s", argumentsText(args))
	}
	p, err := openSearchPlan(o)
	if err != nil {
		return err
	}
	if o.index < 0 || o.index >= len(p.Candidates) {
		return usagef("--index %d: the plan has candidates 0 to %d", o.index, len(p.Candidates)-1)
	}
	run, closing, err := newSearch(ctx, s, p, o)
	if err != nil {
		return err
	}
	defer closing()
	return interrupted(ctx, run.Run(ctx, o.index))
}

// interrupted says of an interruption's error that nothing is lost.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("interrupted; the same command goes on where this one ended")
	}
	return err
}

func openSearchPlan(o *searchOptions) (*search.Plan, error) {
	p, err := search.OpenPlan(search.Dir(o.dir).PlanFile())
	if err != nil {
		return nil, unusableError{err}
	}
	return p, nil
}

// searchWhole plans, runs and collects.
func searchWhole(ctx context.Context, s streams, args []string, o *searchOptions) error {
	p, err := writeSearchPlan(ctx, s, args, o)
	if err != nil {
		return err
	}
	if o.jobs > 1 {
		err = searchJobs(ctx, s, p, o)
	} else {
		var run *search.Search
		var closing func()
		if run, closing, err = newSearch(ctx, s, p, o); err == nil {
			err = run.All(ctx)
			closing()
		}
	}
	if err := interrupted(ctx, err); err != nil {
		return err
	}
	for _, left := range []string{"cache", "work"} {
		if err := os.RemoveAll(filepath.Join(o.dir, left)); err != nil {
			return err
		}
	}
	return collectSearch(s, p, o)
}

// searchCollect merges.
func searchCollect(_ context.Context, s streams, args []string, o *searchOptions) error {
	if len(args) > 0 {
		return usagef("collect takes flags only, found %s", argumentsText(args))
	}
	p, err := openSearchPlan(o)
	if err != nil {
		return err
	}
	return collectSearch(s, p, o)
}

func collectSearch(s streams, p *search.Plan, o *searchOptions) error {
	dir := search.Dir(o.dir)
	r, missing, err := dir.Collect(p)
	if err != nil {
		return err
	}
	if missing > 0 && !o.partial {
		return fmt.Errorf("%d of %d candidates are not finished: run them, or take what there is with --partial", missing, len(p.Candidates))
	}
	if o.asJSON {
		err = printJSON(s.out, r)
	} else {
		fmt.Fprintf(s.out, "%s\n", filepath.Clean(dir.ResultsFile()))
		err = printSearch(s, p, r)
	}
	return errors.Join(err, inVain(r))
}

// inVain is the error of a search in which whatever was trained failed, nil for others.
func inVain(r *plan.Results) error {
	failed := 0
	var first plan.Candidate
	for _, c := range r.Candidates {
		switch c.Status {
		case plan.StatusTrained:
			return nil
		case plan.StatusFailed:
			if failed++; failed == 1 {
				first = c
			}
		}
	}
	if failed == 0 {
		return nil
	}
	return fmt.Errorf("all %d candidates that were trained failed; %s: %s", failed, first, first.Reason)
}

// printSearch prints what was found at each cut.
func printSearch(s streams, p *search.Plan, r *plan.Results) error {
	accuracy := func(c plan.Candidate) *float64 {
		if r.Baseline.Top1 != nil {
			return c.Top1
		}
		return c.Agreement
	}
	rows := [][]string{{"cut", "smallest", "bytes", "accuracy", "loss", "trained", "failed", "screened out", "skipped"}}
	for _, place := range p.Places() {
		cut := p.Candidates[place[0]].Cut
		row := []string{cut, "none", "-", "-", "-"}
		var best *plan.Candidate
		count := map[string]int{}
		for _, c := range r.Candidates {
			if c.Cut != cut {
				continue
			}
			count[c.Status]++
			if c.Status == plan.StatusTrained && c.Loss <= p.MaxLoss && (best == nil || c.PayloadBytes < best.PayloadBytes) {
				best = &c
			}
		}
		if best != nil {
			row = []string{cut, best.String(), fmt.Sprintf("%.1f", best.PayloadBytes), rateText(accuracy(*best)), fmt.Sprintf("%.2f", best.Loss)}
		}
		rows = append(rows, append(row, fmt.Sprint(count[plan.StatusTrained]), fmt.Sprint(count[plan.StatusFailed]), fmt.Sprint(count[plan.StatusScreened]), fmt.Sprint(count[plan.StatusSkipped])))
	}
	return writeTable(s.out, rows, 2, false)
}
