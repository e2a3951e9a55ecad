package main

import (
	"context"
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/models"
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
		out := fs.StringP("output", "o", "", "file to write, - for standard output (default NAME.onnx)")
		classes := fs.Int("classes", 0, "number of classes (default: as published)")
		input := fs.String("input", "", "input CxHxW (default: as published)")
		seed := fs.Uint64("seed", 0, "seed of the weights")
		asJSON := fs.Bool("json", false, "print one JSON document")
		return func(ctx context.Context, s streams, args []string) error {
			if len(args) == 0 {
				return listModels(s, *asJSON)
			}
			name, err := oneArg(args, "network")
			if err != nil {
				return err
			}
			path := *out
			if path == "" {
				path = name + ".onnx"
			}
			if err := fits("-o", path); err != nil {
				return err
			}
			said, err := s.beside(path, *asJSON)
			if err != nil {
				return err
			}
			o := models.Options{Classes: *classes, Seed: *seed}
			if *input != "" {
				dims, err := parseDims(*input)
				if err != nil || len(dims) != 3 {
					return usagef("--input %q: expected CxHxW, for example 3x224x224", *input)
				}
				o.Input = [3]int{int(dims[0]), int(dims[1]), int(dims[2])}
			}
			m, err := models.Build(name, o)
			if err != nil {
				return usageError{err}
			}
			if err := s.writeModel(ctx, path, m); err != nil {
				return err
			}
			params := parameters(m)
			if *asJSON {
				return printJSON(said.out, map[string]any{"file": path, "params": params})
			}
			fmt.Fprintf(said.out, "%s: %d parameters\n", path, params)
			return nil
		}
	},
}

// writeModel writes a model to a file or to standard output.
func (s streams) writeModel(ctx context.Context, path string, m *ir.Model) error {
	if path != standardOutput {
		return onnx.Save(ctx, path, m, onnx.SaveOptions{})
	}
	b, err := onnx.Marshal(m)
	if err != nil {
		return err
	}
	return s.writeFile(path, b)
}

func listModels(s streams, asJSON bool) error {
	type row struct {
		Name    string `json:"name"`
		Summary string `json:"summary"`
	}
	rows := []row{}
	for _, name := range models.Names() {
		info, err := models.Lookup(name)
		if err != nil {
			return err
		}
		rows = append(rows, row{name, info.Summary})
	}
	if asJSON {
		return printJSON(s.out, map[string]any{"models": rows})
	}
	for _, r := range rows {
		fmt.Fprintf(s.out, "%-12s %s\n", r.Name, r.Summary)
	}
	return nil
}
