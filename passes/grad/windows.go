package grad

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// spellWindows gives poolings and transposed convolutions explicit pads where ONNX
// infers another size than the kernels of ONNX Runtime give: a step's graph, in
// which all other sizes are numbers, would not load.
func spellWindows(b *builder) error {
	for _, n := range b.g.Nodes() {
		spell := spelled[n.Op]
		if spell == nil || n.Domain != "" || !b.known(n.Input(0)) || !b.known(n.Output(0)) || len(b.dims(n.Input(0))) != 4 {
			continue
		}
		b.prefix = "grad." + first(n) + "."
		if reason := spell(b, n); reason != "" {
			return &Error{Node: n.Name, Op: n.Op, Tensor: n.Input(0).Name(), Reason: reason}
		}
	}
	return b.g.Sort()
}

// spelled rewrite a node where that is needed, or say why they cannot.
var spelled = map[string]func(b *builder, n *ir.Node) string{
	"MaxPool":       spellPool,
	"AveragePool":   spellPool,
	"ConvTranspose": spellTransposed,
}

// spellPool: with ceil_mode the last window is left out where it would begin in the
// padding, which ONNX's inference does before operator set 22 without.
func spellPool(b *builder, n *ir.Node) string {
	x, y := b.dims(n.Input(0)), b.dims(n.Output(0))
	w := windowOf(n, n.Ints("kernel_shape"), x, y)
	if auto := n.Str("auto_pad", "NOTSET"); auto == "SAME_UPPER" || auto == "SAME_LOWER" {
		if w.dilations != [2]int64{1, 1} {
			return "ONNX Runtime pads it as if it had no dilations; export the model with explicit pads"
		}
		for i := range 2 {
			if (y[2+i]-1)*w.strides[i]+w.extent(i) < x[2+i]-1 { // two or more, one of them in front
				return "its windows leave rows or columns out, and ONNX Runtime begins them inside of the input then; export the model with explicit pads"
			}
		}
		if n.Int("ceil_mode", 0) != 0 { // it changes nothing but what is inferred
			explicitPads(n, w)
		}
		return ""
	}
	if n.Int("ceil_mode", 0) == 0 {
		return ""
	}
	left := false // out
	explicit := w
	for i := range 2 {
		room := x[2+i] + w.pads[i] + w.pads[2+i] - w.extent(i)
		left = left || (room+w.strides[i]-1)/w.strides[i]+1 != y[2+i]
		explicit.pads[2+i] = max(0, (y[2+i]-1)*w.strides[i]+w.extent(i)-x[2+i]-w.pads[i])
	}
	if !left {
		return ""
	}
	if explicit.pads[2] >= w.kernel[0] || explicit.pads[3] >= w.kernel[1] {
		return "its last window hangs over by more than its kernel, which has no explicit form; export the model without ceil_mode"
	}
	if n.Int("count_include_pad", 0) != 0 {
		b.recount(n, w, explicit)
	}
	explicitPads(n, explicit)
	return ""
}

// explicitPads gives n the pads of w in place of every rule for them.
func explicitPads(n *ir.Node, w window) {
	n.DelAttr("ceil_mode")
	n.DelAttr("auto_pad")
	n.SetAttr(ir.IntsAttr("pads", w.pads[:]...))
}

// recount makes an AveragePool that counts its declared padding, that of w, one that
// counts none, and multiplies with what that makes of difference.
func (b *builder) recount(n *ir.Node, w, explicit window) {
	x, y := b.dims(n.Input(0)), n.Output(0)
	d := b.dims(y)
	ratio := make([]float32, d[2]*d[3])
	for i := range d[2] {
		for j := range d[3] {
			inside := covered(i, explicit, 0, x[2], w.pads, false) * covered(j, explicit, 1, x[3], w.pads, false)
			counted := covered(i, explicit, 0, x[2], w.pads, true) * covered(j, explicit, 1, x[3], w.pads, true)
			ratio[i*d[3]+j] = float32(inside) / float32(counted)
		}
	}
	n.DelAttr("count_include_pad")
	means := b.g.Temp(b.prefix+"means", ir.TensorType(ir.Float32, ir.Fixed(d...)))
	b.shapes[means] = slices.Clone(d)
	scaled := b.g.NewNode("", "Mul", []*ir.Value{means, b.floats(ratio, 1, 1, d[2], d[3])}, []*ir.Value{nil})
	b.g.MoveOutput(y, scaled, 0)
	n.SetOutput(0, means)
}

// spellTransposed: with auto_pad SAME the output has stride times as many rows as
// the input, to which ONNX's inference adds output_padding.
func spellTransposed(b *builder, n *ir.Node) string {
	auto := n.Str("auto_pad", "NOTSET")
	if n.Ints("output_shape") != nil || auto != "SAME_UPPER" && auto != "SAME_LOWER" || !slices.ContainsFunc(n.Ints("output_padding"), func(p int64) bool { return p != 0 }) {
		return ""
	}
	w := windowOf(n, b.dims(n.Input(1))[2:], b.dims(n.Output(0)), b.dims(n.Input(0)))
	explicitPads(n, w)
	return ""
}
