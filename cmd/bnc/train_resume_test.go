package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wideNet writes a network like stripeNet, but with 55 kB of weights behind the cut.
func wideNet(t *testing.T) string {
	t.Helper()
	return fromText(t, fmt.Sprintf(`<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,1,12,12] x) => (float[batch,4] y) <%s> {
		a = Conv <strides = [2,2], pads = [1,1,1,1]> (x, w1)
		n = BatchNormalization (a, g1, b1, mean1, var1)
		r = Relu (n)
		c = Conv <pads = [1,1,1,1]> (r, w2)
		q = Relu (c)
		p = GlobalAveragePool (q)
		f = Flatten (p)
		y = Gemm <transB = 1> (f, w3, b3)
	}`, initsFor(`6,1,3,3 w1 0 0.5; 6 g1 1 0.05; 6 b1 0.2 0.05; 6 mean1 0 0.05; 6 var1 1 0.05;
		256,6,3,3 w2 0 0.1; 4,256 w3 0 0.05; 4 b3 0 0.05`)), nil)
}

// long are the flags of a training that is interrupted.
var long = strings.Fields("--epochs 5 --batch 8 --flip off --checkpoint-every 1ns --json")

// timings are the only numbers of a log that two runs do not share.
var timings = regexp.MustCompile(`"seconds":[^,}]*`)

// trainedFiles are a bundle's files and its training's log.
func trainedFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := tree(t, dir)
	log, err := os.ReadFile(dir + ".train/log.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	files["log"] = timings.ReplaceAllString(string(log), "")
	return files
}

func different(a, b map[string]string) (differ []string) {
	for _, name := range changed(a, b) {
		differ = append(differ, fmt.Sprintf("%s (%d and %d bytes)", name, len(a[name]), len(b[name])))
	}
	return differ
}

// killAt starts a training and kills it as soon as its log has that many lines.
// It reports whether the training was still going on.
func killAt(t *testing.T, dir string, lines int, c *exec.Cmd) bool {
	t.Helper()
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- c.Wait() }()
	for {
		select {
		case err := <-exited:
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
			return false
		default:
			if log, err := os.ReadFile(dir + ".train/log.jsonl"); err == nil && bytes.Count(log, []byte("\n")) >= lines {
				c.Process.Kill()
				<-exited
				return true
			}
		}
	}
}

// TestTrainSurvivesKill kills trainings, between checkpoints and in them, and
// goes on: the bundle and the log are those of a training in one go, bit for bit.
func TestTrainSurvivesKill(t *testing.T) {
	plugin(t)
	set := stripes(t, 64, 24)
	survivesKill(t, set, splitAt(t, stripeNet(t), "--c", "2", "--s", "2"), [][]int{{1, 20, 44}, {9, 10, 30}, {17, 18, 43}})
}

// TestTrainTargetSurvivesKill is the same where payloads are steered, and a codec's table is
// measured again after every epoch.
func TestTrainTargetSurvivesKill(t *testing.T) {
	plugin(t)
	set := stripes(t, 64, 24)
	start := splitAt(t, stripeNet(t), "--c", "4", "--s", "1", "--codec", "transform", "--quality", "70", "--calib", set)
	survivesKill(t, set, start, [][]int{{13, 21}}, "--target-bytes", "15")
}

// survivesKill kills trainings of a bundle when their logs have so many lines.
func survivesKill(t *testing.T, set, start string, kills [][]int, flags ...string) {
	t.Helper()
	args := func(dir string, more ...string) []string {
		return slices.Concat([]string{"train", dir, "--data", set}, long, flags, more)
	}
	whole := copyOf(t, start)
	mustBnc(t, args(whole)...)
	want := trainedFiles(t, whole)
	lines := strings.Count(want["log"], "\n")
	if lines != 5*(64/8)+5 {
		t.Fatalf("%d lines in the log:\n%s", lines, want["log"])
	}
	if left := names(tree(t, whole+".train")); !slices.Equal(left, []string{".", "curves.html", "log.jsonl"}) {
		t.Errorf("after the training there are %v", left)
	}
	for _, kills := range kills {
		dir := copyOf(t, start)
		done := 0
		for _, at := range kills {
			more := []string{}
			if _, err := os.Stat(dir + ".train/checkpoint"); err == nil {
				more = append(more, "--resume")
			}
			if !killAt(t, dir, at, bncProcess(t, args(dir, more...)...)) {
				break // it was faster than the kill
			}
			done++
			if now := tree(t, dir); sameTree(now, tree(t, whole)) {
				os.Remove(dir + ".train/checkpoint") // too late: the bundle was written
				break
			} else if !sameTree(now, tree(t, start)) {
				t.Fatalf("killed at line %d, the bundle is neither the old nor the new one", at)
			}
		}
		if done == 0 {
			t.Errorf("%v: no kill was in time", kills)
		}
		if _, err := os.Stat(dir + ".train/checkpoint"); err == nil {
			mustBnc(t, args(dir, "--resume")...)
		}
		if got := trainedFiles(t, dir); !sameTree(got, want) {
			t.Errorf("killed at lines %v: other %v; log\n%s\nexpected\n%s", kills[:done], different(got, want), got["log"], want["log"])
		}
	}
}

// TestTrainResumeRefuses whatever is not the training that was interrupted.
func TestTrainResumeRefuses(t *testing.T) {
	plugin(t)
	set, other := stripes(t, 64, 24), stripes(t, 80, 24)
	dir := splitAt(t, stripeNet(t), "--c", "2", "--s", "2")
	args := slices.Concat([]string{"train", dir, "--resume", "--data", set}, long)
	before := tree(t, filepath.Dir(dir))
	_, stderr, code := tryBnc(t, args...)
	if code != exitUsage || !strings.Contains(stderr, "there is no checkpoint") || !sameTree(before, tree(t, filepath.Dir(dir))) {
		t.Errorf("without a checkpoint: exit code %d: %s", code, stderr)
	}
	if !killAt(t, dir, 12, bncProcess(t, slices.Concat([]string{"train", dir, "--data", set}, long)...)) {
		t.Fatal("the training ended too soon")
	}
	if err := os.Remove(filepath.Join(dir+".train", "lock")); err != nil { // the next process does
		t.Fatal(err)
	}
	before = tree(t, filepath.Dir(dir))
	for _, more := range [][]string{
		{"--epochs", "6"}, {"--batch", "4"}, {"--lr", "0.01"}, {"--seed", "1"}, {"--freeze", "backbone"}, {"--data", other}, {"--flip", "on"},
		{"--distill"}, {"--naive"}, {"--loss", "mse"}, {"--optimizer", "adam"}, {"--schedule", "step"}, {"--warmup", "1"}, {"--keep-last"},
		{"--patience", "1"}, {"--mean", "0.3", "--std", "0.2"}, {"--random-crop", "1"}, {"--val", set + "/../none"}, {"--val-split", "0.9"},
	} {
		_, stderr, code := tryBnc(t, append(slices.Clone(args), more...)...)
		switch more[0] {
		case "--val":
			if code != exitUnusable {
				t.Errorf("%v: exit code %d: %s", more, code, stderr)
			}
		case "--val-split": // has no meaning for data that is divided
			if code != exitDone {
				t.Errorf("%v: exit code %d: %s", more, code, stderr)
			}
		default:
			if code != exitUsage || !strings.Contains(stderr, "--resume") || !sameTree(before, tree(t, filepath.Dir(dir))) {
				t.Errorf("%v: exit code %d: %s", more, code, stderr)
			}
		}
	}
}

// TestTrainInterrupted ends a training as Ctrl-C does.
func TestTrainInterrupted(t *testing.T) {
	plugin(t)
	set := stripes(t, 64, 24)
	dir := splitAt(t, stripeNet(t), "--c", "2", "--s", "2")
	before := tree(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	var out, stderr bytes.Buffer
	code := run(ctx, slices.Concat([]string{"train", dir, "--data", set}, long), &out, writerFunc(func(b []byte) (int, error) {
		if strings.HasPrefix(string(b), "epoch 2") {
			stop()
		}
		return stderr.Write(b)
	}))
	if code != exitInterrupted || out.Len() > 0 || !strings.Contains(stderr.String(), "--resume") || !sameTree(before, tree(t, dir)) {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, out.String(), stderr.String())
	}
	mustBnc(t, slices.Concat([]string{"train", dir, "--data", set, "--resume"}, long)...)
}

// TestTrainInterruptedEarly ends a training in its first epoch, long before a
// checkpoint is due: it goes on from there all the same, to the bit.
func TestTrainInterruptedEarly(t *testing.T) {
	plugin(t)
	set := stripes(t, 4096, 24)
	start := splitAt(t, stripeNet(t), "--c", "2", "--s", "2")
	args := func(dir string, more ...string) []string {
		return slices.Concat([]string{"train", dir, "--data", set}, strings.Fields("--epochs 2 --batch 8 --flip off --keep-last --json"), more)
	}
	whole, dir := copyOf(t, start), copyOf(t, start)
	mustBnc(t, args(whole)...)
	ctx, stop := context.WithCancel(t.Context())
	var stderr bytes.Buffer
	go func() {
		for ctx.Err() == nil {
			if log, err := os.ReadFile(dir + ".train/log.jsonl"); err == nil && bytes.Count(log, []byte("\n")) > 3 {
				stop()
			}
		}
	}()
	code := run(ctx, args(dir), io.Discard, &stderr)
	if code != exitInterrupted || !strings.Contains(stderr.String(), "--resume") || strings.Contains(stderr.String(), "epoch 1:") {
		t.Fatalf("exit code %d, stderr %q", code, stderr.String())
	}
	mustBnc(t, args(dir, "--resume")...)
	if got, want := trainedFiles(t, dir), trainedFiles(t, whole); !sameTree(got, want) {
		t.Errorf("other %v", different(got, want))
	}
}

// TestTrainResumeOtherImages: images of other names are another training.
func TestTrainResumeOtherImages(t *testing.T) {
	plugin(t)
	set, other := t.TempDir(), t.TempDir()
	for i, file := range stripeFolder(t, set, 48, false, nil) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(other, fmt.Sprintf("other%03d.png", i)), b)
	}
	dir := splitAt(t, stripeNet(t), "--c", "2", "--s", "2")
	args := func(set string, more ...string) []string {
		return slices.Concat([]string{"train", dir, "--data", set, "--distill"}, long, more)
	}
	if !killAt(t, dir, 12, bncProcess(t, args(set)...)) {
		t.Fatal("the training ended too soon")
	}
	if _, stderr, code := tryBnc(t, args(other, "--resume")...); code != exitUsage || !strings.Contains(stderr, "--resume") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if _, stderr, code := tryBnc(t, args(set)...); code != exitDone || !strings.Contains(stderr, "--resume would have gone on from it") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// onFullDisk is bnc with a limit on the size of files, as on a disk that is full.
func onFullDisk(t *testing.T, bytes int64, args ...string) *exec.Cmd {
	t.Helper()
	c := bncProcess(t, args...)
	// POSIX counts in blocks of 512 bytes.
	sh := exec.Command("sh", append([]string{"-c", fmt.Sprintf(`ulimit -f %d && exec "$@"`, bytes/512), "sh"}, c.Args...)...)
	sh.Env = c.Env
	return sh
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// TestTrainOnAFullDisk: where checkpoints cannot be written any more, the older
// one stays and the training goes on; where the bundle cannot be written, it
// stays whole and --resume writes what was learnt.
func TestTrainOnAFullDisk(t *testing.T) {
	plugin(t)
	set := stripes(t, 64, 24)
	start := splitAt(t, wideNet(t), "--c", "2", "--s", "2")
	run := func(dir string, more ...string) []string {
		// The best epoch's weights may be among those that cannot be written.
		return slices.Concat([]string{"train", dir, "--data", set, "--keep-last"}, long, more)
	}
	whole := copyOf(t, start)
	mustBnc(t, run(whole)...)
	want := trainedFiles(t, whole)

	// Weights and momentum in the checkpoint, the weights in the bundle.
	dir := copyOf(t, start)
	if !killAt(t, dir, 20, bncProcess(t, run(dir)...)) {
		t.Fatal("the training ended too soon")
	}
	checkpoint := dir + ".train/checkpoint"
	large, small := sizeOf(t, checkpoint), sizeOf(t, filepath.Join(whole, "bottlenet.onnx"))
	if large < small+8<<10 {
		t.Fatalf("a checkpoint of %d bytes and a network of %d: no limit is between", large, small)
	}
	older, err := os.ReadFile(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if !killAt(t, dir, 40, onFullDisk(t, (large+small)/2, run(dir, "--resume")...)) {
		t.Fatal("the training ended too soon")
	}
	if now, err := os.ReadFile(checkpoint); err != nil || !bytes.Equal(now, older) {
		t.Errorf("the older checkpoint is lost (%v)", err)
	}
	out, err := onFullDisk(t, (large+small)/2, run(dir, "--resume")...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "the checkpoint could not be written, the one before stays") {
		t.Errorf("%v\n%s", err, out)
	}
	if got := trainedFiles(t, dir); !sameTree(got, want) {
		t.Errorf("other %v\n%s", different(got, want), out)
	}

	// The units in the checkpoint, all weights in the bundle.
	frozen := copyOf(t, start)
	mustBnc(t, run(frozen, "--freeze", "backbone")...)
	dir = copyOf(t, start)
	out, err = onFullDisk(t, small*3/4, run(dir, "--freeze", "backbone")...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(string(out), "file too large") || !strings.Contains(string(out), "--resume") {
		t.Errorf("%v\n%s", err, out)
	}
	if !sameTree(tree(t, dir), tree(t, start)) {
		t.Error("the bundle is another")
	}
	mustBnc(t, run(dir, "--freeze", "backbone", "--resume")...)
	if got, want := trainedFiles(t, dir), trainedFiles(t, frozen); !sameTree(got, want) {
		t.Errorf("other %v", different(got, want))
	}
}
