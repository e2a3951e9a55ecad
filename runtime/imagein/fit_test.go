package imagein_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// wholes does what fit stretch and letterbox say with Pillow; a letterbox's sizes are
// those of Ultralytics' LetterBox, written after its description. Channels are resized one
// by one, along x first, which Pillow leaves to the cost for tall pictures.
const wholes = `
import json, sys
import numpy as np
from PIL import Image
for job in json.load(open(sys.argv[1])):
    mode = {"rgb": "RGB", "bgr": "RGB", "gray": "L", "rgba": "RGBA"}[job["color"]]
    im = Image.open(job["file"]).convert(mode)
    w, h = im.size
    H, W = job["crop"]
    nw, nh, left, top = W, H, 0, 0
    if job["fit"] == "letterbox":
        r = min(H / h, W / w)
        nw, nh = max(int(round(w * r)), 1), max(int(round(h * r)), 1)
        dw, dh = (W - nw) / 2, (H - nh) / 2
        top, left = int(round(dh - 0.1)), int(round(dw - 0.1))
        assert int(round(dh + 0.1)) + top + nh == H and int(round(dw + 0.1)) + left + nw == W
    bands = [b.resize((nw, h), Image.BILINEAR).resize((nw, nh), Image.BILINEAR) for b in im.split()]
    out = np.empty((H, W, len(bands)), np.uint8)
    out[:] = (job["pad"] or [114, 114, 114, 255])[:len(bands)]
    out[top:top + nh, left:left + nw] = np.stack([np.asarray(b) for b in bands], -1)
    if job["color"] == "bgr":
        out[:top], out[top + nh:] = out[:top, :, ::-1], out[top + nh:, :, ::-1]
        out[top:top + nh, :left], out[top:top + nh, left + nw:] = out[top:top + nh, :left, ::-1], out[top:top + nh, left + nw:, ::-1]
    open(job["out"], "wb").write(out.tobytes())
`

// Whole pictures, stretched and in a letterbox, are Pillow's to the byte: smaller and
// larger than the input, in every kind of image, with borders of odd sizes.
func TestWholeAgainstPillow(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for name, img := range pictures() {
		files = append(files, written(t, dir, name, img))
	}
	files = append(files, written(t, dir, "wide", large(t, 203, 31)), written(t, dir, "line", large(t, 11, 190)), rttest.GoImage(t, "video-001.png"))
	var jobs []wholeJob
	for _, file := range files {
		for _, c := range imagein.Colors() {
			for _, fit := range []string{imagein.FitStretch, imagein.FitLetterbox} {
				for _, crop := range [][2]int{{64, 64}, {33, 70}, {251, 140}} {
					j := wholeJob{File: file, Out: filepath.Join(dir, fmt.Sprintf("out%d", len(jobs))), Color: c, Fit: fit, Crop: crop}
					if fit == imagein.FitLetterbox && crop[0] == 33 {
						j.Pad = []int{3, 200, 17, 90}[:map[string]int{imagein.Gray: 1, imagein.RGBA: 4, imagein.RGB: 3, imagein.BGR: 3}[c]]
					}
					jobs = append(jobs, j)
				}
			}
		}
	}
	rttest.PythonOn(t, wholes, jobs)
	for _, j := range jobs {
		want, err := os.ReadFile(j.Out)
		if err != nil {
			t.Fatal(err)
		}
		img, err := imagein.DecodeFile(j.File)
		if err != nil {
			t.Fatal(err)
		}
		got, err := preparer(t, imagein.Preprocess{Color: j.Color, Fit: j.Fit, Crop: j.Crop, Pad: j.Pad}).Pixels(img)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s %s %s to %v: pixels differ from Pillow's", filepath.Base(j.File), j.Color, j.Fit, j.Crop)
		}
	}
}

type wholeJob struct {
	File  string `json:"file"`
	Out   string `json:"out"`
	Color string `json:"color"`
	Fit   string `json:"fit"`
	Crop  [2]int `json:"crop"`
	Pad   []int  `json:"pad"`
}

// written is the path of a picture as PNG.
func written(t *testing.T, dir, name string, img image.Image) string {
	t.Helper()
	path := filepath.Join(dir, name+".png")
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// preparer is the Preparer of p for raw pixels.
func preparer(t *testing.T, p imagein.Preprocess) *imagein.Preparer {
	t.Helper()
	l := imagein.Layout{Channels: map[string]int{imagein.Gray: 1, imagein.RGBA: 4, imagein.RGB: 3, imagein.BGR: 3}[p.Color], DType: tensor.Uint8}
	d := imagein.Default(l, image.Point{})
	p.Scale, p.Mean, p.Std = d.Scale, d.Mean, d.Std
	prep, err := imagein.New(p, l)
	if err != nil {
		t.Fatal(err)
	}
	return prep
}

// What is prepared, of every type and layout of an input, is computed from the pixels:
// compared with what is worked out from Pixels, for letterboxes with a border.
func TestWholeValues(t *testing.T) {
	img := large(t, 90, 60)
	for _, dtype := range []tensor.DType{tensor.Float32, tensor.Float16, tensor.Uint8, tensor.Int8, tensor.Int32} {
		for _, last := range []bool{false, true} {
			for _, channels := range []int{1, 3, 4} {
				l := imagein.Layout{Channels: channels, Height: 24, Width: 20, ChannelsLast: last, DType: dtype}
				p := imagein.Default(l, image.Point{})
				p.Fit, p.Resize = imagein.FitLetterbox, 0
				prep, err := imagein.New(p, l)
				if err != nil {
					t.Fatal(err)
				}
				pixels, err := prep.Pixels(img)
				if err != nil {
					t.Fatal(err)
				}
				x, err := prep.One(img)
				if err != nil {
					t.Fatal(err)
				}
				values, err := x.Floats()
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range pixels {
					at := i
					if !last {
						at = i%channels*24*20 + i/channels
					}
					want := (float64(v)*p.Scale - p.Mean[i%channels]) / p.Std[i%channels]
					// float16 has 11 bits, float32 24; whole numbers are exact.
					if diff := math.Abs(values[at] - want); diff > math.Abs(want)*0x1p-11+1e-6 {
						t.Fatalf("%v, %d channels, last %t: value %d is %v, expected %v", dtype, channels, last, i, values[at], want)
					}
				}
			}
		}
	}
}

// Squares are where the frame says, for every fit, also of a picture that was decoded at
// a fraction of its size and of one that its file has turned.
func TestFramesOfFits(t *testing.T) {
	const side, w, h = 48, 400, 296
	for _, p := range []imagein.Preprocess{
		{Fit: imagein.FitStretch, Crop: [2]int{side, side}},
		{Fit: imagein.FitLetterbox, Crop: [2]int{side, side}},
		{Fit: imagein.FitLetterbox, Crop: [2]int{61, 40}},
		{Resize: 60, Crop: [2]int{side, side}},
	} {
		p.Color, p.Pad, p.Orient = imagein.Gray, nil, true
		if p.Fit == imagein.FitLetterbox {
			p.Pad = []int{0}
		}
		prep := preparer(t, p)
		for _, at := range []image.Point{{140, 100}, {201, 143}, {250, 180}} {
			grey := image.NewGray(image.Rect(0, 0, w, h))
			square := image.Rectangle{at, at.Add(image.Pt(16, 16))}
			for y := square.Min.Y; y < square.Max.Y; y++ {
				for x := square.Min.X; x < square.Max.X; x++ {
					grey.SetGray(x, y, color.Gray{255})
				}
			}
			var file bytes.Buffer
			if err := jpeg.Encode(&file, grey, &jpeg.Options{Quality: 100}); err != nil {
				t.Fatal(err)
			}
			picture, err := imagein.Open(file.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			reduced, err := picture.Decode(t.Context(), 2)
			if err != nil {
				t.Fatal(err)
			}
			for name, img := range map[string]image.Image{"whole": grey, "at 1/2": reduced, "turned": &imagein.Oriented{Raw: grey, Orientation: 6}} {
				frame, err := prep.Frame(prep.UprightSize(img))
				if err != nil {
					t.Fatal(err)
				}
				pixels, err := prep.Pixels(img)
				if err != nil {
					t.Fatal(err)
				}
				x, y := frame.ToPicture(gravity(pixels, p.Crop[1]))
				wantX, wantY := float64(at.X)+8, float64(at.Y)+8
				if name == "turned" { // by a quarter to the right
					wantX, wantY = h-wantY, wantX
				}
				// The filter is symmetric; pixels are rounded to 1 of 255 and, in a JPEG file,
				// ring around edges. An input's pixel is up to 8 of the picture's.
				if math.Abs(x-wantX) > 0.5 || math.Abs(y-wantY) > 0.5 {
					t.Errorf("%s %s: the square is at %.2f, %.2f, expected %.2f, %.2f", p.Fit, name, x, y, wantX, wantY)
				}
			}
		}
	}
}

// gravity returns the centre of gravity of pixels in rows of a width.
func gravity(pixels []uint8, width int) (x, y float64) {
	var sum float64
	for i, v := range pixels {
		if v < 8 { // what rings
			continue
		}
		x, y, sum = x+float64(v)*(float64(i%width)+0.5), y+float64(v)*(float64(i/width)+0.5), sum+float64(v)
	}
	return x / sum, y / sum
}

// nearest takes the class at the centre of each pixel of the input, in whole numbers.
const nearest = `
import json, sys
import numpy as np
from PIL import Image
for job in json.load(open(sys.argv[1])):
    mask = np.asarray(Image.open(job["file"]))
    h, w = mask.shape
    H, W = job["crop"]
    if job["resize"]:
        size = job["resize"]
        nw, nh = (size, int(size * h / w)) if w <= h else (int(size * w / h), size)
        left, top = round((W - nw) / 2), round((H - nh) / 2)
    elif job["fit"] == "letterbox":
        r = min(H / h, W / w)
        nw, nh = round(w * r), round(h * r)
        left, top = (W - nw) // 2, (H - nh) // 2
    else:
        nw, nh, left, top = W, H, 0, 0
    x, y = (2 * (np.arange(W) - left) + 1) * w // (2 * nw), (2 * (np.arange(H) - top) + 1) * h // (2 * nh)
    out = np.full((H, W), 255, np.uint8)
    inside = np.ix_((y >= 0) & (y < h), (x >= 0) & (x < w))
    out[inside] = mask[np.ix_(y[(y >= 0) & (y < h)], x[(x >= 0) & (x < w)])]
    open(job["out"], "wb").write(out.tobytes())
`

// Masks come to lie as the pictures do, grey ones and those with a palette.
func TestMaskAgainstNumpy(t *testing.T) {
	dir := t.TempDir()
	type maskJob struct {
		File   string `json:"file"`
		Out    string `json:"out"`
		Crop   [2]int `json:"crop"`
		Fit    string `json:"fit"`
		Resize int    `json:"resize"`
	}
	var jobs []maskJob
	var got [][]uint8
	for _, size := range []image.Point{{97, 60}, {40, 131}, {33, 33}} {
		rng := rand.New(rand.NewPCG(5, uint64(size.X)))
		indexed := image.NewPaletted(image.Rectangle{Max: size}, make(color.Palette, 256))
		for i := range indexed.Palette {
			indexed.Palette[i] = color.RGBA{uint8(i * 7), uint8(255 - i), uint8(i), 255}
		}
		grey := image.NewGray(indexed.Rect)
		for i := range grey.Pix {
			v := uint8(rng.IntN(256))
			grey.Pix[i], indexed.Pix[i] = v, v
		}
		for name, img := range map[string]image.Image{"grey": grey, "indexed": indexed} {
			file := written(t, dir, fmt.Sprint(name, size.X), img)
			mask, err := imagein.DecodeMaskFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range []imagein.Preprocess{
				{Fit: imagein.FitStretch, Crop: [2]int{50, 47}},
				{Fit: imagein.FitLetterbox, Crop: [2]int{64, 64}},
				{Fit: imagein.FitLetterbox, Crop: [2]int{31, 72}},
				{Resize: 41, Crop: [2]int{37, 29}},
			} {
				p.Color = imagein.RGB
				frame, err := preparer(t, p).Frame(size)
				if err != nil {
					t.Fatal(err)
				}
				classes, err := frame.Mask(mask)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, classes)
				jobs = append(jobs, maskJob{file, filepath.Join(dir, fmt.Sprintf("mask%d", len(jobs))), p.Crop, p.Fit, p.Resize})
			}
		}
	}
	rttest.PythonOn(t, nearest, jobs)
	for i, j := range jobs {
		want, err := os.ReadFile(j.Out)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got[i], want) {
			n := 0
			for k := range want {
				if got[i][k] != want[k] {
					n++
				}
			}
			t.Errorf("%s %s to %v: %d of %d classes differ from numpy's", filepath.Base(j.File), j.Fit, j.Crop, n, len(want))
		}
	}
}

// Grey masks of fewer than 8 bits hold their samples, not the levels that those stand for.
func TestMaskOfFewBits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mask.png")
	for bits, want := range map[int][]uint8{1: {0, 1, 1, 0}, 2: {3, 0, 1, 2}, 4: {15, 4, 0, 9}} {
		rttest.Python(t, `
import struct, sys, zlib
bits, path, values = int(sys.argv[1]), sys.argv[2], eval(sys.argv[3])
packed = 0
for v in values:
    packed = packed << bits | v
row = (packed << (-4 * bits % 8)).to_bytes((4 * bits + 7) // 8, "big")
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b""))
`, fmt.Sprint(bits), path, strings.ReplaceAll(fmt.Sprint(want), " ", ","))
		mask, err := imagein.DecodeMaskFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(mask.Classes, want) {
			t.Errorf("%d bits: %v, expected %v", bits, mask.Classes, want)
		}
	}
}

func TestNoMask(t *testing.T) {
	var jpegs bytes.Buffer
	if err := jpeg.Encode(&jpegs, two(), nil); err != nil {
		t.Fatal(err)
	}
	colour, err := os.ReadFile(written(t, t.TempDir(), "colour", two()))
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{"jpeg": jpegs.Bytes(), "colour": colour, "text": []byte("no image")} {
		if m, err := imagein.DecodeMask(file); err == nil {
			t.Errorf("%s is taken for a mask: %v", name, m)
		}
	}
	frame := imagein.Frame{Picture: image.Pt(3, 2), Input: image.Pt(4, 4), ScaleX: 1, ScaleY: 1}
	if _, err := frame.Mask(&imagein.Mask{Size: image.Pt(2, 3), Classes: make([]uint8, 6)}); err == nil || !strings.Contains(err.Error(), "2x3") {
		t.Errorf("a mask of another size: %v", err)
	}
}

// Old metadata has no fit, and what is written for crops looks as it did.
func TestFitInJSON(t *testing.T) {
	const old = `{"color":"rgb","resize":256,"crop":[224,224],"orient":true,"scale":1,"mean":[0,0,0],"std":[1,1,1]}`
	var p imagein.Preprocess
	if err := json.Unmarshal([]byte(old), &p); err != nil {
		t.Fatal(err)
	}
	l := imagein.Layout{Channels: 3, Height: 224, Width: 224, DType: tensor.Float32}
	again, err := imagein.Overrides{Fit: imagein.FitCrop}.Resolve(l, &p, image.Point{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(again)
	if err != nil || string(text) != old {
		t.Errorf("%s, %v, expected %s", text, err, old)
	}
	letterbox, err := imagein.Overrides{Fit: imagein.FitLetterbox, Pad: []int{7}}.Resolve(l, &p, image.Point{})
	if err != nil {
		t.Fatal(err)
	}
	want := p
	want.Fit, want.Resize, want.Pad = imagein.FitLetterbox, 0, []int{7, 7, 7}
	if !reflect.DeepEqual(letterbox, want) {
		t.Errorf("%+v, expected %+v", letterbox, want)
	}
	if back, err := (imagein.Overrides{Fit: imagein.FitCrop}).Resolve(l, &letterbox, image.Point{}); err != nil || !reflect.DeepEqual(back, p) {
		t.Errorf("back to a crop: %+v, %v, expected %+v", back, err, p)
	}
}

// A model of any size gets that of the crop, whatever the fit; one of a fixed size keeps
// it, also where its metadata say another.
func TestSizesOfWholes(t *testing.T) {
	open := imagein.Layout{Channels: 3, DType: tensor.Float32}
	fixed := imagein.Layout{Channels: 3, Height: 320, Width: 256, DType: tensor.Float32}
	says := &imagein.Preprocess{Color: imagein.RGB, Fit: imagein.FitLetterbox, Crop: [2]int{640, 640}, Scale: 1.0 / 255, Mean: make([]float64, 3), Std: []float64{1, 1, 1}}
	for name, x := range map[string]struct {
		l         imagein.Layout
		o         imagein.Overrides
		inherited *imagein.Preprocess
		want      [2]int
	}{
		"given":            {open, imagein.Overrides{Fit: imagein.FitStretch, Crop: [2]int{96, 64}}, nil, [2]int{96, 64}},
		"metadata":         {open, imagein.Overrides{}, says, [2]int{640, 640}},
		"given beside it":  {open, imagein.Overrides{Crop: [2]int{64, 96}}, says, [2]int{64, 96}},
		"fixed":            {fixed, imagein.Overrides{Fit: imagein.FitStretch}, nil, [2]int{320, 256}},
		"fixed beside it":  {fixed, imagein.Overrides{}, says, [2]int{320, 256}},
		"usual of a task":  {fixed, imagein.Overrides{Usual: imagein.FitStretch}, nil, [2]int{320, 256}},
		"a height is open": {imagein.Layout{Channels: 3, Width: 64, DType: tensor.Float32}, imagein.Overrides{Fit: imagein.FitStretch, Crop: [2]int{32, 64}}, nil, [2]int{32, 64}},
	} {
		p, err := x.o.Resolve(x.l, x.inherited, image.Point{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Crop != x.want || !p.Whole() || p.Resize != 0 {
			t.Errorf("%s: %+v, expected the whole picture at %v", name, p, x.want)
		}
	}
	for name, x := range map[string]struct {
		o    imagein.Overrides
		want string
	}{
		"no size":           {imagein.Overrides{Fit: imagein.FitStretch}, "option crop"},
		"one side":          {imagein.Overrides{Fit: imagein.FitStretch, Crop: [2]int{3, 0}}, "option crop"},
		"unknown":           {imagein.Overrides{Fit: "cover"}, "option fit"},
		"pad of a crop":     {imagein.Overrides{Pad: []int{1}, Crop: [2]int{3, 3}}, "option pad"},
		"pad out of range":  {imagein.Overrides{Fit: imagein.FitLetterbox, Pad: []int{256}, Crop: [2]int{3, 3}}, "option pad"},
		"pad of 2 channels": {imagein.Overrides{Fit: imagein.FitLetterbox, Pad: []int{1, 2}, Crop: [2]int{3, 3}}, "pad [1 2]"},
		"resize":            {imagein.Overrides{Fit: imagein.FitStretch, Resize: new(9), Crop: [2]int{3, 3}}, "option resize"},
	} {
		if _, err := x.o.Resolve(open, nil, image.Point{}); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, expected %s", name, err, x.want)
		}
	}
	if _, err := (imagein.Overrides{Resize: new(9)}).Resolve(fixed, says, image.Point{}); err == nil || !strings.Contains(err.Error(), "option resize") {
		t.Errorf("resize beside metadata: %v", err)
	}
}

// Four channels are found where three or one are not, and only then.
func TestLayoutOfFour(t *testing.T) {
	for name, x := range map[string]struct {
		shape []int64
		want  imagein.Layout
	}{
		"NCHW":          {[]int64{1, 4, 64, 48}, imagein.Layout{Channels: 4, Height: 64, Width: 48}},
		"NHWC":          {[]int64{1, 64, 48, 4}, imagein.Layout{Channels: 4, Height: 64, Width: 48, ChannelsLast: true}},
		"4 rows of RGB": {[]int64{1, 4, 48, 3}, imagein.Layout{Channels: 3, Height: 4, Width: 48, ChannelsLast: true}},
		"4 columns":     {[]int64{1, 3, 48, 4}, imagein.Layout{Channels: 3, Height: 48, Width: 4}},
	} {
		x.want.DType = tensor.Float32
		got, err := imagein.LayoutOf(portOf(x.shape))
		if err != nil || got != x.want {
			t.Errorf("%s: %+v, %v, expected %+v", name, got, err, x.want)
		}
	}
	d := imagein.Default(imagein.Layout{Channels: 4, Height: 2, Width: 2, DType: tensor.Float32}, image.Pt(2, 2))
	if d.Color != imagein.RGBA || d.Scale != 1.0/255 || !reflect.DeepEqual(d.Mean, make([]float64, 4)) {
		t.Errorf("default of four channels: %+v", d)
	}
}

func portOf(shape []int64) model.Port {
	p := model.Port{Name: "x", Kind: model.Tensor, DType: tensor.Float32, Ranked: true}
	for _, n := range shape {
		p.Shape = append(p.Shape, model.Dim{Size: n})
	}
	return p
}
