package shape

import "github.com/bottlenet/bnc/compiler/ir"

// slidingWindow is what convolutions and pools share: a kernel that moves over the
// spatial axes.
type slidingWindow struct {
	kernel, strides, dilations []int64
	pads                       []int64 // all begins, then all ends
	auto                       string  // auto_pad
	ceil                       bool    // ceil_mode: partial windows at the end count
}

// window reads the attributes of an operator with n spatial axes; kernel may be
// nil where it is not known. Lists of a wrong length are an error.
func (c *call) window(kernel []int64, n int) (*slidingWindow, error) {
	w := &slidingWindow{kernel: kernel, auto: c.str("auto_pad", "NOTSET"), ceil: c.int("ceil_mode", 0) != 0}
	for _, list := range []struct {
		name   string
		to     *[]int64
		length int
		def    int64
		least  int64
	}{
		{"strides", &w.strides, n, 1, 1},
		{"dilations", &w.dilations, n, 1, 1},
		{"pads", &w.pads, 2 * n, 0, -1 << 31},
	} {
		values, given := c.ints(list.name)
		if !given || len(values) == 0 {
			for range list.length {
				*list.to = append(*list.to, list.def)
			}
			continue
		}
		if len(values) != list.length {
			return nil, c.failf("expected %d %s for %d spatial dimensions, found %v", list.length, list.name, n, values)
		}
		for _, v := range values {
			if v < list.least || v > 1<<31 {
				return nil, c.failf("expected %s of %d or more, found %v", list.name, list.least, values)
			}
		}
		*list.to = values
	}
	for _, k := range kernel {
		if k < 1 || k > 1<<31 {
			return nil, c.failf("expected a kernel of sizes of 1 or more, found %v", kernel)
		}
	}
	return w, nil
}

// extent returns the size of the dilated kernel on axis i.
func (w *slidingWindow) extent(i int) int64 { return (w.kernel[i]-1)*w.dilations[i] + 1 }

// out returns how many windows fit on axis i of the given size.
//
// With ceil_mode the last window may reach beyond the padding, but has to start
// inside the input or the padding before it (ONNX Runtime's rule in every
// operator set, ONNX's since 1.16).
func (w *slidingWindow) out(i int, size Dim) Dim {
	stride := Const(w.strides[i])
	before, after := w.pads[i], w.pads[i+len(w.pads)/2]
	switch w.auto {
	case "SAME_UPPER", "SAME_LOWER":
		return size.CeilDiv(stride)
	case "VALID":
		before, after = 0, 0
	}
	n := w.count(size.Add(Const(before+after-w.extent(i))), stride)
	if w.ceil && after+w.strides[i] > w.extent(i) {
		n = n.Min(size.Add(Const(before - 1)).FloorDiv(stride).Add(Const(1)))
	}
	return n
}

// count returns how many steps of stride fit into room, and the first window.
func (w *slidingWindow) count(room, stride Dim) Dim {
	if w.ceil {
		return room.CeilDiv(stride).Add(Const(1))
	}
	return room.FloorDiv(stride).Add(Const(1))
}

// windows returns the spatial dims of the output for the given ones of the
// input, and fails where no window fits.
func (c *call) windows(w *slidingWindow, spatial []Dim) ([]Dim, error) {
	out := make([]Dim, len(spatial))
	for i, size := range spatial {
		out[i] = w.out(i, size)
		if n, ok := out[i].Int(); ok && n <= 0 && !size.Is(0) {
			return nil, c.badInput(0, "room for a kernel of %v in spatial dimension %d; give a larger input", w.extent(i), i)
		}
	}
	return out, nil
}

// memoryFormat tells where the channels are.
type memoryFormat uint8

const (
	nchw memoryFormat = iota
	nhwc
)

// split takes dims apart into batch, channels and spatial dims.
func (f memoryFormat) split(dims []Dim) (batch, channels Dim, spatial []Dim) {
	last := len(dims) - 1
	if f == nhwc {
		return dims[0], dims[last], dims[1:last]
	}
	return dims[0], dims[1], dims[2:]
}

func (f memoryFormat) join(d ir.DType, batch, channels Dim, spatial []Dim) Type {
	dims := append([]Dim{batch}, spatial...)
	if f == nhwc {
		return TensorOf(d, append(dims, channels)...)
	}
	return TensorOf(d, append([]Dim{batch, channels}, spatial...)...)
}
