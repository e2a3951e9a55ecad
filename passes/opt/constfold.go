package opt

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
)

// FoldConstants turns what is known when compiling into initializers: Constant
// nodes, weights that a ConstantOfShape makes, constants that are only reshaped,
// and integers that shape inference evaluates. Arithmetic on weights is
// left to the runtime, which folds it without making the file larger. Outputs of
// the model stay outputs of nodes.
var FoldConstants = passes.Pass{
	Name:     "fold-constants",
	Requires: []passes.Requirement{{Property: passes.NoFormalInputs, Reason: "it adds constants"}},
	Breaks:   []*passes.Property{NoDeadCode},
	Run: func(m *ir.Model) (int, error) {
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			return 0, err
		}
		folded := 0
		for _, n := range m.Graph.Nodes() {
			v := n.Output(0)
			if v == nil || v.IsOutput() || n.NumOutputs() != 1 {
				continue
			}
			t, err := foldNode(n, info)
			if err != nil {
				return folded, fmt.Errorf("%s: %w", n.Label(), err)
			}
			if t != nil {
				m.Graph.Freeze(v, t)
				folded++
			}
		}
		return folded, nil
	},
}

// maxFolded is the largest constant that folding makes: what a protocol buffer
// can hold.
const maxFolded = 1<<31 - 1

// foldNode returns the constant that n computes, nil where it is none.
func foldNode(n *ir.Node, info *shape.Info) (*ir.Tensor, error) {
	t := info.Of(n.Output(0))
	if numbers, ok := t.Ints(); ok && t.DType == ir.Int64 {
		dims, _ := t.Shape()
		return ir.NewTensor(ir.Int64, dims, ir.Int64s(numbers...).Raw), nil
	}
	fold := folderOf(n)
	dims, static := t.Shape()
	if fold == nil || !static || t.DType.Bits() < 8 {
		return nil, nil
	}
	if n, known := t.Elements().Int(); !known || n > maxFolded/(t.DType.Bits()/8) {
		return nil, nil
	}
	if n.Op == "ConstantOfShape" {
		if _, known := info.Of(n.Input(0)).Ints(); !known {
			return nil, nil // dims are what the file declares
		}
	}
	return fold(n, dims)
}

// folder computes a node's constant of the given dims, nil where it is none.
type folder func(n *ir.Node, dims []int64) (*ir.Tensor, error)

// folderOf returns what computes n's constant, nil where nothing does.
func folderOf(n *ir.Node) folder {
	switch op := shape.Of(n); {
	case n.Domain == "" && n.Op == "Constant":
		return func(n *ir.Node, dims []int64) (*ir.Tensor, error) { return n.Output(0).Const(), nil }
	case n.Domain == "" && n.Op == "ConstantOfShape":
		return foldConstantOfShape
	case op.Class == shape.View, op.Class == shape.Copy && op.Deterministic():
		return foldReshape
	}
	return nil
}

func foldReshape(n *ir.Node, dims []int64) (*ir.Tensor, error) {
	v := n.Input(0)
	if v == nil || v.Init() == nil || v.Overridable() || v.Init().DType().Bits() < 8 {
		return nil, nil
	}
	t := v.Init()
	if ir.Elements(dims) != t.Len() {
		return nil, nil // dims are what the file declares, and wrong
	}
	raw := t.Raw
	if raw == nil {
		b, err := t.Bytes()
		if err != nil {
			return nil, err
		}
		raw = ir.Memory(b)
	}
	return ir.NewTensor(t.DType(), dims, raw), nil
}

func foldConstantOfShape(n *ir.Node, dims []int64) (*ir.Tensor, error) {
	value := n.Tensor("value")
	if value == nil {
		value = ir.Float32s([]float32{0}, 1)
	}
	one, err := value.Bytes()
	if err != nil || value.Len() != 1 {
		return nil, err
	}
	size := ir.Elements(dims) * int64(len(one))
	return ir.NewTensor(value.DType(), dims, ir.Lazy{N: size, Compute: func() ([]byte, error) {
		out := make([]byte, size)
		for done := copy(out, one); done < len(out); done *= 2 {
			copy(out[done:], out[:done])
		}
		return out, nil
	}}), nil
}
