package ops_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/ops"
)

// coefficient is what a table of codec "transform" says of one: step and mean magnitude as
// 64 + 16 log2 tile levels. A step of 0 leaves it out.
type coefficient struct{ step, mean uint8 }

// planes is what both sides know of a tile of codec "transform".
type planes struct {
	count, height, width, blockHeight, blockWidth int
	columns                                       int // of the grid, 0 for one row of planes
	means                                         []uint8
	coefficients                                  []coefficient
	quality, maxBytes                             int
	variable                                      bool
}

// table is the parameter as the C file describes it.
func (p planes) table() []byte {
	b := []byte{1}
	for _, n := range []int{p.count, p.height, p.width} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = append(append(b, byte(p.blockHeight), byte(p.blockWidth)), p.means...)
	for i := 0; i < len(p.coefficients); i++ {
		if c := p.coefficients[i]; c.step > 0 {
			b = append(b, c.step, c.mean)
			continue
		}
		n := 1
		for n < 255 && i+n < len(p.coefficients) && p.coefficients[i+n].step == 0 {
			n++
		}
		b, i = append(b, 0, byte(n)), i+n-1
	}
	return b
}

func (p planes) part() ops.Part {
	transform, err := ops.Lookup("transform")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	variable := int64(0)
	if p.variable {
		variable = 1
	}
	columns := p.columns
	if columns == 0 {
		columns = p.count
	}
	return ops.Part{
		Codec: transform, Height: (p.count + columns - 1) / columns * p.height, Width: columns * p.width,
		Parameters: ops.Parameters{"quality": int64(p.quality), "variable": variable, "max_bytes": int64(p.maxBytes), "table": p.table()},
	}
}

// encode returns the data of one tile.
func (p planes) encode(t testing.TB, tile []byte) []byte {
	t.Helper()
	payload, _, err := coderOf(t, ops.Record{p.part()}).Encode([][]byte{tile}, [][]float32{nil})
	if err != nil {
		t.Fatal(err)
	}
	return data(t, payload)
}

func (p planes) decode(t testing.TB, data []byte) ([]byte, error) {
	t.Helper()
	tiles, _, err := coderOf(t, ops.Record{p.part()}).Decode(record(data))
	if err != nil {
		return nil, err
	}
	return tiles[0], nil
}

// randomPlanes returns a tensor with steps of about 2^octaves levels and means as such tiles have.
func randomPlanes(seed uint64, octaves int) planes {
	rng := rand.New(rand.NewPCG(seed, 2))
	p := planes{count: 1 + rng.IntN(9), height: 1 + rng.IntN(30), width: 1 + rng.IntN(30), quality: 50}
	p.columns = 1 + rng.IntN(p.count)
	p.blockHeight, p.blockWidth = 1+rng.IntN(min(p.height, 14)), 1+rng.IntN(min(p.width, 14))
	for range p.count {
		p.means = append(p.means, byte(rng.Uint32()))
		for range p.blockHeight * p.blockWidth {
			c := coefficient{step: uint8(64 + 16*octaves + rng.IntN(16)), mean: uint8(40 + rng.IntN(120))}
			if rng.IntN(4) == 0 {
				c = coefficient{}
			}
			p.coefficients = append(p.coefficients, c)
		}
	}
	return p
}

// tile returns one like features: smooth planes about their means, and noise in unused cells.
func (p planes) tile(seed uint64, noise float64) []byte {
	part, rng := p.part(), rand.New(rand.NewPCG(seed, 3))
	tile := make([]byte, part.Height*part.Width)
	for i := range tile {
		tile[i] = byte(rng.Uint32())
	}
	for k := range p.count {
		fy, fx, size := rng.Float64(), rng.Float64(), 60*rng.NormFloat64()
		for y := range p.height {
			for x := range p.width {
				v := float64(p.means[k]) + size*math.Cos(fy*float64(y)+fx*float64(x)) + noise*rng.NormFloat64()
				tile[p.at(part, k, y, x)] = byte(min(max(v, 0), 255))
			}
		}
	}
	return tile
}

// at is the place of a pixel of plane k in the tile.
func (p planes) at(part ops.Part, k, y, x int) int {
	columns := part.Width / p.width
	return (k/columns*p.height+y)*part.Width + k%columns*p.width + x
}

// Without coefficients that are left out, at steps of half a level, hardly anything is lost.
func TestTransformAtTheFinestSteps(t *testing.T) {
	for seed := range uint64(40) {
		p := randomPlanes(seed, 0)
		for i := range p.coefficients {
			p.coefficients[i] = coefficient{step: 48, mean: 80}
		}
		part, tile := p.part(), p.tile(seed, 5)
		got, err := p.decode(t, p.encode(t, tile))
		if err != nil {
			t.Fatal(err)
		}
		used := make([]bool, len(tile))
		for k := range p.count {
			for y := range p.height {
				for x := range p.width {
					i := p.at(part, k, y, x)
					used[i] = true
					// A dead zone of half a step and a bit, in each of up to 196 coefficients.
					if d := int(got[i]) - int(tile[i]); d < -2 || d > 2 {
						t.Fatalf("seed %d: pixel %d of plane %d is %d, expected %d", seed, y*p.width+x, k, got[i], tile[i])
					}
				}
			}
		}
		for i, u := range used {
			if !u && got[i] != 0 {
				t.Fatalf("seed %d: a cell that no plane uses is %d", seed, got[i])
			}
		}
	}
}

func TestTransformKeepsItsLimit(t *testing.T) {
	for seed := range uint64(30) {
		p := randomPlanes(seed, 1)
		p.variable = true
		tile := p.tile(seed, 30)
		sizes := make([]int, 51) // by quality
		for q := 1; q <= 50; q++ {
			p.quality = q
			sizes[q] = len(p.encode(t, tile))
		}
		for _, limit := range []int{1, 2, 5, 20, 100, 1000} {
			p.maxBytes = limit
			got := p.encode(t, tile)
			q := int(got[0])
			if len(got) > limit || q > 0 && len(got) != sizes[q] || q < 50 && sizes[q+1] <= limit {
				t.Errorf("seed %d: %d bytes of quality %d for a limit of %d; sizes are %d", seed, len(got), q, limit, sizes)
			}
			if _, err := p.decode(t, got); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestBadTablesAreRefused(t *testing.T) {
	good := planes{count: 2, height: 2, width: 3, blockHeight: 2, blockWidth: 2, means: []uint8{7, 8}, quality: 50,
		coefficients: []coefficient{{64, 70}, {}, {}, {64, 60}, {}, {}, {}, {60, 60}}}
	if _, err := (ops.Record{good.part()}).Coder(); err != nil {
		t.Fatal(err)
	}
	table := good.table() // 1 2 2 3 2 2 7 8 64 70 0 2 64 60 0 3 60 60
	replaced := func(at int, b ...byte) []byte { return slices.Concat(table[:at], b, table[at+len(b):]) }
	for _, test := range []struct {
		table []byte
		want  string
	}{
		{replaced(0, 2), "version 2, expected 1"},
		{replaced(1, 0), "does not begin with planes"},
		{replaced(1, 0x82, 0), "does not begin with planes"}, // not the shortest form
		{bytes.Repeat([]byte{0xff}, 20), "version 255"},
		{append([]byte{1}, bytes.Repeat([]byte{0xff}, 20)...), "does not begin with planes"},
		{append([]byte{1, 0x80, 0x80, 0x80, 0x80, 1}, table[2:]...), "does not begin with planes"}, // 2^28 planes of 6 pixels
		{replaced(2, 0), "does not begin with planes"},
		{replaced(1, 100), "ends before the means of its 100 planes"},
		{replaced(4, 0), "blocks of 0x2"},
		{replaced(4, 3), "blocks of 3x2, expected sides of 1..14 that fit planes of 2x3"},
		{replaced(5, 15), "blocks of 2x15"},
		{replaced(11, 0), "leaves out 0 coefficients from 1 on, expected 1..7"},
		{replaced(15, 5), "leaves out 5 coefficients from 4 on, expected 1..4"},
		{table[:len(table)-1], "tells of 7 coefficients and has 1 bytes left, expected 8 and none"},
		{table[:len(table)-2], "tells of 7 coefficients and has 0 bytes left"},
		{append(slices.Clone(table), 0), "tells of 8 coefficients and has 1 bytes left"},
		{table[:7], "table has 7 bytes, expected 8.."},
	} {
		part := good.part()
		part.Parameters["table"] = test.table
		if _, err := (ops.Record{part}).Coder(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: error is %v, expected one with %q", test.table, err, test.want)
		}
	}
	for _, size := range [][2]int{{3, 6}, {2, 5}, {2, 3}} {
		part := good.part()
		part.Height, part.Width = size[0], size[1]
		_, _, err := coderOf(t, ops.Record{part}).Encode([][]byte{make([]byte, size[0]*size[1])}, [][]float32{nil})
		if want := fmt.Sprintf("tile is %dx%d, expected a grid of 2 or more planes of 2x3", size[0], size[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, expected one with %q", err, want)
		}
	}
}

// Whatever decodes is what the encoder writes of its coefficients: no two strings mean the same.
func TestDamagedTransformData(t *testing.T) {
	refused, accepted := 0, 0
	for seed := range uint64(8) {
		p := randomPlanes(seed, 5)
		p.count, p.columns, p.variable = 1, 1, seed%2 == 0
		p.means, p.coefficients = p.means[:1], p.coefficients[:p.blockHeight*p.blockWidth]
		coder, whole := coderOf(t, ops.Record{p.part()}), p.encode(t, p.tile(seed, 10))
		check := func(data []byte) {
			_, _, err := coder.Decode(record(data))
			var damaged *ops.DamagedError
			if err != nil && !errors.As(err, &damaged) {
				t.Fatal(err)
			}
			if err != nil {
				refused++
				return
			}
			accepted++
			if again := p.encodedAgain(data); !bytes.Equal(again, data) {
				t.Fatalf("seed %d: %x decodes, but its coefficients are written as %x", seed, data, again)
			}
		}
		whole = whole[:min(len(whole), 8)] // of a longer one the beginning: other data
		for i := range whole {
			check(whole[:i])
			for v := range 256 {
				check(slices.Concat(whole[:i], []byte{byte(v)}, whole[i+1:]))
			}
		}
		for v := range 256 {
			check(append(slices.Clone(whole), byte(v)))
		}
		for range 20 {
			whole = append(whole, 0)
			if _, _, err := coder.Decode(record(whole)); err == nil {
				t.Fatalf("seed %d: decodes with zeros behind", seed)
			}
		}
	}
	if refused < 1000 || accepted < 1000 {
		t.Errorf("%d refused, %d accepted", refused, accepted)
	}
}

func TestDamagedTransformDataSayWhatIsWrong(t *testing.T) {
	p := planes{count: 1, height: 4, width: 4, blockHeight: 2, blockWidth: 2, means: []uint8{100}, quality: 50, variable: true}
	for range 4 {
		p.coefficients = append(p.coefficients, coefficient{step: 200, mean: 200})
	}
	whole := p.encode(t, p.tile(1, 20))
	for _, test := range []struct {
		data []byte
		want string
	}{
		{nil, "the data are empty, expected a quality"},
		{[]byte{101}, "the data are of quality 101, expected 0..100"},
		{[]byte{0, 7}, "the data go on after quality 0"},
		{append(slices.Clone(whole), 0), "the data are not the shortest of their coefficients"},
		{append(slices.Clone(whole), 9, 9, 9, 9, 9, 9), "the data are not the shortest of their coefficients"},
		{append([]byte{50}, bytes.Repeat([]byte{255}, 9)...), "a coefficient is 15 steps, expected at most 10"},
	} {
		if _, err := p.decode(t, test.data); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%x: error is %v, expected one with %q", test.data, err, test.want)
		}
	}
}

// Noise, checkerboards and extremes are what tables are least made for.
func TestTransformKeepsItsLimitOfHostileTiles(t *testing.T) {
	for seed := range uint64(12) {
		p := randomPlanes(seed, 1)
		p.variable = true
		part := p.part()
		tiles := map[string][]byte{"noise": noise(seed, part.Height*part.Width)}
		for name, cell := range map[string]func(i int) byte{
			"zeros": func(int) byte { return 0 }, "most": func(int) byte { return 255 },
			"checkerboard": func(i int) byte { return byte(255 * ((i/part.Width + i) % 2)) },
			"stripes":      func(i int) byte { return byte(255 * (i % 2)) },
		} {
			tile := make([]byte, part.Height*part.Width)
			for i := range tile {
				tile[i] = cell(i)
			}
			tiles[name] = tile
		}
		for name, tile := range tiles {
			for _, limit := range []int{1, 7, 60, 600} {
				p.maxBytes = limit
				coder := coderOf(t, ops.Record{p.part()})
				payload, _, err := coder.Encode([][]byte{tile}, [][]float32{nil})
				if err != nil {
					t.Fatal(err)
				}
				if n := len(data(t, payload)); n > limit {
					t.Errorf("seed %d, %s: %d bytes, expected at most %d", seed, name, n, limit)
				}
				if _, _, err := coder.Decode(payload); err != nil {
					t.Errorf("seed %d, %s: %v", seed, name, err)
				}
			}
		}
	}
}

// A coder of many qualities gives what one of each gives, in whatever order they come.
func TestTransformQualitiesInOneCoder(t *testing.T) {
	p := randomPlanes(3, 2)
	tile := p.tile(3, 20)
	p.variable = true
	decoder := coderOf(t, ops.Record{p.part()})
	for _, quality := range []int{50, 1, 100, 50, 7} {
		p.quality = quality
		whole := p.encode(t, tile)
		fixed := p
		fixed.variable = false
		if data := fixed.encode(t, tile); !bytes.Equal(whole[1:], data) {
			t.Errorf("quality %d: the data differ from those of a fixed quality", quality)
		}
		want, err := fixed.decode(t, whole[1:])
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := decoder.Decode(record(whole))
		if err != nil || !bytes.Equal(got[0], want) {
			t.Errorf("quality %d: another tile, error %v", quality, err)
		}
	}
	none, _, err := decoder.Decode(record([]byte{0}))
	if err != nil {
		t.Fatal(err)
	}
	part := p.part()
	for k, mean := range p.means {
		if got := none[0][p.at(part, k, 0, 0)]; got != mean {
			t.Errorf("quality 0: plane %d is %d, expected its mean, %d", k, got, mean)
		}
	}
}
