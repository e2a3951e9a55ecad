package passes

import (
	"fmt"
	"math"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
)

// Quantiser says how the reduced features become a grey image.
type Quantiser struct {
	Bits    int  // 2..8
	Dynamic bool // each image's own range travels with it
	Lo, Hi  float32
}

// quantiserPrefix begins the names of the nodes between the reduction and the
// restoration units, which compute in float32 whatever the others do.
const quantiserPrefix = "bnc.quantiser."

// codecDomain is the operator domain of JpegEncode, JpegDecode and
// JpegRoundTrip (ops/).
const codecDomain = "bnc"

// InsertBottleneck puts a bottleneck behind value v: reduction units, quantiser,
// tiling, the codec in both directions (JpegRoundTrip), and the way back. What
// read v reads the restored tensor then, but for nodes that only want v's shape:
// those are told by keep. The byte count of each image becomes the model's last
// output.
//
// What it inserted is stored in done.
func InsertBottleneck(v *ir.Value, batch ir.Dim, s Settings, u *Units, keep func(*ir.Node) bool, done *Inserted) Pass {
	return Pass{
		Name:      "insert-bottleneck",
		Doc:       "put reduction, quantiser, codec and restoration behind the cut",
		Interface: true,
		Run: func(m *ir.Model) (int, error) {
			b := inserter{emitter{m.Graph, m.Opset(""), "bnc."}, s.Geometry, u, s.Quantiser, batch}
			uses := v.Uses()
			before := len(m.Graph.Nodes())
			x := v
			if v.DType() != ir.Float32 && v.DType() != ir.Undefined {
				x = b.cast("cut", v, ir.Float32)
			}
			tile, span := b.send(x)
			trip := []*ir.Value{tile}
			if span != nil {
				trip = append(trip, span)
			}
			decoded := m.Graph.Temp("bnc.tile_decoded", b.tileType())
			size := m.Graph.Temp("payload_bytes", ir.TensorType(ir.Int64, []ir.Dim{batch}))
			n := m.Graph.NewNode(codecDomain, "JpegRoundTrip", trip, []*ir.Value{decoded, size}, ir.IntAttr("quality", int64(s.Quality)))
			n.SetName("bnc.codec")
			m.SetOpset(codecDomain, 1)
			m.Graph.AddInfo(decoded, nil)
			y := b.restore(decoded, span)
			if x != v {
				y = b.cast("restored", y, v.DType())
			}
			for _, use := range uses {
				if !keep(use.Node) {
					use.Node.SetInput(use.Index, y)
				}
			}
			v.ReplaceReturns(y)
			*done = Inserted{y, n}
			m.Graph.AddOutput(size, nil)
			return len(m.Graph.Nodes()) - before, m.Graph.Sort()
		},
	}
}

// Inserted is what later passes need to know of an inserted bottleneck.
type Inserted struct {
	Restored *ir.Value // stands for the cut tensor
	Codec    *ir.Node  // JpegRoundTrip
}

type inserter struct {
	emitter
	geo   Geometry
	u     *Units
	q     Quantiser
	batch ir.Dim
}

func (b inserter) tileType() *onnxpb.TypeProto {
	rows, cols := b.geo.Grid()
	return ir.TensorType(ir.Uint8, []ir.Dim{b.batch, {N: 1}, {N: rows * b.geo.ReducedH()}, {N: cols * b.geo.ReducedW()}})
}

// send builds the mobile side up to the tile and, where the range is dynamic,
// each image's range [N,2].
func (b inserter) send(x *ir.Value) (tile, span *ir.Value) {
	if b.u.ReduceChannel != nil {
		x = b.unit("reduce.channel", x, b.u.ReduceChannel, true)
	}
	if b.u.ReduceSpatial != nil {
		x = b.unit("reduce.spatial", x, b.u.ReduceSpatial, true)
	}
	levels := float32(int(1)<<b.q.Bits - 1)
	var lo, width *ir.Value
	if b.q.Dynamic {
		lo = b.reduce("quantiser.min", "ReduceMin", x)
		hi := b.reduce("quantiser.max", "ReduceMax", x)
		span = b.op("quantiser.minmax", "Concat", []*ir.Value{lo, hi}, ir.IntAttr("axis", 1))
		shape := b.ints("quantiser.range.shape", 0, 2)
		out := b.g.Temp("range", ir.TensorType(ir.Float32, []ir.Dim{b.batch, {N: 2}}))
		b.g.NewNode("", "Reshape", []*ir.Value{span, shape}, []*ir.Value{out}).SetName(quantiserPrefix + out.Name())
		span = out
		width = b.binary("quantiser.width", "Sub", hi, lo)
		width = b.clip("quantiser.divisor", width, smallestNormal, math.MaxFloat32)
	} else {
		d := b.q.Hi - b.q.Lo
		if !(d > 0) { // v is 0 everywhere then
			d, levels = 1, 0
		}
		lo, width = b.float("quantiser.lo", b.q.Lo), b.float("quantiser.width", d)
	}
	// q = floor((x - lo) / (hi - lo) * (2^n - 1) + 0.5), step by step in float32.
	x = b.binary("quantiser.sub", "Sub", x, lo)
	x = b.binary("quantiser.div", "Div", x, width)
	x = b.binary("quantiser.scale", "Mul", x, b.float("quantiser.levels", levels))
	x = b.binary("quantiser.half", "Add", x, b.float("quantiser.0.5", 0.5))
	x = b.unary("quantiser.floor", "Floor", x)
	top := float32(int(1)<<b.q.Bits - 1)
	x = b.clip("quantiser.clip", x, 0, top)
	if b.q.Bits < 8 { // v = floor(q * 255 / (2^n - 1) + 0.5); at 8 bits v is q
		x = b.binary("quantiser.spread", "Mul", x, b.float("quantiser.255", 255))
		x = b.binary("quantiser.spread.div", "Div", x, b.float("quantiser.top", top))
		x = b.binary("quantiser.spread.half", "Add", x, b.float("quantiser.spread.0.5", 0.5))
		x = b.unary("quantiser.spread.floor", "Floor", x)
	}
	x = b.tile(x)
	out := b.g.Temp("tile", b.tileType())
	b.g.NewNode("", "Cast", []*ir.Value{x}, []*ir.Value{out}, ir.IntAttr("to", int64(ir.Uint8))).SetName(quantiserPrefix + out.Name())
	b.g.AddInfo(out, nil)
	return out, span
}

// tile arranges planes [N,c,h,w] as one image [N,1,rows*h,cols*w].
func (b inserter) tile(x *ir.Value) *ir.Value {
	rows, cols := b.geo.Grid()
	if rows*cols == 1 {
		return x
	}
	h, w := b.geo.ReducedH(), b.geo.ReducedW()
	if extra := rows*cols - b.geo.Reduced; extra > 0 {
		// Zeros for the unused cells, made without Pad: TensorRT 8 pads rows and
		// columns only. A grid has fewer unused cells than planes.
		zeros := b.binary("quantiser.tile.zeros", "Mul", b.slice("quantiser.tile.some", x, 1, 0, extra), b.float("quantiser.tile.0", 0))
		x = b.op("quantiser.tile.pad", "Concat", []*ir.Value{x, zeros}, ir.IntAttr("axis", 1))
	}
	if cols > 1 {
		x = b.reshape("quantiser.tile.split", x, 0, rows, cols, h, w)
		x = b.transpose("quantiser.tile.rows", x, 0, 1, 3, 2, 4)
	}
	return b.reshape("quantiser.tile.join", x, 0, 1, rows*h, cols*w)
}

// untile is the inverse of tile.
func (b inserter) untile(x *ir.Value) *ir.Value {
	rows, cols := b.geo.Grid()
	if rows*cols == 1 {
		return x
	}
	h, w := b.geo.ReducedH(), b.geo.ReducedW()
	if cols > 1 {
		x = b.reshape("quantiser.untile.split", x, 0, rows, h, cols, w)
		x = b.transpose("quantiser.untile.planes", x, 0, 1, 3, 2, 4)
	}
	x = b.reshape("quantiser.untile.join", x, 0, rows*cols, h, w)
	if rows*cols > b.geo.Reduced {
		x = b.slice("quantiser.untile.crop", x, 1, 0, b.geo.Reduced)
	}
	return x
}

// restore builds the cloud side from the decoded tile on.
func (b inserter) restore(tile, span *ir.Value) *ir.Value {
	x := b.untile(b.cast("quantiser.decode.float", tile, ir.Float32))
	var lo, width *ir.Value
	if span != nil {
		lo = b.reshape("quantiser.decode.lo", b.slice("quantiser.decode.lo.column", span, 1, 0, 1), 0, 1, 1, 1)
		hi := b.reshape("quantiser.decode.hi", b.slice("quantiser.decode.hi.column", span, 1, 1, 2), 0, 1, 1, 1)
		width = b.binary("quantiser.decode.width", "Sub", hi, lo)
	} else {
		lo, width = b.float("quantiser.decode.lo", b.q.Lo), b.float("quantiser.decode.width", max(b.q.Hi-b.q.Lo, 0))
	}
	// lo + v / 255 * (hi - lo)
	x = b.binary("quantiser.decode.div", "Div", x, b.float("quantiser.decode.255", 255))
	x = b.binary("quantiser.decode.mul", "Mul", x, width)
	x = b.binary("quantiser.decode.add", "Add", x, lo)
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
		z := b.op("restore.residual.conv1", "Conv", []*ir.Value{x,
			b.floats("restore.residual.conv1.weight", r.W1, r.Width, r.In, 3, 3), b.floats("restore.residual.conv1.bias", r.B1, r.Width)},
			ir.IntsAttr("kernel_shape", 3, 3), ir.IntsAttr("pads", 1, 1, 1, 1))
		z = b.unary("restore.residual.relu", "Relu", z)
		z = b.op("restore.residual.conv2", "Conv", []*ir.Value{z,
			b.floats("restore.residual.conv2.weight", r.W2, r.Out, r.Width, 3, 3), b.floats("restore.residual.conv2.bias", r.B2, r.Out)},
			ir.IntsAttr("kernel_shape", 3, 3), ir.IntsAttr("pads", 1, 1, 1, 1))
		y = b.binary("restore.sum", "Add", y, z)
		if last {
			y = b.unary("restore.relu", "Relu", y)
		}
	}
	return y
}

// Check says what is wrong with the settings, in the words of the flags.
func (g Geometry) Check() error {
	switch {
	case g.Reduced < 1 || g.Reduced > g.C:
		return fmt.Errorf("--c %d: the cut tensor has %d channels, so c goes from 1 to %d (or full)", g.Reduced, g.C, g.C)
	case g.Stride < 1 || g.Stride > 4:
		return fmt.Errorf("--s %d: the stride goes from 1 to 4", g.Stride)
	case g.Stride > 1 && (g.H == 1 || g.W == 1):
		return fmt.Errorf("--s %d: the cut tensor is %d x %d, which leaves nothing to reduce; use --s 1", g.Stride, g.H, g.W)
	}
	return nil
}
