package convert

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"google.golang.org/protobuf/proto"
)

// SinglePrecision computes in float32 what a model computes in float16 or
// bfloat16. Weights keep their values, and inputs and outputs of the model become
// float32 too: a change of its interface. It is for training, whose small updates a
// weight of 11 bits would lose; grad.SetWeights gives a file its own types back.
var SinglePrecision = passes.Pass{
	Name:      "single-precision",
	Interface: true,
	Retypes:   true,
	Run: func(m *ir.Model) (int, error) {
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			return 0, err
		}
		changed := widenGraph(m.Graph)
		m.Graph.Walk(func(n *ir.Node) {
			changed += widenNode(n, info)
			for _, body := range n.Bodies() {
				changed += widenGraph(body)
			}
		})
		return changed, nil
	},
}

// isHalf reports whether d is a floating-point type of 16 bits.
func isHalf(d ir.DType) bool { return d == ir.Float16 || d == ir.BFloat16 }

// widenGraph makes g's own initializers and declared types float32.
func widenGraph(g *ir.Graph) (changed int) {
	declared := g.Inits()
	for _, ports := range [][]ir.Port{g.Inputs(), g.Outputs(), g.Infos()} {
		for _, p := range ports {
			declared = append(declared, p.Value)
		}
	}
	for _, n := range g.Nodes() {
		declared = append(declared, n.Outputs()...)
	}
	for _, v := range declared {
		if v == nil {
			continue
		}
		if t := v.Init(); t != nil && isHalf(t.DType()) {
			g.SetInit(v, inSingle(t))
			changed++
		}
		if t := proto.CloneOf(v.Type()); widenType(t) {
			g.SetType(v, t)
			changed++
		}
	}
	return changed
}

// widenType replaces element types, of sequences and optional values too.
func widenType(t *onnxpb.TypeProto) bool {
	switch x := t.GetValue().(type) {
	case *onnxpb.TypeProto_TensorType:
		if isHalf(ir.DType(x.TensorType.GetElemType())) {
			x.TensorType.ElemType = proto.Int32(int32(ir.Float32))
			return true
		}
	case *onnxpb.TypeProto_SequenceType:
		return widenType(x.SequenceType.GetElemType())
	case *onnxpb.TypeProto_OptionalType:
		return widenType(x.OptionalType.GetElemType())
	}
	return false
}

// typeAttrs are the attributes of ai.onnx that name an element type.
var typeAttrs = []string{"to", "dtype", "output_dtype", "output_datatype", "stash_type", "precision", "softmax_precision"}

// widenNode does the same to n's attributes. A Cast between floats of 16 and 32 bits
// becomes an Identity.
func widenNode(n *ir.Node, info *shape.Info) (changed int) {
	for _, a := range n.Attrs() {
		switch {
		case slices.ContainsFunc(a.Tensors, func(t *ir.Tensor) bool { return isHalf(t.DType()) }):
			w := &ir.Attr{Proto: a.Proto, Sparse: a.Sparse, Graphs: a.Graphs}
			for _, t := range a.Tensors {
				if isHalf(t.DType()) {
					t = inSingle(t)
				}
				w.Tensors = append(w.Tensors, t)
			}
			n.SetAttr(w)
			changed++
		case n.Domain == "" && slices.Contains(typeAttrs, a.Name()) && isHalf(ir.DType(a.Proto.GetI())):
			n.SetAttr(ir.IntAttr(a.Name(), int64(ir.Float32)))
			changed++
		}
	}
	if n.Domain == "" && n.Op == "Cast" && n.Int("to", 0) == int64(ir.Float32) {
		if from := info.Of(n.Input(0)).DType; isHalf(from) || from == ir.Float32 {
			n.Op = "Identity"
			for _, a := range n.Attrs() {
				n.DelAttr(a.Name())
			}
			changed++
		}
	}
	return changed
}

// inSingle is t in float32, computed when it is asked for.
func inSingle(t *ir.Tensor) *ir.Tensor {
	return ir.NewTensor(ir.Float32, t.Dims(), ir.Lazy{N: 4 * t.Len(), Compute: func() ([]byte, error) {
		f, err := t.Floats()
		if err != nil {
			return nil, err
		}
		return ir.AppendFloat32s(make([]byte, 0, 4*len(f)), f), nil
	}})
}
