package main

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// actAsBnc makes the test binary behave as bnc: tests that signal a process or
// hand bnc to other programs start themselves again under it.
const actAsBnc = "BNC_TEST_ACT_AS_BNC"

func TestMain(m *testing.M) {
	if os.Getenv(actAsBnc) != "" {
		main()
	}
	os.Exit(m.Run())
}

// bncProcess is bnc as a process of its own.
func bncProcess(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, args...)
	c.Env = append(os.Environ(), actAsBnc+"=1")
	return c
}

// bundleParts are the files of a bundle, without .onnx.
var bundleParts = []string{"mobile", "cloud", "bottlenet"}

// tree returns the contents of all files below dir by their names, "folder" for
// folders.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		files[name] = "folder"
		if d.Type().IsRegular() {
			b, err := os.ReadFile(path)
			files[name] = string(b)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func sameTree(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for name, text := range a {
		if other, ok := b[name]; !ok || other != text {
			return false
		}
	}
	return true
}

func names(files map[string]string) []string {
	var out []string
	for name := range files {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// TestInterruptedInCalibration cancels a split at a known moment: while it reads
// a calibration image, with the new bundle's temporary folder already there.
func TestInterruptedInCalibration(t *testing.T) {
	model := smallModel(t)
	dir, calib := t.TempDir(), t.TempDir()
	bundle := filepath.Join(dir, "bundle")
	mustBnc(t, "split", model, "--after", "rb1", "-o", bundle)
	before := tree(t, dir)

	// Reading the named pipe waits for the writer below; the second image is
	// one that the split never comes to.
	pipe := filepath.Join(calib, "a.png")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	var img bytes.Buffer
	if err := png.Encode(&img, image.NewGray(image.Rect(0, 0, 28, 28))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(calib, "b.png"), img.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	var out, stderr bytes.Buffer
	go func() {
		done <- run(ctx, []string{"split", model, "--after", "rb2", "--calib", calib, "-o", bundle}, &out, &stderr)
	}()
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if during := tree(t, dir); len(during) <= len(before) {
		t.Errorf("no temporary folder during the split: %v", names(during))
	}
	cancel()
	_, err = w.Write(img.Bytes())
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if code := <-done; code != exitInterrupted || out.Len() > 0 {
		t.Errorf("exit code %d, expected %d; stdout %q", code, exitInterrupted, out.String())
	}
	if after := tree(t, dir); !sameTree(before, after) {
		t.Errorf("before %v, after the interrupted split %v", names(before), names(after))
	}
}

// TestInterruptedWhileWriting signals a split as soon as it has begun to write,
// and demands the old bundle or the new one, whole. Which of the two it is, the
// signal and the split race for.
func TestInterruptedWhileWriting(t *testing.T) {
	model := filepath.Join(t.TempDir(), "net.onnx")
	mustBnc(t, "models", "resnet18", "-o", model) // 45 MB: writing takes a while
	dir := t.TempDir()
	bundle := filepath.Join(dir, "bundle")
	mustBnc(t, "split", model, "--after", "rb2", "-o", bundle)
	renewed := tree(t, bundle)
	mustBnc(t, "split", model, "--after", "rb1", "-o", bundle)
	old := tree(t, bundle)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		c := bncProcess(t, "split", model, "--after", "rb2", "-o", bundle)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		exited := make(chan error, 1)
		go func() { exited <- c.Wait() }()
		var err error
		for ended := false; !ended; {
			select {
			case err = <-exited:
				ended = true
			default:
				if begun, _ := filepath.Glob(filepath.Join(dir, ".bundle.*.tmp", ".cloud.onnx.*")); len(begun) > 0 {
					c.Process.Signal(sig)
					err = <-exited
					ended = true
				}
			}
		}
		left := tree(t, bundle)
		switch {
		case sameTree(left, old):
			if err == nil {
				t.Errorf("%v: done, and the old bundle is there", sig)
			}
		case sameTree(left, renewed):
			t.Logf("%v came too late: %v", sig, err)
			mustBnc(t, "split", model, "--after", "rb1", "-o", bundle)
		default:
			t.Fatalf("%v left %v, neither the old bundle nor the new one", sig, names(left))
		}
		if all := names(tree(t, dir)); sig != syscall.SIGKILL && len(all) != 2+len(bundleParts) {
			t.Errorf("%v left %v", sig, all)
		}
	}
	// What SIGKILL left behind is in nobody's way, and goes.
	mustBnc(t, "split", model, "--after", "rb2", "-o", bundle)
	if !sameTree(tree(t, bundle), renewed) {
		t.Error("the bundle after a killed split differs")
	}
	if all := names(tree(t, dir)); len(all) != 2+len(bundleParts) {
		t.Errorf("the killed split left %v, and the next one did not remove it", all)
	}
}

// TestFullDisk lets a write fail in the middle of a file: by the limit on a
// file's size, as a full disk would.
func TestFullDisk(t *testing.T) {
	model := filepath.Join(t.TempDir(), "net.onnx")
	mustBnc(t, "models", "resnet18", "-o", model)
	dir := t.TempDir()
	bundle := filepath.Join(dir, "bundle")
	mustBnc(t, "split", model, "--after", "rb1", "-o", bundle)
	before := tree(t, dir)
	c := bncProcess(t, "split", model, "--after", "rb2", "-o", bundle)
	limit := exec.Command("sh", append([]string{"-c", `ulimit -f 4096 && exec "$@"`, "sh"}, c.Args...)...)
	limit.Env = c.Env
	out, err := limit.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(string(out), "file too large") {
		t.Errorf("%v, expected exit code %d\n%s", err, exitFailed, out)
	}
	if after := tree(t, dir); !sameTree(before, after) {
		t.Errorf("before %v, after the failed split %v", names(before), names(after))
	}
}
