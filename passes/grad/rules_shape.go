package grad

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// shapeRules are those of operators that move elements about: their gradients
// move back.
var shapeRules = map[string]rule{
	"Reshape":      {vjp: reshapeBack},
	"Flatten":      {vjp: reshapeBack},
	"Squeeze":      {vjp: reshapeBack},
	"Unsqueeze":    {vjp: reshapeBack},
	"Transpose":    {vjp: transposeRule},
	"Expand":       {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.unbroadcast(dy, c.dims(x)) })},
	"Range":        {vjp: rangeRule, ignores: map[int]string{1: "the end decides the number of elements only"}},
	"Concat":       {vjp: concatRule},
	"Split":        {vjp: splitRule, outputs: true},
	"Slice":        {vjp: sliceRule},
	"Pad":          {vjp: padRule},
	"Gather":       {vjp: gatherRule},
	"Tile":         {vjp: tileRule},
	"DepthToSpace": {vjp: depthToSpaceRule},
	// a running sum's gradient is the running sum from the other end
	"CumSum": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		return c.op("CumSum", c.inDims(0), []*ir.Value{dy, c.in(1)}, ir.IntAttr("exclusive", c.node.Int("exclusive", 0)), ir.IntAttr("reverse", 1-c.node.Int("reverse", 0)))
	})},
	// the triangle that was kept
	"Trilu": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		return c.op("Trilu", c.inDims(0), append([]*ir.Value{dy}, c.node.Inputs()[1:]...), ir.IntAttr("upper", c.node.Int("upper", 1)))
	})},
	"SpaceToDepth": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value {
		return c.op("DepthToSpace", c.inDims(0), []*ir.Value{dy}, ir.IntAttr("blocksize", c.node.Int("blocksize", 1)))
	})},
}

func reshapeBack(c *call) error {
	if c.wants(0) {
		c.give(0, c.reshape(c.dy(0), c.inDims(0)...))
	}
	return nil
}

// perm returns the permutation of a Transpose; the default reverses the axes.
func (c *call) perm() []int64 {
	if p := c.node.Ints("perm"); p != nil {
		return p
	}
	var p []int64
	for i := range c.inDims(0) {
		p = append([]int64{int64(i)}, p...)
	}
	return p
}

func transposeRule(c *call) error {
	back := make([]int64, len(c.inDims(0)))
	for i, p := range c.perm() {
		back[p] = int64(i)
	}
	if c.wants(0) {
		c.give(0, c.transpose(c.dy(0), back...))
	}
	return nil
}

func concatRule(c *call) error {
	axis, start := c.axis("axis", 0), int64(0)
	for i := range c.node.Inputs() {
		end := start + c.inDims(i)[axis]
		if c.wants(i) {
			c.give(i, c.slice(c.dy(0), axis, start, end))
		}
		start = end
	}
	return nil
}

func splitRule(c *call) error {
	if !c.wants(0) {
		return nil
	}
	axis := c.axis("axis", 0)
	sizes, err := c.splitSizes(axis)
	if err != nil {
		return err
	}
	var parts []*ir.Value
	for i, size := range sizes {
		dy := c.dy(i)
		if dy == nil {
			d := slices.Clone(c.inDims(0))
			d[axis] = size
			dy = c.zeros(d)
		}
		parts = append(parts, dy)
	}
	c.give(0, c.concat(axis, parts...))
	return nil
}

// splitSizes returns how large each part is: as an input says, or all the same
// but for the last.
func (c *call) splitSizes(axis int64) ([]int64, error) {
	if c.in(1) != nil {
		sizes, ok := c.ints1(1)
		if !ok {
			return nil, c.errorf("its sizes are not constant")
		}
		return sizes, nil
	}
	n, whole := c.node.Int("num_outputs", int64(c.node.NumOutputs())), c.inDims(0)[axis]
	each := (whole + n - 1) / n
	sizes := slices.Repeat([]int64{each}, int(n))
	sizes[n-1] = whole - each*(n-1)
	return sizes, nil
}

// sliceRule puts dy back where it was taken from, between zeros.
func sliceRule(c *call) error {
	if !c.wants(0) {
		return nil
	}
	x, y := c.inDims(0), c.dims(c.out(0))
	starts, ok1 := c.ints1(1) // where they end shows in y
	if !ok1 {
		return c.errorf("its bounds are not constant")
	}
	axes, steps := []int64{}, slices.Repeat([]int64{1}, len(starts))
	for i := range starts {
		axes = append(axes, int64(i))
	}
	if c.in(3) != nil {
		if axes, ok1 = c.ints1(3); !ok1 {
			return c.errorf("its axes are not constant")
		}
	}
	if c.in(4) != nil {
		if steps, ok1 = c.ints1(4); !ok1 {
			return c.errorf("its steps are not constant")
		}
	}
	dy := c.dy(0)
	if ir.Elements(y) == 0 {
		c.give(0, c.zeros(x))
		return nil
	}
	for i, axis := range axes {
		axis = fromFront(axis, int64(len(x)))
		start, step := starts[i], steps[i]
		if start < 0 {
			start += x[axis]
		}
		if step < 0 { // backwards: turn dy around, then it is a slice with a positive step
			start = min(max(start, 0), x[axis]-1)
			idx := make([]int64, y[axis])
			for k := range idx {
				idx[k] = y[axis] - 1 - int64(k)
			}
			dy = c.op("Gather", c.dims(dy), []*ir.Value{dy, c.ints(idx...)}, ir.IntAttr("axis", axis))
			start, step = start+(y[axis]-1)*step, -step
		} else {
			start = min(max(start, 0), x[axis])
		}
		dy = c.spread(dy, axis, step)
		before, after := make([]int64, len(x)), make([]int64, len(x))
		before[axis], after[axis] = start, x[axis]-start-c.dims(dy)[axis]
		dy = c.pad(dy, before, after)
	}
	c.give(0, dy)
	return nil
}

// spread puts step - 1 zeros between neighbours along an axis.
func (b *builder) spread(x *ir.Value, axis, step int64) *ir.Value {
	d := b.dims(x)
	if step == 1 {
		return x
	}
	// [.., n, ..] -> [.., n, 1, ..] -> [.., n, step, ..] -> [.., n*step, ..], without the last zeros
	wide := slices.Insert(slices.Clone(d), int(axis)+1, 1)
	after := make([]int64, len(wide))
	after[axis+1] = step - 1
	x = b.pad(b.reshape(x, wide...), make([]int64, len(wide)), after)
	flat := slices.Clone(d)
	flat[axis] *= step
	return b.slice(b.reshape(x, flat...), axis, 0, flat[axis]-step+1)
}

// rangeRule: y = start + i delta.
func rangeRule(c *call) error {
	if c.wants(0) {
		c.give(0, c.reshape(c.sumAll(c.dy(0)), c.inDims(0)...))
	}
	if c.wants(2) {
		steps := make([]float32, c.dims(c.dy(0))[0])
		for i := range steps {
			steps[i] = float32(i)
		}
		total := c.sumAll(c.mul(c.dy(0), c.floats(steps, int64(len(steps)))))
		c.give(2, c.reshape(total, c.inDims(2)...))
	}
	return nil
}

// padRule crops; what was cropped is the value's. Modes that repeat elements add
// their gradients up where they were taken from.
func padRule(c *call) error {
	pads, ok := c.ints1(1)
	if !ok {
		return c.errorf("its pads are not constant")
	}
	x := c.inDims(0)
	rank := int64(len(x))
	axes := make([]int64, rank)
	for i := range axes {
		axes[i] = int64(i)
	}
	if c.in(3) != nil {
		if axes, ok = c.ints1(3); !ok {
			return c.errorf("its axes are not constant")
		}
	}
	dy := c.dy(0)
	before, after := make([]int64, rank), make([]int64, rank)
	source, repeats := repeating[c.node.Str("mode", "constant")]
	for i, axis := range axes {
		axis, lo, hi := fromFront(axis, rank), pads[i], pads[len(axes)+i]
		if x[axis]+min(lo, 0)+min(hi, 0) < 0 {
			return c.errorf("it crops more than there is: pads %v of %v", pads, x)
		}
		if !repeats {
			before[axis], after[axis] = -lo, -hi
			continue
		}
		if lo == 0 && hi == 0 {
			continue
		}
		from := make([]int64, c.dims(dy)[axis])
		for j := range from {
			from[j] = source(int64(j)-lo, x[axis])
		}
		dy = c.putBack(dy, axis, x[axis], from)
	}
	dx := c.pad(dy, before, after)
	if c.wants(0) {
		c.give(0, dx)
	}
	if c.wants(2) {
		value := c.sub(c.sumAll(c.dy(0)), c.sumAll(dx)) // 0 where elements are repeated
		c.give(2, c.reshape(value, c.inDims(2)...))
	}
	return nil
}

// repeating are Pad's modes that repeat elements: where position i of an axis of
// size n comes from, i being negative or beyond n in the padding.
var repeating = map[string]func(i, n int64) int64{
	"edge": func(i, n int64) int64 { return min(max(i, 0), n-1) },
	"wrap": func(i, n int64) int64 { return ((i % n) + n) % n },
	"reflect": func(i, n int64) int64 {
		if n == 1 {
			return 0
		}
		turn := 2 * (n - 1)
		i = ((i % turn) + turn) % turn
		return min(i, turn-i)
	},
}

// putBack adds the elements of dy along an axis to those they were taken from,
// of an axis of n: a product with a constant matrix of zeros and ones.
func (b *builder) putBack(dy *ir.Value, axis, n int64, from []int64) *ir.Value {
	d := slices.Clone(b.dims(dy))
	count := int64(len(from))
	pick := make([]float32, n*count)
	for j, i := range from {
		pick[i*count+int64(j)] = 1
	}
	flat := b.reshape(dy, ir.Elements(d[:axis]), count, ir.Elements(d[axis+1:]))
	d[axis] = n
	return b.reshape(b.matmul(b.floats(pick, n, count), flat), d...)
}

// gatherRule adds each taken slice's gradient back to where it was taken from.
func gatherRule(c *call) error {
	if !c.wants(0) {
		return nil
	}
	idx, ok := c.ints1(1)
	if !ok {
		return c.errorf("its indices are not constant (or more than 1024)")
	}
	x, axis := c.inDims(0), c.axis("axis", 0)
	from := make([]int64, len(idx))
	for j, i := range idx {
		from[j] = fromFront(i, x[axis])
	}
	dy := c.reshape(c.dy(0), slices.Concat(x[:axis], []int64{int64(len(idx))}, x[axis+1:])...)
	c.give(0, c.putBack(dy, axis, x[axis], from))
	return nil
}

// tileRule sums over the copies.
func tileRule(c *call) error {
	if !c.wants(0) {
		return nil
	}
	repeats, ok := c.ints1(1)
	if !ok {
		return c.errorf("its repeats are not constant")
	}
	var split, axes []int64
	for i, d := range c.inDims(0) {
		axes = append(axes, int64(len(split)))
		split = append(split, repeats[i], d)
	}
	c.give(0, c.reshape(c.sum(c.reshape(c.dy(0), split...), false, axes...), c.inDims(0)...))
	return nil
}

// depthToSpaceRule: the inverse of mode DCR is SpaceToDepth; CRD orders its
// channels otherwise, so both are spelt out by their definition.
func depthToSpaceRule(c *call) error {
	if !c.wants(0) {
		return nil
	}
	x, s := c.inDims(0), c.node.Int("blocksize", 1)
	n, ch, h, w := x[0], x[1]/(s*s), x[2], x[3]
	dy := c.reshape(c.dy(0), n, ch, h, s, w, s)
	if c.node.Str("mode", "DCR") == "CRD" {
		dy = c.transpose(dy, 0, 1, 3, 5, 2, 4)
	} else {
		dy = c.transpose(dy, 0, 3, 5, 1, 2, 4)
	}
	c.give(0, c.reshape(dy, x...))
	return nil
}
