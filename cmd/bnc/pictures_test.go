package main

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/plan"
)

// TestPictures: bnc eval --draw shows the image on which teacher and bundle agree least, one
// in the middle and the one on which they agree most, and bnc report shows what was drawn.
func TestPictures(t *testing.T) {
	plugin(t)
	model, set, dir := stripeModel(t), patterns(t, 24, true), t.TempDir()
	bundle, drawn := splitAt(t, model), filepath.Join(dir, "pictures")
	d := document(t, "eval", bundle, "--data", set, "--teacher", model, "--draw", drawn)
	agreed := d["agreement"].(float64)
	want := map[string]float64{"worst": 1, "median": 1, "best": 0}
	if agreed < 1 {
		want["worst"] = 0
	}
	if agreed > 0 {
		want["best"] = 1
	}
	if agreed < 0.5 { // the 13th of 24
		want["median"] = 0
	}
	pictures := d["pictures"].([]any)
	if len(pictures) != 3 {
		t.Fatalf("%v", pictures)
	}
	for _, p := range pictures {
		p := p.(map[string]any)
		which := p["which"].(string)
		f, err := os.Open(p["file"].(string))
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		f.Close()
		// Two pictures of 28 pixels, grown to 320, beside one another.
		if err != nil || img.Bounds().Dx() < 640 || p["file"] != filepath.Join(drawn, which+".png") || p["agreement"] != want[which] {
			t.Errorf("%v, %v, expected agreement %v", p, err, want[which])
		}
	}

	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "eval.json"), text)
	profile, err := plan.ReadProfile("paper")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "profile.json"), profile)
	whole, err := json.Marshal(document(t, "eval", model, "--data", set))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "whole.json"), whole)
	page := filepath.Join(dir, "page.html")
	mustBnc(t, "report", "--profile", filepath.Join(dir, "profile.json"), "--eval", filepath.Join(dir, "whole.json"), "--eval", "mine="+filepath.Join(dir, "eval.json"), "-o", page)
	text, err = os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	worst, err := os.ReadFile(filepath.Join(drawn, "worst.png"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(html.UnescapeString(string(text)), "data:image/png;base64,"+base64.StdEncoding.EncodeToString(worst)) {
		t.Error("the page does not show the worst image")
	}
	if !strings.Contains(string(text), "; img-src data:\">") {
		t.Error("the page's policy keeps browsers from showing it")
	}
	write(t, filepath.Join(drawn, "worst.png"), []byte("text"))
	if _, stderr, code := tryBnc(t, "report", "--profile", "paper", "--eval", filepath.Join(dir, "eval.json"), "-o", page); code != 3 || !strings.Contains(stderr, "worst.png is no PNG") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if _, stderr, code := tryBnc(t, "eval", model, "--data", set, "--draw", drawn); code != 2 || !strings.Contains(stderr, "--teacher") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
