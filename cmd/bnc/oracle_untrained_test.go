package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
)

// unitWeights returns the initial values of a bottleneck's units by name.
func unitWeights(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	m, err := onnx.Load(filepath.Join(dir, "bottlenet.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	weights := map[string][]byte{}
	for _, v := range m.Graph.Inits() {
		if strings.HasPrefix(v.Name(), "bnc.reduce.") || strings.HasPrefix(v.Name(), "bnc.restore.") {
			b, err := v.Init().Bytes()
			if err != nil {
				t.Fatal(err)
			}
			weights[v.Name()] = b
		}
	}
	return weights
}

// TestSeed demands the same unit weights of a seed wherever the codec runs, and
// others of another seed.
func TestSeed(t *testing.T) {
	model := smallModel(t)
	split := func(flags ...string) map[string][]byte {
		dir := filepath.Join(t.TempDir(), "b")
		mustBnc(t, append([]string{"split", model, "--after", "rb4", "--c", "5", "--restore-width", "4", "-o", dir}, flags...)...)
		return unitWeights(t, dir)
	}
	want := split("--seed", "7")
	if len(want) < 4*5+4 { // four units of a convolution and a normalisation, and the residual branch
		t.Errorf("only %d weights: %v", len(want), want)
	}
	for _, place := range []string{"graph", "device-host", "host"} {
		got := split("--seed", "7", "--codec-at", place)
		for name, b := range want {
			if !bytes.Equal(got[name], b) {
				t.Errorf("%s: %s differs", place, name)
			}
		}
	}
	other := split("--seed", "8")
	for _, name := range []string{"bnc.reduce.channel.weight", "bnc.restore.channel.weight", "bnc.restore.residual.conv1.weight"} {
		if want[name] == nil || bytes.Equal(other[name], want[name]) {
			t.Errorf("%s is missing or the same for two seeds", name)
		}
	}
}

// TestSameBytesCalibrated calibrates twice: the order of floating-point sums must
// not vary.
func TestSameBytesCalibrated(t *testing.T) {
	model := smallModel(t)
	plugin(t)
	set := randomSet(t, open(t, model).Inputs()[0])
	var first []byte
	for range 2 {
		dir := filepath.Join(t.TempDir(), "b")
		mustBnc(t, "split", model, "--after", "rb5", "--c", "6", "--calib", set, "-o", dir)
		var all []byte
		for _, part := range bundleParts {
			b, err := os.ReadFile(filepath.Join(dir, part+".onnx"))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		if first == nil {
			first = all
		} else if !bytes.Equal(all, first) {
			t.Error("two runs wrote different bundles")
		}
	}
}
