package ops_test

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/bottlenet/bnc/ops"
)

// countRecords is a second reader of the framing: -1 where it is broken.
func countRecords(payload []byte) int {
	n := 0
	for ; len(payload) > 0; n++ {
		length, k := binary.Uvarint(payload)
		if k <= 0 || length == 0 || length > uint64(len(payload)-k) {
			return -1
		}
		payload = payload[k+int(length):]
	}
	return n
}

// maxExpansion bounds how many bytes of tiles come from a byte of JPEG: an 8x8 block
// takes at least 6 bits, and 64 / 0.75 < 86.
const maxExpansion = 86

func FuzzDecode(f *testing.F) {
	for _, g := range []geometry{
		{Height: 8, Width: 8, Quality: 20},
		{Height: 28, Width: 28, Quality: 20, Dynamic: true},
		{Height: 13, Width: 40, Quality: 100},
	} {
		var ranges []float32
		if g.Dynamic {
			ranges = []float32{0, 1, -2, 2}
		}
		payload, _, err := encode(g, smooth(7, 2, g.Height, g.Width), ranges)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(g.Height-1), uint8(g.Width-1), uint8(g.Quality-1), g.Dynamic, payload)
	}
	f.Fuzz(func(t *testing.T, height, width, quality uint8, dynamic bool, payload []byte) {
		g := geometry{Height: int(height) + 1, Width: int(width) + 1, Quality: int(quality)%100 + 1, Dynamic: dynamic}
		tiles, ranges, err := decode(g, payload)
		n := countRecords(payload)
		if err != nil {
			var damaged *ops.DamagedError
			if !errors.As(err, &damaged) {
				t.Fatalf("error %v is no DamagedError", err)
			}
			if damaged.Offset > len(payload) || n >= 0 && damaged.Record > n {
				t.Fatalf("error %v points outside %d records, %d bytes", err, n, len(payload))
			}
			return
		}
		if n < 1 || len(tiles) != n*g.Height*g.Width {
			t.Fatalf("%d bytes of tiles from %d records", len(tiles), n)
		}
		if len(tiles) >= maxExpansion*len(payload) {
			t.Fatalf("%d bytes of tiles from a payload of %d", len(tiles), len(payload))
		}
		for _, v := range ranges {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Fatalf("ranges %v", ranges)
			}
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	f.Add(uint8(27), uint8(27), uint8(19), smooth(8, 1, 28, 28))
	f.Add(uint8(0), uint8(0), uint8(99), []byte{255})
	f.Add(uint8(8), uint8(16), uint8(0), []byte{0, 255, 255, 0})
	f.Fuzz(func(t *testing.T, height, width, quality uint8, pattern []byte) {
		if len(pattern) == 0 {
			return
		}
		g := geometry{Height: int(height)%64 + 1, Width: int(width)%64 + 1, Quality: int(quality)%100 + 1}
		tile := make([]byte, g.Height*g.Width)
		for i := range tile {
			tile[i] = pattern[i%len(pattern)]
		}
		payload, sizes, err := encode(g, tile, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkRecords(t, payload, sizes)
		decoded, _, err := decode(g, payload)
		if err != nil {
			t.Fatal(err)
		}
		quant, _ := markers(t, goFile(t, g, tile))
		checkQuantisation(t, g, quant, tile, decoded)
	})
}
