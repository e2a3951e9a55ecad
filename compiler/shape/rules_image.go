package shape

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// resize scales axes to sizes or by scales: floor(size * scale). Operator set 10
// has scales as second input, later ones roi, scales, sizes; from 18 on axes
// names the axes that are scaled, and a policy may keep the aspect ratio.
func resize(c *call) ([]Type, error) {
	if c.version < 11 {
		return c.resizeBy(1, nil)
	}
	x := c.arg(0)
	axes, _ := c.ints("axes")
	if !c.has(3) {
		return c.resizeBy(2, axes)
	}
	if !x.Ranked {
		return one(Unranked(x.DType))
	}
	which, err := c.resizedAxes(axes)
	if err != nil {
		return nil, err
	}
	sizes, known := c.shapeArg("", 3)
	dims := slices.Clone(x.Dims)
	if !known {
		return one(TensorOf(x.DType, make([]Dim, len(dims))...))
	}
	if len(sizes) != len(which) {
		return nil, c.badInput(3, "%d sizes, one for each axis that is resized", len(which))
	}
	sizes = c.keepAspect(x.Dims, which, sizes)
	for i, axis := range which {
		dims[axis] = sizes[i]
	}
	return one(TensorOf(x.DType, dims...))
}

func (c *call) resizedAxes(axes []int64) ([]int, error) {
	rank := len(c.arg(0).Dims)
	if len(axes) == 0 {
		return upTo(rank), nil
	}
	return c.axes("axes", axes, rank)
}

// keepAspect applies keep_aspect_ratio_policy: all axes get the smallest (or
// largest) of the ratios, sizes rounded half up.
func (c *call) keepAspect(dims []Dim, which []int, sizes []Dim) []Dim {
	policy := c.str("keep_aspect_ratio_policy", "stretch")
	if policy == "stretch" || len(which) == 0 {
		return sizes
	}
	best := real{}
	for i, axis := range which {
		ratio := realOf(sizes[i]).div(realOf(dims[axis]))
		if i == 0 {
			best = ratio
			continue
		}
		best = best.pick(ratio, policy != "not_larger")
	}
	out := make([]Dim, len(sizes))
	for i, axis := range which {
		out[i] = best.round(ir.Float32).mul(realOf(dims[axis])).add(number(0.5)).floor()
	}
	return out
}

// resizeBy multiplies sizes with the scales in input i. ONNX Runtime computes
// the product in float32.
func (c *call) resizeBy(i int, axes []int64) ([]Type, error) {
	x := c.arg(0)
	if !x.Ranked {
		return one(Unranked(x.DType))
	}
	which, err := c.resizedAxes(axes)
	if err != nil {
		return nil, err
	}
	scales, known := c.scales(i)
	if !known {
		return one(TensorOf(x.DType, make([]Dim, len(x.Dims))...))
	}
	if len(scales) != len(which) {
		return nil, c.badInput(i, "%d scales, one for each axis that is resized", len(which))
	}
	dims := slices.Clone(x.Dims)
	for k, axis := range which {
		dims[axis] = scales[k].mul(realOf(dims[axis])).round(ir.Float32).floor()
	}
	return one(TensorOf(x.DType, dims...))
}

func (c *call) scales(i int) ([]real, bool) {
	if a := c.attr("scales"); a != nil && !c.has(i) { // Upsample of operator set 7
		out := make([]real, len(a.Proto.Floats))
		for k, f := range a.Proto.Floats {
			out[k] = number(float64(f))
		}
		return out, true
	}
	return c.realsOf(i)
}

// upsample is Resize's predecessor: scales is an attribute in operator set 7 and
// an input in 9.
func upsample(c *call) ([]Type, error) { return c.resizeBy(1, nil) }

// depthToSpace moves channels into blocks of the plane.
func depthToSpace(c *call) ([]Type, error) {
	return c.blocks(func(channels, h, w, b Dim) [3]Dim {
		return [3]Dim{channels.FloorDiv(b.Mul(b)), h.Mul(b), w.Mul(b)}
	}, func(channels, _, _, b int64) bool { return channels%(b*b) == 0 })
}

// spaceToDepth moves blocks of the plane into channels.
func spaceToDepth(c *call) ([]Type, error) {
	return c.blocks(func(channels, h, w, b Dim) [3]Dim {
		return [3]Dim{channels.Mul(b).Mul(b), h.FloorDiv(b), w.FloorDiv(b)}
	}, func(_, h, w, b int64) bool { return h%b == 0 && w%b == 0 })
}

func (c *call) blocks(shape func(channels, h, w, b Dim) [3]Dim, fits func(channels, h, w, b int64) bool) ([]Type, error) {
	x := c.arg(0)
	block := c.int("blocksize", 0)
	if block < 1 || block > 1<<15 {
		return nil, c.failf("expected blocksize to be 1 or more, found %d", block)
	}
	if !x.Ranked {
		return one(TensorOf(x.DType, Dim{}, Dim{}, Dim{}, Dim{}))
	}
	if err := c.wantRank(0, 4); err != nil {
		return nil, err
	}
	known := [3]int64{0, 0, 0} // every block size divides 0
	for i := range known {
		known[i], _ = x.Dims[1+i].Int()
	}
	if !fits(known[0], known[1], known[2], block) {
		return nil, c.badInput(0, "sizes that blocks of %d divide", block)
	}
	dims := shape(x.Dims[1], x.Dims[2], x.Dims[3], Const(block))
	return one(TensorOf(x.DType, x.Dims[0], dims[0], dims[1], dims[2]))
}

// gridSample reads x [N,C,...] at the places of a grid [N,...,rank-2].
func gridSample(c *call) ([]Type, error) {
	x, grid := c.arg(0), c.arg(1)
	if !x.Ranked || !grid.Ranked {
		return one(Unranked(x.DType))
	}
	if err := c.wantMinRank(0, 3); err != nil {
		return nil, err
	}
	if err := c.wantRank(1, len(x.Dims)); err != nil {
		return nil, err
	}
	last := len(grid.Dims) - 1
	return one(TensorOf(x.DType, slices.Concat(x.Dims[:2], grid.Dims[1:last])...))
}

// affineGrid makes a grid for images of the size in input 1, [N,C,spatial].
func affineGrid(c *call) ([]Type, error) {
	size, known := c.shapeArg("", 1)
	if !known || len(size) < 3 {
		return one(Unranked(c.arg(0).DType))
	}
	dims := append([]Dim{size[0]}, size[2:]...)
	return one(TensorOf(c.arg(0).DType, append(dims, Const(int64(len(size)-2)))...))
}

// roiAlign cuts boxes [R,4] out of x [N,C,H,W], each to the stated size.
func roiAlign(c *call) ([]Type, error) {
	h, w := Const(c.int("output_height", 1)), Const(c.int("output_width", 1))
	return c.boxes(1, h, w)
}

// maxRoiPool does so with boxes [R,5].
func maxRoiPool(c *call) ([]Type, error) {
	size, _ := c.ints("pooled_shape")
	if len(size) != 2 {
		return nil, c.failf("expected two sizes in pooled_shape, found %v", size)
	}
	return c.boxes(1, Const(size[0]), Const(size[1]))
}

// cropAndResize is ONNX Runtime's, with the size in input 3.
func cropAndResize(c *call) ([]Type, error) {
	size := c.arg(3).Content
	if len(size) != 2 {
		return c.boxes(1, Dim{}, Dim{})
	}
	return c.boxes(1, size[0], size[1])
}

func (c *call) boxes(i int, h, w Dim) ([]Type, error) {
	x, rois := c.arg(0), c.arg(i)
	if err := c.wantRank(0, 4); err != nil {
		return nil, err
	}
	dims := []Dim{{}, {}, h, w}
	if x.Ranked {
		dims[1] = x.Dims[1]
	}
	if len(rois.Dims) > 0 {
		dims[0] = rois.Dims[0]
	}
	return one(TensorOf(x.DType, dims...))
}

// nonMaxSuppression keeps as many boxes as the data decide, each three numbers.
func nonMaxSuppression(*call) ([]Type, error) {
	return one(TensorOf(ir.Int64, Dim{}, Const(3)))
}

// centerCropPad gives axes the sizes in input 1.
func centerCropPad(c *call) ([]Type, error) {
	x := c.arg(0)
	if !x.Ranked {
		return one(Unranked(x.DType))
	}
	list, _ := c.ints("axes")
	axes, err := c.resizedAxes(list)
	if err != nil {
		return nil, err
	}
	size, known := c.shapeArg("", 1)
	dims := slices.Clone(x.Dims)
	for i, axis := range axes {
		if dims[axis] = (Dim{}); known && i < len(size) {
			dims[axis] = size[i]
		}
	}
	return one(TensorOf(x.DType, dims...))
}

// col2im joins blocks [N, C*blocks, L] to images [N,C,size].
func col2im(c *call) ([]Type, error) {
	x := c.arg(0)
	size, known := c.shapeArg("", 1)
	if !known {
		return one(Unranked(x.DType))
	}
	dims := append([]Dim{{}, {}}, size...)
	block := Dim{}
	if content := c.arg(2).Content; content != nil {
		block = Product(content)
	}
	if len(x.Dims) == 3 {
		dims[0], dims[1] = x.Dims[0], x.Dims[1].FloorDiv(block)
	}
	return one(TensorOf(x.DType, dims...))
}

// imageDecoder yields height, width and channels.
func imageDecoder(c *call) ([]Type, error) {
	channels := Const(3)
	if c.str("pixel_format", "RGB") == "Grayscale" {
		channels = Const(1)
	}
	return one(TensorOf(ir.Uint8, Dim{}, Dim{}, channels))
}

// crop is the retired operator: border [left,top,right,bottom], or from the
// border's corner on the size that scale [height,width] states.
func crop(c *call) ([]Type, error) {
	x := c.arg(0)
	if err := c.wantRank(0, 4); err != nil || !x.Ranked {
		return []Type{Unranked(x.DType)}, err
	}
	border, _ := c.ints("border")
	scale, _ := c.ints("scale")
	h, w := Dim{}, Dim{}
	switch {
	case len(scale) == 2:
		h, w = Const(scale[0]), Const(scale[1])
	case len(border) == 4:
		h = x.Dims[2].Sub(Const(border[1])).Sub(Const(border[3]))
		w = x.Dims[3].Sub(Const(border[0])).Sub(Const(border[2]))
	}
	return one(TensorOf(x.DType, x.Dims[0], x.Dims[1], h, w))
}
