package models

import (
	"github.com/bottlenet/bnc/compiler/ir"
)

// net is the graph under construction. Nodes and values are named by the path
// of the module they come from, "layer1.0.conv1"; where a module is applied
// more than once, as a ReLU is, the later ones get a number.
type net struct {
	g    *ir.Graph
	seed uint64
}

// feature is a float32 activation [batch, c, h, w].
type feature struct {
	value   *ir.Value
	c, h, w int
}

// kernel is a square that slides over a feature map, with the same stride and
// padding in both directions.
type kernel struct{ size, stride, pad int }

// over returns the height or width of the result on a map of the given one,
// rounded down as ONNX and PyTorch do without ceil_mode.
func (k kernel) over(size int) int { return (size+2*k.pad-k.size)/k.stride + 1 }

func (k kernel) attrs() []*ir.Attr {
	size, stride, pad := int64(k.size), int64(k.stride), int64(k.pad)
	return []*ir.Attr{
		ir.IntsAttr("kernel_shape", size, size),
		ir.IntsAttr("strides", stride, stride),
		ir.IntsAttr("pads", pad, pad, pad, pad),
	}
}

// The windows of the networks' convolutions, padded so that stride 1 keeps the
// size.
func conv1x1(stride int) kernel { return kernel{1, stride, 0} }
func conv3x3(stride int) kernel { return kernel{3, stride, 1} }

func (n *net) input(chw [3]int) feature {
	dims := append([]ir.Dim{ir.Sym("batch")}, ir.Fixed(int64(chw[0]), int64(chw[1]), int64(chw[2]))...)
	v := n.g.Temp("input", ir.TensorType(ir.Float32, dims))
	n.g.AddInput(v, nil)
	return feature{v, chw[0], chw[1], chw[2]}
}

// node adds a node of one output, both named path.
func (n *net) node(path, op string, inputs []*ir.Value, attrs ...*ir.Attr) *ir.Value {
	return n.g.Op1(path, op, inputs, nil, attrs...)
}

// conv is a convolution with c output channels and without bias (Conv-11).
func (n *net) conv(path string, x feature, c int, k kernel) feature {
	return n.convolve(path, x, c, k, 1, false)
}

// convBias is conv with a bias that starts at zero.
func (n *net) convBias(path string, x feature, c int, k kernel) feature {
	return n.convolve(path, x, c, k, 1, true)
}

// depthwise is a convolution of each channel by itself.
func (n *net) depthwise(path string, x feature, k kernel) feature {
	return n.convolve(path, x, x.c, k, x.c, false)
}

func (n *net) convolve(path string, x feature, c int, k kernel, groups int, bias bool) feature {
	// What one input feeds is in its own group. torchvision counts all groups,
	// which leaves MobileNetV2 logits of 10^-9 until it has been trained.
	fanOut := c / groups * k.size * k.size
	inputs := []*ir.Value{x.value, n.param(path+".weight", he(fanOut), c, x.c/groups, k.size, k.size)}
	if bias {
		inputs = append(inputs, n.param(path+".bias", constant(0), c))
	}
	attrs := k.attrs()
	if groups > 1 {
		attrs = append(attrs, ir.IntAttr("group", int64(groups)))
	}
	return feature{n.node(path, "Conv", inputs, attrs...), c, k.over(x.h), k.over(x.w)}
}

// batchNorm is BatchNormalization-15 with PyTorch's epsilon and momentum, whose
// scale starts at gamma.
func (n *net) batchNorm(path string, x feature, gamma float32) feature {
	x.value = n.node(path, "BatchNormalization", []*ir.Value{
		x.value,
		n.param(path+".weight", constant(gamma), x.c),
		n.param(path+".bias", constant(0), x.c),
		n.param(path+".running_mean", constant(0), x.c),
		n.param(path+".running_var", constant(1), x.c),
	}, ir.FloatAttr("epsilon", 1e-5), ir.FloatAttr("momentum", 0.9))
	return x
}

func (n *net) relu(path string, x feature) feature {
	x.value = n.node(path, "Relu", []*ir.Value{x.value})
	return x
}

// relu6 is Clip-13 to [0, 6]. Its bounds are two Constant nodes that all of
// them share, so that the initializers stay those of the state_dict.
func (n *net) relu6(path string, x feature) feature {
	bound := func(name string, v float32) *ir.Value {
		if b := n.g.Value(name); b != nil {
			return b
		}
		return n.constant(name, ir.Float32s([]float32{v}))
	}
	x.value = n.node(path, "Clip", []*ir.Value{x.value, bound("relu6.min", 0), bound("relu6.max", 6)})
	return x
}

// add is the residual sum of two maps of the same shape.
func (n *net) add(path string, x, y feature) feature {
	x.value = n.node(path, "Add", []*ir.Value{x.value, y.value})
	return x
}

func (n *net) maxPool(path string, x feature, k kernel) feature {
	return feature{n.node(path, "MaxPool", []*ir.Value{x.value}, k.attrs()...), x.c, k.over(x.h), k.over(x.w)}
}

// globalPool averages over height and width.
func (n *net) globalPool(path string, x feature) feature {
	return feature{n.node(path, "GlobalAveragePool", []*ir.Value{x.value}), x.c, 1, 1}
}

func (n *net) constant(path string, t *ir.Tensor) *ir.Value {
	return n.node(path, "Constant", nil, ir.TensorAttr("value", t))
}

// flatten turns a map into vectors, float32 [batch, c*h*w], and returns their
// length too.
func (n *net) flatten(x feature) (*ir.Value, int) {
	return n.node("flatten", "Flatten", []*ir.Value{x.value}, ir.IntAttr("axis", 1)), x.c * x.h * x.w
}

// linear is a dense layer from in to out features.
func (n *net) linear(path string, x *ir.Value, in, out int, weight, bias filler) *ir.Value {
	y := n.g.Temp(path, nil)
	n.gemm(path, x, y, in, out, weight, bias)
	return y
}

// classifier is the dense layer whose result is the graph's output.
func (n *net) classifier(path string, x *ir.Value, in, classes int, weight, bias filler) {
	logits := n.g.Temp("output", ir.TensorType(ir.Float32, []ir.Dim{ir.Sym("batch"), {N: int64(classes)}}))
	n.gemm(path, x, logits, in, classes, weight, bias)
	n.g.AddOutput(logits, nil)
}

// gemm makes y = x * weight^T + bias (Gemm-13); the weight is [out, in], as
// PyTorch keeps it.
func (n *net) gemm(path string, x, y *ir.Value, in, out int, weight, bias filler) {
	inputs := []*ir.Value{x, n.param(path+".weight", weight, out, in), n.param(path+".bias", bias, out)}
	n.g.NewNode("", "Gemm", inputs, []*ir.Value{y}, ir.IntAttr("transB", 1)).SetName(path)
}
