package main

import (
	"bytes"
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/profile"
)

// profiled runs bnc profile and reads what it prints.
func profiled(t *testing.T, args ...string) *plan.Profile {
	t.Helper()
	out := mustBnc(t, slices.Concat([]string{"profile", "--runs", "20"}, args)...)
	p, err := plan.ParseProfile("stdout", []byte(out))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestProfile: a model's entries are for each residual sum, with and without a
// bottleneck of a codec; a bundle's takes the place of the sum of nodes, and they are of one
// model. What the parts weigh is what bnc inspect says.
func TestProfile(t *testing.T) {
	for _, codec := range bnc.Codecs() {
		t.Run(codec, func(t *testing.T) { profileOf(t, codec) })
	}
}

func profileOf(t *testing.T, codec string) {
	model := smallModel(t)
	dir := filepath.Join(t.TempDir(), "net-rb3")
	mustBnc(t, "split", model, "--after", "rb3", "--c", "2", "--s", "2", "--codec", codec, "-o", dir)
	image := filepath.Join(t.TempDir(), "image.png")
	var file bytes.Buffer
	if err := png.Encode(&file, profile.Drawing()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(image, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	p := profiled(t, model, dir, "--cuts", "rb1,rb3", "--c", "2", "--codec", codec, "--input", image, "--power", "constant:1500", "--threads", "1")
	var have []string
	for _, c := range p.Cuts {
		have = append(have, c.String()+" "+c.Method)
		if !(c.Mobile.MedianMS > 0 && c.Cloud.MedianMS > 0 && c.PayloadBytes > 0) {
			t.Errorf("%s: %+v, %+v, %v bytes", c, c.Mobile, c.Cloud, c.PayloadBytes)
		}
	}
	named := strings.TrimSuffix(" "+codec, " jpeg")
	if got, want := strings.Join(have, ", "), "rb1 c=2 s=2"+named+" nodes, rb1 plain nodes, rb3 c=2 s=2"+named+" pair, rb3 plain nodes"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	if p.Whole == nil || p.Power != (plan.Power{Source: "constant", ComputeMW: 1500}) || p.Threads != 1 || len(p.SourceSHA256) != 64 {
		t.Errorf("%+v", p)
	}
	var inspected bnc.InspectResult
	if err := json.Unmarshal([]byte(mustBnc(t, "inspect", model, "--json")), &inspected); err != nil {
		t.Fatal(err)
	}
	for _, c := range inspected.Cuts {
		for _, e := range p.Cuts {
			if e.Tensor == c.Tensor && e.Plain() && (e.MobileParams != c.ParamsBefore || e.PayloadBytes != float64(*c.Bytes)) {
				t.Errorf("%s: %d parameters, %v bytes; bnc inspect has %d, %d", e, e.MobileParams, e.PayloadBytes, c.ParamsBefore, *c.Bytes)
			}
		}
	}
	// The payload is the one that bnc run sends.
	var ran struct {
		Results []struct {
			Bytes float64 `json:"payload_bytes"`
		}
	}
	if err := json.Unmarshal([]byte(mustBnc(t, "run", dir, image, "--json")), &ran); err != nil {
		t.Fatal(err)
	}
	if pair := p.Cuts[2]; pair.PayloadBytes != ran.Results[0].Bytes {
		t.Errorf("%v bytes, bnc run has %v", pair.PayloadBytes, ran.Results[0].Bytes)
	}
}

// TestProfileToSelect: what bnc profile writes, bnc select reads.
func TestProfileToSelect(t *testing.T) {
	model := smallModel(t)
	file := filepath.Join(t.TempDir(), "device.json")
	mustBnc(t, "profile", model, "--runs", "20", "-o", file, "--power", "command:echo 2000")
	var r plan.Selection
	if err := json.Unmarshal([]byte(mustBnc(t, "select", "--profile", file, "--network", "3g", "--image-bytes", "3000", "--json")), &r); err != nil {
		t.Fatal(err)
	}
	if r.Choice == nil || len(r.Table) != 9 || len(r.Baselines) != 3 || r.Choice.EnergyMJ == nil {
		t.Errorf("%+v", r)
	}
}

// TestProfileRefuses: wrong usage is 2, what cannot be profiled 3.
func TestProfileRefuses(t *testing.T) {
	model := smallModel(t)
	other := filepath.Join(t.TempDir(), "other.onnx")
	mustBnc(t, "models", "resnet20", "--seed", "2", "-o", other)
	bundle := filepath.Join(t.TempDir(), "bundle")
	mustBnc(t, "split", other, "--after", "rb1", "-o", bundle)
	for _, c := range []struct {
		args    string
		code    int
		message string
	}{
		{"", 2, "bundles or a model"},
		{model + " --runs 3", 2, "expected 20 or more"},
		{model + " --confidence -1", 2, "--confidence"},
		{model + " --power wind", 2, "constant:MW"},
		{model + " --power constant:x", 2, "number of mW"},
		{model + " --ep npu", 2, "npu"},
		{model + " --c 0", 2, "--c"},
		{model + " --cuts rb99", 3, "similar names: rb9"},
		{model + " --cuts rb1 --c 17 --runs 20", 3, "16 channels"},
		{"missing.onnx", 3, "missing.onnx"},
		{model + " --input missing.png", 3, "missing.png"},
		{model + " " + bundle + " --cuts rb1 --runs 20", 3, "of another model"},
	} {
		_, stderr, code := tryBnc(t, append([]string{"profile"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stderr, c.message) {
			t.Errorf("profile %s: code %d, %s; want %d and %q", c.args, code, stderr, c.code, c.message)
		}
	}
}
