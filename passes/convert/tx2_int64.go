package convert

import (
	"math"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
)

// clampedInputs are the inputs whose meaning survives that TensorRT 8 reads
// int64 constants as int32 and clamps them: bounds past a dimension's end.
var clampedInputs = map[string][]int{"Slice": {1, 2}}

// wideInteger returns an int64 constant that n reads and TensorRT 8 would turn
// into another number, and whether there is one.
func wideInteger(n *ir.Node) (v *ir.Value, number int64, found bool) {
	for i, v := range n.Inputs() {
		if v == nil || v.DType() != ir.Int64 || slices.Contains(clampedInputs[n.Op], i) {
			continue
		}
		t := v.Const()
		if t == nil {
			continue
		}
		numbers, err := t.Ints()
		if err != nil {
			continue // the verifier's matter
		}
		for _, number := range numbers {
			if number < math.MinInt32 || number > math.MaxInt32 {
				return v, number, true
			}
		}
	}
	return nil, 0, false
}

// checkIntegers names the first node, those in bodies included, that reads such
// a constant.
func checkIntegers(m *ir.Model) error {
	var err error
	m.Graph.Walk(func(n *ir.Node) {
		if v, number, found := wideInteger(n); found && err == nil {
			err = passes.Unsuitable(n.Label(), "TensorRT 8 reads int64 as int32, and constant %q holds %d; "+
				"choose an earlier cut or --target default", v.Name(), number)
		}
	})
	return err
}
