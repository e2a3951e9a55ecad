package serve_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// pngFile is a photograph of the size that whole.onnx takes, and what the
// network reads of it by ImageNet's statistics, computed here.
func pngFile(t *testing.T) (file []byte, x *tensor.Tensor) {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 32, 32))
	mean, std := [3]float64{0.485, 0.456, 0.406}, [3]float64{0.229, 0.224, 0.225}
	values := make([]float32, 3*32*32)
	for y := range 32 {
		for col := range 32 {
			pixel := [3]uint8{uint8(8 * y), uint8(8 * col), uint8(7*y ^ 5*col)}
			img.SetNRGBA(col, y, color.NRGBA{pixel[0], pixel[1], pixel[2], 255})
			for c, v := range pixel {
				values[(c*32+y)*32+col] = float32((float64(v)/255 - mean[c]) / std[c])
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), tensor.Of([]int64{1, 3, 32, 32}, values)
}

// TestImages sends a whole model the file in place of the tensor.
func TestImages(t *testing.T) {
	file, x := pngFile(t)
	session, err := ort.Open(rttest.Data("whole.onnx"), ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	out, err := session.Run(t.Context(), ort.Feed{session.Inputs()[0].Name: x})
	if err != nil {
		t.Fatal(err)
	}
	logits, err := out.Tensor("logits")
	if err != nil {
		t.Fatal(err)
	}
	want := sample{logits: tensor.Slice[float32](logits)}

	r, _ := open(t, serve.Options{})
	load(t, r, "whole", "whole.onnx")
	for _, value := range []*tensor.Tensor{
		vector(file...),
		tensor.Of([]int64{1, int64(len(file))}, file),
		{DType: tensor.String, Shape: []int64{1}, Strings: []string{string(file)}},
	} {
		got, err := r.Infer(t.Context(), ask("whole", serve.ImageInput, value))
		if err != nil {
			t.Fatalf("%v: %v", value, err)
		}
		if !near(got, want) {
			t.Errorf("%v: got %v, expected %v", value, got.Output("logits"), want.logits)
		}
	}
	meta, err := r.ModelMetadata(t.Context(), "whole", "")
	if err != nil || meta.Properties[serve.ImageInput] == "" {
		t.Errorf("the metadata does not tell of images: %v, %v", meta, err)
	}
}

// crcOf is PNG's checksum of a chunk's type and contents.
func crcOf(chunk []byte) uint32 { return crc32.ChecksumIEEE(chunk) }

// TestBadImages are refused with the input's name, before anything is decoded
// that would not fit into memory.
func TestBadImages(t *testing.T) {
	file, _ := pngFile(t)
	bomb := slices.Clone(file) // IHDR: width and height behind the signature, length and type
	binary.BigEndian.PutUint32(bomb[16:], 60_000)
	binary.BigEndian.PutUint32(bomb[20:], 60_000)
	// DecodeConfig checks the header's CRC; a bomb's maker would have set it.
	binary.BigEndian.PutUint32(bomb[29:], crcOf(bomb[12:29]))
	r, _ := open(t, serve.Options{})
	load(t, r, "whole", "whole.onnx")
	load(t, r, "pair", "graph-static")
	for _, c := range []struct {
		name  string
		model string
		value *tensor.Tensor
		cause oip.Cause
		words string
	}{
		{"no image", "whole", vector([]byte("no image at all")...), oip.Invalid, "JPEG or PNG"},
		{"cut off", "whole", vector(file[:len(file)/2]...), oip.Invalid, "image"},
		{"another type", "whole", vector[float32](1, 2), oip.Invalid, "UINT8"},
		{"a bomb", "whole", vector(bomb...), oip.TooLarge, "60000"},
		{"a bundle", "pair", vector(file...), oip.Invalid, "payload"},
	} {
		_, err := r.Infer(t.Context(), ask(c.model, serve.ImageInput, c.value))
		if err == nil || oip.CauseOf(err) != c.cause || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: got %v, expected %v with %q", c.name, err, c.cause, c.words)
		}
	}
}
