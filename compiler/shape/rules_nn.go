package shape

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// checkChannels fails where one of the parameters in inputs from..to is no
// vector of as many elements as input 0 has channels.
func (c *call) checkChannels(from, to int) error {
	x := c.arg(0)
	if len(x.Dims) < 2 {
		return nil
	}
	for i := from; i <= to; i++ {
		if p := c.arg(i); p.Ranked && (len(p.Dims) != 1 || p.Dims[0].Differs(x.Dims[1])) {
			return c.badInput(i, "[%v], one element for each channel of %s", x.Dims[1], x)
		}
	}
	return nil
}

// batchNormalization keeps the shape. In training mode (before operator set 14:
// where there are more outputs) the running statistics follow, one a channel.
func batchNormalization(c *call) ([]Type, error) {
	if err := c.checkChannels(1, 4); err != nil {
		return nil, err
	}
	outs, err := sameAs(0)(c)
	if err != nil {
		return nil, err
	}
	for i := 1; i < c.node.NumOutputs(); i++ {
		source := 3 + (i-1)%2 // mean and var in turn
		t := c.arg(source)
		outs = append(outs, Type{Kind: Tensor, DType: t.DType, Ranked: t.Ranked, Dims: t.Dims})
	}
	return outs, nil
}

// channelNormalization is InstanceNormalization: scale and bias a channel.
func channelNormalization(c *call) ([]Type, error) {
	if err := c.checkChannels(1, 2); err != nil {
		return nil, err
	}
	return sameAs(0)(c)
}

// layerNormalization normalises the axes from axis on; mean and inverse
// deviation, float32 unless stash_type says otherwise, have size 1 there.
func layerNormalization(c *call) ([]Type, error) {
	x := c.arg(0)
	stash := ir.DType(c.int("stash_type", int64(ir.Float32)))
	y := Type{Kind: Tensor, DType: x.DType, Ranked: x.Ranked, Dims: x.Dims}
	if !x.Ranked {
		return []Type{y, Unranked(stash), Unranked(stash)}, nil
	}
	axis, err := c.axis("axis", c.int("axis", -1), len(x.Dims), false)
	if err != nil {
		return nil, err
	}
	dims := slices.Clone(x.Dims)
	for i := axis; i < len(dims); i++ {
		dims[i] = Const(1)
	}
	return []Type{y, TensorOf(stash, dims...), TensorOf(stash, dims...)}, nil
}

// skipLayerNormalization is ONNX Runtime's: output, mean, inverse deviation, and
// the sum of input and skip.
func skipLayerNormalization(c *call) ([]Type, error) {
	x := c.arg(0)
	y := Type{Kind: Tensor, DType: x.DType, Ranked: x.Ranked, Dims: x.Dims}
	stat := Unranked(ir.Float32)
	if len(x.Dims) > 0 {
		dims := slices.Clone(x.Dims)
		dims[len(dims)-1] = Const(1)
		stat = TensorOf(ir.Float32, dims...)
	}
	return []Type{y, stat, stat, y}, nil
}

// dropout keeps the shape; the mask is bool from operator set 10 on.
func dropout(c *call) ([]Type, error) {
	x := c.arg(0)
	mask := Type{Kind: Tensor, DType: ir.Bool, Ranked: x.Ranked, Dims: x.Dims}
	if c.node.Domain == "" && c.version < 10 {
		mask.DType = x.DType
	}
	return []Type{{Kind: Tensor, DType: x.DType, Ranked: x.Ranked, Dims: x.Dims}, mask}, nil
}

// matrix describes the operands of a matrix product and the output's type.
type matrix struct {
	a, b  int
	dtype ir.DType // Undefined: that of input like
	like  int
}

var (
	matMul        = matrix{a: 0, b: 1, like: 0}
	matMulInteger = matrix{a: 0, b: 1, dtype: ir.Int32}
	matMulToFloat = matrix{a: 0, b: 1, dtype: ir.Float32}
	qlinearMatMul = matrix{a: 0, b: 3, like: 7}
)

// infer multiplies as numpy does: vectors are rows or columns whose axis is
// dropped again, leading axes broadcast. ONNX Runtime's FusedMatMul transposes
// by attributes.
func (m matrix) infer(c *call) ([]Type, error) {
	a, b := c.arg(m.a), c.arg(m.b)
	dtype := m.dtype
	if dtype == ir.Undefined {
		dtype = c.arg(m.like).DType
	}
	if !a.Ranked || !b.Ranked {
		return one(Unranked(dtype))
	}
	for _, i := range []int{m.a, m.b} {
		if err := c.wantMinRank(i, 1); err != nil {
			return nil, err
		}
	}
	left, right := swapped(a.Dims, c.int("transA", 0)), swapped(b.Dims, c.int("transB", 0))
	row, column := len(left) == 1, len(right) == 1
	if row {
		left = []Dim{Const(1), left[0]}
	}
	if column {
		right = []Dim{right[0], Const(1)}
	}
	i, j := len(left)-2, len(right)-2
	if left[i+1].Differs(right[j]) {
		return nil, c.badInput(m.b, "%v rows, as input %d %s needs", left[i+1], m.a, a)
	}
	lead, ok := broadcastLists(left[:i], right[:j])
	if !ok {
		return nil, c.badInput(m.b, "leading dimensions that broadcast with input %d %s", m.a, a)
	}
	if !row {
		lead = append(lead, left[i])
	}
	if !column {
		lead = append(lead, right[j+1])
	}
	return one(TensorOf(dtype, lead...))
}

func swapped(dims []Dim, trans int64) []Dim {
	if n := len(dims); trans != 0 && n > 1 {
		dims = slices.Clone(dims)
		dims[n-2], dims[n-1] = dims[n-1], dims[n-2]
	}
	return dims
}

func broadcastLists(a, b []Dim) ([]Dim, bool) {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	for i, d := range b {
		j := len(a) - len(b) + i
		size, ok := broadcastDim(a[j], d)
		if !ok {
			return nil, false
		}
		out[j] = size
	}
	return out, true
}

func (m matrix) macs(c *call, outs []Type) Dim {
	a := c.arg(m.a)
	if len(a.Dims) == 0 || len(outs) == 0 {
		return Dim{}
	}
	depth := swapped(a.Dims, c.int("transA", 0))
	return outs[0].Elements().Mul(depth[len(depth)-1])
}

// gemm: a [M,K] and b [K,N], each transposed by its attribute, plus c.
func gemm(c *call) ([]Type, error) {
	a, b := c.arg(0), c.arg(1)
	for i := range 2 {
		if err := c.wantRank(i, 2); err != nil {
			return nil, err
		}
	}
	dims := make([]Dim, 2)
	var depth [2]Dim
	if a.Ranked {
		left := swapped(a.Dims, c.int("transA", 0))
		dims[0], depth[0] = left[0], left[1]
	}
	if b.Ranked {
		right := swapped(b.Dims, c.int("transB", 0))
		dims[1], depth[1] = right[1], right[0]
	}
	if depth[0].Differs(depth[1]) {
		return nil, c.badInput(1, "%v rows after transposing, as input 0 %s needs", depth[0], a)
	}
	return one(TensorOf(a.DType, dims...))
}

func gemmMACs(c *call, outs []Type) Dim {
	a := c.arg(0)
	if len(a.Dims) != 2 || len(outs) == 0 {
		return Dim{}
	}
	return outs[0].Elements().Mul(swapped(a.Dims, c.int("transA", 0))[1])
}

// qgemm is ONNX Runtime's: a, its scale and zero point, b, its scale and zero
// point, c, the output's scale and zero point; without the last it is float32.
func qgemm(c *call) ([]Type, error) {
	a, b := c.arg(0), c.arg(3)
	dims := make([]Dim, 2)
	if len(a.Dims) == 2 {
		dims[0] = swapped(a.Dims, c.int("transA", 0))[0]
	}
	if len(b.Dims) == 2 {
		dims[1] = swapped(b.Dims, c.int("transB", 0))[1]
	}
	dtype := ir.Float32
	if c.has(8) {
		dtype = c.arg(8).DType
	}
	return one(TensorOf(dtype, dims...))
}

// recurrent is the rule of RNN, GRU and LSTM: x [length, batch, size], or with
// layout 1 [batch, length, size]; Y, Y_h and for LSTM Y_c.
func recurrent(c *call) ([]Type, error) {
	x := c.arg(0)
	if err := c.wantRank(0, 3); err != nil {
		return nil, err
	}
	length, batch := Dim{}, Dim{}
	batchFirst := c.int("layout", 0) != 0
	if x.Ranked {
		length, batch = x.Dims[0], x.Dims[1]
		if batchFirst {
			length, batch = batch, length
		}
	}
	directions := int64(1)
	if c.str("direction", "forward") == "bidirectional" {
		directions = 2
	}
	hidden := Dim{}
	if a := c.attr("hidden_size"); a != nil {
		hidden = Const(a.Proto.GetI())
	} else if r := c.arg(2); len(r.Dims) == 3 {
		hidden = r.Dims[2]
	}
	d := Const(directions)
	all, last := []Dim{length, d, batch, hidden}, []Dim{d, batch, hidden}
	if batchFirst {
		all, last = []Dim{batch, length, d, hidden}, []Dim{batch, d, hidden}
	}
	state := TensorOf(x.DType, last...)
	return []Type{TensorOf(x.DType, all...), state, state}, nil
}

// recurrentMACs: of x [length, batch, size], or with the first two the other way
// round, each row meets every weight of W and R once.
func recurrentMACs(c *call, _ []Type) Dim {
	x, w, r := c.arg(0), c.arg(1), c.arg(2)
	if len(x.Dims) != 3 {
		return Dim{}
	}
	return x.Dims[0].Mul(x.Dims[1]).Mul(w.Elements().Add(r.Elements()))
}
