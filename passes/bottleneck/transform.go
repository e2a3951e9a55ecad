package bottleneck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Parameters of codec transform (ops/transform.c): quality, of which one more makes every
// step finer by a sixteenth of an octave; variable, 1 where every record tells its own
// quality; max_bytes, the most that a record may take then, 0 for any; and the table.
const (
	transform = "transform"
	table     = "table"
)

func init() {
	Register(Coding{
		Name: transform, Operator: "Transform", Quality: 50,
		Parameters: []Parameter{{Name: quality}, {Name: "variable", Default: int64(0)}, {Name: "max_bytes", Default: int64(0)}, {Name: table, Bytes: true, Default: []byte{}}},
		Rate:       transformRate, Fit: fitTransform, Trim: trimTransform,
	})
}

// A transformTable is what both sides know of the coefficients of a tile's planes: the discrete
// cosine transform of each plane in blocks.
type transformTable struct {
	planes, height, width    int64
	blockHeight, blockWidth  int64
	mean                     []byte // of each plane, in levels of the tile
	step, magnitude          []byte // of each coefficient, planes outermost: 64 + 16 log2 of levels; step 0 of those that are not sent
	blocksDown, blocksAcross int64
}

const (
	tableVersion = 1
	octave       = 16 // how many of a table's logarithms make one
	unity        = 64 // the logarithm of 1
	wholeBlock   = 14 // planes of up to so many rows or columns are one block
)

// newTransformTable is a table for a bottleneck, in which no coefficient is sent.
func newTransformTable(g Geometry) *transformTable {
	t := &transformTable{planes: g.Reduced, height: g.ReducedH(), width: g.ReducedW()}
	t.blockHeight, t.blocksDown = blockOf(t.height)
	t.blockWidth, t.blocksAcross = blockOf(t.width)
	t.mean = make([]byte, t.planes)
	n := t.planes * t.frequencies()
	t.step, t.magnitude = make([]byte, n), make([]byte, n)
	return t
}

// blockOf returns the size of the blocks of n rows or columns, and their number: all of them
// up to wholeBlock, else 7 to 11, of which the last one lacks as few as possible.
func blockOf(n int64) (size, blocks int64) {
	if n <= wholeBlock {
		return n, 1
	}
	for b := int64(7); b <= 11; b++ {
		count := (n + b - 1) / b
		if size == 0 || count*b-n <= blocks*size-n {
			size, blocks = b, count
		}
	}
	return size, blocks
}

// frequencies is the number of coefficients of a block.
func (t *transformTable) frequencies() int64 { return t.blockHeight * t.blockWidth }

// bytes is the table as ops/transform.c reads it.
func (t *transformTable) bytes() []byte {
	b := []byte{tableVersion}
	for _, n := range []int64{t.planes, t.height, t.width} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = append(b, byte(t.blockHeight), byte(t.blockWidth))
	b = append(b, t.mean...)
	dead := false
	for i, s := range t.step {
		if s == 0 && dead && b[len(b)-1] < math.MaxUint8 {
			b[len(b)-1]++
			continue
		}
		if s == 0 {
			b, dead = append(b, 0, 1), true
			continue
		}
		b, dead = append(b, s, t.magnitude[i]), false
	}
	return b
}

// readTransformTable reads what bytes wrote.
func readTransformTable(b []byte) (*transformTable, error) {
	if len(b) == 0 || b[0] != tableVersion {
		return nil, fmt.Errorf("codec %s: expected a table of version %d", transform, tableVersion)
	}
	short := errors.New("codec " + transform + ": the table ends early")
	b = b[1:]
	t := &transformTable{}
	for _, n := range []*int64{&t.planes, &t.height, &t.width} {
		v, used := binary.Uvarint(b)
		if used <= 0 || v == 0 || v > math.MaxInt32 {
			return nil, short
		}
		*n, b = int64(v), b[used:]
	}
	if int64(len(b)) < 2+t.planes || b[0] == 0 || b[1] == 0 {
		return nil, short
	}
	t.blockHeight, t.blockWidth = int64(b[0]), int64(b[1])
	t.blocksDown, t.blocksAcross = (t.height+t.blockHeight-1)/t.blockHeight, (t.width+t.blockWidth-1)/t.blockWidth
	t.mean, b = b[2:2+t.planes], b[2+t.planes:]
	for wanted := int(t.planes * t.frequencies()); len(t.step) < wanted; b = b[2:] {
		switch {
		case len(b) < 2:
			return nil, short
		case b[0] > 0:
			t.step, t.magnitude = append(t.step, b[0]), append(t.magnitude, b[1])
		case b[1] == 0 || len(t.step)+int(b[1]) > wanted:
			return nil, errors.New("codec " + transform + ": the table has more coefficients than its planes")
		default:
			t.step, t.magnitude = append(t.step, make([]byte, b[1])...), append(t.magnitude, make([]byte, b[1])...)
		}
	}
	return t, nil
}

// logarithm is the logarithm of a number of levels in a table, at least the least.
func logarithm(levels float64, least int) byte {
	return byte(min(max(math.Round(unity+octave*math.Log2(levels)), float64(least)), math.MaxUint8))
}

// levels is what a logarithm stands for.
func levels(logarithm byte) float64 { return math.Exp2((float64(logarithm) - unity) / octave) }

// stepAt is the step of coefficient i at a quality, in levels; 0 where it is not sent.
func (t *transformTable) stepAt(i int, quality int64) float64 {
	if t.step[i] == 0 {
		return 0
	}
	return levels(t.step[i]) * math.Exp2(float64(50-quality)/octave)
}

// lengthOf is the code length of a coefficient of a mean magnitude, in steps, as Rate has it:
// bits for each doubling of one that is large beside the width. It is fitted to Laplacians
// whose scales vary by a factor of exp(0.8): their lengths, and by how much these grow.
func lengthOf(mean float64) (bits, width float64) {
	return 2.3 + 0.22/mean, math.Hypot(0.6*mean, 0.45)
}

// passedOf is the share of a normal coefficient of a mean magnitude, in steps, that is given back: of
// one of variance s, coded with an error of D, 1 - D/s and noise (the test channel of its
// rate-distortion function; Cover and Thomas, Elements of Information Theory, 10.3), with a
// step's square by 12 for D.
func passedOf(mean float64) float64 { return max(0, 1-1/(12*math.Pi/2*mean*mean)) }

// leastCoded is the logarithm of the mean magnitude, in steps, below which there is no class.
const leastCoded = -50.0 / octave

// codedAt reports whether coefficient i has a class at a quality.
func (t *transformTable) codedAt(i int, quality int64) bool {
	step := t.stepAt(i, quality)
	return step > 0 && math.Log2(levels(t.magnitude[i])/step) >= leastCoded
}

// trimTransform takes the planes of which nothing is coded out of the table. Where records
// tell their own quality, all have to stay: who encodes may choose a finer one.
func trimTransform(c Codec) (Codec, []int) {
	b, _ := c.Parameters[table].([]byte)
	t, err := readTransformTable(b)
	if err != nil {
		return c, nil
	}
	level, n, sent := make([]int, t.planes), int(t.frequencies()), 0
	for k := range level {
		level[k] = int(t.mean[k])
		for i := range n {
			if c.Number(variable) == 1 || t.codedAt(k*n+i, c.Number(quality)) {
				level[k] = tells
			}
		}
		if level[k] == tells {
			sent++
		}
	}
	if sent == 0 {
		level[0], sent = tells, 1
	}
	keep := func(k int) bool { return level[k] == tells }
	t.planes = int64(sent)
	t.mean, t.step, t.magnitude = kept(t.mean, 1, keep), kept(t.step, n, keep), kept(t.magnitude, n, keep)
	return c.With(table, t.bytes()), level
}

// transformRate counts the coefficients that are coded, in units of their steps.
func transformRate(c Codec, h, w int64) *Rate {
	b, _ := c.Parameters[table].([]byte)
	t, err := readTransformTable(b)
	if err != nil {
		return nil
	}
	r := &Rate{Mean: make([]float32, h*w)}
	columns := w / t.width
	down, rows := cosines(t.height, t.blockHeight)
	across, cols := cosines(t.width, t.blockWidth)
	r.Down, r.Height = repeated(down, h/t.height, rows, t.height)
	r.Across, r.Width = repeated(across, columns, cols, t.width)
	n := r.Height * r.Width
	r.Scale, r.Bits, r.Passed = make([]float32, n), make([]float32, n), make([]float32, n)
	for k := range t.planes {
		top, left := k/columns, k%columns
		for y := range t.height {
			for x := range t.width {
				r.Mean[(top*t.height+y)*w+left*t.width+x] = float32(t.mean[k])
			}
		}
		for y := range rows {
			for x := range cols {
				i := int(k*t.frequencies() + y%t.blockHeight*t.blockWidth + x%t.blockWidth)
				if !t.codedAt(i, c.Number(quality)) {
					continue
				}
				step := t.stepAt(i, c.Number(quality))
				mean := levels(t.magnitude[i]) / step
				bits, width := lengthOf(mean)
				at := (top*rows+y)*r.Width + left*cols + x
				r.Scale[at], r.Bits[at], r.Passed[at] = float32(1/(step*width)), float32(bits), float32(passedOf(mean))
			}
		}
	}
	return r
}

// repeated is a block matrix with m [rows, n] count times on its diagonal, and its height.
func repeated(m []float32, count, rows, n int64) ([]float32, int64) {
	out := make([]float32, count*rows*count*n)
	for k := range count {
		for r := range rows {
			copy(out[(k*rows+r)*count*n+k*n:], m[r*n:(r+1)*n])
		}
	}
	return out, count * rows
}
