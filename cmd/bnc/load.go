package main

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
	"github.com/bottlenet/bnc/runtime/model"
)

// analyse loads a model and finds its cuts, as far as ctx lasts. Fix holds the --input
// flags.
func analyse(ctx context.Context, path string, fix []string) (*cut.Analysis, error) {
	shapes, err := parseInputs(fix)
	if err != nil {
		return nil, err
	}
	m, err := onnx.Load(path)
	if err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := emptyInput(path, m, shapes); err != nil {
		return nil, err
	}
	nameApart(m)
	info, err := shape.Infer(m, shape.Options{Fix: shapes})
	if err != nil {
		return nil, unusablef("%s: %w", path, err)
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	for name, dims := range shapes {
		v := m.Graph.Value(name)
		m.Graph.SetType(v, ir.TensorType(v.DType(), ir.Fixed(dims...)))
	}
	return cut.Find(m, info), nil
}

// emptyInput refuses a model with a size of 0 built into an input that fix does not
// give another: some exporters write 0 for what they do not know.
func emptyInput(path string, m *ir.Model, fix map[string][]int64) error {
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
		return unusablef("%s: a size of 0 is built into input %q, which can hold nothing then: give it another by --input %s=%s", path, v.Name(), v.Name(), strings.Join(sizes, "x"))
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

// fixedPorts returns a model's inputs with the shapes of the --input flags.
func fixedPorts(inputs []model.Port, flags []string) ([]model.Port, error) {
	shapes, err := parseInputs(flags)
	if err != nil {
		return nil, err
	}
	inputs = slices.Clone(inputs)
	for i, in := range inputs {
		dims, ok := shapes[in.Name]
		if !ok {
			continue
		}
		inputs[i].Ranked, inputs[i].Shape = true, nil
		for _, n := range dims {
			inputs[i].Shape = append(inputs[i].Shape, model.Dim{Size: n})
		}
	}
	return inputs, nil
}

// parseInputs reads NAME=DIMS, as in data=1x3x224x224 or data=1,3,224,224.
func parseInputs(flags []string) (map[string][]int64, error) {
	out := map[string][]int64{}
	for _, f := range flags {
		i := strings.LastIndexByte(f, '=')
		if i < 1 {
			return nil, usagef("--input %q: expected NAME=DIMS, for example data=1x3x224x224", f)
		}
		dims, err := parseDims(f[i+1:])
		if err != nil {
			return nil, usagef("--input %q: %w", f, err)
		}
		out[f[:i]] = dims
	}
	return out, nil
}

func parseDims(s string) ([]int64, error) {
	var dims []int64
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == 'x' || r == ',' }) {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("dimension %q: expected a number from 1 on", part)
		}
		dims = append(dims, n)
	}
	if len(dims) == 0 {
		return nil, fmt.Errorf("no dimensions")
	}
	return dims, nil
}
