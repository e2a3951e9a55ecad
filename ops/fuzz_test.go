package ops_test

import (
	"bytes"
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

// Any table is refused or codes any tile.
func FuzzTransformTable(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(randomPlanes(seed, 1).table(), uint8(50), false, uint16(0))
		f.Add(randomPlanes(seed, 3).table(), uint8(90), true, uint16(30))
	}
	f.Add([]byte{1, 1, 1, 1, 1, 1, 128, 1, 255}, uint8(100), true, uint16(1))
	f.Fuzz(func(t *testing.T, table []byte, quality uint8, variable bool, limit uint16) {
		part := planes{count: 1, quality: int(quality)%100 + 1, variable: variable, maxBytes: int(limit)}.part()
		part.Parameters["table"] = table
		geometry, sizes := table[min(1, len(table)):], [3]uint64{}
		for i := range sizes {
			size, n := binary.Uvarint(geometry)
			if n <= 0 || size > 1<<10 {
				return
			}
			sizes[i], geometry = size, geometry[n:]
		}
		part.Height, part.Width = int(sizes[0]*sizes[1]), int(sizes[2])
		if pixels := part.Height * part.Width; pixels < 1 || pixels > 1<<16 {
			return
		}
		coder, err := ops.Record{part}.Coder()
		if err != nil {
			return
		}
		payload, sized, err := coder.Encode([][]byte{noise(7, part.Height*part.Width)}, [][]float32{nil})
		if err != nil {
			t.Fatal(err)
		}
		checkRecords(t, payload, sized)
		if n := len(data(t, payload)); variable && limit > 0 && n > int(limit) {
			t.Fatalf("%d bytes, expected at most %d", n, limit)
		}
		if _, _, err := coder.Decode(payload); err != nil {
			t.Fatal(err)
		}
	})
}

// Any data are refused or are what is written of their coefficients.
func FuzzTransformDecode(f *testing.F) {
	for seed := range uint8(6) {
		p := randomPlanes(uint64(seed), 4)
		p.variable = seed%2 == 0
		f.Add(seed, uint8(4), p.variable, p.encode(f, p.tile(1, 10)))
	}
	f.Fuzz(func(t *testing.T, seed, octaves uint8, variable bool, data []byte) {
		p := randomPlanes(uint64(seed), int(octaves)%8)
		p.variable = variable
		_, err := p.decode(t, data)
		if err != nil {
			var damaged *ops.DamagedError
			if !errors.As(err, &damaged) {
				t.Fatalf("error %v is no DamagedError", err)
			}
			return
		}
		if again := p.encodedAgain(data); !bytes.Equal(again, data) {
			t.Fatalf("%x decodes, but its coefficients are written as %x", data, again)
		}
	})
}

// Any tile comes back, as what its data say.
func FuzzTransformRoundTrip(f *testing.F) {
	f.Add(uint8(1), uint8(3), uint8(49), []byte{0, 255, 255, 0})
	f.Add(uint8(2), uint8(0), uint8(99), smooth(8, 1, 28, 28))
	f.Fuzz(func(t *testing.T, seed, octaves, quality uint8, pattern []byte) {
		if len(pattern) == 0 {
			return
		}
		p := randomPlanes(uint64(seed), int(octaves)%8)
		p.quality = int(quality)%100 + 1
		part := p.part()
		tile := make([]byte, part.Height*part.Width)
		for i := range tile {
			tile[i] = pattern[i%len(pattern)]
		}
		data := p.encode(t, tile)
		if _, err := p.decode(t, data); err != nil {
			t.Fatal(err)
		}
		if again := p.encodedAgain(data); !bytes.Equal(again, data) {
			t.Fatalf("%x was written, its coefficients are %x", data, again)
		}
	})
}
