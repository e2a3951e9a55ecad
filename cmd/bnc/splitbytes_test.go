package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestSplitBytes: what was chosen for a number of bytes is printed with what it takes, how far it
// agrees and what was tried; --json has the same.
func TestSplitBytes(t *testing.T) {
	plugin(t)
	model, out := stripeModel(t), filepath.Join(t.TempDir(), "b")
	set, _, _ := damagedSets(t)
	text := mustBnc(t, "split", model, "--after", "r", "--bytes", "60", "--s", "1", "--codec", "jpeg", "--calib", set, "-o", out)
	for _, want := range []string{"\n  takes    ", " bytes in the mean, ", " that the calibration has not seen\n", "\n  agreement ", "\nTried:\ncut", "jpeg"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s\nexpected %q", text, want)
		}
	}
	d := document(t, "split", model, "--bytes", "60", "--c", "2", "--s", "1", "--calib", set, "-o", out, "--json")
	choice, _ := d["choice"].(map[string]any)
	hasKeys(t, "choice", choice, "agreement c codec cut device_macs macs_before n payload_bytes quality s")
	if tried, _ := d["tried"].([]any); len(tried) == 0 || choice["cut"] != d["cut"] {
		t.Errorf("%v", d)
	}
	if e := document(t, "eval", out, "--data", set); e["device_macs"] != choice["device_macs"] || choice["device_macs"] == choice["macs_before"] {
		t.Errorf("%v multiply-adds on the device, of the file written %v; %v before the cut", choice["device_macs"], e["device_macs"], choice["macs_before"])
	}
}
