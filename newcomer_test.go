package bnc_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
)

// newcomer is a program of somebody else's, of ten lines.
const newcomer = `package main

import ("context"; "fmt"; "log"; "github.com/bottlenet/bnc")

func main() {
	ctx := context.Background()
	_, err := bnc.Split(ctx, "net.onnx", bnc.SplitOptions{After: "rb1", Channels: []bnc.Channels{4}, Stride: []int{2}, Out: "b", Calibrate: "set"})
	if err == nil { _, err = bnc.Train(ctx, "b", bnc.TrainOptions{Data: "set", Epochs: 1}) }
	if err != nil { log.Fatal(err) }
	r, err := bnc.Eval(ctx, "b", bnc.EvalOptions{Data: "set"})
	if err != nil { log.Fatal(err) }
	fmt.Println(r.N, *r.Top1, r.PayloadBytes.Mean)
}
`

// goOf is the first block of Go in a page that begins so.
func goOf(t *testing.T, page, begin string) string {
	t.Helper()
	text, err := os.ReadFile(rttest.Source(page))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```go\n"+begin)
	block, _, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatalf("%s has no block of Go that begins with %q", page, begin)
	}
	return begin + block
}

// TestNewcomer: a module that has nothing but the library splits, trains and evaluates; what
// README and docs/library.md show compiles.
func TestNewcomer(t *testing.T) {
	rttest.Plugin(t)
	t.Cleanup(exampleFolder())
	dir := t.TempDir()
	readme := "package main\n\nimport (\"context\"; \"github.com/bottlenet/bnc\")\n\nfunc main() {\n\tctx := context.Background()\n" + goOf(t, "README.md", "") + "\t_, _ = result, err\n}\n"
	for name, text := range map[string]string{
		"main.go": newcomer, "go.mod": "module newcomer\n\ngo 1.26\n", "page/main.go": goOf(t, "docs/library.md", "package main\n"), "readme/main.go": readme,
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sums, err := os.ReadFile(rttest.Source("go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "newcomer")
	for _, args := range [][]string{
		{"mod", "edit", "-require", "github.com/bottlenet/bnc@v0.0.0", "-replace", "github.com/bottlenet/bnc=" + rttest.Source()},
		{"build", "-mod=mod", "-o", program, "."},
		{"build", "-mod=mod", "./page", "./readme"}, // of several nothing is written
	} {
		c := exec.Command("go", args...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
	out, err := exec.Command(program).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "32 ") {
		t.Errorf("expected what was found on 32 images, %v\n%s", err, out)
	}
}
