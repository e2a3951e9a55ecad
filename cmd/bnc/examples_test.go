package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildStep is a folder with an example and a small model in it.
type buildStep struct {
	t    *testing.T
	dir  string
	path string // with bnc on it
}

func newBuildStep(t *testing.T, example string, files ...string) buildStep {
	t.Helper()
	s := buildStep{t: t, dir: t.TempDir()}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "bnc"), ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.path = bin + string(os.PathListSeparator) + os.Getenv("PATH")
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join("../../examples", example, f))
		if err != nil {
			t.Fatal(err)
		}
		s.write(f, string(b))
	}
	s.model(1)
	return s
}

// model writes the source model; another seed makes another model.
func (s buildStep) model(seed int) {
	s.t.Helper()
	mustBnc(s.t, "models", "resnet20", "--seed", string(rune('0'+seed)), "-o", filepath.Join(s.dir, "model.onnx"))
}

func (s buildStep) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s buildStep) run(name string, args ...string) string {
	s.t.Helper()
	c := exec.Command(name, args...)
	c.Dir = s.dir
	c.Env = append(os.Environ(), "PATH="+s.path, "MAKEFLAGS=", "DVC_NO_ANALYTICS=1", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := c.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// steps runs the example and demands that it splits exactly when it has to.
func (s buildStep) steps(again func() string, otherFlags func()) {
	s.t.Helper()
	const splits = "bnc split model.onnx"
	expect := func(when string, want bool) {
		s.t.Helper()
		if out := again(); strings.Contains(out, splits) != want {
			s.t.Errorf("%s: split = %v, expected %v\n%s", when, !want, want, out)
		}
	}
	expect("first", true)
	expect("nothing changed", false)
	otherFlags()
	expect("other flags", true)
	expect("nothing changed again", false)
	s.model(2)
	expect("another model", true)
	if _, err := os.Stat(filepath.Join(s.dir, "bundle", "cloud.onnx")); err != nil {
		s.t.Error(err)
	}
}

func TestMakeExample(t *testing.T) {
	s := newBuildStep(t, "make", "Makefile")
	flags := "--after rb1 --c 1 --s 2"
	s.steps(func() string { return s.run("make", "FLAGS="+flags) }, func() { flags = "--after rb2 --c 2 --s 2" })
}

func TestDVCExample(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dvc := filepath.Join(cache, "bnc", "dvc", "bin", "python")
	if _, err := os.Stat(dvc); err != nil {
		t.Skipf("no DVC (%v): make deps-oracle", err)
	}
	s := newBuildStep(t, "dvc", "dvc.yaml", "params.yaml")
	s.run("git", "init", "-q")
	s.run(dvc, "-m", "dvc", "init", "-q")
	s.steps(func() string { return s.run(dvc, "-m", "dvc", "repro") }, func() { s.write("params.yaml", "cut: rb2\nc: 2\ns: 2\n") })
}
