package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc"
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

// sentBytes is what an image of dir takes as a codec's file, as bnc eval has it.
func sentBytes(t *testing.T, model, dir, codec, quality string) float64 {
	t.Helper()
	var sent struct {
		FileBytes struct{ Mean float64 } `json:"file_bytes"`
	}
	if err := json.Unmarshal([]byte(mustBnc(t, "eval", model, "--data", dir, "--input-codec", codec, "--quality", quality, "--json")), &sent); err != nil {
		t.Fatal(err)
	}
	return sent.FileBytes.Mean
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
	bottleneck, rates, coded, plain := c.bundle("net-rb1"), c.bundle("net-rb2-rates"), c.bundle("net-rb5-coded"), c.bundle("net-rb6-plain")

	const slow = "400kbit,15ms"
	var measured bnc.BenchResult
	out := mustBnc(t, "bench", c.model, bottleneck, rates, coded, plain, "--input", dir, "--link", "none", "--link", slow, "--n", "2", "--jpeg-bytes", "700", "--input-codec", "avif,jpeg", "--quality", "40,80", "--slower", "1,1000", "--json")
	if err := json.Unmarshal([]byte(out), &measured); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := map[string]float64{ // bytes of each way
		"mobile-only": 0, "cloud-only": float64(fileBytes), "cloud-only, JPEG of 700 bytes": 700,
		"cloud-only, avif of quality 40": sentBytes(t, c.model, dir, "avif", "40"), "cloud-only, jpeg of quality 80": sentBytes(t, c.model, dir, "jpeg", "80"),
		"split net-rb1":       crossed(bottleneck),
		"split net-rb2-rates": crossed(rates), "split net-rb5-coded": crossed(coded), "split net-rb6-plain": crossed(plain),
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
		case strings.Contains(way, "quality") != (r.Mobile.Median > 0) && strings.Contains(way, "cloud"):
			t.Errorf("%s: the device took %v ms", way, r.Mobile.Median)
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
	for i, link := range []string{"none", slow} {
		least := slices.MinFunc(measured.Rows[i*len(want):][:len(want)], func(a, b bench.Row) int { return cmp.Compare(a.Total.Median, b.Total.Median) })
		ranked := measured.Fastest[2*i]
		if ranked.Link != link || ranked.Slower != 1 || len(ranked.Ways) != 3 || ranked.Ways[0] != least || !slices.IsSortedFunc(ranked.Ways, func(a, b bench.Row) int { return cmp.Compare(a.Total.Median, b.Total.Median) }) {
			t.Errorf("%s: ranked %+v, the fastest is %+v", link, ranked, least)
		}
		// A device that takes a second for a millisecond is left alone, as files that are there are sent.
		if ranked := measured.Fastest[2*i+1]; ranked.Link != link || ranked.Slower != 1000 || ranked.Ways[0].Mobile.Median != 0 {
			t.Errorf("%s, a slow device: %+v", link, ranked)
		}
	}
	table := mustBnc(t, "bench", c.model, bottleneck, "--input", dir, "--link", "none", "--n", "1", "--markdown")
	for _, line := range []string{"| none | split | net-rb1 |", "| none | mobile-only |", "| link | device slower | fastest | then | then |", "| none | 1 x | ", "ms: net-rb1, split |"} {
		if !strings.Contains(table, line) {
			t.Errorf("no %q in\n%s", line, table)
		}
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
		{"x --input " + dir + " --input-codec gif", "avif, avif-fast, webp, jpeg"},
		{"x --input " + dir + " --input-codec avif --quality 0", "1 to 100"},
		{"x --input " + dir + " --input-codec avif,jpeg --quality 1,2,3", "3 values for 2 codecs of --input-codec"},
		{"x --input " + dir + " --quality 50", "--input-codec"},
		{"x --input " + dir + " --slower 0", "--slower 0: expected a number above 0"},
		{"x --input " + dir + " --input-codec avif --cloud http://h:1", "--jpeg-bytes is for both"},
	} {
		_, stderr, code := tryBnc(t, append([]string{"bench"}, strings.Fields(c.args)...)...)
		if code != exitUsage || !strings.Contains(stderr, c.words) {
			t.Errorf("bnc bench %s: exit code %d, %s", c.args, code, stderr)
		}
	}
}
