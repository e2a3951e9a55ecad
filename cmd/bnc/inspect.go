package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/internal/flags"
	"github.com/bottlenet/bnc/internal/table"
	"github.com/spf13/pflag"
)

var inspectCommand = command{
	name:  "inspect",
	args:  "MODEL [--input NAME=DIMS] [--tensors N] [--json]",
	short: "List the places where a model can be cut",
	long: `
For every cut: the tensor that would cross, its shape and size, and how much of
the model is before it. rbK names the K-th residual sum. Cuts marked "plain" take
no bottleneck, for the reason given: only the tensor itself can cross there. At cuts
marked "branch" other outputs, and what makes them, stay on the mobile side; at cuts
marked "late" an input that only the cloud reads travels as it is; plain halves of a
quantised model at cuts marked "fused" may round otherwise than the whole does. Where there is no
cut at all, every tensor is listed with the reason.

--tensors N lists frontiers too: cuts of two to N tensors, as networks with skip
connections have them, that no other beats in both bytes and multiply-adds. Their
IDs, or any tensors that together separate inputs from outputs, go to split --after.
With another N than 4 an ID tells it: frontier2of3.

Examples:
  bnc inspect resnet50.onnx
  bnc inspect unet.onnx --tensors 4
  bnc inspect dynamic.onnx --input data=1x3x224x224 --json`,
	setup: func(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
		var o bnc.InspectOptions
		fs.Var(flags.Shapes(&o.Input), "input", "fix an input's shape, NAME=DIMS; may be repeated")
		fs.IntVar(&o.Tensors, "tensors", 0, "list cuts of up to so many tensors, 2 to 16")
		asJSON := fs.Bool("json", false, "print one JSON document")
		return func(ctx context.Context, s streams, args []string) error {
			path, err := oneArg(args, "model")
			if err != nil {
				return err
			}
			r, err := bnc.Inspect(ctx, path, o)
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(s.out, r)
			}
			return printInspection(s, r)
		}
	},
}

func printInspection(s streams, r *bnc.InspectResult) error {
	if err := printCuts(s, r); err != nil || r.Frontiers == nil {
		return err
	}
	return printFrontiers(s, r)
}

// printFrontiers lists cuts of several tensors, a line for each tensor.
func printFrontiers(s streams, r *bnc.InspectResult) error {
	fmt.Fprintln(s.out)
	if len(r.Frontiers) == 0 {
		fmt.Fprintln(s.out, "No cut of so few tensors was found, or sizes that the model leaves open keep them from being compared.")
		return nil
	}
	rows := [][]string{{"FRONTIER", "BYTES", "MACS BEFORE", "SHAPE", "TENSOR", "NOTE"}}
	for _, f := range r.Frontiers {
		notes := notes(f.Bottleneck, f.Why, f.Fused, f.Stays, f.Late)
		for i, name := range f.Tensors {
			row := []string{"", "", "", shapeText(f.Shapes[i]), name, ""}
			if i == 0 {
				row[0], row[1], row[2], row[5] = f.ID, counted(f.Bytes), percent(f.MACsBefore, r.MACs), notes
			}
			rows = append(rows, row)
		}
	}
	return table.Left(s.out, rows)
}

// notes say what is special about a cut.
func notes(bottleneck bool, why, fused string, stays, late []string) string {
	var notes []string
	if !bottleneck {
		notes = append(notes, "plain: "+why)
	}
	if len(stays) > 0 {
		notes = append(notes, "branch: what makes "+strings.Join(stays, ", ")+" stays on the mobile side")
	}
	if len(late) > 0 {
		notes = append(notes, "late: "+strings.Join(late, ", ")+" travels as it is")
	}
	if fused != "" {
		notes = append(notes, "fused: "+fused)
	}
	return strings.Join(notes, "; ")
}

func printCuts(s streams, r *bnc.InspectResult) error {
	fmt.Fprintf(s.out, "%s: opset %d, IR %d, %s parameters, %s multiply-adds\n", r.Path, r.Opset, r.IRVersion, count(r.Params), counted(r.MACs))
	for _, p := range r.Inputs {
		fmt.Fprintf(s.out, "input  %s %s%s\n", p.Name, p.DType, shapeText(p.Shape))
	}
	for _, p := range r.Outputs {
		fmt.Fprintf(s.out, "output %s %s%s, taken for %s\n", p.Name, p.DType, shapeText(p.Shape), p.As)
	}
	fmt.Fprintln(s.out)
	if len(r.Cuts) == 0 {
		fmt.Fprint(s.out, "There is no place to cut this model.\n\n")
		rows := [][]string{{"TENSOR", "WHY IT IS NO CUT"}}
		for _, p := range r.NoCuts {
			why := p.Why
			if len(p.Crossing) > 0 {
				why += "; these would cross: " + strings.Join(p.Crossing, ", ")
			}
			rows = append(rows, []string{p.Tensor, why})
		}
		return table.Left(s.out, rows)
	}
	open := r.MACs == nil
	rows := [][]string{{"CUT", "ALIAS", "SHAPE", "BYTES", "MACS BEFORE", "PARAMS BEFORE", "TENSOR", "NOTE"}}
	for _, c := range r.Cuts {
		open = open || c.Bytes == nil
		rows = append(rows, []string{
			c.ID, strings.Join(c.Aliases, ","), c.DType + shapeText(c.Shape), counted(c.Bytes),
			percent(c.MACsBefore, r.MACs), percent(&c.ParamsBefore, &r.Params), c.Tensor, notes(c.Bottleneck, c.Why, c.Fused, c.Stays, c.Late),
		})
	}
	if err := table.Left(s.out, rows); err != nil {
		return err
	}
	fix := ""
	for _, p := range r.Inputs {
		if sizes := p.Open(); sizes != "" {
			fix += fmt.Sprintf(" --input %s=%s", p.Name, sizes)
		}
	}
	if open && fix != "" {
		fmt.Fprintf(s.out, "\n? depends on sizes that the model leaves open; tell them with%s\n", fix)
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
