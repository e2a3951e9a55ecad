package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// patterns writes n grey images of 28 x 28 with stripes, spots and noise, as
// MNIST-named IDX files with labels 0..9 that are the pictures' kind. To calibrate
// on, they are there as train- as well.
func patterns(t *testing.T, n int, labelled bool) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(7, 7))
	images := binary.BigEndian.AppendUint32(nil, 0x803)
	labels := binary.BigEndian.AppendUint32(nil, 0x801)
	for _, v := range []uint32{uint32(n), 28, 28} {
		images = binary.BigEndian.AppendUint32(images, v)
	}
	labels = binary.BigEndian.AppendUint32(labels, uint32(n))
	for i := range n {
		kind := i % 10
		labels = append(labels, byte(kind))
		phase, level := r.Float64()*6, 20+r.Float64()*40
		angle := float64(kind) * math.Pi / 10
		for p := range 28 * 28 {
			x, y := float64(p%28-14), float64(p/28-14)
			wave := math.Sin((x*math.Cos(angle)+y*math.Sin(angle))*(0.3+0.08*float64(kind)) + phase)
			images = append(images, byte(min(max(120+90*wave+level*r.NormFloat64()/3, 0), 255)))
		}
	}
	write(t, filepath.Join(dir, "t10k-images-idx3-ubyte"), images)
	write(t, filepath.Join(dir, "train-images-idx3-ubyte"), images)
	if labelled {
		write(t, filepath.Join(dir, "t10k-labels-idx1-ubyte"), labels)
	}
	return dir
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// stripeModel writes a network that gives the patterns many classes: filters, their
// mean responses, and random directions of those.
func stripeModel(t *testing.T) string {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 3))
	numbers := func(n int, mean, deviation float64) string {
		words := make([]string, n)
		for i := range words {
			words[i] = fmt.Sprintf("%.4f", mean+deviation*r.NormFloat64())
		}
		return strings.Join(words, ",")
	}
	var waves []string // filters of eight directions
	for k := range 8 {
		sin, cos := math.Sincos(float64(k) * math.Pi / 8)
		for p := range 25 {
			waves = append(waves, fmt.Sprintf("%.4f", math.Sin((float64(p%5-2)*cos+float64(p/5-2)*sin)*0.8)))
		}
	}
	return fromText(t, fmt.Sprintf(`<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,1,28,28] x) => (float[batch,10] y)
	<float[8,1,5,5] w = {%s}, float[8] scale = {%s}, float[8] shift = {%s}, float[8] mean = {%s}, float[8] var = {%s},
	 float[10,8] directions = {%s}> {
		a = Conv <strides = [2,2], pads = [2,2,2,2]> (x, w)
		n = BatchNormalization (a, scale, shift, mean, var)
		r = Relu (n)
		p = GlobalAveragePool (r)
		f = Flatten (p)
		m = ReduceMean <axes = [1]> (f)
		d = Sub (f, m)
		y = Gemm <transB = 1> (d, directions)
	}`, strings.Join(waves, ","), numbers(8, 1, 0.1), numbers(8, 0, 0.1), numbers(8, 0, 0.1), numbers(8, 1, 0.05), numbers(80, 0, 1)), nil)
}
