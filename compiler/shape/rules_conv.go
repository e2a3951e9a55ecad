package shape

import (
	"github.com/bottlenet/bnc/compiler/ir"
)

// convSpec tells where a convolution's operands are among the inputs.
type convSpec struct {
	x, w   int
	bias   int      // -1: none
	dtype  ir.DType // of the output; Undefined: that of input like
	like   int
	format memoryFormat
	// last makes attribute channels_last choose the format.
	last bool
}

var (
	conv        = convSpec{x: 0, w: 1, bias: 2, like: 0}
	convInteger = convSpec{x: 0, w: 1, bias: -1, dtype: ir.Int32}
	qlinearConv = convSpec{x: 0, w: 3, bias: 8, like: 7}
	msQConv     = convSpec{x: 0, w: 3, bias: 8, like: 7, last: true}
	nhwcConv    = convSpec{x: 0, w: 1, bias: 2, like: 0, format: nhwc}
)

// infer is the rule of convolutions: x [N,C,spatial], w [K,C/group,kernel],
// bias [K]; y [N,K,windows].
func (s convSpec) infer(c *call) ([]Type, error) {
	x, w := c.arg(s.x), c.arg(s.w)
	dtype := s.dtype
	if dtype == ir.Undefined {
		dtype = c.arg(s.like).DType
	}
	if !x.Ranked {
		return one(Unranked(dtype))
	}
	if err := c.wantMinRank(s.x, 3); err != nil {
		return nil, err
	}
	f := s.format
	if s.last && c.int("channels_last", 0) != 0 {
		f = nhwc
	}
	if err := c.wantRank(s.w, len(x.Dims)); err != nil {
		return nil, err
	}
	batch, channels, spatial := f.split(x.Dims)
	count := Dim{}
	kernel, _ := c.ints("kernel_shape")
	if w.Ranked {
		count = w.Dims[0]
		if err := s.checkWeights(c, channels, w); err != nil {
			return nil, err
		}
		if dims, ok := constants(w.Dims[2:], true); ok && len(kernel) == 0 {
			kernel = dims
		}
		for i, k := range kernel {
			if i < len(spatial) && w.Dims[2+i].Differs(Const(k)) {
				return nil, c.badInput(s.w, "kernel_shape %v behind the channels", kernel)
			}
		}
	}
	if len(kernel) == 0 {
		return one(f.join(dtype, batch, count, make([]Dim, len(spatial))))
	}
	if len(kernel) != len(spatial) {
		return nil, c.badInput(s.x, "%d spatial dimensions, as kernel_shape %v has", len(kernel), kernel)
	}
	win, err := c.window(kernel, len(spatial))
	if err != nil {
		return nil, err
	}
	out, err := c.windows(win, spatial)
	if err != nil {
		return nil, err
	}
	return one(f.join(dtype, batch, count, out))
}

func (s convSpec) checkWeights(c *call, channels Dim, w Type) error {
	group := c.int("group", 1)
	if group < 1 {
		return c.failf("expected group to be 1 or more, found %d", group)
	}
	if want := w.Dims[1].Mul(Const(group)); want.Differs(channels) {
		return c.badInput(s.x, "%v channels, as weights %s in %d groups need", want, dimsString(w.Dims, true), group)
	}
	if k, ok := w.Dims[0].Int(); ok && k%group != 0 {
		return c.badInput(s.w, "a number of output channels that %d groups divide", group)
	}
	if s.bias >= 0 && c.has(s.bias) {
		if b := c.arg(s.bias); b.Ranked && (len(b.Dims) != 1 || b.Dims[0].Differs(w.Dims[0])) {
			return c.badInput(s.bias, "[%v], one bias for each output channel", w.Dims[0])
		}
	}
	return nil
}

// macs counts an output element as many times as the kernel has weights for it.
func (s convSpec) macs(c *call, outs []Type) Dim {
	w := c.arg(s.w)
	if !w.Ranked || len(outs) == 0 || len(w.Dims) < 2 {
		return Dim{}
	}
	return outs[0].Elements().Mul(Product(w.Dims[1:]))
}

// convTranspose: x [N,C,spatial], w [C,K/group,kernel]; y [N,K,...]. Attribute
// output_shape states the spatial dims; else they are
// stride*(size-1) + output_padding + extent - pads, and with auto_pad SAME
// size*stride where the kernel reaches that far.
func convTranspose(c *call) ([]Type, error) {
	x, w := c.arg(0), c.arg(1)
	if !x.Ranked {
		return one(Unranked(x.DType))
	}
	if err := c.wantMinRank(0, 3); err != nil {
		return nil, err
	}
	if err := c.wantRank(1, len(x.Dims)); err != nil {
		return nil, err
	}
	batch, channels, spatial := nchw.split(x.Dims)
	count := Dim{}
	kernel, _ := c.ints("kernel_shape")
	group := c.int("group", 1)
	if w.Ranked {
		if w.Dims[0].Differs(channels) {
			return nil, c.badInput(0, "%v channels, as weights %s need", w.Dims[0], dimsString(w.Dims, true))
		}
		count = w.Dims[1].Mul(Const(group))
		if dims, ok := constants(w.Dims[2:], true); ok && len(kernel) == 0 {
			kernel = dims
		}
	}
	out := make([]Dim, len(spatial))
	if stated, given := c.ints("output_shape"); given && len(stated) > 0 {
		if len(stated) == len(spatial)+2 { // old exporters state batch and channels as well
			stated = stated[2:]
		}
		if len(stated) != len(spatial) {
			return nil, c.failf("expected %d sizes in output_shape, found %v", len(spatial), stated)
		}
		return one(nchw.join(x.DType, batch, count, constDims(stated)))
	}
	if len(kernel) == 0 {
		return one(nchw.join(x.DType, batch, count, out))
	}
	if len(kernel) != len(spatial) {
		return nil, c.badInput(0, "%d spatial dimensions, as kernel_shape %v has", len(kernel), kernel)
	}
	win, err := c.window(kernel, len(spatial))
	if err != nil {
		return nil, err
	}
	extra, given := c.ints("output_padding")
	if !given || len(extra) == 0 {
		extra = make([]int64, len(spatial))
	}
	if len(extra) != len(spatial) {
		return nil, c.failf("expected %d sizes in output_padding, found %v", len(spatial), extra)
	}
	for i, size := range spatial {
		stride := Const(win.strides[i])
		reach := win.extent(i) + extra[i]
		full := stride.Mul(size.Sub(Const(1))).Add(Const(reach))
		switch win.auto {
		case "SAME_UPPER", "SAME_LOWER":
			if out[i] = full; reach > win.strides[i] {
				out[i] = size.Mul(stride)
			}
		case "VALID":
			out[i] = full
		default:
			out[i] = full.Sub(Const(win.pads[i])).Sub(Const(win.pads[i+len(spatial)]))
		}
	}
	return one(nchw.join(x.DType, batch, count, out))
}

// convTransposeMACs counts an input element as many times as it has weights.
func convTransposeMACs(c *call, _ []Type) Dim {
	if w := c.arg(1); w.Ranked && len(w.Dims) > 1 {
		return c.arg(0).Elements().Mul(Product(w.Dims[1:]))
	}
	return Dim{}
}

// deformConv: x, w, offset, bias, mask.
func deformConv(c *call) ([]Type, error) {
	return convSpec{x: 0, w: 1, bias: 3, like: 0}.infer(c)
}

// causalConv keeps the length of x [N,C,L]; the state holds the last inputs.
func causalConv(c *call) ([]Type, error) {
	x, w := c.arg(0), c.arg(1)
	y := Type{Kind: Tensor, DType: x.DType, Ranked: x.Ranked, Dims: x.Dims}
	if len(x.Dims) != 3 || len(w.Dims) != 3 {
		return []Type{y, Unranked(x.DType)}, nil
	}
	return []Type{y, TensorOf(x.DType, x.Dims[0], x.Dims[1], w.Dims[2].Sub(Const(1)))}, nil
}

// causalConvMACs: each channel has a kernel of its own, w [C,1,K].
func causalConvMACs(c *call, outs []Type) Dim {
	w := c.arg(1)
	if len(w.Dims) != 3 || len(outs) == 0 {
		return Dim{}
	}
	return outs[0].Elements().Mul(Product(w.Dims[1:]))
}

// pool is the rule of MaxPool, AveragePool and LpPool: windows over the spatial
// dims, channels kept. MaxPool's second output has the positions of the maxima.
func pool(f memoryFormat) rule {
	return func(c *call) ([]Type, error) {
		x, f := c.arg(0), f
		if c.int("channels_last", 0) != 0 {
			f = nhwc
		}
		if !x.Ranked {
			return []Type{Unranked(x.DType), Unranked(ir.Int64)}, nil
		}
		if err := c.wantMinRank(0, 3); err != nil {
			return nil, err
		}
		batch, channels, spatial := f.split(x.Dims)
		kernel, given := c.ints("kernel_shape")
		if !given || len(kernel) != len(spatial) {
			return nil, c.badInput(0, "%d spatial dimensions, as kernel_shape %v has", len(kernel), kernel)
		}
		w, err := c.window(kernel, len(spatial))
		if err != nil {
			return nil, err
		}
		out, err := c.windows(w, spatial)
		if err != nil {
			return nil, err
		}
		return []Type{f.join(x.DType, batch, channels, out), f.join(ir.Int64, batch, channels, out)}, nil
	}
}

// globalPool leaves one element a channel.
func globalPool(c *call) ([]Type, error) {
	x := c.arg(0)
	if !x.Ranked {
		return one(Unranked(x.DType))
	}
	if err := c.wantMinRank(0, 2); err != nil {
		return nil, err
	}
	f := nchw
	if c.int("channels_last", 0) != 0 {
		f = nhwc
	}
	batch, channels, spatial := f.split(x.Dims)
	return one(f.join(x.DType, batch, channels, constDims(ones(len(spatial)))))
}

func ones(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = 1
	}
	return out
}

// maxUnpool undoes a pool; the third input states the shape.
func maxUnpool(c *call) ([]Type, error) {
	x := c.arg(0)
	if dims, known := c.shapeArg("", 2); known {
		return one(TensorOf(x.DType, dims...))
	}
	if !x.Ranked {
		return one(Unranked(x.DType))
	}
	if err := c.wantMinRank(0, 3); err != nil {
		return nil, err
	}
	batch, channels, spatial := nchw.split(x.Dims)
	kernel, _ := c.ints("kernel_shape")
	if len(kernel) != len(spatial) {
		return nil, c.badInput(0, "%d spatial dimensions, as kernel_shape %v has", len(kernel), kernel)
	}
	w, err := c.window(kernel, len(spatial))
	if err != nil {
		return nil, err
	}
	out := make([]Dim, len(spatial))
	for i, size := range spatial {
		out[i] = size.Sub(Const(1)).Mul(Const(w.strides[i])).Add(Const(kernel[i] - w.pads[i] - w.pads[i+len(spatial)]))
	}
	return one(nchw.join(x.DType, batch, channels, out))
}
