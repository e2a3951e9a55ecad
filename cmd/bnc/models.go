package main

import (
	"context"
	"fmt"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/internal/flags"
	"github.com/spf13/pflag"
)

var modelsCommand = command{
	name:  "models",
	args:  "[NAME] [-o FILE]",
	short: "Write a well-known CNN as ONNX, with seeded random weights",
	long: `
Without NAME it lists the networks. The weights are random: train the network
with bnc train, or use it to measure time and size.

Examples:
  bnc models
  bnc models resnet50 -o resnet50.onnx
  bnc models resnet20 --classes 10 --input 1x28x28 --seed 1 -o resnet20.onnx`,
	setup: func(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
		var o bnc.ModelOptions
		fs.StringVarP(&o.Out, "output", "o", "", "file to write, - for standard output (default NAME.onnx)")
		fs.IntVar(&o.Classes, "classes", 0, "number of classes (default: as published)")
		fs.Var(flags.Sizes(o.Input[:], "CxHxW", "3x224x224"), "input", "input CxHxW (default: as published)")
		fs.Uint64Var(&o.Seed, "seed", 0, "seed of the weights")
		asJSON := fs.Bool("json", false, "print one JSON document")
		return func(ctx context.Context, s streams, args []string) error {
			if len(args) == 0 {
				return listModels(s, *asJSON)
			}
			name, err := oneArg(args, "network")
			if err != nil {
				return err
			}
			said, err := s.beside(o.Out, *asJSON)
			if err != nil {
				return err
			}
			if o.Out == standardOutput {
				o.To = s.out
			}
			r, err := bnc.WriteModel(ctx, name, o)
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(said.out, r)
			}
			fmt.Fprintf(said.out, "%s: %d parameters\n", r.File, r.Params)
			return nil
		}
	},
}

func listModels(s streams, asJSON bool) error {
	type row struct {
		Name    string `json:"name"`
		Summary string `json:"summary"`
	}
	rows := []row{}
	for _, m := range bnc.Models() {
		rows = append(rows, row{m.Name, m.Summary})
	}
	if asJSON {
		return printJSON(s.out, map[string]any{"models": rows})
	}
	for _, r := range rows {
		fmt.Fprintf(s.out, "%-12s %s\n", r.Name, r.Summary)
	}
	return nil
}
