package ops_test

import (
	"math"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// The codec once more, from what transform.c's head says: floating-point transforms, and
// a range coder whose code is one long integer. Only the classes' constants are shared.

// constants are the arrays of transform_tables.h by name.
var constants = sync.OnceValue(func() map[string][]int {
	header, err := os.ReadFile("transform_tables.h")
	if err != nil {
		panic(err)
	}
	all := map[string][]int{}
	for _, m := range regexp.MustCompile(`(\w+)\[[^=]*= (\{[^;]*\});`).FindAllStringSubmatch(string(header), -1) {
		for _, n := range regexp.MustCompile(`-?\d+`).FindAllString(m[2], -1) {
			v, err := strconv.Atoi(n)
			if err != nil {
				panic(err)
			}
			all[m[1]] = append(all[m[1]], v)
		}
	}
	return all
})

const (
	oracleClasses = 24
	oracleUnit    = 12 // the class of a mean of one step
	oracleAsked   = 15 // decisions of a magnitude
)

// oracleCoded is a coefficient at a quality: its step in tile levels, its class, where it is.
type oracleCoded struct {
	step        float64
	class       int
	plane, v, u int
}

// coded returns what is coded of a block of plane k.
func (p planes) coded(k, quality int) (all []oracleCoded) {
	block := p.blockHeight * p.blockWidth
	for i, c := range p.coefficients[k*block : (k+1)*block] {
		exponent := min(max(int(c.step)-64+50-quality, -16), 240)
		class := int(math.Floor(float64(int(c.mean)-64-exponent)/4+0.5)) + oracleUnit
		if c.step == 0 || class < 0 || quality == 0 {
			continue
		}
		step := math.Round(math.Exp2(float64(exponent)/16)*256) / 256
		all = append(all, oracleCoded{step, class, k, i / p.blockWidth, i % p.blockWidth})
	}
	return all
}

// oracleModel returns the class of a coefficient at an activity, and how many bits are told apart.
func oracleModel(class, shift int) (k, low int) {
	k = max(class+shift, 0)
	for ; k >= oracleClasses; k -= 4 {
		low++
	}
	return k, low
}

// A coding is either direction of the range coder: it tells the decision that it is given
// or reads it.
type coding interface {
	decide(p int, yes bool) bool
	bits(n int, value int) int
}

// oracleEncoder keeps all of low.
type oracleEncoder struct {
	low    big.Int
	scale  int // low is in units of 256^-scale
	span   uint32
	length float64 // ideal, in bits
}

func newOracleEncoder() *oracleEncoder { return &oracleEncoder{scale: 4, span: math.MaxUint32} }

func (e *oracleEncoder) narrow(from, span uint32) {
	e.low.Add(&e.low, big.NewInt(int64(from)))
	for e.span = span; e.span < 1<<24; e.span <<= 8 {
		e.low.Lsh(&e.low, 8)
		e.scale++
	}
}

func (e *oracleEncoder) decide(p int, yes bool) bool {
	bound := e.span >> 15 * uint32(p)
	if yes {
		e.length -= math.Log2(float64(p) / (1 << 15))
		e.narrow(0, bound)
	} else {
		e.length -= math.Log2(1 - float64(p)/(1<<15))
		e.narrow(bound, e.span-bound)
	}
	return yes
}

func (e *oracleEncoder) bits(n, value int) int {
	e.length += float64(n)
	e.narrow(e.span>>n*uint32(value), e.span>>n)
	return value
}

// data returns the shortest bytes, and the least of those, from low on and before low + span.
func (e *oracleEncoder) data() []byte {
	end := new(big.Int).Add(&e.low, big.NewInt(int64(e.span)))
	for n := 0; ; n++ {
		unit := new(big.Int).Lsh(big.NewInt(1), uint(8*max(e.scale-n, 0)))
		v := new(big.Int).Add(&e.low, new(big.Int).Sub(unit, big.NewInt(1)))
		v.Div(v, unit)
		if new(big.Int).Mul(v, unit).Cmp(end) < 0 {
			return v.FillBytes(make([]byte, n))
		}
	}
}

// oracleDecoder keeps all of what is left beyond low.
type oracleDecoder struct {
	data []byte
	code big.Int
	span uint32
}

func newOracleDecoder(data []byte) *oracleDecoder {
	d := &oracleDecoder{data: data, span: math.MaxUint32}
	for range 4 {
		d.shift()
	}
	return d
}

func (d *oracleDecoder) shift() {
	d.code.Lsh(&d.code, 8)
	if len(d.data) > 0 {
		d.code.Add(&d.code, big.NewInt(int64(d.data[0])))
		d.data = d.data[1:]
	}
}

func (d *oracleDecoder) narrow(from, span uint32) {
	d.code.Sub(&d.code, big.NewInt(int64(from)))
	for d.span = span; d.span < 1<<24; d.span <<= 8 {
		d.shift()
	}
}

func (d *oracleDecoder) decide(p int, _ bool) bool {
	bound := d.span >> 15 * uint32(p)
	if d.code.Cmp(big.NewInt(int64(bound))) < 0 {
		d.narrow(0, bound)
		return true
	}
	d.narrow(bound, d.span-bound)
	return false
}

func (d *oracleDecoder) bits(n, _ int) int {
	each := d.span >> n
	value := new(big.Int).Div(&d.code, big.NewInt(int64(each))).Int64()
	d.narrow(each*uint32(value), each)
	return int(value)
}

// magnitude tells one, or reads it.
func magnitude(c coding, k, low, value int) int {
	high := value >> low
	j := 0
	for j < oracleAsked && !c.decide(constants()["stops"][k*oracleAsked+j], j == high) {
		j++
	}
	if j == oracleAsked { // Exp-Golomb
		rest, n := max(high-oracleAsked+1, 1), 0
		for c.bits(1, min(rest>>(n+1), 1)) == 1 {
			n++
		}
		j += 1<<n - 1 + c.bits(n, rest-1<<n)
	}
	return j<<low + c.bits(low, value&(1<<low-1))
}

// walk tells or reads the coefficients of a tile: values by blocks, then planes, then
// coefficients, with their signs, filled where they are read. visit is shown each.
func (p planes) walk(c coding, quality int, values [][]int, visit func(at oracleCoded, block, k, value int)) {
	across := (p.width + p.blockWidth - 1) / p.blockWidth
	blocks := across * ((p.height + p.blockHeight - 1) / p.blockHeight)
	seen, expected := make([]int, blocks), make([]int, blocks) // in 256ths
	for b := range blocks {
		var seenAround, expectedAround int
		for _, n := range []struct {
			there bool
			block int
		}{{b >= across, b - across}, {b%across > 0, b - 1}} {
			if n.there {
				seenAround, expectedAround = seenAround+seen[n.block], expectedAround+expected[n.block]
			}
		}
		i := 0
		for plane := range p.count {
			shift := oracleShift(seen[b]+seenAround/4+512, expected[b]+expectedAround/4+512)
			for _, at := range p.coded(plane, quality) {
				k, low := oracleModel(at.class, shift)
				if i == len(values[b]) {
					values[b] = append(values[b], 0)
				}
				v := &values[b][i]
				i++
				size := magnitude(c, k, low, max(*v, -*v))
				sign := 0
				if *v < 0 {
					sign = 1
				}
				if size > 0 {
					sign = c.bits(1, sign)
				}
				*v = size * (1 - 2*sign)
				seen[b] += size * 256
				visit(at, b, k, *v)
			}
			for _, at := range p.coded(plane, quality) {
				k, low := oracleModel(at.class, 0)
				expected[b] += constants()["expectations"][k] << low
			}
		}
	}
}

// oracleShift returns twice the logarithm of a ratio, from -8 to 8; the bounds of each step
// are rounded down as in the C file.
func oracleShift(seen, expected int) int {
	sign := 1
	if seen < expected {
		seen, expected, sign = expected, seen, -1
	}
	shift := 0
	for bound := expected * 19 / 16; seen > bound && shift < 8; bound = bound * 7 / 5 {
		shift++
	}
	return sign * shift
}

// waves returns the orthonormal DCT-II of n points, by frequency.
func waves(n int) [][]float64 {
	w := make([][]float64, n)
	for u := range w {
		for x := range n {
			scale := math.Sqrt(2 / float64(n))
			if u == 0 {
				scale = math.Sqrt(1 / float64(n))
			}
			w[u] = append(w[u], scale*math.Cos(math.Pi*(float64(x)+0.5)*float64(u)/float64(n)))
		}
	}
	return w
}

// spectrum returns the coefficients of a block of a plane.
func (p planes) spectrum(tile []byte, plane, block int) [][]float64 {
	part, across := p.part(), (p.width+p.blockWidth-1)/p.blockWidth
	down, right := waves(p.blockHeight), waves(p.blockWidth)
	x := make([][]float64, p.blockHeight)
	for v := range x {
		x[v] = make([]float64, p.blockWidth)
		for u := range x[v] {
			for i := range p.blockHeight {
				for j := range p.blockWidth {
					y := min(block/across*p.blockHeight+i, p.height-1)
					z := min(block%across*p.blockWidth+j, p.width-1)
					x[v][u] += down[v][i] * right[u][j] * (float64(tile[p.at(part, plane, y, z)]) - float64(p.means[plane]))
				}
			}
		}
	}
	return x
}

// decoded returns the tile of coefficients: a function of plane and block.
func (p planes) decoded(spectrum func(plane, block int) [][]float64) []float64 {
	part, across := p.part(), (p.width+p.blockWidth-1)/p.blockWidth
	down, right := waves(p.blockHeight), waves(p.blockWidth)
	tile := make([]float64, part.Height*part.Width)
	for k := range p.count {
		for y := range p.height {
			for z := range p.width {
				x, sum := spectrum(k, y/p.blockHeight*across+z/p.blockWidth), float64(p.means[k])
				for v := range x {
					for u := range x[v] {
						sum += x[v][u] * down[v][y%p.blockHeight] * right[u][z%p.blockWidth]
					}
				}
				tile[p.at(part, k, y, z)] = min(max(sum, 0), 255)
			}
		}
	}
	return tile
}

// tolerance bounds what fixed point does to a coefficient: cosines are off by 2^-15, each pass
// sums up to 14 of them; rows are rounded to 1/32, coefficients to 1/8.
func (p planes) tolerance() float64 {
	h, w := float64(p.blockHeight), float64(p.blockWidth)
	cosines := 255 * w * math.Sqrt(h) / (1 << 15) * (1 + math.Sqrt(h/w)*math.Sqrt(h))
	return cosines + math.Sqrt(h)/64 + 1.0/16
}

// encodedAgain returns what is written of the coefficients that data are decoded to.
func (p planes) encodedAgain(data []byte) []byte {
	quality, prefix := p.quality, 0
	if p.variable {
		quality, prefix = int(data[0]), 1
	}
	blocks := ((p.height + p.blockHeight - 1) / p.blockHeight) * ((p.width + p.blockWidth - 1) / p.blockWidth)
	values, encoder := make([][]int, blocks), newOracleEncoder()
	ignore := func(oracleCoded, int, int, int) {}
	p.walk(newOracleDecoder(data[prefix:]), quality, values, ignore)
	p.walk(encoder, quality, values, ignore)
	return slices.Concat(data[:prefix], encoder.data())
}

func TestTransformBesideTheOracle(t *testing.T) {
	decisions := 0
	for seed := range uint64(60) {
		p := randomPlanes(seed, int(seed%7))
		p.quality, p.variable = 20+int(seed), seed%3 == 0
		tile := p.tile(seed, float64(seed%5)*10)
		if seed%10 == 9 {
			tile = noise(seed, len(tile))
		}
		whole := p.encode(t, tile)
		data := whole
		if p.variable {
			if int(whole[0]) != p.quality {
				t.Fatalf("seed %d: the data begin with %d, expected the quality, %d", seed, whole[0], p.quality)
			}
			data = whole[1:]
		}
		blocks := ((p.height + p.blockHeight - 1) / p.blockHeight) * ((p.width + p.blockWidth - 1) / p.blockWidth)
		values := make([][]int, blocks)
		got := map[[2]int][][]float64{} // by plane and block
		want := map[[2]int][][]float64{}
		for k := range p.count {
			for b := range blocks {
				got[[2]int{k, b}] = make([][]float64, p.blockHeight)
				for v := range p.blockHeight {
					got[[2]int{k, b}][v] = make([]float64, p.blockWidth)
				}
				want[[2]int{k, b}] = p.spectrum(tile, k, b)
			}
		}
		p.walk(newOracleDecoder(data), p.quality, values, func(at oracleCoded, block, k, value int) {
			decisions++
			x, size := want[[2]int{at.plane, block}][at.v][at.u], float64(max(value, -value))
			if value < 0 {
				x = -x
			}
			if least, most := (size-0.5)*at.step, (size+0.5)*at.step; x > most+p.tolerance() || x < least-p.tolerance() {
				t.Fatalf("seed %d: a coefficient of %g at step %g, class %d is %d steps", seed, x, at.step, k, value)
			}
			got[[2]int{at.plane, block}][at.v][at.u] = float64(value) * at.step
		})
		encoder := newOracleEncoder()
		p.walk(encoder, p.quality, values, func(oracleCoded, int, int, int) {})
		if want := encoder.data(); !slices.Equal(data, want) {
			t.Fatalf("seed %d: data of %d bytes are not those of their coefficients, %d bytes", seed, len(data), len(want))
		}
		if excess := float64(8*len(data)) - encoder.length; excess > max(8, 0.015*encoder.length) {
			t.Errorf("seed %d: %d bytes where %.1f are ideal", seed, len(data), encoder.length/8)
		}
		decoded, err := p.decode(t, whole)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range p.decoded(func(plane, block int) [][]float64 { return got[[2]int{plane, block}] }) {
			// Rounding: half a level in the end, 1/16 for the 14 sums before at most.
			if math.Abs(v-float64(decoded[i])) > 1 {
				t.Fatalf("seed %d: cell %d is %d, expected %.2f", seed, i, decoded[i], v)
			}
		}
	}
	if decisions < 10000 {
		t.Errorf("%d coefficients were looked at", decisions)
	}
}
