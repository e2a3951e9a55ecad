package imagein_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// pillow does what bnc.preprocess says, the way torchvision's transforms for
// Pillow images do, and writes the pixels.
const pillow = `
import json, sys
import numpy as np
from PIL import Image
for job in json.load(open(sys.argv[1])):
    im = Image.open(job["file"])
    w, h = im.size
    box = (0, 0, w, h)
    if job["reduce"] > 1:
        d = job["reduce"]
        im.draft(im.mode, (w // d, h // d))
        box = (0, 0, w / d, h / d)
    im = im.convert("L" if job["color"] == "gray" else "RGB")
    size = job["resize"]
    if size:
        nw, nh = (size, int(size * h / w)) if w <= h else (int(size * w / h), size)
        im = im.resize((nw, nh), Image.BILINEAR, box=box)
        w, h = im.size
    ch, cw = job["crop"]
    top, left = round((h - ch) / 2), round((w - cw) / 2)
    a = np.asarray(im)[top:top + ch, left:left + cw]
    open(job["out"], "wb").write(a.tobytes())
`

type job struct {
	File   string `json:"file"`
	Out    string `json:"out"`
	Color  string `json:"color"`
	Resize int    `json:"resize"`
	Crop   [2]int `json:"crop"`
	Reduce int    `json:"reduce"`
}

// TestPixelsAgainstPillow compares decoded, resized and cropped pixels with
// Pillow's for lossless images of every kind that has one meaning in both.
func TestPixelsAgainstPillow(t *testing.T) {
	dir := t.TempDir()
	files := []string{rttest.GoImage(t, "video-001.png")}
	for name, img := range pictures() {
		path := filepath.Join(dir, name+".png")
		var buf bytes.Buffer
		if err := png.Encode(&buf, img); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	var jobs []job
	for _, file := range files {
		for _, c := range []string{imagein.RGB, imagein.Gray} {
			for _, size := range []struct {
				resize int
				crop   [2]int
			}{{0, [2]int{60, 61}}, {40, [2]int{32, 31}}, {77, [2]int{77, 64}}, {200, [2]int{175, 175}}} {
				jobs = append(jobs, job{file, filepath.Join(dir, fmt.Sprintf("out%d", len(jobs))), c, size.resize, size.crop, 1})
			}
		}
	}
	compare(t, dir, jobs)
}

// TestJPEGAgainstPillow compares JPEG files, whole and at a fraction of their size
// (Pillow's draft mode), prepared for inputs that need no more than the fraction.
func TestJPEGAgainstPillow(t *testing.T) {
	dir := t.TempDir()
	var jobs []job
	for name, img := range map[string]image.Image{"photo": large(t, 641, 850), "wide": large(t, 1023, 520), "gray": large(t, 700, 513).SubImage(image.Rect(0, 0, 699, 512))} {
		if name == "gray" {
			grey := image.NewGray(img.Bounds())
			draw.Draw(grey, grey.Rect, img, image.Point{}, draw.Src)
			img = grey
		}
		for _, quality := range []int{40, 95} {
			path := filepath.Join(dir, fmt.Sprint(name, quality, ".jpg"))
			var buf bytes.Buffer
			if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: quality}); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, c := range []string{imagein.RGB, imagein.Gray} {
				for _, size := range []struct {
					resize, reduce int
					crop           [2]int
				}{{0, 1, [2]int{60, 61}}, {200, 1, [2]int{175, 175}}, {120, 2, [2]int{112, 112}}, {61, 4, [2]int{60, 32}}, {32, 8, [2]int{32, 32}}} {
					jobs = append(jobs, job{path, filepath.Join(dir, fmt.Sprintf("out%d", len(jobs))), c, size.resize, size.crop, size.reduce})
				}
			}
		}
	}
	compare(t, dir, jobs)
}

// large is a picture of edges and gradients under noise.
func large(t *testing.T, width, height int) *image.RGBA {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(width), uint64(height)))
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			n := func(v int) uint8 { return uint8(min(max(v+rng.IntN(40)-20, 0), 255)) }
			img.SetRGBA(x, y, color.RGBA{n((x / 37 % 2) * 200), n(y * 255 / height), n((x + y) / 51 % 3 * 100), 255})
		}
	}
	return img
}

// compare checks the pixels of every job with Pillow's. The arithmetic is Pillow's,
// so nothing may differ.
func compare(t *testing.T, dir string, jobs []job) {
	t.Helper()
	rttest.PythonOn(t, pillow, jobs)
	for _, j := range jobs {
		want, err := os.ReadFile(j.Out)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(j.File)
		if err != nil {
			t.Fatal(err)
		}
		picture, err := imagein.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		l := imagein.Layout{Channels: 3, DType: tensor.Uint8}
		if j.Color == imagein.Gray {
			l.Channels = 1
		}
		p := imagein.Default(l, image.Point{})
		p.Resize, p.Crop = j.Resize, j.Crop
		prep, err := imagein.New(p, l)
		if err != nil {
			t.Fatal(err)
		}
		if d := prep.Reduction(picture); picture.Format == "jpeg" && d != j.Reduce {
			t.Errorf("%s resize %d: may be decoded at 1/%d, expected 1/%d", filepath.Base(j.File), j.Resize, d, j.Reduce)
		}
		img, err := picture.Decode(t.Context(), j.Reduce)
		if err != nil {
			t.Fatal(err)
		}
		got, err := prep.Pixels(img)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s %s resize %d at 1/%d: pixels differ from Pillow's", filepath.Base(j.File), j.Color, j.Resize, j.Reduce)
		}
	}
}

// pictures draws noise over gradients in each kind of image that png.Encode
// keeps.
func pictures() map[string]image.Image {
	rng := rand.New(rand.NewPCG(3, 4))
	const w, h = 120, 97
	r := image.Rect(0, 0, w, h)
	gray, nrgba, rgba := image.NewGray(r), image.NewNRGBA(r), image.NewRGBA(r)
	palette := make(color.Palette, 200)
	for i := range palette {
		palette[i] = color.RGBA{uint8(rng.IntN(256)), uint8(rng.IntN(256)), uint8(i), 255}
	}
	clear := make(color.Palette, len(palette)) // some entries are not, or not quite, to be seen
	for i, c := range palette {
		c := c.(color.RGBA)
		clear[i] = color.NRGBA{c.R, c.G, c.B, uint8(i % 3 * 127)}
	}
	indexed, seeThrough := image.NewPaletted(r, palette), image.NewPaletted(r, clear)
	for y := range h {
		for x := range w {
			n := func(v int) uint8 { return uint8(min(max(v+rng.IntN(60)-30, 0), 255)) }
			gray.SetGray(x, y, color.Gray{n(x * 2)})
			c := color.NRGBA{n(x * 2), n(y * 2), n(255 - x - y), 255}
			rgba.Set(x, y, c)
			c.A = uint8(rng.IntN(256))
			nrgba.SetNRGBA(x, y, c)
			indexed.SetColorIndex(x, y, uint8(rng.IntN(len(palette))))
			seeThrough.SetColorIndex(x, y, uint8(rng.IntN(len(palette))))
		}
	}
	return map[string]image.Image{"gray": gray, "rgba": rgba, "alpha": nrgba, "palette": indexed, "clear": seeThrough}
}
