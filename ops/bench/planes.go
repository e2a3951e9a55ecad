package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"

	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/ops/internal/onenode"
)

// tensor is one that crosses as a tile of planes, side x side each, in one row or as a square.
type tensor struct {
	planes, side, block int
	step                float64 // of every coefficient, in tile levels
}

// The tensors that codec "transform" is measured on: the last of a network's and one large plane.
var tensors = []tensor{
	{planes: 160, side: 7, block: 7, step: 10.5},
	{planes: 1, side: 28, block: 14, step: 22},
}

func (x tensor) columns() int { return int(math.Ceil(math.Sqrt(float64(x.planes)))) }
func (x tensor) rows() int    { return (x.planes + x.columns() - 1) / x.columns() }

// mean returns the mean magnitude of a coefficient: as principal components of MobileNetV2's
// blocks have them, it falls with the frequency and from plane to plane.
func (x tensor) mean(k, v, u int) float64 {
	return 75 / (1 + 0.5*float64(v+u)) / math.Pow(1+float64(k)/4, 0.7)
}

// tile returns one of random coefficients.
func (x tensor) tile(rng *rand.Rand) []byte {
	width := x.columns() * x.side
	out := make([]byte, x.rows()*x.side*width)
	for k := range x.planes {
		for by := 0; by < x.side; by += x.block {
			for bx := 0; bx < x.side; bx += x.block {
				block := make([]float64, x.block*x.block)
				for v := range x.block {
					for u := range x.block {
						size := x.mean(k, v, u) * math.Sqrt(math.Pi/2) * rng.NormFloat64()
						for i := range block {
							block[i] += size * wave(x.block, v, i/x.block) * wave(x.block, u, i%x.block)
						}
					}
				}
				corner := (k/x.columns()*x.side+by)*width + k%x.columns()*x.side + bx
				for i, value := range block {
					out[corner+i/x.block*width+i%x.block] = byte(min(max(128+value, 0), 255))
				}
			}
		}
	}
	return out
}

// wave is the orthonormal DCT-II of n points.
func wave(n, u, x int) float64 {
	if u == 0 {
		return math.Sqrt(1 / float64(n))
	}
	return math.Sqrt(2/float64(n)) * math.Cos(math.Pi*(float64(x)+0.5)*float64(u)/float64(n))
}

// table is the parameter of codec "transform" (ops/transform.c).
func (x tensor) table() []byte {
	b := []byte{1}
	for _, n := range []int{x.planes, x.side, x.side} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = append(b, byte(x.block), byte(x.block))
	b = append(b, bytes.Repeat([]byte{128}, x.planes)...)
	level := func(v float64) byte { return byte(math.Round(64 + 16*math.Log2(v))) }
	for k := range x.planes {
		for i := range x.block * x.block {
			b = append(b, level(x.step), level(x.mean(k, i/x.block, i%x.block)))
		}
	}
	return b
}

// beside prints what the ops of both codecs take for tiles of a tensor.
func (b bench) beside(x tensor) error {
	rng, content := rand.New(rand.NewPCG(3, 4)), []byte(nil)
	for range tiles {
		content = append(content, x.tile(rng)...)
	}
	for _, codec := range []struct {
		name    string
		numbers map[string]int64
		strings map[string][]byte
	}{
		{"jpeg", map[string]int64{"quality": quality}, nil},
		{"transform", map[string]int64{"quality": 50, "variable": 0, "max_bytes": 0}, map[string][]byte{"table": x.table()}},
	} {
		row, err := ops.Lookup(codec.name)
		if err != nil {
			return err
		}
		height, width := x.rows()*x.side, x.columns()*x.side
		encode, decode := nodes(row, codec.numbers, codec.strings, height, width)
		if err := b.write(map[string][]byte{"encode.onnx": encode.Model(), "decode.onnx": decode.Model(), "tiles": content}); err != nil {
			return err
		}
		cmd := exec.Command(b.alone(), b.library, b.plugin(), "encode.onnx", "decode.onnx", fmt.Sprint(height), fmt.Sprint(width), "tiles")
		cmd.Dir, cmd.Stderr = b.dir, os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s: %w", cmd, err)
		}
		values := map[string][]float64{}
		for line := range bytes.Lines(out) {
			var name string
			var v float64
			if _, err := fmt.Sscan(string(line), &name, &v); err != nil {
				return fmt.Errorf("reading %q: %w", line, err)
			}
			values[name] = append(values[name], v)
		}
		fmt.Printf("%-14s %-10s %6.0f %16s %16s %16.2f\n", fmt.Sprintf("%dx%dx%d", x.planes, x.side, x.side), codec.name, values["bytes"][0],
			timing(values["encode"]), timing(values["decode"]), (slices.Min(values["encode"])+slices.Min(values["decode"]))/1000)
	}
	return nil
}

// nodes returns the ops of a codec for tiles of a size.
func nodes(codec ops.Codec, numbers map[string]int64, strings map[string][]byte, height, width int) (encode, decode onenode.Node) {
	tile, payload := []onenode.Value{{Name: "tile", Type: onenode.Uint8}}, []onenode.Value{{Name: "payload", Type: onenode.Uint8}}
	sized := map[string]int64{"height": int64(height), "width": int64(width)}
	for name, v := range numbers {
		sized[name] = v
	}
	return onenode.Node{Op: codec.Operators().Encode, Attributes: numbers, Strings: strings, Inputs: tile, Outputs: payload},
		onenode.Node{Op: codec.Operators().Decode, Attributes: sized, Strings: strings, Inputs: payload, Outputs: tile}
}
