// Package survey reads a model and tells what can be known without running it: its
// interface, its size, and where it can be cut.
//
//	a, err := survey.Open(ctx, "net.onnx", nil)
//	known := survey.Of("net.onnx", a)
package survey

import (
	"slices"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/internal/fault"
)

// Model says what a model is and where it can be cut.
type Model struct {
	Path      string   `json:"model"`
	Opset     int64    `json:"opset"`
	IRVersion int64    `json:"ir_version"`
	Inputs    []Tensor `json:"inputs"`
	Outputs   []Tensor `json:"outputs"`
	Task      string   `json:"task,omitempty"` // what the outputs are taken for together
	Params    int64    `json:"params"`
	MACs      *int64   `json:"macs"` // multiply-adds at batch 1; null where sizes or operators leave them open
	Cuts      []Cut    `json:"cuts"`
	// Frontiers are cuts of several tensors, nil where they were not asked for.
	Frontiers []Frontier `json:"frontiers,omitzero"`
	// NoCuts holds every tensor of activations where there is no cut at all.
	NoCuts []NoCut `json:"no_cuts,omitempty"`
}

// NoCut is a place where a model cannot be cut.
type NoCut struct {
	Tensor   string   `json:"tensor"`
	Why      string   `json:"why"`
	Crossing []string `json:"crossing,omitempty"` // the tensors that would cross there
}

// Tensor is a tensor of a model.
type Tensor struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Shape []any  `json:"shape"` // int64, symbols as string, nil; nil altogether where the rank is not known
	// As says what an output is taken for, one of the As constants.
	As string `json:"as,omitempty"`
}

// Cut is a place where a model can be cut.
type Cut struct {
	ID           string   `json:"id"`
	Aliases      []string `json:"aliases"`
	Tensor       string   `json:"tensor"`
	DType        string   `json:"dtype"`
	Shape        []any    `json:"shape"`
	Bytes        *int64   `json:"bytes"`       // at batch 1, late inputs included
	MACsBefore   *int64   `json:"macs_before"` // at batch 1
	ParamsBefore int64    `json:"params_before"`
	Bottleneck   bool     `json:"bottleneck"`
	Why          string   `json:"why,omitempty"` // it takes none
	// Stays names the outputs that stay on the mobile side: the cut is in a branch.
	Stays []string `json:"stays,omitempty"`
	// Late names the inputs that only the other side reads: they travel as they are.
	Late []string `json:"late,omitempty"`
	// Fused says why plain halves may give other numbers than the whole model.
	Fused string `json:"fused,omitempty"`
}

// Frontier is a cut of several tensors that no other of as many tensors at most beats in both
// bytes and multiply-adds; see [cut.Analysis.Frontiers].
type Frontier struct {
	ID         string   `json:"id"`
	Tensors    []string `json:"tensors"`
	Shapes     [][]any  `json:"shapes"`      // of the tensors
	Bytes      *int64   `json:"bytes"`       // at batch 1, late inputs included
	MACsBefore *int64   `json:"macs_before"` // at batch 1
	Bottleneck bool     `json:"bottleneck"`
	Why        string   `json:"why,omitempty"` // it takes none
	Stays      []string `json:"stays,omitempty"`
	Late       []string `json:"late,omitempty"`
	Fused      string   `json:"fused,omitempty"`
}

// FrontiersOf lists the frontiers of up to so many tensors.
func FrontiersOf(a *cut.Analysis, most int) ([]Frontier, error) {
	if most < 2 || most > cut.MostTensors {
		return nil, fault.Usage("tensors", "%d: expected 2 to %d", most, cut.MostTensors)
	}
	all := []Frontier{}
	found := a.Frontiers(most)
	for i := range found {
		c := &found[i]
		macs, _ := a.Before(c)
		f := Frontier{ID: c.ID, Tensors: c.Names(), Bytes: a.Bytes(c), MACsBefore: macs, Why: c.NoBottleneck(), Late: c.LateNames(), Fused: a.Fused(c)}
		f.Bottleneck = f.Why == ""
		for _, t := range c.Tensors {
			f.Shapes = append(f.Shapes, TensorOf("", t.Type).Shape)
		}
		for _, v := range a.OutputsBefore(c) {
			f.Stays = append(f.Stays, v.Name())
		}
		all = append(all, f)
	}
	return all, nil
}

// Of tells what is known of the model at path, of which a is the analysis.
func Of(path string, a *cut.Analysis) *Model {
	m := a.Model
	r := &Model{
		Path: path, Opset: m.Opset(""), IRVersion: m.IRVersion(), Params: cut.ModelParameters(m), MACs: a.MACs(slices.Values(m.Graph.Nodes())),
		Inputs: []Tensor{}, Outputs: []Tensor{}, Cuts: []Cut{},
	}
	for _, v := range m.Graph.Feeds() {
		r.Inputs = append(r.Inputs, TensorOf(v.Name(), a.Info.Of(v)))
	}
	as := takenFor(a)
	for i, p := range m.Graph.Outputs() {
		out := TensorOf(p.Value.Name(), a.Info.Of(p.Value))
		out.As = as[i]
		r.Outputs = append(r.Outputs, out)
	}
	for i := range a.Cuts {
		r.Cuts = append(r.Cuts, cutOf(a, &a.Cuts[i]))
	}
	if len(r.Cuts) > 0 {
		return r
	}
	for _, n := range m.Graph.Nodes() {
		for _, v := range n.Outputs() {
			if v != nil && a.IsActivation(v) {
				r.NoCuts = append(r.NoCuts, NoCut{v.Name(), a.Why(v), a.Crossing(v)})
			}
		}
	}
	return r
}

func cutOf(a *cut.Analysis, c *cut.Cut) Cut {
	macs, params := a.Before(c)
	why := c.NoBottleneck()
	info := Cut{
		ID: c.ID, Aliases: append([]string{}, c.Aliases...), Tensor: c.Tensor(), Bytes: a.Bytes(c),
		MACsBefore: macs, ParamsBefore: params, Bottleneck: why == "", Why: why, Late: c.LateNames(), Fused: a.Fused(c),
	}
	for _, t := range c.Tensors { // all cuts that are listed have one
		one := TensorOf(t.Value.Name(), t.Type)
		info.DType, info.Shape = one.DType, one.Shape
	}
	for _, v := range a.OutputsBefore(c) {
		info.Stays = append(info.Stays, v.Name())
	}
	return info
}

// Open returns the sizes that would tell what t leaves open besides its batch, as in
// 1x3xHxW; DIMS where the rank is not known, "" where nothing is open.
func (t Tensor) Open() string {
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

// TensorOf describes a tensor of type t.
func TensorOf(name string, t shape.Type) Tensor {
	p := Tensor{Name: name, DType: t.DType.String()}
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
