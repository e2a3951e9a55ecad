// Package bottleneck has what is learnable between the two halves of a model: its
// geometry and units, their weights before any training and from calibration, its
// insertion and removal, the codec's nodes, and the metadata that describe it.
package bottleneck

import (
	"math"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
)

// Quantiser says how the reduced features become a grey image.
type Quantiser struct {
	Bits    int     `json:"bits"`    // 2..8
	Dynamic bool    `json:"dynamic"` // each image's own range travels with it
	Lo      float32 `json:"lo"`
	Hi      float32 `json:"hi"`
}

// quantiserPrefix begins the names of the nodes between the reduction and the
// restoration units.
const quantiserPrefix = "bnc.quantiser."

// Insertion is a bottleneck that is to be inserted behind a value.
type Insertion struct {
	At    *ir.Value
	Batch ir.Dim
	Spec  Spec
	Units *Units
}

// Insert puts a bottleneck behind each of some values: reduction units, quantiser,
// tiling, the codec in both directions, and the way back. What read a value reads the
// restored tensor then, but for nodes that only want its shape: keep says which. The
// bytes of each image become the model's last output, and the metadata bnc.bottleneck
// (see [Records]) say what was inserted where.
func Insert(all []Insertion, keep func(*ir.Node) bool) passes.Pass {
	return passes.Pass{
		Name: "insert-bottleneck",
		Requires: []passes.Requirement{
			{Property: NamesReserved, Reason: "what it adds has these names outside"},
			{Property: passes.NoFormalInputs, Reason: "it adds weights"},
		},
		Ensures:   []*passes.Property{Recorded},
		Breaks:    []*passes.Property{NamesReserved},
		Interface: true,
		Run: func(m *ir.Model) (int, error) {
			before := len(m.Graph.Nodes())
			var records []Record
			var sizes []*ir.Value
			for i, one := range all {
				b := inserter{
					Emitter: ir.Emitter{Graph: m.Graph, Opset: m.Opset(""), Prefix: "bnc."}, geo: one.Spec.Geometry, u: one.Units, q: one.Spec.Quantiser, batch: one.Batch,
					sites: Sites{Weights: map[string]string{}},
				}
				b.tileName, b.rangeName = tileNames(i)
				bytes, err := b.insert(m, one, keep)
				if err != nil {
					return 0, err
				}
				records, sizes = append(records, Record{one.Spec, b.sites}), append(sizes, bytes)
			}
			size := joinedBytes(m.Graph, sizes)
			m.Graph.Rename(size, payloadBytes) // a free name: NamesReserved
			m.Graph.SetType(size, ir.TensorType(ir.Int64, []ir.Dim{all[0].Batch}))
			m.Graph.AddOutput(size, nil)
			if err := record(m, records); err != nil {
				return 0, err
			}
			return len(m.Graph.Nodes()) - before, m.Graph.Sort()
		},
	}
}

// payloadBytes is the output of a joined network that tells the bytes of each image.
const payloadBytes = "payload_bytes"

// joinedBytes returns the bytes of each image's whole record, int64 [N]: those of its
// tensors, joined from the last on as their records are.
func joinedBytes(g *ir.Graph, sizes []*ir.Value) *ir.Value {
	whole := sizes[len(sizes)-1]
	for _, size := range slices.Backward(sizes[:len(sizes)-1]) {
		joined := g.Temp("bnc.bytes.joined", size.Type())
		g.NewNode(shape.CodecDomain, shape.JoinBytes, []*ir.Value{size, whole}, []*ir.Value{joined}).SetName("bnc.join")
		whole = joined
	}
	return whole
}

// insert inserts one, and returns the bytes of its tiles, int64 [N].
func (b *inserter) insert(m *ir.Model, one Insertion, keep func(*ir.Node) bool) (*ir.Value, error) {
	v := one.At
	uses := slices.DeleteFunc(v.Uses(), func(u ir.Use) bool { return keep(u.Node) })
	x := v
	if v.DType() != ir.Float32 && v.DType() != ir.Undefined {
		x = b.Cast("cut", v, ir.Float32)
	}
	tile, bounds := b.send(x)
	crossing := []*ir.Value{tile}
	if bounds != nil {
		crossing = append(crossing, bounds)
	}
	decoded := m.Graph.Temp("bnc.tile_decoded", b.tileType())
	size := m.Graph.Temp("bnc.bytes", ir.TensorType(ir.Int64, []ir.Dim{one.Batch}))
	n, err := one.Spec.Codec.node(m, shape.RoundTrip, crossing, []*ir.Value{decoded, size})
	if err != nil {
		return nil, err
	}
	n.SetName("bnc.codec")
	m.Graph.AddInfo(decoded, nil)
	y := b.restore(decoded, bounds)
	if x != v {
		y = b.Cast("restored", y, v.DType())
	}
	b.sites.Cut, b.sites.Decoded, b.sites.Restored = v.Name(), decoded.Name(), y.Name()
	return size, v.ReplaceUses(uses, y)
}

type inserter struct {
	ir.Emitter
	geo   Geometry
	u     *Units
	q     Quantiser
	batch ir.Dim
	sites Sites // as far as they are there
	// what the tile and its range are called
	tileName, rangeName string
}

func (b *inserter) tileType() *onnxpb.TypeProto {
	rows, cols := b.geo.Grid()
	return ir.TensorType(ir.Uint8, []ir.Dim{b.batch, {N: 1}, {N: rows * b.geo.ReducedH()}, {N: cols * b.geo.ReducedW()}})
}

// send builds the mobile side up to the tile and, where the range is dynamic,
// each image's range [N,2].
func (b *inserter) send(x *ir.Value) (tile, bounds *ir.Value) {
	if b.u.ReduceChannel != nil {
		x = b.unit("reduce.channel", x, b.u.ReduceChannel, true)
	}
	if b.u.ReduceSpatial != nil {
		x = b.unit("reduce.spatial", x, b.u.ReduceSpatial, true)
	}
	b.sites.Reduced = x.Name()
	levels := float32(int(1)<<b.q.Bits - 1)
	var lo, width *ir.Value
	if b.q.Dynamic {
		lo = b.reduce("quantiser.min", "ReduceMin", x)
		hi := b.reduce("quantiser.max", "ReduceMax", x)
		bounds = b.Op("quantiser.minmax", "Concat", []*ir.Value{lo, hi}, ir.IntAttr("axis", 1))
		dims := b.Ints("quantiser.range.shape", 0, 2)
		out := b.Graph.Temp(b.rangeName, ir.TensorType(ir.Float32, []ir.Dim{b.batch, {N: 2}}))
		b.Graph.NewNode("", "Reshape", []*ir.Value{bounds, dims}, []*ir.Value{out}).SetName(quantiserPrefix + out.Name())
		bounds = out
		b.sites.Range = out.Name()
		width = b.Binary("quantiser.width", "Sub", hi, lo)
		width = b.Clip("quantiser.divisor", width, smallestNormal, math.MaxFloat32)
	} else {
		d := b.q.Hi - b.q.Lo
		if !(d > 0) { // v is 0 everywhere then
			d, levels = 1, 0
		}
		lo, width = b.Float("quantiser.lo", b.q.Lo), b.Float("quantiser.width", d)
	}
	// q = floor((x - lo) / (hi - lo) * (2^n - 1) + 0.5), step by step in float32.
	x = b.Binary("quantiser.sub", "Sub", x, lo)
	x = b.Binary("quantiser.div", "Div", x, width)
	x = b.Binary("quantiser.scale", "Mul", x, b.Float("quantiser.levels", levels))
	x = b.Binary("quantiser.half", "Add", x, b.Float("quantiser.0.5", 0.5))
	x = b.Unary("quantiser.floor", "Floor", x)
	top := float32(int(1)<<b.q.Bits - 1)
	x = b.Clip("quantiser.clip", x, 0, top)
	if b.q.Bits < 8 { // v = floor(q * 255 / (2^n - 1) + 0.5); at 8 bits v is q
		x = b.Binary("quantiser.spread", "Mul", x, b.Float("quantiser.255", 255))
		x = b.Binary("quantiser.spread.div", "Div", x, b.Float("quantiser.top", top))
		x = b.Binary("quantiser.spread.half", "Add", x, b.Float("quantiser.spread.0.5", 0.5))
		x = b.Unary("quantiser.spread.floor", "Floor", x)
	}
	x = b.tile(x)
	out := b.Graph.Temp(b.tileName, b.tileType())
	b.sites.Grey, b.sites.Tile = x.Name(), out.Name()
	b.Graph.NewNode("", "Cast", []*ir.Value{x}, []*ir.Value{out}, ir.IntAttr("to", int64(ir.Uint8))).SetName(quantiserPrefix + out.Name())
	b.Graph.AddInfo(out, nil)
	return out, bounds
}

// tile arranges planes [N,c,h,w] as one image [N,1,rows*h,cols*w].
func (b *inserter) tile(x *ir.Value) *ir.Value {
	rows, cols := b.geo.Grid()
	if rows*cols == 1 {
		return x
	}
	h, w := b.geo.ReducedH(), b.geo.ReducedW()
	if extra := rows*cols - b.geo.Reduced; extra > 0 {
		// Zeros for the unused cells, made without Pad: TensorRT 8 pads rows and
		// columns only. A grid has fewer unused cells than planes.
		zeros := b.Binary("quantiser.tile.zeros", "Mul", b.Slice("quantiser.tile.some", x, 1, 0, extra), b.Float("quantiser.tile.0", 0))
		x = b.Op("quantiser.tile.pad", "Concat", []*ir.Value{x, zeros}, ir.IntAttr("axis", 1))
	}
	if cols > 1 {
		x = b.Reshape("quantiser.tile.split", x, 0, rows, cols, h, w)
		x = b.Transpose("quantiser.tile.rows", x, 0, 1, 3, 2, 4)
	}
	return b.Reshape("quantiser.tile.join", x, 0, 1, rows*h, cols*w)
}

// untile is the inverse of tile.
func (b *inserter) untile(x *ir.Value) *ir.Value {
	rows, cols := b.geo.Grid()
	if rows*cols == 1 {
		return x
	}
	h, w := b.geo.ReducedH(), b.geo.ReducedW()
	if cols > 1 {
		x = b.Reshape("quantiser.untile.split", x, 0, rows, h, cols, w)
		x = b.Transpose("quantiser.untile.planes", x, 0, 1, 3, 2, 4)
	}
	x = b.Reshape("quantiser.untile.join", x, 0, rows*cols, h, w)
	if rows*cols > b.geo.Reduced {
		x = b.Slice("quantiser.untile.crop", x, 1, 0, b.geo.Reduced)
	}
	return x
}

// restore builds the cloud side from the decoded tile on.
func (b *inserter) restore(tile, bounds *ir.Value) *ir.Value {
	x := b.untile(b.Cast("quantiser.decode.float", tile, ir.Float32))
	var lo, width *ir.Value
	if bounds != nil {
		lo = b.Reshape("quantiser.decode.lo", b.Slice("quantiser.decode.lo.column", bounds, 1, 0, 1), 0, 1, 1, 1)
		hi := b.Reshape("quantiser.decode.hi", b.Slice("quantiser.decode.hi.column", bounds, 1, 1, 2), 0, 1, 1, 1)
		width = b.Binary("quantiser.decode.width", "Sub", hi, lo)
	} else {
		lo, width = b.Float("quantiser.decode.lo", b.q.Lo), b.Float("quantiser.decode.width", max(b.q.Hi-b.q.Lo, 0))
	}
	// lo + v / 255 * (hi - lo)
	x = b.Binary("quantiser.decode.div", "Div", x, b.Float("quantiser.decode.255", 255))
	x = b.Binary("quantiser.decode.mul", "Mul", x, width)
	x = b.Binary("quantiser.decode.add", "Add", x, lo)
	b.sites.Planes = x.Name()
	last := !b.geo.Signed
	if b.u.RestoreSpatial != nil {
		x = b.unit("restore.spatial", x, b.u.RestoreSpatial, b.u.RestoreChannel != nil || last && b.u.Residual == nil)
	}
	y := x
	if b.u.RestoreNorm != nil {
		x = b.norm("restore.norm", x, *b.u.RestoreNorm)
	}
	if b.u.RestoreChannel != nil {
		y = b.unit("restore.channel", x, b.u.RestoreChannel, last && b.u.Residual == nil)
	}
	if r := b.u.Residual; r != nil {
		z := b.Op("restore.residual.conv1", "Conv", []*ir.Value{x,
			b.weight("restore.residual.conv1.weight", r.W1, r.Width, r.In, 3, 3), b.weight("restore.residual.conv1.bias", r.B1, r.Width)},
			ir.IntsAttr("kernel_shape", 3, 3), ir.IntsAttr("pads", 1, 1, 1, 1))
		z = b.Unary("restore.residual.relu", "Relu", z)
		z = b.Op("restore.residual.conv2", "Conv", []*ir.Value{z,
			b.weight("restore.residual.conv2.weight", r.W2, r.Out, r.Width, 3, 3), b.weight("restore.residual.conv2.bias", r.B2, r.Out)},
			ir.IntsAttr("kernel_shape", 3, 3), ir.IntsAttr("pads", 1, 1, 1, 1))
		y = b.Binary("restore.sum", "Add", y, z)
		if last {
			y = b.Unary("restore.relu", "Relu", y)
		}
	}
	return y
}

// reduce applies ReduceMin or ReduceMax over channels, rows and columns, keeping
// the axes; they became an input with opset 18.
func (b *inserter) reduce(name, op string, x *ir.Value) *ir.Value {
	if b.Opset < 18 {
		return b.Op(name, op, []*ir.Value{x}, ir.IntsAttr("axes", 1, 2, 3), ir.IntAttr("keepdims", 1))
	}
	return b.Op(name, op, []*ir.Value{x, b.Ints(name+".axes", 1, 2, 3)}, ir.IntAttr("keepdims", 1))
}

// unit is a convolution, BatchNormalization and, where relu, a ReLU.
func (b *inserter) unit(name string, x *ir.Value, u *Unit, relu bool) *ir.Value {
	op, w := "Conv", b.weight(name+".weight", u.Weight, u.Dims...)
	attrs := []*ir.Attr{
		ir.IntsAttr("kernel_shape", u.Dims[2], u.Dims[3]), ir.IntsAttr("strides", u.Stride, u.Stride), ir.IntsAttr("pads", u.Pads[:]...),
	}
	if u.Transposed {
		op = "ConvTranspose"
	}
	y := b.Op(name+".conv", op, []*ir.Value{x, w}, attrs...)
	y = b.norm(name, y, u.Norm)
	if relu {
		y = b.Unary(name+".relu", "Relu", y)
	}
	return y
}

// weight adds an initializer of the units.
func (b *inserter) weight(name string, v []float32, dims ...int64) *ir.Value {
	w := b.Floats(name, v, dims...)
	b.sites.Weights[name] = w.Name()
	return w
}

// norm is a BatchNormalization.
func (b *inserter) norm(name string, x *ir.Value, u Norm) *ir.Value {
	n := int64(len(u.Gamma))
	return b.Op(name+".bn", "BatchNormalization", []*ir.Value{
		x, b.weight(name+".bn.gamma", u.Gamma, n), b.weight(name+".bn.beta", u.Beta, n),
		b.weight(name+".bn.mean", u.Mean, n), b.weight(name+".bn.var", u.Var, n),
	}, ir.FloatAttr("epsilon", bnEpsilon))
}

const bnEpsilon = 1e-5

// smallestNormal stands in for a zero range in a division: 0 / smallestNormal
// is 0, where 0 / 0 would be NaN.
var smallestNormal = math.Float32frombits(1 << 23)
