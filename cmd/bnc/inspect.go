package main

import (
	"context"
	"fmt"
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
no bottleneck: only the tensor itself can cross there.

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
	MACs      int64        `json:"macs"`
	Cuts      []inspectCut `json:"cuts"`
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
	MACsBefore   int64    `json:"macs_before"`
	ParamsBefore int64    `json:"params_before"`
	Bottleneck   bool     `json:"bottleneck"`
	Reason       string   `json:"reason,omitempty"` // why it takes none
}

func inspect(path string, a *cut.Analysis) inspection {
	m := a.Model
	r := inspection{
		Model: path, Opset: m.Opset(""), IRVersion: m.IRVersion(), Params: parameters(m),
		Inputs: []port{}, Outputs: []port{}, Cuts: []inspectCut{},
	}
	for _, v := range m.Graph.Feeds() {
		r.Inputs = append(r.Inputs, portOf(v.Name(), a.Info.Of(v)))
	}
	for _, p := range m.Graph.Outputs() {
		r.Outputs = append(r.Outputs, portOf(p.Value.Name(), a.Info.Of(p.Value)))
	}
	for _, n := range m.Graph.Nodes() {
		macs, _ := a.Info.MACs(n)
		r.MACs += macs
	}
	for i := range a.Cuts {
		c := &a.Cuts[i]
		macs, params := a.Before(c)
		p := portOf(c.Value.Name(), c.Type)
		aliases := c.Aliases
		if aliases == nil {
			aliases = []string{}
		}
		r.Cuts = append(r.Cuts, inspectCut{
			ID: c.ID, Aliases: aliases, Tensor: p.Name, DType: p.DType, Shape: p.Shape, Bytes: a.Bytes(c),
			MACsBefore: macs, ParamsBefore: params, Bottleneck: c.NoBottleneck == "", Reason: c.NoBottleneck,
		})
	}
	return r
}

func portOf(name string, t shape.Type) port {
	p := port{Name: name, DType: t.DType.String()}
	if t.Kind != shape.Tensor || t.DType == ir.Undefined {
		p.DType = t.String()
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

// parameters counts the elements of the initializers that are parameters.
func parameters(m *ir.Model) int64 {
	n := int64(0)
	for _, v := range m.Graph.Inits() {
		if cut.Parameter(v) {
			n += v.Init().Len()
		}
	}
	return n
}

func (r inspection) print(s streams) error {
	fmt.Fprintf(s.out, "%s: opset %d, IR %d, %s parameters, %s multiply-adds\n", r.Model, r.Opset, r.IRVersion, count(r.Params), count(r.MACs))
	for _, p := range r.Inputs {
		fmt.Fprintf(s.out, "input  %s %s%s\n", p.Name, p.DType, shapeText(p.Shape))
	}
	for _, p := range r.Outputs {
		fmt.Fprintf(s.out, "output %s %s%s\n", p.Name, p.DType, shapeText(p.Shape))
	}
	fmt.Fprintln(s.out)
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CUT\tALIAS\tSHAPE\tBYTES\tMACS BEFORE\tPARAMS BEFORE\t\tTENSOR")
	for _, c := range r.Cuts {
		bytes, plain := "?", ""
		if c.Bytes != nil {
			bytes = count(*c.Bytes)
		}
		if !c.Bottleneck {
			plain = "plain"
		}
		fmt.Fprintf(w, "%s\t%s\t%s%s\t%s\t%s\t%s\t%s\t%s\n", c.ID, strings.Join(c.Aliases, ","), c.DType, shapeText(c.Shape), bytes,
			percent(c.MACsBefore, r.MACs), percent(c.ParamsBefore, r.Params), plain, c.Tensor)
	}
	return w.Flush()
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

func percent(part, whole int64) string {
	if whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(part)/float64(whole))
}
