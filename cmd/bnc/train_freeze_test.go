package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/bundle"
)

// TestTrainFreezes: what is frozen keeps its bits in the joined network and in
// the halves, everything else changes.
func TestTrainFreezes(t *testing.T) {
	plugin(t)
	set := stripes(t, 64, 24)
	start := splitAt(t, stripeNet(t), "--c", "2", "--s", "2", "--calib", set)
	file := func(dir, part string) string { return filepath.Join(dir, part+".onnx") }
	// The network's weights and statistics, and the units', on either side of the codec.
	front, back := strings.Fields("w1 g1 b1 mean1 var1"), strings.Fields("w2 g2 b2 mean2 var2 w3 b3")
	units := func(side string) (all []string) {
		for name := range initsOf(t, file(start, "bottlenet")) {
			if strings.HasPrefix(name, "bnc."+side) {
				all = append(all, name)
			}
		}
		return all
	}
	reduce, restore := units("reduce."), units("restore.")
	if len(reduce) != 10 || len(restore) != 10 { // two units a side, of five tensors each
		t.Fatalf("units %v and %v", reduce, restore)
	}
	statistic := func(name string) bool { return strings.HasSuffix(name, ".mean") || strings.HasSuffix(name, ".var") }
	weights := slices.DeleteFunc(slices.Concat(reduce, restore), statistic)
	for _, c := range []struct {
		freeze string
		change [][]string
	}{
		{"none", [][]string{front, reduce, restore, back}},
		{"backbone", [][]string{weights}},
		{"backbone --statistics batch", [][]string{reduce, restore}},
		{"mobile", [][]string{restore, back}},
		{"cloud", [][]string{front, reduce}},
	} {
		dir := copyOf(t, start)
		trained(t, slices.Concat([]string{dir, "--data", set, "--keep-last", "--freeze"}, strings.Fields(c.freeze), few)...)
		want := slices.Sorted(slices.Values(slices.Concat(c.change...)))
		got := changed(initsOf(t, file(start, "bottlenet")), initsOf(t, file(dir, "bottlenet")))
		// Where all of a unit's activations are positive, the normalisation behind
		// it takes a shift away, and there is nothing to learn for this one.
		shift := func(name string) bool { return name == "bnc.restore.spatial.bn.beta" && slices.Contains(want, name) }
		if got, want := slices.DeleteFunc(got, shift), slices.DeleteFunc(slices.Clone(want), shift); !slices.Equal(got, want) {
			t.Errorf("--freeze %s changed %v, expected %v", c.freeze, got, want)
		}
		for _, part := range []string{"mobile", "cloud"} {
			same := graphOf(t, file(start, part)) == graphOf(t, file(dir, part))
			if same != (c.freeze == part) {
				t.Errorf("--freeze %s: %s.onnx but its metadata is as it was: %v", c.freeze, part, same)
			}
			for _, name := range changed(initsOf(t, file(start, part)), initsOf(t, file(dir, part))) {
				if strings.HasPrefix(c.freeze, "backbone") && !strings.HasPrefix(name, "bnc.") {
					t.Errorf("--freeze backbone changed %s of %s.onnx", name, part)
				}
			}
		}
	}
}

// TestTrainDistils learns from the original model, with labels and without, and
// only from the original.
func TestTrainDistils(t *testing.T) {
	plugin(t)
	net, set := stripeNet(t), stripes(t, 64, 24)
	flat := t.TempDir()
	stripeFolder(t, flat, 48, false, nil)
	start := splitAt(t, net, "--c", "2", "--s", "2")
	other := filepath.Join(t.TempDir(), "other.onnx")
	b, err := os.ReadFile(net)
	if err != nil {
		t.Fatal(err)
	}
	write(t, other, append(b, 0x32, 0)) // an empty doc_string more

	dir := copyOf(t, start)
	r := trained(t, slices.Concat([]string{dir, "--data", flat, "--distill", "--teacher", net, "--freeze", "backbone"}, few)...)
	if r.Top1 != nil || r.Agreement == nil || r.Epochs[0].Top1 != nil {
		t.Errorf("without labels: top-1 %v, agreement %v", r.Top1, r.Agreement)
	}
	if !metaOf(t, dir).Backbone {
		t.Error("--freeze backbone: the weights are said not to be the original's")
	}
	agreement := *evaluated(t, dir, "--data", set, "--teacher", net).Agreement
	// Again, with the bundle's own network for teacher, which it still is.
	r = trained(t, slices.Concat([]string{dir, "--data", set, "--distill"}, few)...)
	if r.Top1 == nil || r.Agreement == nil || metaOf(t, dir).Backbone {
		t.Errorf("with labels: top-1 %v, agreement %v, backbone %v", r.Top1, r.Agreement, metaOf(t, dir).Backbone)
	}
	t.Logf("agreement %v, then %v", agreement, *r.Agreement)

	// Now the weights are others, and somebody has to name the teacher.
	before := tree(t, dir)
	for _, c := range []struct {
		args    string
		code    int
		message string
	}{
		{"--distill", exitUsage, "--teacher"},
		{"--distill --teacher " + other, exitUnusable, "SHA-256"},
		{"--distill --teacher nowhere.onnx", exitUnusable, "nowhere.onnx"},
	} {
		_, stderr, code := tryBnc(t, slices.Concat([]string{"train", dir, "--data", set}, few, strings.Fields(c.args))...)
		if code != c.code || !strings.Contains(stderr, c.message) || !sameTree(before, tree(t, dir)) {
			t.Errorf("%s: exit code %d, expected %d with %q: %s", c.args, code, c.code, c.message, stderr)
		}
	}
	trained(t, slices.Concat([]string{dir, "--data", set, "--distill", "--teacher", net, "--temperature", "3"}, few)...)

	// The restored tensor comes to resemble what it stands for.
	loss := func(weight string) float64 {
		r := trained(t, slices.Concat([]string{copyOf(t, start), "--data", set, "--distill", "--freeze", "backbone", "--feature-weight", weight}, few)...)
		return r.Epochs[1].Loss
	}
	if with, without := loss("1"), loss("0"); with <= without {
		t.Errorf("loss %v with --feature-weight 1, %v without", with, without)
	}
}

// TestTrainWorse: a calibrated bottleneck that training makes worse stays as it
// was, but with --keep-last.
func TestTrainWorse(t *testing.T) {
	plugin(t)
	set := stripes(t, 64, 24)
	net := stripeNet(t)
	wide, narrow := splitAt(t, net, "--c", "6", "--s", "1", "--calib", set), splitAt(t, net, "--c", "1", "--s", "1")
	for _, c := range []struct {
		start, flags string
		stays        bool
	}{
		{wide, "--lr 3", true},
		{wide, "--lr 3 --keep-last", false},
		{narrow, "--lr 0.01 --no-calib", false},
	} {
		dir := copyOf(t, c.start)
		before := document(t, "eval", dir, "--data", set, "--teacher", net)["agreement"].(float64)
		out, stderr, code := tryBnc(t, slices.Concat([]string{"train", dir, "--data", set, "--distill", "--freeze", "backbone", "--feature-weight", "0", "--json"}, few, strings.Fields(c.flags))...)
		if code != exitDone || strings.Contains(stderr, "no epoch is better than the start") != c.stays || strings.Contains(out, `"kept_epoch": 0`) != c.stays {
			t.Errorf("%s: exit code %d: %s%s", c.flags, code, stderr, out)
		}
		if after := document(t, "eval", dir, "--data", set, "--teacher", net)["agreement"].(float64); (after == before) != c.stays {
			t.Errorf("%s: agreement %v before, %v after", c.flags, before, after)
		}
	}
}

// TestTrainTeacherPixels: teacher and student see the same pixels, prepared as the
// teacher's file says.
func TestTrainTeacherPixels(t *testing.T) {
	plugin(t)
	net, set := stripeNet(t), stripes(t, 64, 24)
	dir := t.TempDir()
	teacher, out := filepath.Join(dir, "teacher.onnx"), filepath.Join(dir, "o.onnx")
	trained(t, slices.Concat([]string{net, "--data", set, "-o", teacher, "--mean", "0.9", "--std", "0.05"}, few)...)
	args := slices.Concat([]string{net, "--data", set, "-o", out, "--distill", "--teacher", teacher}, few)
	r := trained(t, args...)
	if got := evaluated(t, out, "--data", set, "--teacher", teacher); *got.Agreement != *r.Agreement {
		t.Errorf("agreement %v, bnc eval says %v", *r.Agreement, *got.Agreement)
	}
	if _, stderr, code := tryBnc(t, slices.Concat([]string{"train"}, args, []string{"--mean", "0.5", "--std", "0.2"})...); code != exitUsage || !strings.Contains(stderr, "mean [0.9]") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestTrainQuality: a trained bundle's quality changes, and nothing else. The halves
// then do what bnc eval said of that quality.
func TestTrainQuality(t *testing.T) {
	plugin(t)
	set := stripes(t, 64, 24)
	dir := splitAt(t, stripeNet(t), "--c", "3", "--s", "1", "--calib", set)
	trained(t, slices.Concat([]string{dir, "--data", set}, few)...)
	sweep := evaluated(t, dir, "--data", set, "--quality", "20,1").Sweep
	low := filepath.Join(t.TempDir(), "low")
	r := trained(t, dir, "--data", set, "--quality", "1", "--epochs", "0", "-o", low)
	if r.Kept != 0 || len(r.Epochs) != 0 || *r.PayloadBytes != sweep[1].PayloadBytes || *r.Top1 != *sweep[1].Top1 || sweep[1].PayloadBytes >= sweep[0].PayloadBytes {
		t.Errorf("%+v, bnc eval says %+v", r, sweep)
	}
	before, after := metaOf(t, dir), metaOf(t, low)
	if after.Quality != 1 || after.Pair == before.Pair || after.Backbone != before.Backbone {
		t.Errorf("metadata %+v, before %+v", after, before)
	}
	if !maps.Equal(initsOf(t, filepath.Join(dir, bundle.JoinedFile)), initsOf(t, filepath.Join(low, bundle.JoinedFile))) {
		t.Error("weights changed")
	}
	likeJoined(t, low, set, 1e-3) // as TestTrainBundle
	// In place, with what another training has left.
	write(t, filepath.Join(dir+".train", "checkpoint"), []byte("of another training"))
	left := tree(t, dir+".train")
	trained(t, dir, "--data", set, "--quality", "1", "--epochs", "0")
	if metaOf(t, dir).Quality != 1 || len(left) < 3 || !sameTree(left, tree(t, dir+".train")) {
		t.Errorf("quality %d; the folder of the training had %d files, or they changed", metaOf(t, dir).Quality, len(left))
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{dir, "--epochs", "0", "--quality", "5", "--resume"}, "--resume"},
		{[]string{dir, "--epochs", "0"}, "--quality"},
		{[]string{dir, "--quality", "101"}, "1 to 100"},
		{[]string{stripeNet(t), "--quality", "10", "-o", low + ".onnx"}, "--quality"},
		{[]string{stripeNet(t), "--quality", "10", "--epochs", "0", "-o", low + ".onnx"}, "--quality"},
	} {
		if _, stderr, code := tryBnc(t, append([]string{"train", "--data", set}, c.args...)...); code != exitUsage || !strings.Contains(stderr, c.says) {
			t.Errorf("%v: exit code %d: %s", c.args, code, stderr)
		}
	}
}

// TestTrainRate: where the size of payloads counts, they become smaller.
func TestTrainRate(t *testing.T) {
	plugin(t)
	set := stripes(t, 64, 24)
	start := splitAt(t, stripeNet(t), "--c", "2", "--s", "1", "--calib", set)
	size := func(weight string) float64 {
		r := trained(t, slices.Concat([]string{copyOf(t, start), "--data", set, "--keep-last"}, few, []string{"--epochs", "12", "--rate-weight", weight})...)
		return *r.PayloadBytes
	}
	with, without := size("0.01"), size("0")
	if with >= without {
		t.Errorf("%v bytes with --rate-weight 0.01, %v without", with, without)
	}
	for _, option := range []string{"--rate-weight", "--target-bytes"} {
		for _, other := range [][]string{{"--naive"}, {"--freeze", "mobile"}} {
			if _, stderr, code := tryBnc(t, slices.Concat([]string{"train", start, "--data", set, option, "1"}, other)...); code != exitUsage || !strings.Contains(stderr, other[0]) || !strings.Contains(stderr, option) {
				t.Errorf("%s with %v: exit code %d: %s", option, other, code, stderr)
			}
		}
	}
}

// TestTrainTarget: payloads end below their target and not far below, by the weight of a byte
// alone, where a quality that is given stays, and with the quality that they need.
func TestTrainTarget(t *testing.T) {
	plugin(t)
	set := stripes(t, 256, 64)
	for _, c := range []struct {
		codec, quality string
		given          []string
		least          float64 // of the target
	}{
		{"jpeg", "20", []string{"--quality", "20"}, 0.75}, // the weights alone follow, and late
		{"transform", "70", nil, 0.9},
	} {
		start := splitAt(t, stripeNet(t), "--c", "4", "--s", "1", "--calib", set, "--codec", c.codec)
		before := trained(t, copyOf(t, start), "--data", set, "--epochs", "0", "--quality", c.quality)
		target := 0.7 * *before.PayloadBytes
		r := trained(t, slices.Concat([]string{copyOf(t, start), "--data", set}, few, []string{"--epochs", "10", "--target-bytes", fmt.Sprint(target)}, c.given)...)
		if b := *r.PayloadBytes; b > target || b < c.least*target || *r.Top1 < 0.9 { // a guess is right in 0.25
			t.Errorf("%s: %s, with a target of %v bytes", c.codec, r.Judged.Text("top-1"), target)
		}
		if first, last := r.Epochs[0].ByteWeight, r.Epochs[9].ByteWeight; !(first > 0 && last > 0 && first != last) {
			t.Errorf("%s: a byte weighs %v in the first epoch, %v in the last", c.codec, first, last)
		}
	}
}
