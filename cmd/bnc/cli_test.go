package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
)

// smallModel writes a resnet20 and returns its path.
func smallModel(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "net.onnx")
	mustBnc(t, "models", "resnet20", "-o", path)
	return path
}

// TestExitCodes holds the contract: 2 wrong usage, 3 model or data not usable,
// nothing on stdout, and a message that says what to do next.
func TestExitCodes(t *testing.T) {
	model := smallModel(t)
	dir := t.TempDir()
	corrupt := filepath.Join(dir, "corrupt.onnx")
	if err := os.WriteFile(corrupt, []byte("\x89PNG no model"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "bundle")
	for _, c := range []struct {
		args    string
		code    int
		message string
	}{
		{"", 2, "which command"},
		{"splt", 2, `did you mean "split"`},
		{"split MODEL", 2, "--after"},
		{"split MODEL --after rb1 --c 0", 2, "--c"},
		{"split MODEL --after rb1 --s 5", 2, "expected 1 to 4"},
		{"split MODEL --after rb1 --bits 9", 2, "expected 2 to 8"},
		{"split MODEL --after rb1 --quality 0", 2, "expected 1 to 100"},
		{"split MODEL --after rb1 --codec-at moon", 2, "device-host"},
		{"split MODEL --after rb1 --range static", 2, "--calib"},
		{"split MODEL --after rb1 --plain --c 2", 2, "no meaning with --plain"},
		{"split MODEL --after rb1 --target tx2 --codec-at graph", 2, "device-host"},
		{"split MODEL --after rb1 --no-such-flag", 2, "no-such-flag"},
		{"split MODEL MODEL --after rb1", 2, "2 arguments"},
		{"split MODEL --after rb99", 3, "similar names: rb9"},
		{"split MODEL --after input", 3, "input of the model"},
		{"split MODEL --after output", 3, "output of the model"},
		{"split MODEL --after layer1.0.conv1", 3, "these tensors would cross: layer1.0.conv1, relu; nearest cut before"},
		{"split MODEL --after rb1 --c 17", 3, "16 channels"},
		{"split MODEL --after rb1 --calib " + dir, 3, "--calib"},
		{"split missing.onnx --after rb1", 3, "missing.onnx"},
		{"split " + corrupt + " --after rb1", 3, "not a usable ONNX model"},
		{"inspect " + corrupt, 3, "corrupt.onnx"},
		{"inspect MODEL --input nothing=1x1", 3, "nothing"},
		{"inspect MODEL --input input", 2, "NAME=DIMS"},
		{"models resnet51", 2, `did you mean "resnet50"`},
		{"run MODEL", 2, "at least one input"},
		{"run MODEL missing.png", 3, "missing.png"},
		{"run MODEL input=missing.png", 3, "missing.png"},
		{"run MODEL IMAGE --fit cover", 2, "expected one of crop, stretch, letterbox"},
		{"run MODEL IMAGE --fit stretch --resize 40", 2, "--resize 40 has no meaning with --fit stretch"},
		{"run MODEL IMAGE --pad 114", 2, "--fit letterbox only"},
		{"run MODEL IMAGE --pad 300", 2, "numbers from 0 to 255"},
		{"run MODEL IMAGE --color rgba", 3, "color rgba has 4 channels, the input has 1"},
		{"run MODEL IMAGE --feed input", 2, "NAME=FILE.npy"},
		{"run MODEL IMAGE --feed nothing=IMAGE", 3, "--feed"},
		{"run MODEL " + corrupt, 3, "corrupt.onnx"},
	} {
		args := strings.Fields(strings.NewReplacer("MODEL", model, "IMAGE", rttest.GoImage(t, "video-001.png")).Replace(c.args))
		if len(args) > 0 && args[0] == "split" {
			args = append(args, "-o", out)
		}
		stdout, stderr, code := tryBnc(t, args...)
		if code != c.code || !strings.Contains(stderr, c.message) || stdout != "" {
			t.Errorf("bnc %s: exit code %d, expected %d with %q\nstdout: %s\nstderr: %s", c.args, code, c.code, c.message, stdout, stderr)
		}
		if _, err := os.Lstat(out); err == nil {
			t.Fatalf("bnc %s failed and left a bundle", c.args)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("failed commands left %v (%v)", left, err)
	}
}

// document runs a command with --json and returns the single document on stdout.
func document(t *testing.T, args ...string) map[string]any {
	t.Helper()
	out := mustBnc(t, append(args, "--json")...)
	d := json.NewDecoder(strings.NewReader(out))
	var doc map[string]any
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if d.More() {
		t.Fatalf("more than one document:\n%s", out)
	}
	return doc
}

func keys(m map[string]any) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func hasKeys(t *testing.T, what string, m map[string]any, want string) {
	t.Helper()
	if got := keys(m); !slices.Equal(got, strings.Fields(want)) {
		t.Errorf("%s: keys %v, expected %s", what, got, want)
	}
}

// TestJSON holds the documents of the command contract.
func TestJSON(t *testing.T) {
	model := smallModel(t)
	d := document(t, "inspect", model)
	hasKeys(t, "inspect", d, "cuts inputs ir_version macs model opset outputs params task")
	first := d["cuts"].([]any)[0].(map[string]any)
	hasKeys(t, "cut", first, "aliases bottleneck bytes dtype id macs_before params_before shape tensor")
	if first["id"] != "cut1" || first["dtype"] != "float32" || first["shape"].([]any)[0] != "batch" {
		t.Errorf("first cut: %v", first)
	}
	if got := d["params"]; got != 272186.0 { // models/ has the arithmetic
		t.Errorf("params %v", got)
	}
	rb := 0
	for _, c := range d["cuts"].([]any) {
		rb += len(c.(map[string]any)["aliases"].([]any))
	}
	if rb != 9 {
		t.Errorf("%d residual blocks in a resnet20, expected 9", rb)
	}

	dir := filepath.Join(t.TempDir(), "b")
	d = document(t, "split", model, "--after", "rb4", "--c", "3", "--s", "2", "-o", dir)
	hasKeys(t, "split", d, "bottlenet bundle cloud cut cut_shape mobile passes reduced_shape tensor tile")
	if d["cut"] != "rb4" || d["bundle"] != dir {
		t.Errorf("split: %v", d)
	}
	hasKeys(t, "pass", d["passes"].([]any)[0].(map[string]any), "changed ms name")
	d = document(t, "split", model, "--after", "rb4", "--plain", "-o", dir)
	if d["bottlenet"] != nil || d["tile"] != nil {
		t.Errorf("plain split: %v", d)
	}

	photo := filepath.Join(t.TempDir(), "grey.png")
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 28, 28))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(photo, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	d = document(t, "run", dir, photo)
	r := d["results"].([]any)[0].(map[string]any)
	hasKeys(t, "run", r, "cloud_ms input link_ms mobile_ms outputs payload_bytes task top total_ms where")
	hasKeys(t, "class", r["top"].([]any)[0].(map[string]any), "class label score")
	if r["payload_bytes"] != 4.0*32*14*14 || r["where"] != "split" {
		t.Errorf("run of a plain pair: %v", r)
	}
}

// TestBundleReplaced replaces a bundle as a whole and refuses everything else.
func TestBundleReplaced(t *testing.T) {
	model := smallModel(t)
	dir := filepath.Join(t.TempDir(), "bundle")
	mustBnc(t, "split", model, "--after", "rb1", "-o", dir)
	mustBnc(t, "split", model, "--after", "rb1", "--plain", "-o", dir)
	if _, err := os.Stat(filepath.Join(dir, "bottlenet.onnx")); err == nil {
		t.Error("a file of the old bundle is left in the new one")
	}
	keep := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(keep, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	for _, refused := range []string{dir, empty} {
		if _, stderr, code := tryBnc(t, "split", model, "--after", "rb2", "-o", refused); code != exitUsage {
			t.Errorf("%s: exit code %d, %s", refused, code, stderr)
		}
	}
	if b, err := os.ReadFile(keep); err != nil || string(b) != "mine" {
		t.Errorf("the foreign file: %q, %v", b, err)
	}
}

// TestSameBytes splits twice, into folders of different names.
func TestSameBytes(t *testing.T) {
	model := smallModel(t)
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	for _, dir := range []string{a, b} {
		mustBnc(t, "split", model, "--after", "rb5", "--c", "3", "--fp16", "-o", dir)
	}
	for _, part := range bundleParts {
		x, errX := os.ReadFile(filepath.Join(a, part+".onnx"))
		y, errY := os.ReadFile(filepath.Join(b, part+".onnx"))
		if errX != nil || errY != nil || string(x) != string(y) {
			t.Errorf("%s.onnx differs between two runs (%v, %v)", part, errX, errY)
		}
	}
}

func TestDepfile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "with space: and colon")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	model := filepath.Join(dir, "net.onnx")
	mustBnc(t, "models", "resnet20", "-o", model)
	deps := filepath.Join(dir, "deps.d")
	labels := filepath.Join(dir, "labels.txt")
	write(t, labels, []byte(strings.Repeat("name\n", 10)))
	mustBnc(t, "split", model, "--after", "rb1", "-o", filepath.Join(dir, "b"), "--depfile", deps, "--labels", labels)
	text, err := os.ReadFile(deps)
	if err != nil {
		t.Fatal(err)
	}
	escaped := strings.NewReplacer(" ", `\ `, ":", `\:`).Replace(dir)
	for _, want := range []string{escaped + "/b/mobile.onnx " + escaped + "/b/cloud.onnx", escaped + "/net.onnx:\n", escaped + "/labels.txt:\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the dependency file lacks %q:\n%s", want, text)
		}
	}
}
