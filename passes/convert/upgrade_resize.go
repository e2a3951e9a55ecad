package convert

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
	n.SetInput(1, u.Floats("roi", nil, 0))
	n.SetInput(2, scales)
	return ""
}

// upgradeCoordinates: version 13 has no tf_half_pixel_for_nn, whose positions are
// those of half_pixel and 0.5: rounded down, these are the latter's nearest ones.
func upgradeCoordinates(_ upgrading, n *ir.Node) string {
	if n.Str("coordinate_transformation_mode", "half_pixel") != "tf_half_pixel_for_nn" {
		return ""
	}
	rounding := map[string]string{"floor": "round_prefer_ceil", "round_prefer_floor": "ceil"}[n.Str("nearest_mode", "round_prefer_floor")]
	if n.Str("mode", "nearest") != "nearest" || rounding == "" {
		return "there is no other spelling of tf_half_pixel_for_nn with its mode"
	}
	n.SetAttr(ir.StringAttr("coordinate_transformation_mode", "half_pixel"))
	n.SetAttr(ir.StringAttr("nearest_mode", rounding))
	return ""
}
