package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/model"
)

// Striped pictures: one of a few directions, any phase, some noise.
const (
	stripeSize    = 12
	stripeClasses = 4
)

// stripe draws the picture of a class.
func stripe(rng *rand.Rand, class int) []byte {
	sin, cos := math.Sincos(float64(class) * math.Pi / stripeClasses)
	phase := rng.Float64() * 2 * math.Pi
	pixels := make([]byte, stripeSize*stripeSize)
	for i := range pixels {
		x, y := float64(i%stripeSize), float64(i/stripeSize)
		v := 128 + 80*math.Sin(x*cos+y*sin+phase) + 15*rng.NormFloat64()
		pixels[i] = byte(min(max(v, 0), 255))
	}
	return pixels
}

// stripes writes striped pictures in turns of the classes as MNIST-named IDX
// files, to train on and to judge by.
func stripes(t *testing.T, train, val int) string {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(21, 1))
	for _, part := range []struct {
		prefix string
		n      int
	}{{"train-", train}, {"t10k-", val}} {
		images := binary.BigEndian.AppendUint32(nil, 0x803)
		labels := binary.BigEndian.AppendUint32(nil, 0x801)
		for _, v := range []int{part.n, stripeSize, stripeSize} {
			images = binary.BigEndian.AppendUint32(images, uint32(v))
		}
		labels = binary.BigEndian.AppendUint32(labels, uint32(part.n))
		for i := range part.n {
			images = append(images, stripe(rng, i%stripeClasses)...)
			labels = append(labels, byte(i%stripeClasses))
		}
		write(t, filepath.Join(dir, part.prefix+"images-idx3-ubyte"), images)
		write(t, filepath.Join(dir, part.prefix+"labels-idx1-ubyte"), labels)
	}
	return dir
}

// stripeFolder writes n striped pictures as PNG files to a folder a class, or to
// one folder where classes is nil, and returns the files.
func stripeFolder(t *testing.T, dir string, n int, colour bool, classes []string) []string {
	t.Helper()
	rng := rand.New(rand.NewPCG(22, 1))
	var files []string
	for i := range n {
		class := i % stripeClasses
		path := filepath.Join(dir, fmt.Sprintf("%03d.png", i))
		if classes != nil {
			path = filepath.Join(dir, classes[class], fmt.Sprintf("%03d.png", i))
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		grey := &image.Gray{Pix: stripe(rng, class), Stride: stripeSize, Rect: image.Rect(0, 0, stripeSize, stripeSize)}
		var picture image.Image = grey
		if colour {
			rgb := image.NewRGBA(grey.Rect)
			for k, v := range grey.Pix {
				rgb.Set(k%stripeSize, k/stripeSize, color.RGBA{v, v / 2, 255 - v, 255})
			}
			picture = rgb
		}
		var b bytes.Buffer
		if err := png.Encode(&b, picture); err != nil {
			t.Fatal(err)
		}
		write(t, path, b.Bytes())
		files = append(files, path)
	}
	return files
}

// numbersFor writes n normally distributed numbers in ONNX's text syntax.
func numbersFor(rng *rand.Rand, n int, mean, deviation float64) string {
	words := make([]string, n)
	for i := range words {
		words[i] = fmt.Sprintf("%.4f", mean+deviation*rng.NormFloat64())
	}
	return strings.Join(words, ",")
}

// initsFor declares initializers, for example "3,2 w 0 0.5; 3 b 1 0.1": their
// dimensions, name, mean and deviation.
func initsFor(spec string) string {
	rng := rand.New(rand.NewPCG(23, 1))
	var all []string
	for part := range strings.SplitSeq(spec, ";") {
		var dims, name string
		var mean, deviation float64
		if _, err := fmt.Sscan(part, &dims, &name, &mean, &deviation); err != nil {
			panic(err)
		}
		n := 1
		for d := range strings.SplitSeq(dims, ",") {
			var k int
			if _, err := fmt.Sscan(d, &k); err != nil {
				panic(err)
			}
			n *= k
		}
		all = append(all, fmt.Sprintf("float[%s] %s = {%s}", dims, name, numbersFor(rng, n, mean, deviation)))
	}
	return strings.Join(all, ", ")
}

// stripeNet writes a small network with batch normalisation for the striped
// pictures; its cut r has 6 channels of 6 x 6.
func stripeNet(t *testing.T) string {
	t.Helper()
	return fromText(t, fmt.Sprintf(`<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,1,12,12] x) => (float[batch,4] y) <%s> {
		a = Conv <strides = [2,2], pads = [1,1,1,1]> (x, w1)
		n = BatchNormalization (a, g1, b1, mean1, var1)
		r = Relu (n)
		c = Conv <pads = [1,1,1,1]> (r, w2)
		m = BatchNormalization (c, g2, b2, mean2, var2)
		q = Relu (m)
		p = GlobalAveragePool (q)
		f = Flatten (p)
		y = Gemm <transB = 1> (f, w3, b3)
	}`, initsFor(stripeWeights)), nil)
}

// stripeWeights are stripeNet's.
const stripeWeights = `6,1,3,3 w1 0 0.5; 6 g1 1 0.05; 6 b1 0.2 0.05; 6 mean1 0 0.05; 6 var1 1 0.05;
	8,6,3,3 w2 0 0.2; 8 g2 1 0.05; 8 b2 0.2 0.05; 8 mean2 0 0.05; 8 var2 1 0.05; 4,8 w3 0 0.4; 4 b3 0 0.05`

// trained is what bnc train --json prints.
func trained(t *testing.T, args ...string) bnc.TrainResult {
	t.Helper()
	out, stderr, code := tryBnc(t, append(append([]string{"train"}, args...), "--json")...)
	if code != exitDone {
		t.Fatalf("bnc train %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
	var r bnc.TrainResult
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return r
}

// initsOf reads the initializers of a file by their names.
func initsOf(t *testing.T, path string) map[string]string {
	t.Helper()
	m, err := onnx.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, v := range m.Graph.Inits() {
		b, err := v.Init().Bytes()
		if err != nil {
			t.Fatal(err)
		}
		all[v.Name()] = string(b)
	}
	return all
}

// changed returns the names of initializers that differ, or are on one side only,
// sorted.
func changed(before, after map[string]string) []string {
	differ := map[string]string{}
	for name, b := range before {
		if a, ok := after[name]; !ok || a != b {
			differ[name] = ""
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			differ[name] = ""
		}
	}
	return names(differ)
}

// graphOf is a file without its metadata.
func graphOf(t *testing.T, path string) string {
	t.Helper()
	m, err := onnx.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	m.DelMeta(func(string) bool { return true })
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// modelMeta is what a file's metadata say.
func modelMeta(t *testing.T, path string) bundle.Meta {
	t.Helper()
	head, err := model.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := bundle.ParseMeta(head.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	return meta
}
