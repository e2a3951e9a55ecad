package main

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/search"
)

// grid are the flags of a small search.
var grid = strings.Fields("--cuts r,q --c 1,3 --s 1,2 --epochs 2 --batch 16 --flip off --seed 5 --max-loss 5 --margin 15 --checkpoint-every 1ns")

// striped writes a network that can tell stripes, and the stripes.
func striped(t *testing.T) (net, set string) {
	t.Helper()
	plugin(t)
	set = stripes(t, 96, 48)
	net = filepath.Join(t.TempDir(), "net.onnx")
	mustBnc(t, "train", stripeNet(t), "--data", set, "--epochs", "8", "--batch", "16", "--flip", "off", "-o", net)
	return net, set
}

// spent is all that two runs of a search do not share. What they trained here is too
// small for the number of threads to change it.
var spent = regexp.MustCompile(`"(seconds|threads)": [0-9.e+-]+`)

// found reads a search's results, and their text without times.
func found(t *testing.T, dir string) (*plan.Results, string) {
	t.Helper()
	file := search.Dir(dir).ResultsFile()
	r, err := plan.OpenResults(file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return r, spent.ReplaceAllString(string(b), "")
}

// TestSearch searches in one go, by tasks in another order, in two processes, and
// killed on the way: the results are the same. What they say of a bundle, bnc eval
// says too.
func TestSearch(t *testing.T) {
	net, set := striped(t)
	args := func(dir string, more ...string) []string {
		return slices.Concat([]string{"search", net, "--data", set, "-o", dir}, grid, more)
	}
	whole := filepath.Join(t.TempDir(), "whole")
	mustBnc(t, args(whole)...)
	r, want := found(t, whole)
	if len(r.Candidates) != 8 || r.Baseline.Primary == nil || *r.Baseline.Primary != *evaluated(t, net, "--data", set).Top1 {
		t.Fatalf("%d candidates, baseline %v", len(r.Candidates), r.Baseline.Primary)
	}
	count := map[string]int{}
	for _, c := range r.Candidates {
		count[c.Status]++
		if c.Status != plan.StatusTrained {
			if c.Reason == "" {
				t.Errorf("%s is %s without a reason", c, c.Status)
			}
			continue
		}
		dir := filepath.Join(whole, c.Bundle)
		meta := metaOf(t, dir)
		got := evaluated(t, dir, "--data", set, "--teacher", net)
		if meta.Tensor != c.Tensor || meta.Channels[0] != c.C || meta.Stride[0] != c.S || meta.SourceSHA256 != r.SourceSHA256 {
			t.Errorf("%s: its bundle is of %s, c %d, s %d", c, meta.Tensor, meta.Channels, meta.Stride)
		}
		if got.Top1 == nil || *got.Top1 != *c.Primary || got.PayloadBytes.Mean != c.PayloadBytes {
			t.Errorf("%s: top-1 %v and %v bytes, bnc eval says %+v", c, *c.Primary, c.PayloadBytes, got)
		}
		if c.PayloadMax != got.PayloadBytes.Max || c.PayloadP95 != got.PayloadBytes.P95 || *c.Interval != got.Primary.Interval || *c.DeviceMACs != *got.DeviceMACs || *c.DeviceShare != *got.DeviceShare ||
			math.Abs(c.LossInterval[0]+100*got.Paired.Interval[1]) > 1e-9 || math.Abs(c.LossInterval[1]+100*got.Paired.Interval[0]) > 1e-9 || math.Abs(c.Loss+100*got.Paired.Difference) > 1e-6 {
			t.Errorf("%s: %+v, loses %v; bnc eval says %+v, %+v, %+v", c, c.Axes, c.Loss, got.PayloadBytes, got.Primary, got.Paired)
		}
	}
	if count[plan.StatusTrained] < 3 || count[plan.StatusTrained] == 8 {
		t.Errorf("%v: expected trainings at both cuts and something pruned", count)
	}
	for _, left := range []string{"cache/*", "work/*", "bundles/*.train/checkpoint"} {
		if files, _ := filepath.Glob(filepath.Join(whole, left)); files != nil {
			t.Errorf("%v are left over", files)
		}
	}

	t.Run("tasks", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "tasks")
		planArgs := args(dir)
		mustBnc(t, slices.Insert(planArgs, 1, "plan")...)
		if _, stderr, code := tryBnc(t, "search", "collect", "-o", dir); code != exitFailed || !strings.Contains(stderr, "8 of 8 candidates are not finished") {
			t.Errorf("exit code %d, %s", code, stderr)
		}
		for _, index := range []string{"7", "6", "0", "1", "2", "3", "4", "5", "3"} {
			mustBnc(t, "search", "run", "-o", dir, "--index", index)
		}
		mustBnc(t, "search", "collect", "-o", dir)
		if _, got := found(t, dir); got != want {
			t.Errorf("results\n%s\nexpected\n%s", got, want)
		}
	})
	t.Run("jobs", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "jobs")
		if out, err := bncProcess(t, args(dir, "--jobs", "2")...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if _, got := found(t, dir); got != want {
			t.Errorf("results\n%s\nexpected\n%s", got, want)
		}
	})
	t.Run("killed", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "killed")
		kills := 0
		for _, when := range []string{"candidates/0000.json", "bundles/*.train/checkpoint", "bundles/*-s*/mobile.onnx"} {
			if killWhen(t, dir, when, args(dir)...) {
				kills++
			}
		}
		before := tree(t, filepath.Join(dir, "candidates"))
		mustBnc(t, args(dir)...)
		if _, got := found(t, dir); got != want {
			t.Errorf("results\n%s\nexpected\n%s", got, want)
		}
		for name, text := range before {
			if strings.Contains(text, `"trained"`) && tree(t, filepath.Join(dir, "candidates"))[name] != text {
				t.Errorf("%s was finished and is done again", name)
			}
		}
		if kills < 2 {
			t.Errorf("killed %d times only", kills)
		}
	})
	t.Run("other flags", func(t *testing.T) {
		if _, stderr, code := tryBnc(t, args(whole, "--max-loss", "4")...); code != exitUsage || !strings.Contains(stderr, "max_loss is 5 there and 4 now") {
			t.Errorf("exit code %d, %s", code, stderr)
		}
	})
}

// killWhen starts a search and kills it as soon as there is a file of a pattern
// that was not there before. It reports whether it was still going on.
func killWhen(t *testing.T, dir, pattern string, args ...string) bool {
	t.Helper()
	old, _ := filepath.Glob(filepath.Join(dir, pattern))
	c := bncProcess(t, args...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- c.Wait() }()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-exited:
			if err != nil {
				t.Fatal(err)
			}
			return false
		case <-look.C:
			if now, _ := filepath.Glob(filepath.Join(dir, pattern)); len(now) > len(old) {
				c.Process.Kill()
				<-exited
				return true
			}
		}
	}
}

// TestSearchExhaustive trains everything, each from the model's own weights: the
// first training at a cut is that of a pruned search.
func TestSearchExhaustive(t *testing.T) {
	net, set := striped(t)
	dir := filepath.Join(t.TempDir(), "found")
	var r plan.Results
	out := mustBnc(t, slices.Concat([]string{"search", net, "--data", set, "-o", dir, "--exhaustive", "--json"}, strings.Fields("--cuts q --c 1,full,99 --s 2 --epochs 1 --batch 16 --flip off"))...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range r.Candidates {
		got = append(got, c.Status)
		if c.C == 99 && !strings.Contains(c.Reason, "99") {
			t.Errorf("%s: %s", c, c.Reason)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{plan.StatusSkipped, plan.StatusTrained, plan.StatusTrained}) {
		t.Errorf("%q", got)
	}
}

// TestSearchCodecs: a search tries all codecs and qualities, its bundles are coded as the results
// say, and so do profile, selection and report.
func TestSearchCodecs(t *testing.T) {
	net, set := striped(t)
	work := t.TempDir()
	dir, profile := filepath.Join(work, "found"), filepath.Join(work, "device.json")
	mustBnc(t, strings.Fields("search "+net+" --data "+set+" -o "+dir+" --codec auto --quality 20,50 --cuts q --epochs 1 --batch 16 --flip off --max-loss 100 --s 1 --c 2,3 --exhaustive")...)
	r, _ := found(t, dir)
	coded := map[plan.Coding]int{}
	for _, c := range r.Candidates {
		if coded[c.Coding]++; c.Status != plan.StatusTrained {
			t.Fatalf("%s is %s: %s", c, c.Status, c.Reason)
		}
		b, err := bundle.Open(filepath.Join(dir, c.Bundle))
		if err != nil {
			t.Fatal(err)
		}
		// Channels of which nothing is sent are taken out when it is trained.
		if b.Meta.Codec != c.Codec || b.Meta.Quality != c.Quality || b.Meta.Channels[0] > c.C || c.Codec == bnc.DefaultCodec && b.Meta.Channels[0] != c.C {
			t.Errorf("%s: its bundle has %d channels in codec %s at quality %d", c, b.Meta.Channels[0], b.Meta.Codec, b.Meta.Quality)
		}
	}
	if want := (map[plan.Coding]int{{Codec: "jpeg", Quality: 20}: 2, {Codec: "jpeg", Quality: 50}: 2, {Codec: "transform", Quality: 20}: 2, {Codec: "transform", Quality: 50}: 2}); !maps.Equal(coded, want) {
		t.Errorf("tried %v, expected %v", coded, want)
	}
	var small *plan.Candidate
	for i, c := range r.Candidates {
		if small == nil || c.PayloadBytes < small.PayloadBytes {
			small = &r.Candidates[i]
		}
	}
	mustBnc(t, "profile", net, filepath.Join(dir, small.Bundle), "--runs", "20", "-o", profile)
	var chosen plan.Selection
	if err := json.Unmarshal([]byte(mustBnc(t, "select", "--results", search.Dir(dir).ResultsFile(), "--profile", profile, "--network", "3g", "--json")), &chosen); err != nil {
		t.Fatal(err)
	}
	if c := chosen.Choice; c == nil || c.Coding != small.Coding || c.Bundle != small.Bundle {
		t.Errorf("selected %+v, expected %s", c, small)
	}
	page := mustBnc(t, "report", "--results", search.Dir(dir).ResultsFile(), "--profile", profile, "--markdown", "-", "-o", filepath.Join(work, "report.html"))
	if !strings.Contains(page, "| codec |") || !strings.Contains(page, "transform q=20") || !strings.Contains(page, "jpeg q=50") {
		t.Errorf("the report does not name the codecs:\n%s", page)
	}
}

// TestSearchResidual searches the residual blocks of a ResNet-20 without labels:
// what is lost is agreement with the model.
func TestSearchResidual(t *testing.T) {
	plugin(t)
	net := filepath.Join(t.TempDir(), "net.onnx")
	mustBnc(t, "models", "resnet20", "--classes", "4", "--input", "1x12x12", "-o", net)
	photos := t.TempDir()
	stripeFolder(t, photos, 40, false, nil)
	dir := filepath.Join(t.TempDir(), "found")
	mustBnc(t, strings.Fields("search "+net+" --data "+photos+" --val "+photos+" --distill --cuts rb1,rb9 --c 1,2 --s 2 --epochs 1 --batch 8 --margin 100 --max-loss 100 -o "+dir)...)
	r, _ := found(t, dir)
	warm := map[string]int{}
	if r.Baseline.Primary != nil || r.Baseline.Agreement == nil || *r.Baseline.Agreement != 1 {
		t.Errorf("baseline %+v", r.Baseline)
	}
	for _, c := range r.Candidates {
		if c.Settings["warm_from"] != nil {
			warm[c.Cut]++
		}
		if c.Status != plan.StatusTrained || c.Agreement == nil || c.Primary != nil || c.Loss != 100*(1-*c.Agreement) {
			t.Errorf("%s: %+v", c, c)
		}
		// Wilson's interval of an agreement of 1 ends there.
		if i := c.LossInterval; i == nil || i[0] > c.Loss+1e-9 || i[1] <= c.Loss || c.DeviceShare == nil || *c.DeviceShare <= 0 || *c.DeviceShare > 1.1 {
			t.Errorf("%s: %+v", c, c.Axes)
		}
		if _, err := bundle.Open(filepath.Join(dir, c.Bundle)); err != nil {
			t.Error(err)
		}
	}
	if !maps.Equal(warm, map[string]int{"rb1": 1, "rb9": 1}) {
		t.Errorf("warm starts %v: expected the second training of each cut", warm)
	}
}

func TestSearchUsage(t *testing.T) {
	net, set := stripeNet(t), stripes(t, 16, 8)
	plugin(t)
	dir := t.TempDir()
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"NET --data SET", exitUsage, "-o is missing"},
		{"NET -o DIR/x", exitUsage, "--data is missing"},
		{"--data SET -o DIR/x", exitUsage, "expected one model"},
		{"NET --data SET -o DIR/x --c none", exitUsage, "--c"},
		{"NET --data SET -o DIR/x --s 5", exitUsage, "--s 5"},
		{"NET --data SET -o DIR/x --max-loss -1", exitUsage, "--max-loss"},
		{"NET --data SET -o DIR/x --max-loss NaN", exitUsage, "--max-loss"},
		{"NET --data SET -o DIR/x --cache-bytes much", exitUsage, "--cache-bytes"},
		{"NET --data SET -o DIR/x --jobs 0", exitUsage, "--jobs"},
		{"NET --data SET -o DIR/x --cuts rb1", exitUnusable, "rb1"},
		{"NET --data DIR/none -o DIR/x", exitUnusable, "none"},
		{"run -o DIR/none --index 0", exitUnusable, "plan.json"},
		{"collect -o DIR/none", exitUnusable, "plan.json"},
	} {
		args := strings.Fields(strings.NewReplacer("NET", net, "SET", set, "DIR", dir).Replace(c.args))
		if _, stderr, code := tryBnc(t, append([]string{"search"}, args...)...); code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("bnc search %s: exit code %d, %s", c.args, code, stderr)
		}
	}
	if left := tree(t, dir); len(left) != 1 {
		t.Errorf("left %v", names(left))
	}
}

// TestSearchWrongFlags: nothing is planned with flags of a split or a training that
// cannot be.
func TestSearchWrongFlags(t *testing.T) {
	net, set := striped(t)
	for _, wrong := range []string{"--quality 0", "--quality 101", "--codec gif", "--bits 9", "--batch 1000", "--scores nix"} {
		dir := filepath.Join(t.TempDir(), "s")
		_, stderr, code := tryBnc(t, slices.Concat([]string{"search", "plan", net, "--data", set, "-o", dir}, strings.Fields(wrong))...)
		if _, err := os.Stat(search.Dir(dir).PlanFile()); code == exitDone || err == nil || !strings.Contains(stderr, strings.Fields(wrong)[1]) {
			t.Errorf("%s: exit code %d, planned %v: %s", wrong, code, err == nil, stderr)
		}
	}
}
