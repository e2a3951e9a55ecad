package feed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// cropped crops and resizes with Pillow, as torchvision does with its images.
// It resizes along x first, as Pillow's resize did until it began with y where
// the height shrinks more (its pull request 9549), which moves some roundings.
const cropped = `
import json, sys
import numpy as np
from PIL import Image
for job in json.load(open(sys.argv[1])):
    im = Image.open(job["file"]).convert("L" if job["gray"] else "RGB")
    im = im.crop(job["box"])
    im = im.resize((job["size"][1], im.size[1]), Image.BILINEAR)
    im = im.resize((job["size"][1], job["size"][0]), Image.BILINEAR)
    open(job["out"], "wb").write(np.asarray(im).tobytes())
`

// TestResizedCropAgainstPillow wants Pillow's pixels for random windows.
func TestResizedCropAgainstPillow(t *testing.T) {
	type job struct {
		File string `json:"file"`
		Gray bool   `json:"gray"`
		Box  [4]int `json:"box"`
		Size [2]int `json:"size"`
		Out  string `json:"out"`
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "noise.png")
	rng := rand.New(rand.NewPCG(1, 2))
	img := image.NewRGBA(image.Rect(0, 0, 97, 121))
	for y := range 121 {
		for x := range 97 {
			img.SetRGBA(x, y, color.RGBA{uint8(rng.Uint32()), uint8(2*x + rng.IntN(40)), uint8(2 * y), 255})
		}
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	var jobs []job
	var got [][]uint8
	var s imagein.Scratch
	var pad []uint8
	a := Augment{ResizedCrop: [2]float64{0.05, 1}}
	for _, channels := range []int{1, 3} {
		for i := range 40 {
			l := imagein.Layout{Channels: channels, DType: tensor.Uint8}
			p := imagein.Default(l, image.Point{})
			p.Crop = [2]int{30 + i, 64 - i}
			prep, err := imagein.New(p, l)
			if err != nil {
				t.Fatal(err)
			}
			seed := rand.NewPCG(uint64(channels), uint64(i))
			w := a.window(img.Bounds(), 1, rand.New(seed))
			seed.Seed(uint64(channels), uint64(i))
			pixels, _, err := a.pixels(prep, img, rand.New(seed), &s, &pad)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, slices.Clone(pixels))
			jobs = append(jobs, job{file, channels == 1, [4]int{w.Min.X, w.Min.Y, w.Max.X, w.Max.Y}, p.Crop, filepath.Join(dir, fmt.Sprint(len(jobs)))})
		}
	}
	rttest.PythonOn(t, cropped, jobs)
	for i, j := range jobs {
		want, err := os.ReadFile(j.Out)
		if err != nil {
			t.Fatal(err)
		}
		// The arithmetic is Pillow's, so nothing may differ.
		if !bytes.Equal(got[i], want) {
			t.Errorf("%+v: pixels differ from Pillow's", j)
		}
	}
}

// drawn draws windows with torchvision's RandomResizedCrop.
const drawn = `
import json, sys, torch
from torchvision.transforms import RandomResizedCrop
torch.manual_seed(1)
n, tests = json.loads(sys.argv[1])
out = []
for w, h, low, high in tests:
    image = torch.zeros(3, h, w)
    draws = [RandomResizedCrop.get_params(image, [low, high], [3 / 4, 4 / 3]) for _ in range(n)]
    out.append([[x, y, cw, ch] for y, x, ch, cw in draws])
print(json.dumps(out))
`

// TestWindowsAgainstTorchvision compares the distributions of random windows
// with torchvision's, each of left, top, width and height, on images where all
// draws fit, few do, and none does.
func TestWindowsAgainstTorchvision(t *testing.T) {
	python := os.Getenv("BNC_TORCH_PYTHON")
	if python == "" {
		python = "/usr/bin/python3"
	}
	if err := exec.Command(python, "-c", "import torchvision").Run(); err != nil {
		t.Skipf("%s has no torchvision: run make deps-oracle or set BNC_TORCH_PYTHON", python)
	}
	const n = 4000
	tests := [][4]float64{{341, 256, 0.08, 1}, {28, 28, 0.35, 1}, {60, 200, 0.3, 1}, {10, 400, 0.9, 1}, {400, 10, 0.9, 1}, {2, 1, 0.1, 1}}
	args, err := json.Marshal([]any{n, tests})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", drawn, string(args)).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want [][][4]int
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	for i, test := range tests {
		width, height, area := int(test[0]), int(test[1]), [2]float64{test[2], test[3]}
		var got [][4]int
		rng := rand.New(rand.NewPCG(5, 6))
		bounds := image.Rect(7, 3, 7+width, 3+height) // coordinates are the image's own
		for range n {
			w := Augment{ResizedCrop: area}.window(bounds, 1, rng)
			if w.Empty() || !w.In(bounds) {
				t.Fatalf("window %v of %v", w, bounds)
			}
			got = append(got, [4]int{w.Min.X - 7, w.Min.Y - 3, w.Dx(), w.Dy()})
		}
		for k, name := range []string{"left", "top", "width", "height"} {
			// The two-sample Kolmogorov-Smirnov statistic: 1.95 sqrt(2/n) is
			// exceeded once in a thousand by samples of one distribution.
			if d, limit := distance(got, want[i], k), 1.95*math.Sqrt(2.0/n); d > limit {
				t.Errorf("%dx%d area %v: distributions of %s are %.3f apart, limit %.3f", width, height, area, name, d, limit)
			}
		}
	}
}

// distance returns the largest distance of two samples' cumulative frequencies
// of element k.
func distance(a, b [][4]int, k int) float64 {
	counts := map[int]int{}
	for _, x := range a {
		counts[x[k]]++
	}
	for _, x := range b {
		counts[x[k]]--
	}
	var values []int
	for v := range counts {
		values = append(values, v)
	}
	slices.Sort(values)
	sum, worst := 0, 0
	for _, v := range values {
		sum += counts[v]
		worst = max(worst, sum, -sum)
	}
	return float64(worst) / float64(len(a))
}
