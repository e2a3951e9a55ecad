package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAbsurdNumbers: a number that no machine or image can have, and what is no number, is
// wrong usage in every command that has the flag.
func TestAbsurdNumbers(t *testing.T) {
	plugin(t)
	model := stripeModel(t)
	good, _, _ := damagedSets(t)
	picture := filepath.Join(good, "0", "0.png")
	for _, c := range []struct {
		command string
		flags   []string
	}{
		{"run MODEL PICTURE", []string{"--threads=-1", "--threads=1000000", "--threads=x", "--resize=-1", "--resize=1000000", "--top=0", "--scale=0", "--scale=NaN", "--std=0", "--mean=Inf", "--color=pink"}},
		{"eval MODEL --data SET", []string{"--threads=-1", "--limit=-1", "--batch=0", "--resize=-1", "--scale=0"}},
		{"train MODEL --data SET -o OUT.onnx", []string{"--threads=-1", "--batch=-1", "--epochs=-1", "--lr=-1", "--lr=x", "--limit=-1", "--val-limit=-1", "--resize=-1", "--std=0", "--checkpoint-every=-1s", "--checkpoint-every=x"}},
		{"split MODEL --after r --c 1", []string{"--bits=0", "--s=-1", "--quality=1000", "--restore-width=-1", "--scale=Inf", "--seed=-1"}},
		{"profile MODEL", []string{"--threads=-1", "--runs=-1", "--confidence=-1", "--resize=-1"}},
		{"bench MODEL --input PICTURE", []string{"--n=0", "--most=-1s", "--jpeg-bytes=-1", "--resize=-1"}},
		{"search MODEL --data SET -o OUT", []string{"--threads=-1", "--jobs=0", "--screen-images=0", "--s=9", "--c=0", "--margin=-1"}},
		{"serve MODEL", []string{"--threads=-1", "--queue=0", "--max-batch=-1", "--max-delay=-1s", "--drain=0s", "--max-body=0"}},
		{"models resnet20 -o OUT.onnx", []string{"--classes=-1", "--input=0x0x0"}},
	} {
		line := strings.NewReplacer("MODEL", model, "SET", good, "PICTURE", picture, "OUT", filepath.Join(t.TempDir(), "out")).Replace(c.command)
		for _, flag := range c.flags {
			name, _, _ := strings.Cut(flag, "=")
			stdout, stderr, code := tryBnc(t, append(strings.Fields(line), flag)...)
			if code != exitUsage || stdout != "" || !strings.Contains(stderr, name) || strings.Contains(stderr, "strconv") {
				t.Errorf("bnc %s %s: exit code %d: %s%s", c.command, flag, code, stdout, stderr)
			}
		}
	}
}

// TestDoctorFails: what keeps bnc from running models is a failure in either form.
func TestDoctorFails(t *testing.T) {
	t.Setenv("BNC_OPS_LIB", filepath.Join(t.TempDir(), "none.so"))
	_, _, text := tryBnc(t, "doctor")
	out, _, inJSON := tryBnc(t, "doctor", "--json")
	if !json.Valid([]byte(out)) || text != exitFailed || inJSON != text {
		t.Errorf("exit code %d, with --json %d: %s", text, inJSON, out)
	}
}

// TestFolderLinks: a link to a folder is the folder: of a bundle, of images, of a class.
func TestFolderLinks(t *testing.T) {
	plugin(t)
	model := stripeModel(t)
	good, _, _ := damagedSets(t)
	dir := t.TempDir()
	bundle, link, images := filepath.Join(dir, "b"), filepath.Join(dir, "link"), filepath.Join(dir, "images")
	mustBnc(t, "split", model, "--after", "r", "--c", "4", "--s", "1", "--calib", good, "-o", bundle)
	for at, to := range map[string]string{link: bundle, images: good} {
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
	}
	tops := func(model, images string) (all []any) {
		for _, r := range document(t, "run", model, images)["results"].([]any) {
			all = append(all, r.(map[string]any)["top"])
		}
		return all
	}
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	want := text(tops(bundle, good))
	if got := text(tops(link, images)); got != want || want == "null" {
		t.Errorf("through links %s, else %s", got, want)
	}
}

// TestMessages holds what messages must not have: Go's own syntax, a path told twice, a
// suggestion that is like nothing that was written. Models that cannot be read end with 3
// in every command.
func TestMessages(t *testing.T) {
	plugin(t)
	model := stripeModel(t)
	good, _, _ := damagedSets(t)
	dir := t.TempDir()
	junk, broken, torn := filepath.Join(dir, "junk.onnx"), filepath.Join(dir, "broken"), filepath.Join(dir, "torn.jpg")
	picture := filepath.Join(good, "0", "0.png")
	write(t, junk, []byte("no model"))
	write(t, torn, []byte("\xff\xd8\xff\xe0torn"))
	mustBnc(t, "split", model, "--after", "r", "--c", "4", "--s", "1", "-o", broken)
	write(t, filepath.Join(broken, "mobile.onnx"), []byte("no model"))
	for _, c := range []struct {
		args string
		code int
		path string // told once
	}{
		{"run", exitUsage, ""}, {"eval", exitUsage, ""}, {"split", exitUsage, ""}, {"inspect a b", exitUsage, ""}, {"select x", exitUsage, ""},
		{"report x", exitUsage, ""}, {"export", exitUsage, ""}, {"doctor x", exitUsage, ""}, {"search run x -o " + dir, exitUsage, ""},
		{"models nosuch", exitUsage, ""}, {"nosuch", exitUsage, ""},
		{"run " + junk + " " + picture, exitUnusable, junk}, {"run " + broken + " " + picture, exitUnusable, broken},
		{"eval " + junk + " --data " + good, exitUnusable, junk}, {"eval " + broken + " --data " + good, exitUnusable, broken},
		{"profile " + broken, exitUnusable, broken + "/mobile.onnx"}, {"profile " + junk, exitUnusable, junk}, {"split " + junk + " --after r", exitUnusable, junk},
		{"train " + broken + " --data " + good, exitUnusable, broken}, {"export triton " + broken + " -o " + filepath.Join(dir, "r"), exitUnusable, broken},
		{"run " + model + " " + torn, exitUnusable, torn}, {"profile " + model + " --input " + torn, exitUnusable, ""},
	} {
		_, stderr, code := tryBnc(t, strings.Fields(c.args)...)
		message := stderr[strings.LastIndex(strings.TrimSuffix(stderr, "\n"), "\n")+1:]
		if code != c.code || c.path != "" && strings.Count(message, c.path) != 1 {
			t.Errorf("bnc %s: exit code %d: %s", c.args, code, message)
		}
		for _, bad := range []string{"[]", `["`, `" "`, "<nil>", "%!", "strconv", "map["} {
			if strings.Contains(message, bad) {
				t.Errorf("bnc %s: %q in %s", c.args, bad, message)
			}
		}
		if words := strings.Fields(message); slices.Contains(words, "mean") { // did you mean
			t.Errorf("bnc %s: %s", c.args, message)
		}
	}
	if _, stderr, _ := tryBnc(t, "profile", model, "--input", torn); strings.Count(strings.Split(stderr, "\n")[0], torn) != 1 {
		t.Errorf("the damaged image is told twice: %s", stderr)
	}
}
