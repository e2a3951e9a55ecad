package convert

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
)

// upgrades rewrite a node for the version of the operator set that changed its
// operator; they return why they cannot.
var upgrades = map[int64]map[string]func(u upgrading, n *ir.Node) string{
	9: {
		"BatchNormalization": upgradeSpatial,
		"Upsample":           upgradeFloats("scales", 1),
	},
	10: {
		"Dropout":  upgradeMask,
		"Slice":    upgradeSlice,
		"TopK":     upgradeTopK,
		"Upsample": upgradeUpsample,
	},
	11: {
		"Clip":    upgradeClip,
		"Pad":     upgradePad,
		"Resize":  upgradeResize,
		"Scatter": func(_ upgrading, n *ir.Node) string { n.Op = "ScatterElements"; return "" },
	},
	12: {
		"Dropout": upgradeRatio,
	},
	13: {
		"Hardmax":    upgradeSoftmax,
		"LogSoftmax": upgradeSoftmax,
		"ReduceSum":  upgradeInts("axes", 1),
		"Resize":     upgradeCoordinates,
		"Softmax":    upgradeSoftmax,
		"Split":      upgradeInts("split", 1),
		"Squeeze":    upgradeInts("axes", 1),
		"Unsqueeze":  upgradeInts("axes", 1),
	},
	14: {
		"BatchNormalization": upgradeTraining,
	},
	16: {
		"RoiAlign": func(_ upgrading, n *ir.Node) string {
			if n.Attr("coordinate_transformation_mode") == nil {
				n.SetAttr(ir.StringAttr("coordinate_transformation_mode", "output_half_pixel"))
			}
			return ""
		},
	},
}

// upgradeInts makes an INTS attribute, where it is there, an input.
func upgradeInts(name string, input int) func(upgrading, *ir.Node) string {
	return func(u upgrading, n *ir.Node) string {
		if n.Attr(name) != nil {
			n.SetInput(input, u.Ints(name, n.Ints(name)...))
			n.DelAttr(name)
		}
		return ""
	}
}

// upgradeFloats makes a FLOATS attribute, where it is there, an input.
func upgradeFloats(name string, input int) func(upgrading, *ir.Node) string {
	return func(u upgrading, n *ir.Node) string {
		if a := n.Attr(name); a != nil {
			n.SetInput(input, u.Floats(name, a.Proto.Floats, int64(len(a.Proto.Floats))))
			n.DelAttr(name)
		}
		return ""
	}
}

// like returns the number v in x's element type, a scalar; nil where that type
// is not known.
func (u upgrading) like(name string, v float32, x *ir.Value) *ir.Value {
	c := u.Float(name, v)
	switch d := u.info.Of(x).DType; d {
	case ir.Undefined:
		return nil
	case ir.Float32:
		return c
	default:
		return u.Cast(name+".cast", c, d)
	}
}

// upgradeSpatial drops spatial = 1, which is what version 9 always does.
func upgradeSpatial(u upgrading, n *ir.Node) string {
	rank, known := u.info.Of(n.Input(0)).Rank()
	if n.Int("spatial", 1) == 0 && (!known || rank > 2) {
		return "it has statistics for every activation (spatial = 0)"
	}
	n.DelAttr("spatial")
	return ""
}

// upgradeTraining: until version 14 it trains where it has more than one output.
func upgradeTraining(_ upgrading, n *ir.Node) string {
	for i, v := range n.Outputs() {
		if i > 0 && v != nil {
			return "it is in training mode: it has running statistics as outputs; export the model for inference"
		}
	}
	return ""
}

// upgradeMask: the mask became bool with version 10.
func upgradeMask(_ upgrading, n *ir.Node) string {
	if mask := n.Output(1); mask != nil {
		if mask.Used() {
			return fmt.Sprintf("its mask %q is read", mask.Name())
		}
		n.DropOutput(1)
	}
	return ""
}

func upgradeRatio(u upgrading, n *ir.Node) string {
	if n.Attr("ratio") != nil {
		ratio := u.like("ratio", n.Float("ratio", 0), n.Input(0))
		if ratio == nil {
			return "the element type of its input is not known"
		}
		n.SetInput(1, ratio)
		n.DelAttr("ratio")
	}
	return ""
}

func upgradeSlice(u upgrading, n *ir.Node) string {
	for i, name := range []string{"starts", "ends", "axes"} {
		upgradeInts(name, i+1)(u, n)
	}
	return ""
}

func upgradeTopK(u upgrading, n *ir.Node) string {
	n.SetInput(1, u.Ints("k", n.Int("k", 1)))
	n.DelAttr("k")
	return ""
}

func upgradeClip(u upgrading, n *ir.Node) string {
	for i, name := range []string{"min", "max"} {
		if n.Attr(name) == nil {
			continue
		}
		bound := u.like(name, n.Float(name, 0), n.Input(0))
		if bound == nil {
			return "the element type of its input is not known"
		}
		n.SetInput(i+1, bound)
		n.DelAttr(name)
	}
	return ""
}

func upgradePad(u upgrading, n *ir.Node) string {
	upgradeInts("pads", 1)(u, n)
	if n.Attr("value") != nil && n.Str("mode", "constant") == "constant" {
		value := u.like("value", n.Float("value", 0), n.Input(0))
		if value == nil {
			return "the element type of its input is not known"
		}
		n.SetInput(2, value)
	}
	n.DelAttr("value")
	return ""
}

// upgradeSoftmax: until version 13 all axes from axis (default 1) on were one.
// One axis is the same where the others are of size 1; otherwise they are
// flattened and the result gets the old shape back.
func upgradeSoftmax(u upgrading, n *ir.Node) string {
	axis := n.Int("axis", 1)
	t := u.info.Of(n.Input(0))
	if t.Ranked {
		rank := int64(len(t.Dims))
		axis = (axis + rank) % max(rank, 1)
		wide := []int64{}
		for i := axis; i < rank; i++ {
			if !t.Dims[i].Is(1) {
				wide = append(wide, i)
			}
		}
		switch len(wide) {
		case 0:
			n.SetAttr(ir.IntAttr("axis", axis))
			return ""
		case 1:
			n.SetAttr(ir.IntAttr("axis", wide[0]))
			return ""
		}
	} else if axis == -1 {
		n.SetAttr(ir.IntAttr("axis", -1))
		return ""
	}
	x := n.Input(0)
	flat := u.Op("flat", "Flatten", []*ir.Value{x}, ir.IntAttr("axis", axis))
	soft := u.Op("soft", n.Op, []*ir.Value{flat}, ir.IntAttr("axis", 1))
	n.SetInput(0, soft)
	n.SetInput(1, u.Unary("shape", "Shape", x))
	n.Op = "Reshape"
	n.DelAttr("axis")
	return ""
}
