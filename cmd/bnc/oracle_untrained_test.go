package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc"
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

// TestPlaces: with each codec the same bytes cross and the same answers come wherever it is: of
// both halves with several images at once, by bnc run here, and from a server.
func TestPlaces(t *testing.T) {
	plugin(t)
	model, dir := filepath.Join(t.TempDir(), "net.onnx"), t.TempDir()
	mustBnc(t, "models", "resnet20", "--input", "1x12x12", "-o", model)
	images := randomSet(t, open(t, model).Inputs()[0])
	var alike [][]string // bundles, but for where the codec is
	for _, codec := range bnc.Codecs() {
		for _, flags := range []string{"--calib " + images, "--range dynamic"} {
			var bundles []string
			for i, place := range []string{"--codec-at graph", "--codec-at device-host", "--codec-at host", "--target tx2"} {
				bundle := filepath.Join(dir, fmt.Sprintf("%s-%d-%d", codec, len(alike), i))
				args := "--after rb4 --c 8 --s 2 --codec " + codec + " " + place + " " + flags + " -o " + bundle
				mustBnc(t, append([]string{"split", model}, strings.Fields(args)...)...)
				bundles = append(bundles, bundle)
			}
			alike = append(alike, bundles)
		}
	}
	server := "http://" + serveHere(t, slices.Concat(alike...)...).HTTP
	for _, bundles := range alike {
		args := []string{images, "--threads", "1"}
		sent, ran := send(t, "", bundles[0]), cloudRuns(t, append([]string{bundles[0]}, args...)...)
		for _, bundle := range bundles {
			if got := send(t, "", bundle); !bytes.Equal(got.Payload, sent.Payload) || !bytes.Equal(got.Outputs, sent.Outputs) {
				t.Errorf("%s: other bytes cross, or other answers come, than at the first place", bundle)
			}
			for _, where := range [][]string{nil, {"--cloud", server, "--fallback=false"}} {
				for i, r := range cloudRuns(t, slices.Concat([]string{bundle}, args, where)...) {
					if sameTop(t, r, ran[i]); r.PayloadBytes != ran[i].PayloadBytes {
						t.Errorf("%s %v: %d bytes of %s, expected %d", bundle, where, r.PayloadBytes, r.Input, ran[i].PayloadBytes)
					}
				}
			}
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
