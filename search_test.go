package bnc

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/search"
	"github.com/bottlenet/bnc/runtime/train"
)

// TestOptionsOfFlags gives what every flag of an older plan stands for.
func TestOptionsOfFlags(t *testing.T) {
	var train TrainOptions
	if err := search.OptionsOfFlags([]string{
		"--data=2024", "--val=true", "--val-split=0.2", "--limit=64", "--val-limit=32", "--epochs=3", "--batch=16", "--freeze=backbone", "--distill=true", "--loss=mse",
		"--label-smoothing=0.1", "--temperature=2", "--feature-weight=0.5", "--rate-weight=0", "--optimizer=adam", "--lr=0.02", "--momentum=0.8", "--weight-decay=0",
		"--clip-norm=1", "--schedule=step", "--warmup=0", "--random-resized-crop=0.35,1", "--random-crop=1", "--flip=off", "--statistics=batch", "--layout=nchw",
		"--scores=1e3", "--checkpoint-every=1.5s", "--input=a=b=1x3x8x8", "--input=c=2,4", "--color=bgr", "--resize=0", "--crop=8x9", "--orient=false", "--scale=0.5",
		"--mean=0.4,0.500000,1", "--std=0.3",
	}, &train); err != nil {
		t.Fatal(err)
	}
	want := TrainOptions{
		Data: "2024", Val: "true", ValSplit: new(0.2), Limit: 64, ValLimit: 32, Epochs: 3, Batch: 16, Freeze: "backbone", Distill: true, Loss: "mse",
		LabelSmoothing: 0.1, Temperature: new(2.0), FeatureWeight: new(0.5), Optimizer: "adam", LR: 0.02, Momentum: new(0.8), WeightDecay: new(0.0),
		ClipNorm: new(1.0), Schedule: "step", Warmup: new(0.0), RandomResizedCrop: "0.35,1", RandomCrop: "1", Flip: "off", Statistics: "batch", Layout: "nchw",
		Scores: "1e3", CheckpointEvery: new(1500 * time.Millisecond), Input: map[string][]int64{"a=b": {1, 3, 8, 8}, "c": {2, 4}},
		ImageOptions: ImageOptions{Overrides: imagein.Overrides{Color: "bgr", Resize: new(0), Crop: [2]int{8, 9}, Orient: new(false), Scale: new(0.5), Mean: []float64{0.4, 0.5, 1}, Std: []float64{0.3}}},
	}
	if !reflect.DeepEqual(train, want) {
		t.Errorf("%+v\nexpected\n%+v", train, want)
	}
	var split SplitOptions
	if err := search.OptionsOfFlags([]string{"--bits=7", "--quality=30", "--codec-at=device-host", "--restore-width=2"}, &split); err != nil {
		t.Fatal(err)
	}
	if want := (SplitOptions{Bits: 7, Quality: 30, CodecAt: "device-host", RestoreWidth: 2}); !reflect.DeepEqual(split, want) {
		t.Errorf("%+v, expected %+v", split, want)
	}
	for _, wrong := range []string{"data", "--epochs=three", "--colour=rgb", "--crop=8xy", "--input=1x2", "--checkpoint-every=soon", "--rate-weight=1e-05"} {
		if err := search.OptionsOfFlags([]string{wrong}, &train); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}

// TestOptionsAsJSON: a plan's options are what they were when they are read again.
func TestOptionsAsJSON(t *testing.T) {
	o := SearchOptions{
		Options: search.Options{Out: "found", Strides: []int{2}, MaxLoss: new(0.0), CacheBytes: 5}, Cuts: []string{"rb1"}, Channels: []Channels{1, Full},
		Train: TrainOptions{Data: "set", ValSplit: new(0.0), Input: map[string][]int64{"x": {1}}, ImageOptions: ImageOptions{Overrides: imagein.Overrides{Resize: new(0), Mean: []float64{1}}}},
		Split: SplitOptions{Bits: 7, CodecAt: "host"},
	}
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var again SearchOptions
	if err := json.Unmarshal(b, &again); err != nil || !reflect.DeepEqual(o, again) {
		t.Errorf("%+v, %v\nexpected\n%+v", again, err, o)
	}
}

// TestKeptPlan: the settings of an older plan are those of a plan that is made today of
// the same options.
func TestKeptPlan(t *testing.T) {
	inKept(t)
	o := SearchOptions{
		Options: search.Options{Out: "planned", Strides: []int{2}, MaxLoss: new(60.0), Margin: new(100.0), Seed: 2, Threads: 1}, Cuts: []string{"q", "r"}, Channels: []Channels{2, Full},
		Train: TrainOptions{
			Data: "set", Epochs: 1, Batch: 8, Distill: true, Freeze: "backbone", LR: 0.02, Optimizer: "adam", Flip: "off", RandomCrop: "1", Temperature: new(2.0), Limit: 64, ValLimit: 32,
			Schedule: "cosine", Layout: "auto", // the defaults
			ImageOptions: ImageOptions{Overrides: imagein.Overrides{Resize: new(12), Mean: []float64{0.4}, Std: []float64{0.3}}},
		},
		Split: SplitOptions{Quality: 30, Bits: 7, CodecAt: "device-host", RestoreWidth: 2},
	}
	if _, err := PlanSearch(t.Context(), "trained.onnx", o); err != nil {
		t.Fatal(err)
	}
	kept, err := search.Dir("planned").OpenPlan(upgradePlan)
	if err != nil {
		t.Fatal(err)
	}
	o.Out = "anew"
	today, err := PlanSearch(t.Context(), "trained.onnx", o)
	if err != nil {
		t.Fatal(err)
	}
	if err := today.Same(kept); err != nil {
		t.Error(err)
	}
	o.Split.Bits = 6
	if _, err := PlanSearch(t.Context(), "trained.onnx", o); KindOf(err) != Usage || !strings.Contains(fmt.Sprint(err), "settings is") {
		t.Errorf("another plan: %v", err)
	}
}

// TestSearchKilledAtTheEnd: a candidate that was trained, and whose result was not yet
// noted, is not trained again.
func TestSearchKilledAtTheEnd(t *testing.T) {
	inKept(t)
	said := new(spoken)
	o := SearchOptions{
		Options: search.Options{Out: "ended", Exhaustive: true, Strides: []int{2}, Threads: 1}, Cuts: []string{"q"}, Channels: []Channels{1}, Reporter: said,
		Train: TrainOptions{Data: "set", Epochs: 2, Batch: 16, Flip: "off"},
	}
	p, err := PlanSearch(t.Context(), "trained.onnx", o)
	if err != nil {
		t.Fatal(err)
	}
	train := func() (search.Outcome, string) {
		said.lines = nil
		s, closing, err := o.trainer(t.Context(), p, progress.Progress{To: said})
		if err != nil {
			t.Fatal(err)
		}
		defer closing()
		outcome, err := s.Train(t.Context(), p.Candidates[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		return outcome, strings.Join(said.lines, "\n")
	}
	first, lines := train()
	if !strings.Contains(lines, "epoch 2:") {
		t.Fatalf("it did not train: %s", lines)
	}
	trained := filesBelow(t, filepath.Join(o.Out, first.Bundle))
	again, lines := train()
	if strings.Contains(lines, "epoch 1:") || strings.Contains(lines, "epoch 2:") || *again.Primary != *first.Primary || !maps.Equal(filesBelow(t, filepath.Join(o.Out, first.Bundle)), trained) {
		t.Errorf("it was trained again: %s", lines)
	}
	for range 2 { // the second time it is final
		if err := RunSearch(t.Context(), 0, o); err != nil {
			t.Fatal(err)
		}
	}
	for _, left := range []string{"work/*", "locks/*", "bundles/*.train/checkpoint*"} {
		if files, _ := filepath.Glob(filepath.Join(o.Out, left)); files != nil {
			t.Errorf("%v are left over", files)
		}
	}
}

// TestSearchWarmStart: a bundle that begins with another one's weights computes,
// without its bottleneck, what that one computes without its own.
func TestSearchWarmStart(t *testing.T) {
	inKept(t)
	const net = "trained.onnx"
	for dir, channels := range map[string]Channels{"from": 1, "start": 3} {
		if _, err := Split(t.Context(), net, SplitOptions{After: "q", Channels: []Channels{channels}, Stride: []int{2}, Out: dir}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Train(t.Context(), "from", TrainOptions{Data: "set", Epochs: 1, Batch: 16, KeepLast: true}); err != nil {
		t.Fatal(err)
	}
	o := TrainOptions{Data: "set"}
	whole, err := openWhole(t.Context(), net, o, progress.Progress{})
	if err != nil {
		t.Fatal(err)
	}
	weights := func(dir string) map[string]string {
		m, err := onnx.Load(filepath.Join(dir, bundle.JoinedFile))
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		for _, v := range m.Graph.Inits() {
			if !strings.HasPrefix(v.Name(), "bnc.") {
				all[v.Name()] = fmt.Sprint(v.Init().Floats())
			}
		}
		return all
	}
	before, want := weights("start"), weights("from")
	if maps.Equal(before, want) {
		t.Fatal("the training changed nothing")
	}
	if err := (maker{}).Warm(t.Context(), "start", filepath.Join("from", bundle.JoinedFile), o, whole.Sets); err != nil {
		t.Fatal(err)
	}
	if got := weights("start"); !maps.Equal(got, want) {
		t.Errorf("weights\n%v\nexpected\n%v", got, want)
	}
	head, err := model.ReadFile(filepath.Join("start", bundle.JoinedFile))
	if err != nil {
		t.Fatal(err)
	}
	if meta, err := bundle.ParseMeta(head.Metadata); err != nil || meta.Backbone || !meta.Calibrated || meta.Channels[0] != 3 {
		t.Errorf("%+v, %v", meta, err)
	}
}

// TestTrainKilledAtTheEnd: a training that was killed when its bundle was in place, and
// its checkpoint not yet removed, is done; Resume says what it gave.
func TestTrainKilledAtTheEnd(t *testing.T) {
	inKept(t)
	for _, naive := range []bool{false, true} {
		dir := fmt.Sprint("naive-", naive)
		if err := os.CopyFS(dir, os.DirFS("bundles/dynamic")); err != nil {
			t.Fatal(err)
		}
		o := TrainOptions{Data: "set", Epochs: 2, Batch: 16, Flip: "off", Naive: naive}
		whole, err := trained(t.Context(), dir, o, func(run *train.Training) { run.Keep = true })
		if err != nil {
			t.Fatal(err)
		}
		done := filesBelow(t, dir)
		o.Resume = true
		again, err := Train(t.Context(), dir, o)
		if err != nil || !reflect.DeepEqual(again, whole) {
			t.Errorf("%+v, %v\nexpected\n%+v", again, err, whole)
		}
		if !maps.Equal(filesBelow(t, dir), done) {
			t.Error("the bundle is another")
		}
		left := filesBelow(t, dir+".train")
		delete(left, "log.jsonl")
		delete(left, "curves.html")
		if len(left) > 0 {
			t.Errorf("left %v", left)
		}
	}
}

// TestSearchJobs: two workers of one process find what one finds.
func TestSearchJobs(t *testing.T) {
	inKept(t)
	find := func(dir string, jobs int) []plan.Candidate {
		o := SearchOptions{
			Options: search.Options{Out: dir, Strides: []int{1, 2}, MaxLoss: new(5.0), Margin: new(15.0), Seed: 5, Jobs: jobs, Threads: 1},
			Cuts:    []string{"r", "q"}, Channels: []Channels{1, 3}, Train: TrainOptions{Data: "set", Epochs: 2, Batch: 16, Flip: "off"},
		}
		r, err := Search(t.Context(), "trained.onnx", o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.Candidates {
			c := &r.Candidates[i]
			c.Seconds = 0
			if s, ok := c.Settings["screening"].(map[string]any); ok {
				delete(s, "seconds")
			}
		}
		return r.Candidates
	}
	if one, two := find("one", 1), find("two", 2); !reflect.DeepEqual(one, two) {
		t.Errorf("two workers find\n%+v\none\n%+v", two, one)
	}
}
