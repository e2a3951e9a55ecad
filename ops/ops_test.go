package ops_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bottlenet/bnc/ops"
)

// checkRecords compares sizes with an independent walk over the payload.
func checkRecords(t testing.TB, payload []byte, sizes []int) {
	t.Helper()
	at := 0
	for i, size := range sizes {
		length, n := binary.Uvarint(payload[at:])
		if n <= 0 || n+int(length) != size {
			t.Fatalf("record %d: size is %d, the varint says %d+%d", i, size, n, length)
		}
		at += size
	}
	if at != len(payload) {
		t.Fatalf("records end at %d of %d bytes", at, len(payload))
	}
}

// checkQuantisation bounds the error of each 8x8 block by what the quantiser
// may do: half a step in each coefficient. The transform is orthonormal, so
// the norm of the error in pixels is at most that of the half steps, plus one
// for the transform's own rounding of each coefficient and of each pixel.
func checkQuantisation(t testing.TB, g geometry, quant [64]int, want, got []byte) {
	t.Helper()
	var steps float64
	for _, q := range quant {
		steps += (float64(q)/2 + 1) * (float64(q)/2 + 1)
	}
	limit := math.Sqrt(steps) + 8
	for y0 := 0; y0 < g.Height; y0 += 8 {
		for x0 := 0; x0 < g.Width; x0 += 8 {
			var sum float64
			for y := y0; y < min(y0+8, g.Height); y++ {
				for x := x0; x < min(x0+8, g.Width); x++ {
					d := float64(want[y*g.Width+x]) - float64(got[y*g.Width+x])
					sum += d * d
				}
			}
			if math.Sqrt(sum) > limit {
				t.Fatalf("block at %d,%d is off by a norm of %.1f, the tables allow %.1f", y0, x0, math.Sqrt(sum), limit)
			}
		}
	}
}

func TestRoundTripIsWithinTheQuantiser(t *testing.T) {
	eachGeometry(t, func(t *testing.T, g geometry) {
		const n = 3
		pixels := g.Height * g.Width
		tiles := append(smooth(1, n-1, g.Height, g.Width), noise(1, pixels)...)
		quant, _ := markers(t, goFile(t, g, tiles[:pixels]))

		payload, sizes, err := encode(g, tiles, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkRecords(t, payload, sizes)
		decoded, ranges, err := decode(g, payload)
		if err != nil {
			t.Fatal(err)
		}
		if len(decoded) != len(tiles) || ranges != nil {
			t.Fatalf("decoded %d bytes and ranges %v, expected %d and none", len(decoded), ranges, len(tiles))
		}
		for i := range n {
			checkQuantisation(t, g, quant, tiles[i*pixels:][:pixels], decoded[i*pixels:][:pixels])
		}
	})
}

func TestGoDecodesTheSamePixels(t *testing.T) {
	eachGeometry(t, func(t *testing.T, g geometry) {
		payload, _, err := encode(g, smooth(2, 1, g.Height, g.Width), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := decode(g, payload)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range goDecode(t, g, data(t, payload)) {
			// Both inverse transforms are accurate integer ones and round
			// in different places: one level apart, never two.
			if d := int(got[i]) - int(want); d < -1 || d > 1 {
				t.Fatalf("pixel %d is %d, image/jpeg says %d", i, got[i], want)
			}
		}
	})
}

func TestDynamicRangeTravels(t *testing.T) {
	g := geometry{Height: 14, Width: 15, Quality: 20, Dynamic: true}
	want := []float32{0, 6.25, -1.5, math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.Copysign(0, -1))}
	tiles := smooth(3, 3, g.Height, g.Width)
	payload, sizes, err := encode(g, tiles, want)
	if err != nil {
		t.Fatal(err)
	}
	checkRecords(t, payload, sizes)
	decoded, got, err := decode(g, payload)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Errorf("range number %d is %g, expected %g", i, got[i], want[i])
		}
	}
	// The range is the only difference to a static payload.
	g.Dynamic = false
	static, staticSizes, err := encode(g, tiles, nil)
	if err != nil {
		t.Fatal(err)
	}
	plain, _, err := decode(g, static)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(decoded, plain) {
		t.Error("the range changes the tiles")
	}
	for i := range sizes {
		if sizes[i] != staticSizes[i]+8 {
			t.Errorf("record %d has %d bytes with its range and %d without", i, sizes[i], staticSizes[i])
		}
	}
	first := static[1:staticSizes[0]] // behind a varint of one byte
	if want := record(first, want[0], want[1]); !bytes.Equal(payload[:sizes[0]], want) {
		t.Errorf("record 0 is %x, expected %x", payload[:sizes[0]], want)
	}
}

func TestWrongArgumentsAreRefused(t *testing.T) {
	nan := float32(math.NaN())
	tests := []struct {
		name   string
		g      geometry
		tiles  int
		ranges []float32
		want   string
	}{
		{"no height", geometry{Height: 0, Width: 8, Quality: 20}, 8, nil, "0x8"},
		{"side", geometry{Height: 8, Width: ops.MaxSide + 1, Quality: 20}, 8, nil, "8x65501"},
		{"pixels", geometry{Height: ops.MaxSide, Width: ops.MaxSide, Quality: 20}, 8, nil, "pixels"},
		{"quality 0", geometry{Height: 8, Width: 8, Quality: 0}, 64, nil, "quality is 0"},
		{"quality 101", geometry{Height: 8, Width: 8, Quality: 101}, 64, nil, "quality is 101"},
		{"no tiles", geometry{Height: 8, Width: 8, Quality: 20}, 0, nil, "0 bytes"},
		{"half a tile", geometry{Height: 8, Width: 8, Quality: 20}, 96, nil, "96 bytes"},
		{"range of static", geometry{Height: 8, Width: 8, Quality: 20}, 64, []float32{0, 1}, "2 numbers"},
		{"no range of dynamic", geometry{Height: 8, Width: 8, Quality: 20, Dynamic: true}, 64, nil, "0 numbers"},
		{"nan", geometry{Height: 8, Width: 8, Quality: 20, Dynamic: true}, 128, []float32{0, 1, nan, 1}, "range of tile 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := encode(test.g, make([]byte, test.tiles), test.ranges)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, expected one with %q", err, test.want)
			}
		})
	}
	for _, test := range tests[:5] {
		if _, _, err := decode(test.g, make([]byte, 100)); err == nil {
			t.Errorf("%s: decoded", test.name)
		}
	}
}

func TestDamagedPayloadsAreRefused(t *testing.T) {
	static := geometry{Height: 28, Width: 28, Quality: 20}
	dynamic := static
	dynamic.Dynamic = true
	good, _, err := encode(static, smooth(4, 1, 28, 28), nil)
	if err != nil {
		t.Fatal(err)
	}
	image := data(t, good)
	least := 12 // ceil(16 blocks * 6 bits / 8)
	if at := bytes.IndexByte(image, 0xff); at >= 0 {
		t.Fatalf("the sample has a stuffed byte at %d, so its cuts would not be plain", at)
	}
	with := func(at int, b ...byte) []byte { return slices.Concat(image[:at], b, image[at:]) }
	inf := float32(math.Inf(1))
	tests := []struct {
		name    string
		g       geometry
		payload []byte
		record  int
		offset  int
		want    string
	}{
		{"empty", static, nil, 0, 0, "empty"},
		{"zero length", static, []byte{0}, 0, 0, "at least 12"},
		{"zero length after a good one", static, append(slices.Clone(good), 0), 1, len(good), "at least 12"},
		{"varint cut", static, []byte{0x80}, 0, 0, "ends inside"},
		{"varint cut after a good one", static, append(slices.Clone(good), 0xff, 0xff), 1, len(good), "ends inside"},
		{"varint padded", static, append([]byte{0x8c, 0}, make([]byte, 12)...), 0, 0, "shortest form"},
		{"varint too long", static, append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 1}, image...), 0, 0, "more than 5 bytes"},
		{"record past the end", static, good[:len(good)-1], 0, 0, "announces"},
		{"record far past the end", static, []byte{0xff, 0xff, 0xff, 0xff, 0x7f}, 0, 0, "announces"},
		{"too short for the tile", static, record(image[:least-1]), 0, 0, "at least 12"},
		{"no room for a range", dynamic, record(image[:least+7]), 0, 0, "at least 20"},
		{"infinite range", dynamic, record(image, 0, inf), 0, 0, "finite"},
		{"nan range", dynamic, record(image, float32(math.NaN()), 1), 0, 0, "finite"},
		{"marker", static, record(with(20, 0xff, 0xd9)), 0, 0, "marker, ffd9"},
		{"restart marker", static, record(with(20, 0xff, 0xd0)), 0, 0, "marker, ffd0"},
		{"table", static, record(with(0, 0xff, 0xdb, 0, 67)), 0, 0, "marker, ffdb"},
		{"fill bytes", static, record(with(20, 0xff, 0xff, 0)), 0, 0, "marker, ffff"},
		{"half a stuffed byte", static, record(append(slices.Clone(image), 0xff)), 0, 0, "half"},
		{"ones only", static, record(bytes.Repeat([]byte{0xff, 0}, 40)), 0, 0, "bad Huffman code"},
		{"surplus", static, record(append(slices.Clone(image), make([]byte, 9)...)), 0, 0, "goes on"},
		{"second record", static, slices.Concat(good, record(image[:40])), 1, len(good), "ends before"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tiles, _, err := decode(test.g, test.payload)
			var damaged *ops.DamagedError
			if !errors.As(err, &damaged) {
				t.Fatalf("got %d bytes and error %v, expected a DamagedError", len(tiles), err)
			}
			if damaged.Record != test.record || damaged.Offset != test.offset || !strings.Contains(damaged.Reason, test.want) {
				t.Errorf("error is %v, expected record %d at byte %d with %q", err, test.record, test.offset, test.want)
			}
		})
	}
}

// Every cut takes bits that some block needs: the last byte holds at least one.
func TestEveryTruncationIsRefused(t *testing.T) {
	for _, size := range [][2]int{{8, 8}, {28, 28}, {96, 96}} {
		g := geometry{Height: size[0], Width: size[1], Quality: 50}
		payload, _, err := encode(g, smooth(5, 1, g.Height, g.Width), nil)
		if err != nil {
			t.Fatal(err)
		}
		whole := data(t, payload)
		for cut := range whole {
			if _, _, err := decode(g, record(whole[:cut])); err == nil {
				t.Fatalf("%dx%d decodes from %d of %d bytes", g.Height, g.Width, cut, len(whole))
			}
		}
	}
}

// The limit is the bit buffer's: what does not fit into it is seen.
func TestSurplusIsRefused(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {28, 28}, {96, 96}} {
		g := geometry{Height: size[0], Width: size[1], Quality: 50}
		payload, _, err := encode(g, smooth(6, 1, g.Height, g.Width), nil)
		if err != nil {
			t.Fatal(err)
		}
		for n := 9; n < 2000; n += 1 + n/3 {
			surplus := append(slices.Clone(data(t, payload)), make([]byte, n)...)
			if _, _, err := decode(g, record(surplus)); err == nil {
				t.Errorf("%dx%d: %d surplus bytes went unnoticed", g.Height, g.Width, n)
			}
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			g := geometry{Height: 20 + worker, Width: 28, Quality: 10 + 10*worker}
			tiles := smooth(uint64(worker), 2, g.Height, g.Width)
			first, _, err := encode(g, tiles, nil)
			if err != nil {
				t.Error(err)
				return
			}
			for range 200 {
				again, _, err := encode(g, tiles, nil)
				if err != nil || !bytes.Equal(first, again) {
					t.Errorf("worker %d: another payload, error %v", worker, err)
					return
				}
				if _, _, err := decode(g, again); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}
