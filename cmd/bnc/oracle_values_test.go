package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// crossed is a bundle with what bnc's runtime sends and answers for an input,
// for testdata/oracle_values.py.
type crossed struct {
	Name    string  `json:"name"`
	Dir     string  `json:"dir"`
	Shape   []int64 `json:"shape"`
	Input   []byte  `json:"input"`
	Payload []byte  `json:"payload"`
	Outputs []byte  `json:"outputs"`
}

// halves opens both halves of a bundle.
func halves(t *testing.T, dir string) (*bundle.Mobile, *bundle.Cloud) {
	t.Helper()
	b, err := bundle.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := b.OpenMobile(ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	c, err := b.OpenCloud(ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return m, c
}

// send runs both halves of a bundle on three images: two random ones and a black
// one, whose features are all the same.
func send(t *testing.T, name, dir string) crossed {
	t.Helper()
	m, c := halves(t, dir)
	shape := slices.Clone(m.Session().Inputs()[0].Sizes())
	shape[0] = 3
	n, err := tensor.Elements(shape)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	x := make([]float32, n)
	for i := range n * 2 / 3 {
		x[i] = float32(r.NormFloat64())
	}
	in := tensor.Of(shape, x)
	crossing, _, err := m.Run(t.Context(), ort.Feed{"input": in})
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.Run(t.Context(), crossing)
	if err != nil {
		t.Fatal(err)
	}
	return crossed{Name: name, Dir: dir, Shape: shape, Input: in.Data, Payload: crossing[bundle.PayloadName].Data, Outputs: out[0].Tensor.Data}
}

// TestValues compares every step between the reduced features and the restored
// ones with numpy and Pillow: each number of channels with each number of bits
// and both kinds of range, while codec places, qualities, strides and an odd
// image size take turns.
func TestValues(t *testing.T) {
	plugin(t)
	var models, calib []string
	for _, size := range []string{"3x32x32", "3x37x29"} {
		model := filepath.Join(t.TempDir(), size+".onnx")
		mustBnc(t, "models", "resnet20", "--input", size, "-o", model)
		models = append(models, model)
		calib = append(calib, randomSet(t, open(t, model).Inputs()[0]))
	}
	var jobs []crossed
	k := 0
	for _, c := range []string{"1", "2", "3", "4", "5", "8", "31", "full"} {
		for bits := 2; bits <= 8; bits++ {
			for r, quantRange := range []string{"dynamic", "static"} {
				// Periods 3 and 4: every place meets every quality with either range.
				place, quality := []string{"graph", "device-host", "host"}[(k+r)%3], []int{20, 1, 50, 95}[k%4]
				flags := fmt.Sprintf("--after rb4 --c %s --s %d --bits %d --range %s --quality %d --codec-at %s",
					c, 1+k/4%4, bits, quantRange, quality, place)
				args := append([]string{"split", models[k%5%2]}, strings.Fields(flags)...)
				if quantRange == "static" {
					args = append(args, "--calib", calib[k%5%2])
				}
				dir := filepath.Join(t.TempDir(), "b")
				mustBnc(t, append(args, "-o", dir)...)
				jobs = append(jobs, send(t, flags, dir))
			}
			k++
		}
	}
	black := blackSet(t)
	for _, flags := range []string{
		"--after rb1 --c 3 --s 2 --target tx2",
		"--after rb1 --c 3 --s 2 --fp16",
		"--after rb9 --c 5 --s 2 --fp16 --codec-at host",
		// A static range of width zero: all values are 0 and decode to lo.
		"--after rb4 --c 3 --s 2 --mean 0,0,0 --std 1,1,1 --calib " + black,
		"--after rb4 --c full --bits 5 --codec-at host --mean 0,0,0 --std 1,1,1 --calib " + black,
	} {
		dir := filepath.Join(t.TempDir(), "b")
		mustBnc(t, append([]string{"split", models[0], "-o", dir}, strings.Fields(flags)...)...)
		jobs = append(jobs, send(t, flags, dir))
	}
	oracle(t, "oracle_values.py", jobs, len(jobs)*7) // three tiles, the grid, payload, values and outputs
}

// blackSet writes a folder with a black image.
func blackSet(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "black.png"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(png.Encode(f, image.NewGray(image.Rect(0, 0, 32, 32))), f.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestDamagedRecord cuts a record off, and puts a JPEG marker into one: neither
// Python's onnxruntime nor bnc may answer.
func TestDamagedRecord(t *testing.T) {
	plugin(t)
	model := smallModel(t)
	type damage struct {
		Name    string `json:"name"`
		Cloud   string `json:"cloud"`
		Payload []byte `json:"payload"`
	}
	var jobs []damage
	for _, place := range []string{"graph", "device-host", "host"} {
		dir := filepath.Join(t.TempDir(), place)
		mustBnc(t, "split", model, "--after", "rb1", "--c", "3", "--codec-at", place, "-o", dir)
		payload := send(t, place, dir).Payload
		length, head := binary.Uvarint(payload)
		second := head + int(length)
		marker := slices.Clone(payload)
		copy(marker[second+20:], []byte{0xff, 0xd9})
		cloud := filepath.Join(dir, "cloud.onnx")
		_, c := halves(t, dir)
		for _, d := range []damage{
			{place + ", cut off", cloud, payload[:len(payload)-1]},
			{place + ", empty", cloud, nil},
			{place + ", with a marker", cloud, marker},
			{place + ", too long a length", cloud, append([]byte{0xff, 0xff, 0xff, 0x7f}, payload...)},
		} {
			_, err := c.Run(t.Context(), ort.Feed{bundle.PayloadName: tensor.Of([]int64{int64(len(d.Payload))}, d.Payload)})
			var input *ort.InputError
			if !errors.As(err, &input) || bnc.KindOf(err) != bnc.Data {
				t.Errorf("%s: bnc's runtime says %v, expected an error about the input", d.Name, err)
			}
			if place != "host" { // its graph takes tiles
				jobs = append(jobs, d)
			}
		}
	}
	oracle(t, "oracle_damage.py", jobs, len(jobs))
}
