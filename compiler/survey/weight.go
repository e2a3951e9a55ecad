package survey

import (
	"os"
	"slices"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
)

// Weight returns the number of parameters of the model at path, and the bytes of its
// files, those of external data too.
func Weight(path string) (params, bytes int64, err error) {
	m, err := onnx.Load(path)
	if err != nil {
		return 0, 0, err
	}
	external, err := onnx.ExternalFiles(path)
	if err != nil {
		return 0, 0, err
	}
	for _, f := range append(external, path) {
		st, err := os.Stat(f)
		if err != nil {
			return 0, 0, err
		}
		bytes += st.Size()
	}
	return cut.ModelParameters(m), bytes, nil
}

// InputBytes returns the size of all inputs of a model together at batch 1, 0 where that of
// one is not known.
func InputBytes(a *cut.Analysis) (sum int64) {
	for _, v := range a.Model.Graph.Feeds() {
		bytes := a.BytesOf(a.Info.Of(v))
		if bytes == nil {
			return 0
		}
		sum += *bytes
	}
	return sum
}

// MACs are the multiply-adds of a model, nil where they are not known.
func MACs(a *cut.Analysis) *int64 { return a.MACs(slices.Values(a.Model.Graph.Nodes())) }

// ModelMACs are those of a model that has not been analysed.
func ModelMACs(m *ir.Model) *int64 {
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return nil
	}
	return MACs(cut.Find(m, info))
}
