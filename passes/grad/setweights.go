package grad

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
)

// SetWeights gives new values to weights by their names, in the model's own element
// types: to initializers, to constants of other nodes, and to what nodes compute of
// constants (exporters write Identity for equal weights), which becomes an initializer.
func SetWeights(m *ir.Model, weights map[string][]float32) error {
	var info *shape.Info // of computed weights
	for name, values := range weights {
		v := m.Graph.Value(name)
		if v == nil {
			return fmt.Errorf("BUG: the model lost its weight %q", name)
		}
		var dims []int64
		var dtype ir.DType
		known := true
		if old := cmp.Or(v.Init(), v.Const()); old != nil {
			dims, dtype = old.Dims(), old.DType()
		} else {
			if info == nil {
				var err error
				if info, err = shape.Infer(m, shape.Options{}); err != nil {
					return err
				}
			}
			dims, known = info.Of(v).Shape()
			dtype = info.Of(v).DType
		}
		if !known || ir.Elements(dims) != int64(len(values)) {
			return passes.Unsuitable(fmt.Sprintf("tensor %q", name), "expected %d elements, found shape %v that the file computes: run a constant folder over the model", len(values), dims)
		}
		t, err := ir.FloatsAs(dtype, values, dims...)
		if err != nil {
			return fmt.Errorf("weight %q: %w", name, err)
		}
		if v.Init() != nil {
			m.Graph.SetInit(v, t)
		} else {
			m.Graph.Freeze(v, t)
		}
	}
	return nil
}

// ChangedWeights returns the float32 initializers of trained that m has in the same shape
// and with other values, as far as their names count.
func ChangedWeights(m, trained *ir.Model, counts func(name string) bool) (map[string][]float32, error) {
	weights := map[string][]float32{}
	for _, v := range m.Graph.Inits() {
		old, other := v.Init(), trained.Graph.Value(v.Name())
		if !counts(v.Name()) || v.DType() != ir.Float32 || other == nil || other.Init() == nil || !slices.Equal(old.Dims(), other.Init().Dims()) {
			continue
		}
		was, err := old.Floats()
		if err != nil {
			return nil, err
		}
		is, err := other.Init().Floats()
		if err != nil {
			return nil, err
		}
		if !slices.Equal(was, is) {
			weights[v.Name()] = is
		}
	}
	return weights, nil
}

// WeightsID tells trained weights apart.
func WeightsID(weights map[string][]float32) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		h.Write([]byte(name))
		h.Write(ir.AppendFloat32s(nil, weights[name]))
	}
	return hex.EncodeToString(h.Sum(nil))
}
