package passes

import "github.com/bottlenet/bnc/compiler/ir"

// upgradeUpsample: version 10 calls it Resize.
func upgradeUpsample(_ upgrading, n *ir.Node) string {
	n.Op = "Resize"
	return ""
}

// upgradeResize states what Resize 10 and Upsample always do: asymmetric
// coordinates. ONNX leaves open how nearest rounds; ONNX Runtime rounds down
// where it enlarges and up where it shrinks.
func upgradeResize(u upgrading, n *ir.Node) string {
	scales := n.Input(1)
	if n.Str("mode", "nearest") == "nearest" {
		rounding := "floor"
		c := scales.Const()
		if c == nil {
			return "its scales are computed, and whether nearest rounds up or down depends on them"
		}
		factors, err := c.Floats()
		if err != nil {
			return err.Error()
		}
		larger, smaller := false, false
		for _, f := range factors {
			larger, smaller = larger || f > 1, smaller || f < 1
		}
		if larger && smaller {
			return "it enlarges one axis and shrinks another"
		}
		if smaller {
			rounding = "ceil"
		}
		n.SetAttr(ir.StringAttr("nearest_mode", rounding))
	}
	n.SetAttr(ir.StringAttr("coordinate_transformation_mode", "asymmetric"))
	n.SetInput(1, u.floats("roi", nil, 0))
	n.SetInput(2, scales)
	return ""
}
