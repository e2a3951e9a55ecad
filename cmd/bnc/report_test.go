package main

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/plan"
)

// TestReport writes the page of the built-in profile and of the same text as a file,
// with the model's own tensors: the three forms are there, and the page names the
// file's hash.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	text, err := plan.ReadProfile("paper")
	if err != nil {
		t.Fatal(err)
	}
	file, model, page := filepath.Join(dir, "mine.json"), filepath.Join(dir, "net.onnx"), filepath.Join(dir, "r.html")
	write(t, file, text)
	if _, stderr, code := tryBnc(t, "models", "resnet18", "--input", "3x32x32", "--classes", "4", "-o", model); code != 0 {
		t.Fatal(stderr)
	}
	tables := filepath.Join(dir, "tables")
	d := document(t, "report", "--profile", file, "--model", model, "--network", "3g", "--network", "12Mbit,5ms", "-o", page, "--markdown", filepath.Join(dir, "r.md"), "--csv", tables, "--json")
	for _, f := range d["files"].([]any) {
		if info, err := os.Stat(f.(string)); err != nil || info.Size() == 0 {
			t.Errorf("%v: %v", f, err)
		}
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(text)
	if !strings.Contains(string(html), hex.EncodeToString(hash[:])) {
		t.Error("the page does not name the profile's hash")
	}
	// The paper's profile names no tensors: rb1 is looked up by name. ResNet-18's
	// is [64, H/4, W/4] in float32.
	f, err := os.Open(filepath.Join(tables, "sizes.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || rows[1][0] != "rb1" || rows[0][1] != "tensor, bytes" || rows[1][1] != "16384" {
		t.Errorf("sizes %v (%v), expected 64 * 8 * 8 * 4 bytes at rb1", rows, err)
	}
	again := filepath.Join(dir, "again.html")
	if _, stderr, code := tryBnc(t, "report", "--profile", file, "--model", model, "--network", "3g", "--network", "12Mbit,5ms", "-o", again); code != 0 {
		t.Fatal(stderr)
	}
	if second, err := os.ReadFile(again); err != nil || string(second) != string(html) {
		t.Errorf("two pages of the same files differ (%v)", err)
	}
}

// TestReportExitCodes: wrong usage is 2, what cannot be used 3; nothing is written.
func TestReportExitCodes(t *testing.T) {
	dir := t.TempDir()
	broken, out := filepath.Join(dir, "broken.json"), filepath.Join(dir, "r.html")
	write(t, broken, []byte(`{"format":1,"kind":"search","candidates":[{"cut":"rb1","c":1,"s":2,"status":"trained","payload_bytes":-4,"top1":0.5}]}`))
	for _, c := range []struct {
		args    string
		code    int
		message string
	}{
		{"", 2, "--profile"},
		{"--profile paper", 2, "-o"},
		{"paper -o OUT", 2, "flags only"},
		{"--profile paper -o OUT --network 6g", 2, "6g"},
		{"--profile paper -o OUT --image-bytes -3", 2, "--image-bytes"},
		{"--profile paper -o OUT --max-loss NaN", 2, "--max-loss"},
		{"--profile nowhere.json -o OUT", 3, "nowhere.json"},
		{"--profile BROKEN -o OUT", 3, "expected \"profile\""},
		{"--profile paper --cloud-profile nowhere -o OUT", 3, "--cloud-profile"},
		{"--profile paper --results BROKEN -o OUT", 3, "payload_bytes is -4"},
		{"--profile paper --eval x=BROKEN -o OUT", 3, "--eval"},
		{"--profile paper --model nowhere.onnx -o OUT", 3, "nowhere.onnx"},
	} {
		line := strings.NewReplacer("BROKEN", broken, "OUT", out).Replace(c.args)
		stdout, stderr, code := tryBnc(t, append([]string{"report"}, strings.Fields(line)...)...)
		if code != c.code || !strings.Contains(stderr, c.message) || stdout != "" {
			t.Errorf("bnc report %s: exit code %d, expected %d with %q\nstdout: %s\nstderr: %s", c.args, code, c.code, c.message, stdout, stderr)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a failed command wrote the page")
	}
}
