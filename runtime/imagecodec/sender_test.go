package imagecodec

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// scene is a picture with slow colours and hard edges.
func scene(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{uint8(x * 255 / w), uint8(y * 255 / h), uint8((x*x + 3*y*y) / 40), 255}
			if (x/9+y/13)%5 == 0 {
				c = color.RGBA{250, 20, uint8(7 * x), 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

// roundTrip encodes and decodes an image and returns the bytes it took.
func roundTrip(c Codec, img image.Image, quality int) (back image.Image, file, payload int, err error) {
	var b bytes.Buffer
	if err := c.encode(&b, img, quality); err != nil {
		return nil, 0, 0, err
	}
	if payload, err = c.payload(b.Bytes()); err != nil {
		return nil, 0, 0, err
	}
	back, err = c.decode(b.Bytes())
	return back, b.Len(), payload, err
}

// codec is the codec of a name.
func codec(t *testing.T, name string) Codec {
	t.Helper()
	c, ok := Lookup(name)
	if !ok {
		t.Fatalf("no codec %s", name)
	}
	return c
}

// TestJPEGLikePillow decodes files of libjpeg-turbo's (odd sizes, halved chroma)
// as libjpeg-turbo does, to the level, and its own encoder's sizes are like libjpeg-turbo's.
func TestJPEGLikePillow(t *testing.T) {
	dir := t.TempDir()
	for _, size := range []image.Point{{64, 48}, {51, 37}, {1, 1}, {224, 224}} {
		img := scene(size.X, size.Y)
		in := filepath.Join(dir, "in.png")
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(in, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		var pillow struct {
			Scan int // bytes after the header of the scan
		}
		err := json.Unmarshal(rttest.Python(t, `
import json, sys
from PIL import Image
src, jpg, raw = sys.argv[1:]
Image.open(src).convert("RGB").save(jpg, quality=50, subsampling="4:2:0")
open(raw, "wb").write(Image.open(jpg).convert("RGB").tobytes())
f = open(jpg, "rb").read()
at = f.index(b"\xff\xda")
print(json.dumps({"scan": len(f) - at - 2 - int.from_bytes(f[at + 2 : at + 4], "big") - 2}))
`, in, filepath.Join(dir, "out.jpg"), filepath.Join(dir, "out.raw")), &pillow)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(filepath.Join(dir, "out.jpg"))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(dir, "out.raw"))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := entropyBytes(file); err != nil || n != pillow.Scan {
			t.Errorf("%v: %d entropy-coded bytes (%v), expected %d", size, n, err, pillow.Scan)
		}
		back, err := imagein.Decode(file)
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for i := range size.X * size.Y {
			r, g, b, _ := back.At(i%size.X, i/size.X).RGBA()
			for k, v := range []uint32{r, g, b} {
				worst = max(worst, math.Abs(float64(v>>8)-float64(want[3*i+k])))
			}
		}
		if worst > 0 {
			t.Errorf("%v: decoded pixels are off by up to %v", size, worst)
		}
		_, _, payload, err := roundTrip(codec(t, "jpeg"), img, 50)
		if err != nil {
			t.Fatal(err)
		}
		// Encoders differ in how they round; both code the same transform with the
		// same tables. What they put into blocks past the edge differs more.
		if size.X%16 == 0 && size.Y%16 == 0 && math.Abs(float64(payload-pillow.Scan)) > 0.02*float64(pillow.Scan) {
			t.Errorf("%v: %d bytes, libjpeg-turbo's are %d", size, payload, pillow.Scan)
		}
	}
}

// TestGreyJPEGLikeOps: a grey image as JPEG costs what the codec of the
// bottleneck makes of the same pixels.
func TestGreyJPEGLikeOps(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 56, 40))
	rgb := scene(56, 40)
	for i := range img.Pix {
		img.Pix[i] = rgb.Pix[4*i]
	}
	for _, quality := range []int{1, 20, 75, 100} {
		_, _, payload, err := roundTrip(codec(t, "jpeg"), img, quality)
		if err != nil {
			t.Fatal(err)
		}
		grey, err := ops.Lookup("jpeg")
		if err != nil {
			t.Fatal(err)
		}
		part := ops.Part{Codec: grey, Parameters: ops.Parameters{"quality": int64(quality)}, Height: 40, Width: 56}
		coder, err := ops.Record{part}.Coder()
		if err != nil {
			t.Fatal(err)
		}
		record, _, err := coder.Encode([][]byte{img.Pix}, [][]float32{nil})
		if err != nil {
			t.Fatal(err)
		}
		_, frame := binary.Uvarint(record)
		// The forward transforms round differently: a few coefficients, a few bytes.
		if d := payload - (len(record) - frame); math.Abs(float64(d)) > max(4, 0.02*float64(payload)) {
			t.Errorf("quality %d: %d bytes, the codec's are %d", quality, payload, len(record)-frame)
		}
	}
}

// TestPNGIsLossless and its payload is smaller than the file by the frame of
// signature, IHDR, IEND and of each IDAT chunk.
func TestPNGIsLossless(t *testing.T) {
	img := scene(50, 30)
	back, file, payload, err := roundTrip(codec(t, "png"), img, 0)
	if err != nil {
		t.Fatal(err)
	}
	for y := range 30 {
		for x := range 50 {
			if a, b := img.At(x, y), color.RGBAModel.Convert(back.At(x, y)); a != b {
				t.Fatalf("pixel %d,%d: %v became %v", x, y, a, b)
			}
		}
	}
	if d := file - payload; d != 8+(12+13)+12+12 {
		t.Errorf("%d bytes of %d are not image data", d, file)
	}
}

// TestRecode: a lossless codec changes nothing of what the model gets, for each
// color and for images that are resized; a lossy one is what encoding the crop
// gives; and each image's bytes are at its place.
func TestRecode(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]image.Point{"a.png": {70, 90}, "b.png": {32, 32}, "c.png": {45, 40}} {
		var b bytes.Buffer
		if err := png.Encode(&b, scene(size.X, size.Y)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	set, err := data.Open(dir, data.Val)
	if err != nil {
		t.Fatal(err)
	}
	all := []int{0, 1, 2}
	for _, channels := range []int64{1, 3} {
		port := model.Port{Name: "x", Kind: model.Tensor, DType: tensor.Float32, Ranked: true,
			Shape: []model.Dim{{Size: -1}, {Size: channels}, {Size: 32}, {Size: 32}}}
		plain, err := feed.New([]model.Port{port}, feed.Always(nil))
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := plain.Batch(set, all)
		if err != nil {
			t.Fatal(err)
		}
		recoded, feeder, _, err := Recode(set, []model.Port{port}, nil, feed.Always(nil), Sent{Codec: codec(t, "png")})
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := feeder.Batch(recoded, all)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Data, want.Data) {
			t.Errorf("%d channels: what the model gets changes with a lossless codec", channels)
		}
		_, lie, _, err := plain.Usable(set, all, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, recodedLie, _, err := feeder.Usable(recoded, all, nil); err != nil || !slices.Equal(recodedLie, lie) || lie[0].Picture != image.Pt(70, 90) {
			t.Errorf("pictures lie at %v, expected %v (%v)", recodedLie, lie, err)
		}
		recoded, feeder, sizes, err := Recode(set, []model.Port{port}, nil, feed.Always(nil), Sent{Codec: codec(t, "jpeg"), Quality: 30})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = feeder.Batch(recoded, all); err != nil {
			t.Fatal(err)
		}
		// b.png is the crop itself.
		var file bytes.Buffer
		var b image.Image = scene(32, 32)
		if channels == 1 {
			item, err := set.Item(1)
			if err != nil {
				t.Fatal(err)
			}
			layout, err := imagein.LayoutOf(port)
			if err != nil {
				t.Fatal(err)
			}
			p := plain.Preprocess(item.Image)
			b, err = pixels(item.Image, *p, layout)
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := jpeg.Encode(&file, b, &jpeg.Options{Quality: 30}); err != nil {
			t.Fatal(err)
		}
		if sizes.File[1] != file.Len() {
			t.Errorf("%d channels: %d bytes, expected %d", channels, sizes.File[1], file.Len())
		}
		for i := range all {
			if sizes.Payload[i] <= 0 || sizes.Payload[i] >= sizes.File[i] {
				t.Errorf("image %d: %d bytes of a file of %d", i, sizes.Payload[i], sizes.File[i])
			}
		}
	}
}
