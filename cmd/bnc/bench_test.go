package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/bench"
)

// photoFolder writes two different photographs of 40 x 36 pixels as PNG and returns
// their folder and their mean size.
func photoFolder(t *testing.T) (dir string, mean int) {
	t.Helper()
	dir = t.TempDir()
	for i, name := range []string{"a.png", "b.png"} {
		img := image.NewRGBA(image.Rect(0, 0, 40, 36))
		for y := range 36 {
			for x := range 40 {
				img.SetRGBA(x, y, color.RGBA{uint8(6 * x), uint8(7 * y), uint8((x*y)>>i + 90*i), 255})
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		mean += b.Len() / 2
	}
	return dir, mean
}

// TestBench measures a model and its bundles with and without a link.
func TestBench(t *testing.T) {
	c := newCloudSet(t)
	dir, fileBytes := photoFolder(t)
	crossed := func(bundle string) float64 { // bytes an image, as bnc run has them
		var ran struct {
			Results []struct {
				PayloadBytes float64 `json:"payload_bytes"`
			} `json:"results"`
		}
		if err := json.Unmarshal([]byte(mustBnc(t, "run", bundle, dir, "--json")), &ran); err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, r := range ran.Results {
			sum += r.PayloadBytes
		}
		return sum / float64(len(ran.Results))
	}
	bottleneck, plain := c.bundle("net-rb1"), c.bundle("net-rb6-plain")

	const slow = "400kbit,15ms"
	var measured struct{ Rows []bench.Row }
	out := mustBnc(t, "bench", c.model, bottleneck, plain, "--input", dir, "--link", "none", "--link", slow, "--n", "2", "--jpeg-bytes", "700", "--json")
	if err := json.Unmarshal([]byte(out), &measured); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := map[string]float64{ // bytes of each way
		"mobile-only": 0, "cloud-only": float64(fileBytes), "cloud-only, JPEG of 700 bytes": 700, "split net-rb1": crossed(bottleneck), "split net-rb6-plain": crossed(plain),
	}
	if len(measured.Rows) != 2*len(want) {
		t.Fatalf("%d rows, expected %d\n%s", len(measured.Rows), 2*len(want), out)
	}
	for _, r := range measured.Rows {
		way := r.Way
		if way == "split" {
			way += " " + r.Model
		}
		bytes, known := want[way]
		switch {
		case !known:
			t.Errorf("unexpected way %q", way)
		case strings.Contains(way, "JPEG"):
			if r.Bytes > 700 || r.Bytes < 350 { // the next quality would have been too large: a few percent
				t.Errorf("%s: %d bytes crossed", way, r.Bytes)
			}
		case float64(r.Bytes) < bytes-1 || float64(r.Bytes) > bytes: // means are cut off
			t.Errorf("%s: %d bytes crossed, expected %.1f", way, r.Bytes, bytes)
		}
		// What an emulated link takes at least: a round trip and the bytes.
		if least := 30 + float64(r.Bytes)*8/400; r.Link == slow && r.Bytes > 0 && r.Wire.Median < least {
			t.Errorf("%s over %s: %.1f ms on the link, which takes %.1f ms at least", way, r.Link, r.Wire.Median, least)
		}
		if r.N != 2 || r.Total.Median <= 0 || r.Total.P95 < r.Total.Median {
			t.Errorf("%+v", r)
		}
	}
	if table := mustBnc(t, "bench", bottleneck, "--input", dir, "--link", "none", "--n", "1", "--markdown"); !strings.Contains(table, "| none | split | net-rb1 |") {
		t.Errorf("%s", table)
	}
}

// TestBenchUsage refuses what cannot be measured before anything is.
func TestBenchUsage(t *testing.T) {
	dir, _ := photoFolder(t)
	for _, c := range []struct {
		args  string
		words string
	}{
		{"x --input " + dir + " --link 7g", "7g"},
		{"x a/x --input " + dir, "both named x"},
		{"x", "--input"},
		{"x --input " + dir + " --json --markdown", "exclude"},
		{"x --input " + dir + " --cert c.pem", "--key"},
	} {
		_, stderr, code := tryBnc(t, append([]string{"bench"}, strings.Fields(c.args)...)...)
		if code != exitUsage || !strings.Contains(stderr, c.words) {
			t.Errorf("bnc bench %s: exit code %d, %s", c.args, code, stderr)
		}
	}
}
