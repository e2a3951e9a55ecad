package imagein_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// two returns a 2x1 picture: (10, 20, 30) and (255, 0, 128).
func two() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, 2, 1))
	img.Set(0, 0, color.RGBA{10, 20, 30, 255})
	img.Set(1, 0, color.RGBA{255, 0, 128, 255})
	return img
}

func one(t *testing.T, p imagein.Preprocess, l imagein.Layout, img image.Image) *tensor.Tensor {
	t.Helper()
	prep, err := imagein.New(p, l)
	if err != nil {
		t.Fatal(err)
	}
	x, err := prep.One(img)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestValues checks the arithmetic, the order of channels, the layout and the
// rounding of every element type by values worked out by hand.
func TestValues(t *testing.T) {
	rgb := imagein.Preprocess{Color: imagein.RGB, Crop: [2]int{1, 2}, Scale: 1, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}}
	bgr := rgb
	bgr.Color = imagein.BGR
	shifted := rgb
	shifted.Mean, shifted.Std = []float64{10, 0, 128}, []float64{2, 4, 1}
	layout := func(dtype tensor.DType, last bool) imagein.Layout {
		return imagein.Layout{Channels: 3, Height: 1, Width: 2, ChannelsLast: last, DType: dtype}
	}
	tests := []struct {
		name string
		p    imagein.Preprocess
		l    imagein.Layout
		want []float64
	}{
		{"raw uint8 NCHW", rgb, layout(tensor.Uint8, false), []float64{10, 255, 20, 0, 30, 128}},
		{"raw uint8 NHWC", rgb, layout(tensor.Uint8, true), []float64{10, 20, 30, 255, 0, 128}},
		{"bgr", bgr, layout(tensor.Float32, false), []float64{30, 128, 20, 0, 10, 255}},
		{"bgr NHWC", bgr, layout(tensor.Float64, true), []float64{30, 20, 10, 128, 0, 255}},
		{"float16", shifted, layout(tensor.Float16, false), []float64{0, 122.5, 5, 0, -98, 0}},
		{"half to even", shifted, layout(tensor.Int32, false), []float64{0, 122, 5, 0, -98, 0}},
		{"clamped", shifted, layout(tensor.Uint8, false), []float64{0, 122, 5, 0, 0, 0}},
		{"int8 default", imagein.Default(layout(tensor.Int8, false), image.Pt(2, 1)), layout(tensor.Int8, false),
			[]float64{-118, 127, -108, -128, -98, 0}},
		{"uint8 default", imagein.Default(layout(tensor.Uint8, false), image.Pt(2, 1)), layout(tensor.Uint8, false),
			[]float64{10, 255, 20, 0, 30, 128}},
		{"bgr int16", bgr, layout(tensor.Int16, false), []float64{30, 128, 20, 0, 10, 255}},
		{"uint64", rgb, layout(tensor.Uint64, false), []float64{10, 255, 20, 0, 30, 128}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x := one(t, test.p, test.l, two())
			if got, _ := x.Floats(); !slices.Equal(got, test.want) || x.DType != test.l.DType {
				t.Errorf("%v %v, want %v", x, got, test.want)
			}
		})
	}
}

func TestImageNetDefault(t *testing.T) {
	l := imagein.Layout{Channels: 3, Height: 224, Width: 224, DType: tensor.Float32}
	p := imagein.Default(l, image.Point{})
	if p.Resize != 256 || p.Crop != [2]int{224, 224} || p.Color != imagein.RGB {
		t.Errorf("%+v", p)
	}
	img := image.NewRGBA(image.Rect(0, 0, 300, 280))
	for i := range img.Pix {
		img.Pix[i] = []uint8{0, 127, 255, 255}[i%4]
	}
	x := one(t, p, l, img)
	if !slices.Equal(x.Shape, []int64{1, 3, 224, 224}) {
		t.Fatalf("shape %v", x.Shape)
	}
	for k, pixel := range []float64{0, 127, 255} {
		want := float32((pixel/255 - p.Mean[k]) / p.Std[k])
		got := tensor.Slice[float32](x)[k*224*224+100]
		// The package multiplies by the reciprocal of 255: one rounding in
		// float64, far below half a unit of float32.
		if math.Abs(float64(got-want)) > 1e-6 {
			t.Errorf("channel %d: %v, want %v", k, got, want)
		}
	}
	if p := imagein.Default(l, image.Pt(224, 224)); p.Resize != 0 {
		t.Errorf("images of the input's size would be resized to %d", p.Resize)
	}
	gray := imagein.Default(imagein.Layout{Channels: 1, Height: 28, Width: 28, DType: tensor.Float32}, image.Pt(28, 28))
	if gray.Color != imagein.Gray || gray.Scale != 1.0/255 || !slices.Equal(gray.Std, []float64{1}) {
		t.Errorf("%+v", gray)
	}
}

// TestKindsOfImage gives one picture in each of Go's image types.
func TestKindsOfImage(t *testing.T) {
	p := imagein.Preprocess{Color: imagein.RGB, Crop: [2]int{1, 1}, Scale: 1, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}}
	l := imagein.Layout{Channels: 3, Height: 1, Width: 1, DType: tensor.Uint8}
	r := image.Rect(5, 7, 6, 8) // an origin other than 0, 0
	ycc := image.NewYCbCr(r, image.YCbCrSubsampleRatio420)
	ycc.Y[0], ycc.Cb[0], ycc.Cr[0] = 76, 85, 255 // pure red in JPEG's YCbCr
	set := func(img interface {
		image.Image
		Set(x, y int, c color.Color)
	}, c color.Color) image.Image {
		img.Set(5, 7, c)
		return img
	}
	tests := map[string]struct {
		img  image.Image
		want []uint8
	}{
		"ycbcr":   {ycc, []uint8{254, 0, 0}},
		"rgba":    {set(image.NewRGBA(r), color.RGBA{1, 2, 3, 255}), []uint8{1, 2, 3}},
		"nrgba":   {set(image.NewNRGBA(r), color.NRGBA{200, 2, 3, 10}), []uint8{200, 2, 3}},
		"blended": {set(image.NewRGBA(r), color.RGBA{100, 50, 0, 128}), []uint8{199, 99, 0}},
		"gray":    {set(image.NewGray(r), color.Gray{9}), []uint8{9, 9, 9}},
		"gray16":  {set(image.NewGray16(r), color.Gray16{0x1280}), []uint8{0x12, 0x12, 0x12}},
		"rgba64":  {set(image.NewRGBA64(r), color.RGBA64{0x0180, 0x0200, 0xff00, 0xffff}), []uint8{1, 2, 255}},
		"nrgba64": {set(image.NewNRGBA64(r), color.NRGBA64{0x8000, 0x0200, 0xff00, 0x1000}), []uint8{0x80, 2, 255}},
		"cmyk":    {set(image.NewCMYK(r), color.CMYK{0, 255, 0, 0}), []uint8{255, 0, 255}},
		"palette": {set(image.NewPaletted(r, color.Palette{color.Black, color.RGBA{4, 5, 6, 255}}), color.RGBA{4, 5, 6, 255}), []uint8{4, 5, 6}},
	}
	for name, test := range tests {
		if got := one(t, p, l, test.img).Data; !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestFit(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 30, 20))
	p := imagein.Preprocess{Color: imagein.Gray, Crop: [2]int{32, 32}, Scale: 1, Mean: []float64{0}, Std: []float64{1}}
	l := imagein.Layout{Channels: 1, DType: tensor.Float32}
	prep, err := imagein.New(p, l)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := prep.One(img); err == nil || !strings.Contains(err.Error(), "30x20") || !strings.Contains(err.Error(), "32x32") {
		t.Errorf("an image smaller than the crop: %v", err)
	}
	// A short side of 10 would not hold the crop: the image grows until it does.
	p.Resize = 10
	if x := one(t, p, l, img); !slices.Equal(x.Shape, []int64{1, 1, 32, 32}) {
		t.Errorf("%v", x)
	}
	if _, err := prep.One(image.NewGray(image.Rectangle{})); err == nil {
		t.Error("an empty image was taken")
	}
	p.Resize = 4000
	prep, err = imagein.New(p, l)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := prep.One(image.NewGray(image.Rect(0, 0, 1, 100000))); err == nil {
		t.Error("a line of a picture was blown up to 1.6 terapixels")
	}
}

func TestLayoutOf(t *testing.T) {
	port := func(dtype tensor.DType, sizes ...int64) model.Port {
		p := model.Port{Name: "x", Kind: model.Tensor, DType: dtype, Ranked: true}
		for _, s := range sizes {
			p.Shape = append(p.Shape, model.Dim{Size: s})
		}
		return p
	}
	l, err := imagein.LayoutOf(port(tensor.Float32, -1, 3, 224, 200))
	if want := (imagein.Layout{Channels: 3, Height: 224, Width: 200, DType: tensor.Float32}); err != nil || l != want {
		t.Errorf("%+v, %v", l, err)
	}
	l, err = imagein.LayoutOf(port(tensor.Uint8, 1, 224, 200, 3))
	if want := (imagein.Layout{Channels: 3, Height: 224, Width: 200, ChannelsLast: true, DType: tensor.Uint8}); err != nil || l != want {
		t.Errorf("%+v, %v", l, err)
	}
	l, err = imagein.LayoutOf(port(tensor.Float32, -1, 1, -1, -1))
	if err != nil || l.Height != 0 || l.Width != 0 {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := imagein.New(imagein.Default(l, image.Point{}), l); err == nil || !strings.Contains(err.Error(), "any size") {
		t.Errorf("no crop for a graph of any size: %v", err)
	}
	for _, bad := range []model.Port{port(tensor.Float32, 1, 64, 8, 8), port(tensor.Float32, 1, 1000), port(tensor.Bool, 1, 3, 8, 8), {Name: "x", Kind: model.Sequence}} {
		if l, err := imagein.LayoutOf(bad); err == nil {
			t.Errorf("%v gave %+v", bad, l)
		}
	}
}

func TestValidate(t *testing.T) {
	l := imagein.Layout{Channels: 3, Height: 8, Width: 8, DType: tensor.Float32}
	good := imagein.Default(l, image.Point{})
	tests := map[string]func(*imagein.Preprocess){
		"color":    func(p *imagein.Preprocess) { p.Color = "yuv" },
		"channels": func(p *imagein.Preprocess) { p.Color = imagein.Gray },
		"means":    func(p *imagein.Preprocess) { p.Mean = p.Mean[:1] },
		"std":      func(p *imagein.Preprocess) { p.Std = []float64{1, 0, 1} },
		"nan":      func(p *imagein.Preprocess) { p.Mean = []float64{math.NaN(), 0, 0} },
		"scale":    func(p *imagein.Preprocess) { p.Scale = 0 },
		"crop":     func(p *imagein.Preprocess) { p.Crop = [2]int{8, 9} },
		"resize":   func(p *imagein.Preprocess) { p.Resize = 1 << 30 },
		"negative": func(p *imagein.Preprocess) { p.Resize = -1 },
	}
	for name, spoil := range tests {
		p := good
		spoil(&p)
		if err := p.Validate(l); err == nil {
			t.Errorf("%s: %+v was taken", name, p)
		}
	}
	text, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"color":"rgb","resize":9,"crop":[8,8],"orient":true,"scale":0.00392156862745098,"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]}`; string(text) != want {
		t.Errorf("JSON %s, want %s", text, want)
	}
}

func TestDecode(t *testing.T) {
	photo := rttest.GoImage(t, "video-001.jpeg")
	img, err := imagein.DecodeFile(photo)
	if err != nil || img.Bounds().Dx() != 150 {
		t.Errorf("%v, %v", img, err)
	}
	cmyk, err := imagein.DecodeFile(rttest.GoImage(t, "video-001.cmyk.jpeg"))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := cmyk.(*image.CMYK); !ok {
		t.Errorf("the CMYK photograph decoded to %T", cmyk)
	}
	if _, err := imagein.DecodeFile("absent.png"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := imagein.Decode([]byte("GIF89a")); !errors.Is(err, imagein.ErrFormat) {
		t.Errorf("%v", err)
	}
	text := filepath.Join(t.TempDir(), "broken.png")
	if err := os.WriteFile(text, []byte("\x89PNG\r\n\x1a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := imagein.DecodeFile(text); err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("the error %v does not name the file", err)
	}
}

// TestDecodeBoundsMemory claims 2^30 pixels in a PNG of a few bytes.
func TestDecodeBoundsMemory(t *testing.T) {
	var buf bytes.Buffer
	if err := png.Encode(&buf, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	data := buf.Bytes()
	header := data[12:29] // the IHDR chunk's name and contents
	binary.BigEndian.PutUint32(header[4:], 1<<15)
	binary.BigEndian.PutUint32(header[8:], 1<<15)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(header))
	if _, err := imagein.Decode(data); err == nil || !strings.Contains(err.Error(), "32768x32768") {
		t.Errorf("%v", err)
	}
}

func BenchmarkPrepare(b *testing.B) {
	img := image.NewRGBA(image.Rect(0, 0, 500, 375))
	for i := range img.Pix {
		img.Pix[i] = uint8(i * 7)
	}
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, img, nil); err != nil {
		b.Fatal(err)
	}
	l := imagein.Layout{Channels: 3, Height: 224, Width: 224, DType: tensor.Float32}
	prep, err := imagein.New(imagein.Default(l, image.Point{}), l)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, err := imagein.Decode(photo.Bytes()); err != nil {
				b.Fatal(err)
			}
		}
	})
	decoded, err := imagein.Decode(photo.Bytes())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("prepare", func(b *testing.B) {
		for b.Loop() {
			if _, err := prep.One(decoded); err != nil {
				b.Fatal(err)
			}
		}
	})
}
