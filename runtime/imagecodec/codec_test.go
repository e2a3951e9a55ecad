package imagecodec

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// write writes an image as PNG.
func write(t *testing.T, path string, img image.Image) {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// alike asks Pillow about a picture and a file that was made of it: what it reads there, how
// many bytes are image data by a parser of its own, and what its own encoder makes of it.
const alike = `
import io, json, struct, sys
import numpy as np
from PIL import Image, features
job = json.load(open(sys.argv[1]))
kind = job["kind"]
if not features.check(kind):
    print("null")
    sys.exit()
def payload(f):
    if kind == "webp":
        at, n = 12, 0
        while at < len(f):
            name, size = struct.unpack("<4sI", f[at : at + 8])
            n += size if name in (b"VP8 ", b"ALPH") else 0
            at += 8 + size + size % 2
        return n
    at, n = 0, 0
    while at < len(f):
        size, name = struct.unpack(">I4s", f[at : at + 8])
        size = size or len(f) - at
        n += size - 8 if name == b"mdat" else 0
        at += size
    return n
src = Image.open(job["source"])
def psnr(img):
    a, b = np.asarray(src.convert("RGB"), float), np.asarray(img.convert("RGB"), float)
    return float(10 * np.log10(255**2 / max(((a - b) ** 2).mean(), 1e-9)))
options = {"avif": {"speed": job["speed"], "subsampling": "4:2:0"}, "webp": {"method": 4}}[kind]
b = io.BytesIO()
src.save(b, kind, quality=job["quality"], **options)
f = open(job["file"], "rb").read()
img = Image.open(job["file"])
open(job["raw"], "wb").write(img.convert(src.mode).tobytes())
print(json.dumps({"mode": img.mode, "payload": payload(f), "psnr": psnr(img), "own": payload(b.getvalue()), "own_psnr": psnr(Image.open(b))}))
`

// TestImageCodecsLikePillow: what AVIF and WebP files hold is what Pillow's libraries read in
// them; the payload is what another parser counts; and bytes and quality are those of Pillow's
// own encoders, so that nothing is compared with a codec that is used badly.
func TestImageCodecsLikePillow(t *testing.T) {
	dir := t.TempDir()
	alpha := image.NewNRGBA(image.Rect(0, 0, 64, 48))
	for i, v := range scene(64, 48).Pix {
		alpha.Pix[i] = v
		if i%4 == 3 {
			alpha.Pix[i] = uint8(max(64, 255-i/64))
		}
	}
	for _, name := range []string{"avif", "avif-fast", "webp"} {
		kind, fast := strings.CutSuffix(name, "-fast")
		speed := map[bool]int{false: 6, true: 10}[fast] // the default and the maximum of avifenc --speed
		for _, x := range []struct {
			img     image.Image
			quality int
		}{{scene(64, 48), 30}, {scene(51, 37), 60}, {scene(1, 1), 60}, {scene(224, 224), 30}, {alpha, 80}} {
			size := x.img.Bounds().Size()
			c := codec(t, name)
			var file bytes.Buffer
			if err := c.encode(&file, x.img, x.quality); err != nil {
				t.Fatal(err)
			}
			back, bytes, payload, err := roundTrip(c, x.img, x.quality)
			if err != nil {
				t.Fatal(err)
			}
			if bytes != file.Len() {
				t.Errorf("%s of %v: %d bytes and then %d", name, size, file.Len(), bytes)
			}
			job := map[string]any{"kind": kind, "speed": speed, "source": filepath.Join(dir, "in.png"), "file": filepath.Join(dir, "out."+name), "raw": filepath.Join(dir, "out.raw"), "quality": x.quality}
			write(t, job["source"].(string), x.img)
			if err := os.WriteFile(job["file"].(string), file.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			var pillow *struct {
				Mode         string
				Payload, Own int
				PSNR         float64
				OwnPSNR      float64 `json:"own_psnr"`
			}
			if err := json.Unmarshal(rttest.PythonOn(t, alike, job), &pillow); err != nil {
				t.Fatal(err)
			}
			if pillow == nil {
				t.Skipf("the oracle's Pillow has no %s", name)
			}
			raw, err := os.ReadFile(job["raw"].(string))
			if err != nil {
				t.Fatal(err)
			}
			if payload != pillow.Payload {
				t.Errorf("%s of %v: %d bytes of image data, Pillow's parser counts %d", name, size, payload, pillow.Payload)
			}
			worst, sum := 0.0, 0.0
			channels := len(raw) / size.X / size.Y
			for i := range size.X * size.Y {
				p := color.NRGBAModel.Convert(back.At(i%size.X, i/size.X)).(color.NRGBA)
				for k, v := range []uint8{p.R, p.G, p.B, p.A}[:channels] {
					d := math.Abs(float64(v) - float64(raw[channels*i+k]))
					worst, sum = max(worst, d), sum+d
				}
			}
			// WebP's conversion rounds each sample. Halved chroma of AVIF is found again from
			// colours, which cannot be told where these are cut off at 0 and 255, as in this
			// scene; where there is alpha its samples are repeated.
			most := map[string]float64{"webp": 0.5, "avif": 0.7}[kind]
			if kind == "avif" && channels == 4 {
				most = 4
			}
			if sum > most*float64(len(raw)) || name == "webp" && worst > 3 {
				t.Errorf("%s of %v: decoded pixels are off by up to %v of Pillow's, %.3f in the mean", name, size, worst, sum/float64(len(raw)))
			}
			t.Logf("%s of %v at %d: %d bytes at %.2f dB, Pillow's %d at %.2f dB, mode %s", name, size, x.quality, payload, pillow.PSNR, pillow.Own, pillow.OwnPSNR, pillow.Mode)
			// Versions of the libraries decide a little otherwise; on tiny pictures a
			// decision is a large part.
			if size.X >= 200 && (math.Abs(float64(payload-pillow.Own)) > 0.05*float64(pillow.Own) || pillow.PSNR < pillow.OwnPSNR-0.3) {
				t.Errorf("%s of %v: %d bytes at %.2f dB, Pillow's encoder: %d at %.2f dB", name, size, payload, pillow.PSNR, pillow.Own, pillow.OwnPSNR)
			}
		}
	}
}

// A program that can encode AVIF does not read AVIF photographs, nor WebP otherwise than
// before.
func TestImagesAreReadAsBefore(t *testing.T) {
	var b bytes.Buffer
	if err := encodeAVIF(usualSpeed)(&b, scene(16, 16), 50); err != nil {
		t.Fatal(err)
	}
	if img, err := imagein.Decode(b.Bytes()); !errors.Is(err, imagein.ErrFormat) {
		t.Errorf("an AVIF file is read as %T (%v)", img, err)
	}
	b.Reset()
	if err := encodeWebP(&b, scene(16, 16), 50); err != nil {
		t.Fatal(err)
	}
	if img, err := imagein.Decode(b.Bytes()); err != nil {
		t.Errorf("a WebP file is read as %T (%v)", img, err)
	}
}

// Files that end too early, and others, have no payload.
func TestDamagedFiles(t *testing.T) {
	for _, c := range All() {
		var b bytes.Buffer
		if err := c.encode(&b, scene(20, 20), 50); err != nil {
			t.Fatal(err)
		}
		if n, err := c.payload([]byte("no image of any kind")); err == nil {
			t.Errorf("%s: %d bytes of text", c.Name, n)
		}
		if c.Name == "jpeg" || c.Name == "png" {
			continue
		}
		if n, err := c.payload(b.Bytes()[:b.Len()-1]); err == nil {
			t.Errorf("%s: %d bytes of a torn file", c.Name, n)
		}
	}
	// A box whose length has 64 bits, and one that goes on to the end.
	for _, file := range []string{"\x00\x00\x00\x01mdat\x00\x00\x00\x00\x00\x00\x00\x15abcde", "\x00\x00\x00\x00mdatabcde"} {
		if n, err := mediaBytes([]byte(file)); n != 5 || err != nil {
			t.Errorf("%q: %d bytes (%v), expected 5", file, n, err)
		}
	}
}

// smaller makes pictures smaller and larger again by Pillow.
const smaller = `
import json, sys
from PIL import Image
for job in json.load(open(sys.argv[1])):
    img = Image.open(job["file"]).convert("RGB")
    w, h = img.size
    W, H = job["crop"]
    n = job["size"]
    k = n / min(W, H)
    small = (round(W * k), round(H * k))
    if job["fit"] == "stretch":
        img = img.resize(small, Image.BILINEAR)
    elif job["resize"]:
        r = round(job["resize"] * k)
        img = img.resize((r, int(r * h / w)) if w <= h else (int(r * w / h), r), Image.BILINEAR)
        left, top = round((img.width - small[0]) / 2), round((img.height - small[1]) / 2)
        img = img.crop((left, top, left + small[0], top + small[1]))
    else:
        left, top = round((w - W) / 2), round((h - H) / 2)
        img = img.crop((left, top, left + W, top + H)).resize(small, Image.BILINEAR)
    open(job["out"], "wb").write(img.resize((W, H), Image.BILINEAR).tobytes())
`

// TestInputSize: what the model gets of an image that was sent smaller is what Pillow makes of
// it, for every way to fit an input; and a smaller one takes fewer bytes.
func TestInputSize(t *testing.T) {
	const w, h = 40, 32 // of the input
	type job struct {
		File   string `json:"file"`
		Out    string `json:"out"`
		Crop   [2]int `json:"crop"` // width and height
		Fit    string `json:"fit"`
		Resize int    `json:"resize"`
		Size   int    `json:"size"`
	}
	dir := t.TempDir()
	port := model.Port{Name: "x", Kind: model.Tensor, DType: tensor.Uint8, Ranked: true,
		Shape: []model.Dim{{Size: -1}, {Size: h}, {Size: w}, {Size: 3}}}
	var jobs []job
	var got [][]byte
	for i, x := range []struct {
		picture image.Point
		fit     string
		resize  int
	}{{image.Pt(90, 70), "", 37}, {image.Pt(61, 83), "", 48}, {image.Pt(40, 32), "", 0}, {image.Pt(51, 47), "", 0}, {image.Pt(77, 33), imagein.FitStretch, 0}} {
		folder := filepath.Join(dir, string(rune('a'+i)))
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(folder, "p.png")
		write(t, file, scene(x.picture.X, x.picture.Y))
		set, err := data.Open(folder, data.Val)
		if err != nil {
			t.Fatal(err)
		}
		p := imagein.Preprocess{Color: imagein.RGB, Fit: x.fit, Resize: x.resize, Crop: [2]int{h, w}, Scale: 1, Mean: make([]float64, 3), Std: []float64{1, 1, 1}}
		sent := Sent{Codec: codec(t, "png")}
		largest := 0
		for _, size := range []int{32, 21, 8} {
			sent.Size = size
			recoded, feeder, sizes, err := Recode(set, []model.Port{port}, nil, feed.Always(&p), sent)
			if err != nil {
				t.Fatal(err)
			}
			batch, _, err := feeder.Batch(recoded, []int{0})
			if err != nil {
				t.Fatal(err)
			}
			if largest = max(largest, sizes.Payload[0]); size == 8 && sizes.Payload[0] >= largest {
				t.Errorf("%v at %d pixels: %d bytes, larger ones take up to %d", x.picture, size, sizes.Payload[0], largest)
			}
			if size < h { // at its own size an image is as it was
				jobs = append(jobs, job{file, filepath.Join(dir, "out"+string(rune('a'+len(jobs)))), [2]int{w, h}, x.fit, x.resize, size})
				got = append(got, batch.Data)
			}
		}
	}
	rttest.PythonOn(t, smaller, jobs)
	for i, j := range jobs {
		want, err := os.ReadFile(j.Out)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got[i], want) {
			t.Errorf("%+v: pixels differ from Pillow's", j)
		}
	}
	set, err := data.Open(filepath.Join(dir, "a"), data.Val)
	if err != nil {
		t.Fatal(err)
	}
	p := imagein.Preprocess{Color: imagein.RGB, Crop: [2]int{h, w}, Scale: 1, Mean: make([]float64, 3), Std: []float64{1, 1, 1}}
	var usage *fault.UsageError
	if _, _, _, err := Recode(set, []model.Port{port}, nil, feed.Always(&p), Sent{Codec: codec(t, "png"), Size: 33}); !errors.As(err, &usage) {
		t.Errorf("larger than the input: %v", err)
	}
}
