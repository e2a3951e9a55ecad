package bnc

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// InspectOptions say how a model is inspected.
type InspectOptions struct {
	Input map[string][]int64 `json:"input,omitempty"` // shapes of inputs that the model leaves open, by name
}

// InspectResult says what a model is and where it can be cut.
type InspectResult struct {
	Model     string       `json:"model"`
	Opset     int64        `json:"opset"`
	IRVersion int64        `json:"ir_version"`
	Inputs    []TensorInfo `json:"inputs"`
	Outputs   []TensorInfo `json:"outputs"`
	Params    int64        `json:"params"`
	MACs      *int64       `json:"macs"` // multiply-adds at batch 1; null where sizes or operators leave them open
	Cuts      []CutInfo    `json:"cuts"`
	// NoCuts holds every tensor of activations where there is no cut at all.
	NoCuts []NoCutInfo `json:"no_cuts,omitempty"`
}

// NoCutInfo is a place where a model cannot be cut.
type NoCutInfo struct {
	Tensor   string   `json:"tensor"`
	Why      string   `json:"why"`
	Crossing []string `json:"crossing,omitempty"` // the tensors that would cross there
}

// TensorInfo is a tensor of a model.
type TensorInfo struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Shape []any  `json:"shape"` // int64, symbols as string, nil; nil altogether where the rank is not known
}

// CutInfo is a place where a model can be cut.
type CutInfo struct {
	ID           string   `json:"id"`
	Aliases      []string `json:"aliases"`
	Tensor       string   `json:"tensor"`
	DType        string   `json:"dtype"`
	Shape        []any    `json:"shape"`
	Bytes        *int64   `json:"bytes"`       // at batch 1
	MACsBefore   *int64   `json:"macs_before"` // at batch 1
	ParamsBefore int64    `json:"params_before"`
	Bottleneck   bool     `json:"bottleneck"`
	Why          string   `json:"why,omitempty"` // it takes none
	// Stays names the outputs that stay on the mobile side: the cut is in a branch.
	Stays []string `json:"stays,omitempty"`
}

// Inspect says where the model at path can be cut.
func Inspect(ctx context.Context, path string, o InspectOptions) (*InspectResult, error) {
	a, err := analyse(ctx, path, o.Input)
	if err != nil {
		return nil, err
	}
	m := a.Model
	r := &InspectResult{
		Model: path, Opset: m.Opset(""), IRVersion: m.IRVersion(), Params: cut.ModelParameters(m), MACs: a.MACs(slices.Values(m.Graph.Nodes())),
		Inputs: []TensorInfo{}, Outputs: []TensorInfo{}, Cuts: []CutInfo{},
	}
	for _, v := range m.Graph.Feeds() {
		r.Inputs = append(r.Inputs, tensorInfo(v.Name(), a.Info.Of(v)))
	}
	for _, p := range m.Graph.Outputs() {
		r.Outputs = append(r.Outputs, tensorInfo(p.Value.Name(), a.Info.Of(p.Value)))
	}
	for i := range a.Cuts {
		r.Cuts = append(r.Cuts, cutInfo(a, &a.Cuts[i]))
	}
	if len(r.Cuts) > 0 {
		return r, nil
	}
	for _, n := range m.Graph.Nodes() {
		for _, v := range n.Outputs() {
			if v != nil && a.IsActivation(v) {
				r.NoCuts = append(r.NoCuts, NoCutInfo{v.Name(), a.Why(v), a.Crossing(v)})
			}
		}
	}
	return r, nil
}

func cutInfo(a *cut.Analysis, c *cut.Cut) CutInfo {
	macs, params := a.Before(c)
	t := tensorInfo(c.Value.Name(), c.Type)
	info := CutInfo{
		ID: c.ID, Aliases: append([]string{}, c.Aliases...), Tensor: t.Name, DType: t.DType, Shape: t.Shape, Bytes: a.Bytes(c),
		MACsBefore: macs, ParamsBefore: params, Bottleneck: c.NoBottleneck == "", Why: c.NoBottleneck,
	}
	for _, v := range a.Early(c) {
		info.Stays = append(info.Stays, v.Name())
	}
	return info
}

// Open returns the sizes that would tell what t leaves open besides its batch, as in
// 1x3xHxW; DIMS where the rank is not known, "" where nothing is open.
func (t TensorInfo) Open() string {
	if t.Shape == nil {
		return "DIMS"
	}
	open := false
	sizes := make([]string, len(t.Shape))
	for i, d := range t.Shape {
		n, known := d.(int64)
		symbol, named := d.(string)
		switch {
		case known:
			sizes[i] = strconv.FormatInt(n, 10)
		case i == 0 && len(sizes) > 1:
			sizes[i] = "1"
		case named:
			open, sizes[i] = true, symbol
		default:
			open, sizes[i] = true, "N"
		}
	}
	if !open {
		return ""
	}
	return strings.Join(sizes, "x")
}

func tensorInfo(name string, t shape.Type) TensorInfo {
	p := TensorInfo{Name: name, DType: t.DType.String()}
	switch {
	case t.Kind != shape.Tensor:
		p.DType = t.String()
	case t.DType == ir.Undefined:
		p.DType = "?"
	}
	if t.Ranked {
		p.Shape = []any{}
	}
	for _, d := range t.Dims {
		p.Shape = append(p.Shape, dimOf(d))
	}
	return p
}

// dimOf is a dimension in JSON: a number, an expression over the model's symbols, or nil
// where it is not known.
func dimOf(d shape.Dim) any {
	if n, ok := d.Int(); ok {
		return n
	}
	if !d.Known() || d.Fresh() {
		return nil
	}
	return d.String()
}
