package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestManyRates: one pair serves many rates, wherever its codec is, here and over a server
// that knows nothing of the rate; no record is longer than it may.
func TestManyRates(t *testing.T) {
	plugin(t)
	model, dir := smallModel(t), t.TempDir()
	images := randomSet(t, open(t, model).Inputs()[0])
	inputs, err := filepath.Glob(filepath.Join(images, "*.npy"))
	if err != nil {
		t.Fatal(err)
	}
	inputs = inputs[:2] // of noise
	var bundles []string
	for name, flags := range map[string]string{
		"graph": "--external-data", "device-host": "--codec-at device-host", "host": "--codec-at host", "tx2": "--target tx2", "ranges": "--range dynamic",
	} {
		bundle := filepath.Join(dir, name)
		args := "--after rb4 --c 8 --s 1 --codec transform --variable-rate --quality 40 --calib " + images + " -o " + bundle + " " + flags
		mustBnc(t, append([]string{"split", model}, strings.Fields(args)...)...)
		bundles = append(bundles, bundle)
	}
	server := "http://" + serveHere(t, bundles...).HTTP
	bytes := map[string][]int{} // of the graph's pair
	slices.SortFunc(bundles, func(a, b string) int { return strings.Compare(filepath.Base(b), filepath.Base(a)) })
	for _, rate := range []string{"", "--rate 90", "--rate 70 --max-bytes 60"} {
		for _, bundle := range bundles {
			args := slices.Concat([]string{bundle, "--threads", "1"}, inputs, strings.Fields(rate))
			here := cloudRuns(t, args...)
			there := cloudRuns(t, append(args, "--cloud", server, "--fallback=false")...)
			var sizes []int
			for i, r := range here {
				sameTop(t, there[i], r)
				if r.PayloadBytes != there[i].PayloadBytes || r.Rate == nil || there[i].Rate == nil || *r.Rate != *there[i].Rate {
					t.Errorf("%s %s: %d bytes here, %d over the server", bundle, rate, r.PayloadBytes, there[i].PayloadBytes)
				}
				if strings.HasSuffix(rate, "--max-bytes 60") && r.PayloadBytes > 60 {
					t.Errorf("%s %s: %d bytes crossed", bundle, rate, r.PayloadBytes)
				}
				if rate == "" && *r.Rate != 40 || rate == "--rate 90" && *r.Rate != 90 {
					t.Errorf("%s %s: at rate %d", bundle, rate, *r.Rate)
				}
				sizes = append(sizes, r.PayloadBytes)
			}
			if name := filepath.Base(bundle); name == "ranges" {
				continue
			}
			if bytes[rate] == nil {
				bytes[rate] = sizes
			}
			if !slices.Equal(sizes, bytes[rate]) {
				t.Errorf("%s %s: %v bytes, expected %v", bundle, rate, sizes, bytes[rate])
			}
		}
	}
	if low, high := bytes[""][0], bytes["--rate 90"][0]; high < 2*low {
		t.Errorf("%d bytes at rate 40 and %d at 90", low, high)
	}
	plain := filepath.Join(dir, "jpeg")
	mustBnc(t, "split", model, "--after", "rb4", "-o", plain)
	for args, want := range map[string]string{
		"run " + plain + " x.npy --rate 10":                                           "--rate needs a pair of many rates: split the model with --codec transform and --variable-rate",
		"run " + plain + " x.npy --max-bytes 10 --cloud " + server:                    "jpeg: --max-bytes needs a pair of many rates",
		"run " + model + " x.npy --max-bytes 10":                                      "--max-bytes needs a pair of many rates",
		"run " + bundles[0] + " x.npy --rate 101":                                     "--rate",
		"eval " + plain + " --data " + images + " --max-bytes 10":                     "--max-bytes needs a pair of many rates",
		"eval " + bundles[0] + " --data " + images + " --max-bytes 1":                 "--max-bytes 1: a record of this pair takes at least",
		"eval " + bundles[0] + "/bottlenet.onnx --data " + images + " --max-bytes 60": "--max-bytes is of the halves beside it: give the folder " + bundles[0],
		"run " + bundles[0] + "/bottlenet.onnx x.npy --rate 90":                       "--rate is of the halves beside it: give the folder " + bundles[0],
		"run " + bundles[0] + "/mobile.onnx x.npy --max-bytes 60":                     "--max-bytes is of the halves beside it: give the folder " + bundles[0],
		"run " + bundles[0] + "/bottlenet.onnx x.npy --rate 90 --cloud " + server:     "bottlenet: --rate is of the halves beside it: give the folder " + bundles[0],
		"run " + bundles[0] + " x.npy --max-bytes 1":                                  "--max-bytes 1: a record of this pair takes at least",
		"split " + model + " --after rb4 --variable-rate":                             "--variable-rate: codec jpeg has one quality for all images: expected one of transform",
		"split " + model + " --after rb4 --variable-rate --plain":                     "--variable-rate has no meaning with --plain",
	} {
		args = strings.Replace(args, "x.npy", inputs[0], 1)
		if _, stderr, code := tryBnc(t, strings.Fields(args)...); code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("bnc %s: exit code %d, expected 2 and %q\n%s", args, code, want, stderr)
		}
	}
}
