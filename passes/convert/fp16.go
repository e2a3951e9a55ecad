package convert

import (
	"encoding/binary"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/opt"
	"github.com/x448/float16"
	"google.golang.org/protobuf/proto"
)

// HalfPrecision computes in float16 where the operators allow it. Inputs and
// outputs of the model, everything of the quantiser, and what float16 has no
// numbers for ([wideNodes]) stay float32; casts stand where the two meet. Weights
// beyond float16's range become its largest number.
var HalfPrecision = passes.Pass{
	Name:     "half-precision",
	Requires: []passes.Requirement{{Property: passes.NoFormalInputs, Reason: "it adds constants"}},
	Breaks:   []*passes.Property{opt.NoDeadCode},
	Retypes:  true,
	Run:      halfPrecision,
}

func halfPrecision(m *ir.Model) (int, error) {
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return 0, err
	}
	h := halver{
		quantiser: bottleneck.QuantiserOf(m),
		Emitter:   ir.Emitter{Graph: m.Graph, Opset: m.Opset(""), Prefix: "bnc.fp16."}, info: info,
		nodes: map[*ir.Node]bool{}, half: map[*ir.Value]bool{}, cast: map[*ir.Value]*ir.Value{},
	}
	before := m.Graph.Nodes()
	h.choose(before)
	for _, n := range before {
		if err := h.rewire(n); err != nil {
			return 0, err
		}
	}
	for _, p := range m.Graph.Outputs() {
		if h.half[p.Value] {
			h.output(p.Value)
		}
	}
	for v := range h.half {
		if v.Type() != nil {
			t := proto.Clone(v.Type()).(*onnxpb.TypeProto)
			t.GetTensorType().ElemType = proto.Int32(int32(ir.Float16))
			m.Graph.SetType(v, t)
		}
	}
	return len(h.nodes), m.Graph.Sort()
}

type halver struct {
	ir.Emitter
	info  *shape.Info
	nodes map[*ir.Node]bool // that compute in float16
	half  map[*ir.Value]bool
	cast  map[*ir.Value]*ir.Value
	// quantiser are the nodes between reduction and restoration.
	quantiser map[*ir.Node]bool
}

// single reports whether v is a tensor of float32 in the model as it was.
func (h halver) single(v *ir.Value) bool {
	return v != nil && h.info.Of(v).Kind == shape.Tensor && h.info.Of(v).DType == ir.Float32
}

// choose decides which nodes compute in float16.
func (h halver) choose(nodes []*ir.Node) {
	wide := wideNodes(h.Graph)
	for _, n := range nodes {
		since := shape.Of(n).Half
		if since == shape.Never || h.Opset < int64(since) || h.quantiser[n] || !h.single(n.Output(0)) || wide[n] {
			continue
		}
		h.nodes[n] = true
		for i, v := range n.Outputs() {
			if h.single(v) && (i == 0 || n.Op != "LayerNormalization") { // its statistics stay float32
				h.half[v] = true
			}
		}
	}
}

// rewire makes n read float16 where it computes in that, float32 elsewhere.
func (h halver) rewire(n *ir.Node) error {
	for i, v := range n.Inputs() {
		switch {
		case !h.single(v):
		case h.nodes[n] && shape.Of(n).Role(i) != shape.Setting:
			if !h.half[v] {
				n.SetInput(i, h.to(v, ir.Float16))
			}
		case h.half[v]:
			n.SetInput(i, h.to(v, ir.Float32))
		}
	}
	for _, v := range n.Captures() {
		if h.half[v] {
			if err := v.ReplaceIn(n, h.to(v, ir.Float32)); err != nil {
				return err
			}
		}
	}
	return nil
}

// output keeps name and type of v, an output of the model: a Cast gives it.
func (h halver) output(v *ir.Value) {
	n, i := v.Producer(), v.Index()
	w := h.Graph.Temp(h.Prefix+v.Name(), nil)
	n.SetOutput(i, w)
	for _, u := range v.Uses() {
		u.Node.SetInput(u.Index, w)
	}
	h.Graph.NewNode("", "Cast", []*ir.Value{w}, []*ir.Value{v}, ir.IntAttr("to", int64(ir.Float32))).SetName(h.Prefix + "output." + v.Name())
	delete(h.half, v)
}

// to returns v in type d: a converted constant, or the output of one Cast that
// all readers share.
func (h halver) to(v *ir.Value, d ir.DType) *ir.Value {
	if w := h.cast[v]; w != nil {
		return w
	}
	var w *ir.Value
	if t := v.Init(); t != nil && !v.Overridable() {
		w = h.Graph.Const(h.Prefix+v.Name(), halfTensor(t))
	} else {
		w = h.Emitter.Cast(v.Name(), v, d)
	}
	h.cast[v] = w
	return w
}

func halfTensor(t *ir.Tensor) *ir.Tensor {
	return ir.NewTensor(ir.Float16, t.Dims(), ir.Lazy{N: 2 * t.Len(), Compute: func() ([]byte, error) {
		f, err := t.Floats()
		if err != nil {
			return nil, err
		}
		out := make([]byte, 0, 2*len(f))
		const largest = 65504
		for _, x := range f {
			if x-x == 0 { // infinities and NaN stay
				x = min(max(x, -largest), largest)
			}
			out = binary.LittleEndian.AppendUint16(out, float16.Fromfloat32(x).Bits())
		}
		return out, nil
	}})
}
