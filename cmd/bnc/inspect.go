package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/spf13/pflag"
)

var inspectCommand = command{
	name:  "inspect",
	args:  "MODEL [--input NAME=DIMS] [--json]",
	short: "List the places where a model can be cut",
	long: `
For every cut: the tensor that would cross, its shape and size, and how much of
the model is before it. rbK names the K-th residual sum. Cuts marked "plain" take
no bottleneck, for the reason given: only the tensor itself can cross there. At cuts
marked "branch" other outputs, and what makes them, stay on the mobile side. Where
there is no cut at all, every tensor is listed with the reason.

Examples:
  bnc inspect resnet50.onnx
  bnc inspect dynamic.onnx --input data=1x3x224x224 --json`,
	setup: func(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
		inputs := fs.StringArray("input", nil, "fix an input's shape, NAME=DIMS; may be repeated")
		asJSON := fs.Bool("json", false, "print one JSON document")
		return func(ctx context.Context, s streams, args []string) error {
			path, err := oneArg(args, "model")
			if err != nil {
				return err
			}
			a, err := analyse(ctx, path, *inputs)
			if err != nil {
				return err
			}
			r := inspect(path, a)
			if *asJSON {
				return printJSON(s.out, r)
			}
			return r.print(s)
		}
	},
}

type inspection struct {
	Model     string       `json:"model"`
	Opset     int64        `json:"opset"`
	IRVersion int64        `json:"ir_version"`
	Inputs    []port       `json:"inputs"`
	Outputs   []port       `json:"outputs"`
	Params    int64        `json:"params"`
	MACs      *int64       `json:"macs"` // null where sizes or operators leave them open
	Cuts      []inspectCut `json:"cuts"`
	// NoCuts holds every tensor of activations where there is no cut at all.
	NoCuts []noCut `json:"no_cuts,omitempty"`

	fix string // the --input flags that would tell open sizes
}

// noCut is a place where the model cannot be cut.
type noCut struct {
	Tensor   string   `json:"tensor"`
	Why      string   `json:"why"`
	Crossing []string `json:"crossing,omitempty"` // the tensors that would cross there
}

type port struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Shape []any  `json:"shape"` // numbers, symbols, null; null where the rank is not known
}

type inspectCut struct {
	ID           string   `json:"id"`
	Aliases      []string `json:"aliases"`
	Tensor       string   `json:"tensor"`
	DType        string   `json:"dtype"`
	Shape        []any    `json:"shape"`
	Bytes        *int64   `json:"bytes"` // at batch 1
	MACsBefore   *int64   `json:"macs_before"`
	ParamsBefore int64    `json:"params_before"`
	Bottleneck   bool     `json:"bottleneck"`
	Why          string   `json:"why,omitempty"` // it takes none
	// Stays names the outputs that stay on the mobile side: the cut is in a branch.
	Stays []string `json:"stays,omitempty"`
}

func inspect(path string, a *cut.Analysis) inspection {
	m := a.Model
	r := inspection{
		Model: path, Opset: m.Opset(""), IRVersion: m.IRVersion(), Params: parameters(m), MACs: a.MACs(slices.Values(m.Graph.Nodes())),
		Inputs: []port{}, Outputs: []port{}, Cuts: []inspectCut{},
	}
	for _, v := range m.Graph.Feeds() {
		p := portOf(v.Name(), a.Info.Of(v))
		r.Inputs = append(r.Inputs, p)
		r.fix += p.fix()
	}
	for _, p := range m.Graph.Outputs() {
		r.Outputs = append(r.Outputs, portOf(p.Value.Name(), a.Info.Of(p.Value)))
	}
	for i := range a.Cuts {
		c := &a.Cuts[i]
		macs, params := a.Before(c)
		p := portOf(c.Value.Name(), c.Type)
		aliases := c.Aliases
		if aliases == nil {
			aliases = []string{}
		}
		var stays []string
		for _, v := range a.Early(c) {
			stays = append(stays, v.Name())
		}
		r.Cuts = append(r.Cuts, inspectCut{
			ID: c.ID, Aliases: aliases, Tensor: p.Name, DType: p.DType, Shape: p.Shape, Bytes: a.Bytes(c),
			MACsBefore: macs, ParamsBefore: params, Bottleneck: c.NoBottleneck == "", Why: c.NoBottleneck, Stays: stays,
		})
	}
	if len(r.Cuts) == 0 {
		r.NoCuts = noCuts(a)
	}
	return r
}

// noCuts says of every tensor of activations why it is no cut.
func noCuts(a *cut.Analysis) []noCut {
	var all []noCut
	for _, n := range a.Model.Graph.Nodes() {
		for _, v := range n.Outputs() {
			if v != nil && a.IsActivation(v) {
				all = append(all, noCut{v.Name(), a.Why(v), a.Crossing(v)})
			}
		}
	}
	return all
}

// fix returns the --input flag that would tell the open sizes of p besides its batch, ""
// where there are none.
func (p port) fix() string {
	if p.Shape == nil {
		return fmt.Sprintf(" --input %s=DIMS", p.Name)
	}
	open := false
	sizes := make([]string, len(p.Shape))
	for i, d := range p.Shape {
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
	return fmt.Sprintf(" --input %s=%s", p.Name, strings.Join(sizes, "x"))
}

func portOf(name string, t shape.Type) port {
	p := port{Name: name, DType: t.DType.String()}
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

// dimOf is a dimension in JSON: a number, an expression over the model's
// symbols, or nil where it is not known.
func dimOf(d shape.Dim) any {
	if n, ok := d.Int(); ok {
		return n
	}
	if !d.Known() || d.Fresh() {
		return nil
	}
	return d.String()
}

// parameters counts the elements of the constants that are parameters.
func parameters(m *ir.Model) int64 {
	sum := int64(0)
	for _, v := range m.Graph.Inits() {
		sum += cut.Parameters(v)
	}
	for _, n := range m.Graph.Nodes() {
		if n.Op == "Constant" && n.Output(0) != nil {
			sum += cut.Parameters(n.Output(0))
		}
	}
	return sum
}

func (r inspection) print(s streams) error {
	fmt.Fprintf(s.out, "%s: opset %d, IR %d, %s parameters, %s multiply-adds\n", r.Model, r.Opset, r.IRVersion, count(r.Params), counted(r.MACs))
	for _, p := range r.Inputs {
		fmt.Fprintf(s.out, "input  %s %s%s\n", p.Name, p.DType, shapeText(p.Shape))
	}
	for _, p := range r.Outputs {
		fmt.Fprintf(s.out, "output %s %s%s\n", p.Name, p.DType, shapeText(p.Shape))
	}
	fmt.Fprintln(s.out)
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	if len(r.Cuts) == 0 {
		fmt.Fprintln(w, "There is no place to cut this model.\n\nTENSOR\tWHY IT IS NO CUT")
		for _, p := range r.NoCuts {
			why := p.Why
			if len(p.Crossing) > 0 {
				why += "; these would cross: " + strings.Join(p.Crossing, ", ")
			}
			fmt.Fprintf(w, "%s\t%s\n", p.Tensor, why)
		}
		return w.Flush()
	}
	open := r.MACs == nil
	fmt.Fprintln(w, "CUT\tALIAS\tSHAPE\tBYTES\tMACS BEFORE\tPARAMS BEFORE\tTENSOR\tNOTE")
	for _, c := range r.Cuts {
		open = open || c.Bytes == nil
		var notes []string
		if !c.Bottleneck {
			notes = append(notes, "plain: "+c.Why)
		}
		if len(c.Stays) > 0 {
			notes = append(notes, "branch: what makes "+strings.Join(c.Stays, ", ")+" stays on the mobile side")
		}
		fmt.Fprintf(w, "%s\t%s\t%s%s\t%s\t%s\t%s\t%s\t%s\n", c.ID, strings.Join(c.Aliases, ","), c.DType, shapeText(c.Shape), counted(c.Bytes),
			percent(c.MACsBefore, r.MACs), percent(&c.ParamsBefore, &r.Params), c.Tensor, strings.Join(notes, "; "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if open && r.fix != "" {
		fmt.Fprintf(s.out, "\n? depends on sizes that the model leaves open; tell them with%s\n", r.fix)
	}
	return nil
}

func shapeText(dims []any) string {
	if dims == nil {
		return "[?]"
	}
	parts := make([]string, len(dims))
	for i, d := range dims {
		parts[i] = "?"
		if d != nil {
			parts[i] = fmt.Sprint(d)
		}
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// count writes n with a unit: 25.6M.
func count(n int64) string {
	switch f := float64(n); {
	case f >= 1e9:
		return fmt.Sprintf("%.1fG", f/1e9)
	case f >= 1e6:
		return fmt.Sprintf("%.1fM", f/1e6)
	case f >= 1e4:
		return fmt.Sprintf("%.1fk", f/1e3)
	}
	return fmt.Sprint(n)
}

// counted is count, "?" for nil.
func counted(n *int64) string {
	if n == nil {
		return "?"
	}
	return count(*n)
}

func percent(part, whole *int64) string {
	switch {
	case part == nil || whole == nil:
		return "?"
	case *whole == 0:
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(*part)/float64(*whole))
}
