package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTrainOutputsByName: option output names what is taught, and how, beside the file that
// is written; what names no output is that file.
func TestTrainOutputsByName(t *testing.T) {
	plugin(t)
	set := stripes(t, 32, 16)
	net := several(t, "float[batch,6] e, float[batch,4] y, float[batch,6,5,5] map", "l = ReduceL2 <axes = [1]> (f) e = Div (f, l) y = Identity (s) map = Sigmoid (q)")
	dir := splitAt(t, net, "--c", "2", "--s", "1")
	for _, c := range []struct {
		args, want, not string // what is said, by words that are all there and none
		code            int
	}{
		{"", "error of e 0|error of y |error of map 0", "is left out", exitDone},
		{"--output e", "error of e 0|output \"map\" is left out", "error of map", exitDone},
		{"--output e=squared --output map=binary:3 --output OUT", "error of e |error of map |output \"y\" is left out", "error of y", exitDone},
		{"--output map=dice --output OUT", "error of map 0|output \"y\" is left out", "error of y", exitDone},
		{"-o OUT --output y=kl", "error of y |output \"e\" is left out", "error of e", exitDone},
		{"--output map=binary:-1", "expected a weight larger than 0", "epoch", exitUsage},
		{"--output nix=kl", "expected one of the outputs", "epoch", exitUnusable},
		{"--scores y", "output \"e\" is left out", "error of", exitDone},
	} {
		out := filepath.Join(t.TempDir(), "b")
		args := slices.Concat([]string{"train", dir, "--data", set, "--distill", "--epochs", "1", "--batch", "8"}, strings.Fields(strings.ReplaceAll(c.args, "OUT", out)))
		if !strings.Contains(c.args, "OUT") && c.code == exitDone {
			args = append(args, "-o", out)
		}
		_, said, code := tryBnc(t, args...)
		if code != c.code || strings.Contains(said, c.not) {
			t.Errorf("%s: exit code %d: %s", c.args, code, said)
		}
		for word := range strings.SplitSeq(c.want, "|") {
			if !strings.Contains(said, word) {
				t.Errorf("%s: expected %q: %s", c.args, word, said)
			}
		}
	}
	if _, said, code := tryBnc(t, "train", dir, "--data", set, "--output", "e=kl"); code != exitUsage || !strings.Contains(said, "--distill only") {
		t.Errorf("exit code %d: %s", code, said)
	}
}
