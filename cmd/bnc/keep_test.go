package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/plan"
	"golang.org/x/sys/unix"
)

// TestSecondSignal interrupts a split that reads a calibration image which never
// comes: the first signal cannot end it, a second one does, at once.
func TestSecondSignal(t *testing.T) {
	model, calib := smallModel(t), t.TempDir()
	pipe := filepath.Join(calib, "a.png")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		c := bncProcess(t, "split", model, "--after", "rb2", "--calib", calib, "-o", filepath.Join(t.TempDir(), "b"))
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		exited := make(chan error, 1)
		go func() { exited <- c.Wait() }()
		w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // until it reads
		if err != nil {
			t.Fatal(err)
		}
		var status error
		deadline, again := time.After(time.Minute), time.NewTicker(10*time.Millisecond)
		for ended := false; !ended; {
			select {
			case status = <-exited:
				ended = true
			case <-again.C:
				c.Process.Signal(sig)
			case <-deadline:
				c.Process.Kill()
				t.Errorf("%v did not end the process", sig)
				status = <-exited
				ended = true
			}
		}
		w.Close()
		if !c.ProcessState.Sys().(syscall.WaitStatus).Signaled() || c.ProcessState.Sys().(syscall.WaitStatus).Signal() != sig {
			t.Errorf("after %v: %v", sig, status)
		}
	}
}

// TestInterruptedCommands: a command that is interrupted before it has done anything
// does nothing, and says so in its exit code.
func TestInterruptedCommands(t *testing.T) {
	model, dir := smallModel(t), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, command := range []string{
		"inspect MODEL", "models resnet20 -o DIR/new.onnx", "split MODEL --after rb1 -o DIR/b", "split MODEL --after rb1 --plain -o DIR/b", "export triton MODEL -o DIR/repo",
	} {
		var out, stderr bytes.Buffer
		code := run(ctx, strings.Fields(strings.NewReplacer("MODEL", model, "DIR", dir).Replace(command)), &out, &stderr)
		if code != 130 || out.Len() > 0 {
			t.Errorf("bnc %s: exit code %d, %q, %s", command, code, out.String(), stderr.String())
		}
	}
	if left := slices.DeleteFunc(names(tree(t, dir)), func(name string) bool { return name == "repo" }); len(left) != 1 {
		t.Errorf("left %v", left)
	}
}

// TestTrainLocked: a training keeps others away from its folder, and says who it is.
func TestTrainLocked(t *testing.T) {
	plugin(t)
	set := stripes(t, 64, 24)
	dir := splitAt(t, stripeNet(t), "--c", "2", "--s", "2")
	args := []string{"train", dir, "--data", set, "--epochs", "1000", "--batch", "8", "--flip", "off"}
	first := bncProcess(t, args...)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- first.Wait() }()
	log := dir + ".train/log.jsonl"
	for ready := false; !ready; {
		select {
		case err := <-exited:
			t.Fatalf("the training ended: %v", err)
		default:
			st, err := os.Stat(log)
			ready = err == nil && st.Size() > 0
		}
	}
	before := sizeOf(t, log)
	_, stderr, code := tryBnc(t, args...)
	if code != exitFailed || !strings.Contains(stderr, fmt.Sprint("process ", first.Process.Pid)) || !strings.Contains(stderr, dir+".train") {
		t.Errorf("beside another training: exit code %d, %s", code, stderr)
	}
	if now := sizeOf(t, log); now < before {
		t.Errorf("the log had %d bytes, and has %d", before, now)
	}
	first.Process.Kill()
	<-exited
	mustBnc(t, "train", dir, "--data", set, "--epochs", "1", "--batch", "8") // what it left keeps nobody out
	if left := names(tree(t, dir+".train")); !slices.Equal(left, []string{".", "curves.html", "log.jsonl"}) {
		t.Errorf("left %v", left)
	}
}

// TestSearchKeepsTraining: where the bundle of a resumed training cannot be written, the
// search ends, and what was learnt stays until it can.
func TestSearchKeepsTraining(t *testing.T) {
	plugin(t)
	set := stripes(t, 96, 48)
	net := wideNet(t)
	args := func(dir string) []string {
		return append([]string{"search", net, "--data", set, "-o", dir}, strings.Fields("--exhaustive --cuts r --c 1 --s 2 --epochs 4 --batch 16 --flip off --freeze backbone --checkpoint-every 1ns")...)
	}
	whole, dir := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "found")
	mustBnc(t, args(whole)...)
	if !killWhen(t, dir, "bundles/*.train/checkpoint", args(dir)...) {
		t.Fatal("the search ended too soon")
	}
	r, want := found(t, whole)
	bundled := filepath.FromSlash(r.Candidates[0].Bundle)
	training := filepath.Join(dir, bundled+".train")
	checkpoint, network := sizeOf(t, filepath.Join(training, "checkpoint")), sizeOf(t, filepath.Join(whole, bundled, "cloud.onnx"))
	if checkpoint > network/2 {
		t.Fatalf("a checkpoint of %d bytes and a network of %d: no limit is between", checkpoint, network)
	}
	out, err := onFullDisk(t, network*3/4, args(dir)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "file too large") {
		t.Errorf("%v\n%s", err, out)
	}
	log, err := os.ReadFile(filepath.Join(training, "log.jsonl"))
	if err != nil || !strings.Contains(string(log), `"epoch":4,"loss"`) {
		t.Fatalf("what was learnt is lost: %v\n%s", err, log)
	}
	var stderr bytes.Buffer
	if code := run(t.Context(), args(dir), io.Discard, &stderr); code != exitDone || strings.Contains(stderr.String(), "epoch 4:") {
		t.Errorf("exit code %d, trained again:\n%s", code, stderr.String())
	}
	if _, got := found(t, dir); got != want || !sameTree(tree(t, filepath.Join(dir, bundled)), tree(t, filepath.Join(whole, bundled))) {
		t.Error("results or bundle are others than those of a search in one go")
	}
}

// TestSearchAllFailed: a search without any trained candidate has failed.
func TestSearchAllFailed(t *testing.T) {
	net, set := striped(t)
	dir := filepath.Join(t.TempDir(), "found")
	out, stderr, code := tryBnc(t, append([]string{"search", net, "--data", set, "-o", dir}, strings.Fields("--exhaustive --cuts q --c 1,2 --s 2 --epochs 1 --batch 16 --lr 1e30 --warmup 0")...)...)
	r, _ := found(t, dir)
	for _, c := range r.Candidates {
		if c.Status != plan.StatusFailed {
			t.Fatalf("%s is %s: expected trainings that diverge", c, c.Status)
		}
	}
	if code != exitFailed || !strings.Contains(stderr, "2 candidates") || !strings.Contains(stderr, inFlags(r.Candidates[0].Reason)) {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	var header, row []string
	for line := range strings.Lines(out) {
		switch f := strings.Fields(strings.ReplaceAll(line, "screened out", "screened")); {
		case len(f) > 0 && f[0] == "cut":
			header = f
		case len(f) > 0 && f[0] == r.Candidates[0].Cut:
			row = f
		}
	}
	for name, want := range map[string]string{"trained": "0", "failed": "2"} {
		if i := slices.Index(header, name); i < 0 || i >= len(row) || row[i] != want {
			t.Errorf("expected %s %s:\n%s", want, name, out)
		}
	}
}

// TestOutputs: what -o and its like may name, and what they may not.
func TestOutputs(t *testing.T) {
	model, dir := smallModel(t), t.TempDir()
	for _, command := range []string{
		"models resnet20 -o DIR/none/x.onnx", "models resnet20 -o DIR", "profile MODEL -o DIR/none/x.json", "report --profile paper -o DIR/none/x.html",
		"report --profile paper -o DIR/x.html --markdown DIR/none/x.md", "split MODEL --after rb1 -o DIR/b --depfile DIR/none/x.d",
		"eval MODEL --data DIR --input-codec jpeg --plot DIR/none/x.svg", "split MODEL --after rb1 -o -", "search MODEL --data DIR -o -", "export triton MODEL -o -",
		"train MODEL --data DIR -o -", "models resnet20 -o - --json", "report --profile paper -o - --json",
	} {
		out, stderr, code := tryBnc(t, strings.Fields(strings.NewReplacer("MODEL", model, "DIR", dir).Replace(command))...)
		if code != exitUsage || out != "" {
			t.Errorf("bnc %s: exit code %d, expected %d\n%s", command, code, exitUsage, stderr)
		}
	}
	if left := names(tree(t, dir)); len(left) != 1 {
		t.Errorf("left %v", left)
	}
	want, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	if out := mustBnc(t, "models", "resnet20", "-o", "-"); out != string(want) {
		t.Errorf("-o - wrote %d bytes, expected the model of %d", len(out), len(want))
	}
	if out := mustBnc(t, "report", "--profile", "paper", "-o", "-"); !strings.HasPrefix(out, "<!") {
		t.Errorf("-o - wrote %.40q", out)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	came := make(chan []byte, 1)
	r, err := os.OpenFile(pipe, os.O_RDWR, 0) // so that nobody waits for the other end
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		b := make([]byte, len(want))
		io.ReadFull(r, b)
		came <- b
	}()
	mustBnc(t, "models", "resnet20", "-o", pipe)
	if st, err := os.Lstat(pipe); err != nil || st.Mode().Type() != os.ModeNamedPipe {
		t.Fatalf("the pipe is %v now, %v", st.Mode(), err)
	}
	if !bytes.Equal(<-came, want) {
		t.Error("through the pipe came another model")
	}
}

// TestUmask: what is written gets the permissions that the umask leaves, and what is
// replaced keeps its own.
func TestUmask(t *testing.T) {
	defer unix.Umask(unix.Umask(0o027))
	model, dir := smallModel(t), t.TempDir()
	mine := filepath.Join(dir, "mine.onnx")
	if err := errors.Join(os.WriteFile(mine, nil, 0o600), os.Symlink("mine.onnx", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	mustBnc(t, "models", "resnet20", "-o", filepath.Join(dir, "link"))
	mustBnc(t, "split", model, "--after", "rb1", "-o", filepath.Join(dir, "b"))
	for name, want := range map[string]os.FileMode{"mine.onnx": 0o600, "b": os.ModeDir | 0o750, "b/mobile.onnx": 0o640, "link": os.ModeSymlink | 0o777} {
		st, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || st.Mode() != want {
			t.Errorf("%s: %v, %v; expected %v", name, st.Mode(), err, want)
		}
	}
	if sizeOf(t, mine) != sizeOf(t, model) {
		t.Error("what the link leads to was not written")
	}
}
