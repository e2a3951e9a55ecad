package survey

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/internal/fault"
)

// Open loads a model and finds its cuts, as far as ctx lasts. Fix holds shapes of inputs
// that are given. What cannot be known of a model that can be read is a
// *fault.DataError.
func Open(ctx context.Context, path string, fix map[string][]int64) (*cut.Analysis, error) {
	m, err := onnx.Load(path)
	if err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := emptyInput(m, fix); err != nil {
		return nil, fault.Unusable("%s: %w", path, err)
	}
	nameApart(m)
	info, err := shape.Infer(m, shape.Options{Fix: fix})
	if err != nil {
		return nil, fault.Unusable("%s: %w", path, err)
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	for name, dims := range fix {
		v := m.Graph.Value(name)
		m.Graph.SetType(v, ir.TensorType(v.DType(), ir.Fixed(dims...)))
	}
	return cut.Find(m, info), nil
}

// emptyInput refuses a model with a size of 0 built into an input that fix does not give
// another: some exporters write 0 for what they do not know.
func emptyInput(m *ir.Model, fix map[string][]int64) error {
	for _, v := range m.Graph.Feeds() {
		dims, _ := v.Shape()
		if _, fixed := fix[v.Name()]; fixed || len(dims) < 2 || !slices.Contains(dims, ir.Dim{}) {
			continue
		}
		sizes := make([]string, len(dims))
		for i, d := range dims {
			switch {
			case d.N > 0:
				sizes[i] = strconv.FormatInt(d.N, 10)
			case i == 0:
				sizes[i] = "1"
			default:
				sizes[i] = "N"
			}
		}
		return fmt.Errorf("a size of 0 is built into input %q, which can hold nothing then: give it another by option input %s=%s", v.Name(), v.Name(), strings.Join(sizes, "x"))
	}
	return nil
}

// nameApart gives nodes names of their own where a converter gave several the same:
// runtimes refuse such a graph.
func nameApart(m *ir.Model) {
	seen := map[*ir.Graph]map[string]bool{}
	m.Graph.Walk(func(n *ir.Node) {
		names := seen[n.Graph()]
		if names == nil {
			names = map[string]bool{}
			seen[n.Graph()] = names
		}
		if n.Name != "" && names[n.Name] {
			n.SetName(n.Name)
		}
		names[n.Name] = true
	})
}
