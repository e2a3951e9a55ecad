package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
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
