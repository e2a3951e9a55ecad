package bnc

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/model"
)

// analyse loads a model and finds its cuts, as far as ctx lasts. Fix holds shapes of
// inputs that are given.
func analyse(ctx context.Context, path string, fix map[string][]int64) (*cut.Analysis, error) {
	m, err := onnx.Load(path)
	if err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := emptyInput(path, m, fix); err != nil {
		return nil, err
	}
	nameApart(m)
	info, err := shape.Infer(m, shape.Options{Fix: fix})
	if err != nil {
		return nil, unusable("%s: %w", path, err)
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
		return unusable("%s: a size of 0 is built into input %q, which can hold nothing then: give it another by option input %s=%s", path, v.Name(), v.Name(), strings.Join(sizes, "x"))
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

// fixedPorts returns a model's inputs with the shapes that are given.
func fixedPorts(inputs []model.Port, fix map[string][]int64) []model.Port {
	inputs = slices.Clone(inputs)
	for i, in := range inputs {
		dims, ok := fix[in.Name]
		if !ok {
			continue
		}
		inputs[i].Ranked, inputs[i].Shape = true, nil
		for _, n := range dims {
			inputs[i].Shape = append(inputs[i].Shape, model.Dim{Size: n})
		}
	}
	return inputs
}

// startHash hashes a file in the background; the function it returns waits for the
// result, or for the end of ctx.
func startHash(ctx context.Context, path string) func() (string, error) {
	type result struct {
		hash string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		h, err := onnx.Hash(path)
		done <- result{h, err}
	}()
	return sync.OnceValues(func() (string, error) {
		select {
		case r := <-done:
			return r.hash, r.err
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	})
}

// fits checks before any work that the file that an option names, if any, can be written.
func fits(option, path string) error {
	if path == "" {
		return nil
	}
	if err := files.Check(path); err != nil {
		return fmt.Errorf("option %s: %w", option, err)
	}
	return nil
}
