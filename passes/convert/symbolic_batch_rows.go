package convert

import (
	"fmt"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// rowRule says why node n, whose input i has the batch in axis, does not treat
// the images of a batch one by one; "" where it does. Where the batch is in the
// outputs was found out before, and that the rows of an image stay as many.
type rowRule func(b *batcher, n *ir.Node, i, axis int) string

// rowRules are those of the conditions that rows of the operator table state.
var rowRules = map[shape.Batch]rowRule{
	shape.BatchAligned: aligned,
	shape.BatchFirst:   data,
	shape.BatchLeading: inFront,
	shape.BatchInOrder: order,
	shape.BatchAcross: func(b *batcher, n *ir.Node, i, axis int) string {
		return onlyAxis(shape.Of(n).Axis)(b, n, i, axis)
	},
	shape.BatchByNode: func(b *batcher, n *ir.Node, i, axis int) string { return nodeRules[shape.Of(n).Name](b, n, i, axis) },
}

// nodeRules are those of the operators whose rows leave it to them.
var nodeRules = map[string]rowRule{
	"Concat": concatRows, "Gemm": gemmRows, "LayerNormalization": trailingRows, "Pad": padRows, "Resize": resizeRows, "Slice": sliceRows,
	"Softmax": softmaxRows, "LogSoftmax": softmaxRows, "Hardmax": softmaxRows,

	shape.RoundTrip: func(b *batcher, n *ir.Node, _, axis int) string { return inFront(b, n, 0, axis) }, // tiles and ranges
}

// checkRows fails unless n treats the images of a batch one by one.
func (b *batcher) checkRows(n *ir.Node) error {
	op := shape.Of(n)
	rule := rowRules[op.Batch]
	if rule == nil {
		return b.refuse(n, "bnc does not know that %s treats the images of a batch one by one", n.Op)
	}
	if n.Int("training_mode", 0) != 0 {
		return b.refuse(n, "it is in training mode, where images depend on each other")
	}
	for _, v := range n.Outputs() {
		if v == nil || !v.Used() {
			continue
		}
		if _, _, ok := b.axis(v); !ok {
			return b.refuse(n, "the batch is squeezed away or mixed: %s becomes %q %v", b.describe(n.Inputs()), v.Name(), b.info.Of(v))
		}
	}
	for i, v := range n.Inputs() {
		if v == nil || !b.batched[v] {
			continue
		}
		axis, rows, _ := b.axis(v)
		if reason := rule(b, n, i, axis); reason != "" {
			return b.refuse(n, "%s", reason)
		}
		if _, out, ok := b.axis(n.Output(0)); ok && !out.Equal(rows) && op.Batch != shape.BatchInOrder {
			return b.refuse(n, "%q with %v rows an image becomes %v rows", v.Name(), rows, out)
		}
	}
	return nil
}

func (b *batcher) describe(vs []*ir.Value) string {
	var texts []string
	for _, v := range vs {
		if v != nil {
			texts = append(texts, fmt.Sprintf("%q %v", v.Name(), b.info.Of(v)))
		}
	}
	return strings.Join(texts, ", ")
}

// order: an image's elements stay together as long as what is before the batch
// stays.
func order(b *batcher, n *ir.Node, i, axis int) string {
	from, _ := b.info.Dims(n.Input(i))
	to, _ := b.info.Dims(n.Output(0))
	out, _, _ := b.axis(n.Output(0))
	if i > 0 || !shape.Product(from[:axis]).Equal(shape.Product(to[:out])) {
		return fmt.Sprintf("%v becomes %v, which tears images apart", b.info.Of(n.Input(i)), b.info.Of(n.Output(0)))
	}
	return ""
}

// data: only the first input may have images.
func data(b *batcher, n *ir.Node, i, _ int) string {
	if i > 0 {
		return fmt.Sprintf("its input %q is computed from images", n.Input(i).Name())
	}
	return ""
}

// sliceRows: a step of -1 would turn the batch round. Another step, or another
// start, leaves fewer rows than there were.
func sliceRows(b *batcher, n *ir.Node, i, axis int) string {
	if steps := n.Input(4); steps != nil {
		list, known := b.info.Of(steps).Ints()
		axes, named := b.info.Of(n.Input(3)).Ints()
		rank, _ := b.info.Of(n.Input(0)).Rank()
		for k, step := range list {
			at := k
			if n.Input(3) != nil && named {
				at = (int(axes[k]) + rank) % rank
			}
			if at == axis && step != 1 {
				return fmt.Sprintf("it steps by %d along the batch of %v", step, b.info.Of(n.Input(i)))
			}
		}
		if !known || n.Input(3) != nil && !named {
			return "its axes and steps are computed"
		}
	}
	return data(b, n, i, axis)
}

// padRows: what is taken away at one end of the batch and added at the other
// would move the images.
func padRows(b *batcher, n *ir.Node, i, axis int) string {
	pads, known := n.Ints("pads"), n.Attr("pads") != nil
	if n.Input(1) != nil {
		pads, known = b.info.Of(n.Input(1)).Ints()
	}
	var axes []int64
	rank, _ := b.info.Of(n.Input(0)).Rank()
	if n.Input(3) != nil {
		var named bool
		axes, named = b.info.Of(n.Input(3)).Ints()
		known = known && named
	} else {
		for a := range rank {
			axes = append(axes, int64(a))
		}
	}
	if !known {
		return "its pads are computed"
	}
	for k, a := range axes {
		if (int(a)+rank)%rank == axis && (pads[k] != 0 || pads[k+len(axes)] != 0) {
			return fmt.Sprintf("it pads the batch of %v by %d and %d", b.info.Of(n.Input(i)), pads[k], pads[k+len(axes)])
		}
	}
	return data(b, n, i, axis)
}

// resizeRows: a region of interest may leave rows of the batch out.
func resizeRows(b *batcher, n *ir.Node, i, axis int) string {
	if n.Str("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize" {
		return "it crops to a region of interest"
	}
	return inFront(b, n, i, axis)
}

// inFront: data, with the batch as the leading axis.
func inFront(b *batcher, n *ir.Node, i, axis int) string {
	if axis != 0 {
		return fmt.Sprintf("the batch is in axis %d of %v", axis, b.info.Of(n.Input(i)))
	}
	return data(b, n, i, axis)
}

// aligned: counted from the last one, as broadcasting does, the batch stays in
// its axis. A sum over it, as MatMul's, has lost it.
func aligned(b *batcher, n *ir.Node, i, axis int) string {
	from, _ := b.info.Of(n.Input(i)).Rank()
	to, _ := b.info.Of(n.Output(0)).Rank()
	if out, _, _ := b.axis(n.Output(0)); axis-from != out-to {
		return fmt.Sprintf("the batch in axis %d of %v meets another axis of %v", axis, b.info.Of(n.Input(i)), b.info.Of(n.Output(0)))
	}
	return ""
}

// gemmRows: what is added to the product must be the same for all images.
func gemmRows(b *batcher, n *ir.Node, i, axis int) string {
	if c := n.Input(2); c != nil && i == 0 {
		dims, known := b.info.Dims(c)
		if own, _ := b.info.Dims(n.Output(0)); !known || len(dims) == 2 && !dims[0].Is(1) && !dims[0].Equal(own[0]) {
			return fmt.Sprintf("the batch of %v meets %q, which is %v", b.info.Of(n.Output(0)), c.Name(), b.info.Of(c))
		}
	}
	if i == 1 {
		return data(b, n, i, axis)
	}
	return ""
}

// axisOf returns an axis attribute as a position.
func (b *batcher) axisOf(n *ir.Node, def int64) int {
	rank, _ := b.info.Of(n.Input(0)).Rank()
	return (int(n.Int("axis", def)) + rank) % max(rank, 1)
}

// onlyAxis: the axis of the attribute must not be the batch.
func onlyAxis(def int64) rowRule {
	return func(b *batcher, n *ir.Node, i, axis int) string {
		if b.axisOf(n, def) == axis {
			return fmt.Sprintf("it works along the batch of %v", b.info.Of(n.Input(i)))
		}
		return data(b, n, i, axis)
	}
}

// trailingRows: neither axis nor one behind it may be the batch.
func trailingRows(b *batcher, n *ir.Node, i, axis int) string {
	if b.axisOf(n, -1) <= axis {
		return fmt.Sprintf("it works along the batch of %v", b.info.Of(n.Input(i)))
	}
	return data(b, n, i, axis)
}

// softmaxRows: until operator set 13 all axes behind axis belong to it.
func softmaxRows(b *batcher, n *ir.Node, i, axis int) string {
	if b.Opset >= 13 {
		return onlyAxis(-1)(b, n, i, axis)
	}
	if b.axisOf(n, 1) <= axis {
		return fmt.Sprintf("it works along the batch of %v", b.info.Of(n.Input(i)))
	}
	return ""
}

// concatRows: any input may have images. One that states a size instead of the
// batch has lost it for the output.
func concatRows(b *batcher, n *ir.Node, _, axis int) string {
	return onlyAxis(1)(b, n, 0, axis)
}
