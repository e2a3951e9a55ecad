package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/spf13/pflag"
)

var doctorCommand = command{
	name:  "doctor",
	args:  "[--json]",
	short: "Tell what bnc finds on this machine and what is missing",
	long: `
ONNX Runtime is looked for at BNC_ORT_LIB, beside bnc, and in the cache folder of
make deps; the plugin with the codec's operators at BNC_OPS_LIB and beside bnc.
An ONNX Runtime from 1.11 to 1.28, as on older Jetson boards, is used through
libbnc_ort_shim.so, which is looked for at BNC_ORT_SHIM and beside bnc.

Example:
  bnc doctor`,
	setup: func(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
		asJSON := fs.Bool("json", false, "print one JSON document")
		return func(ctx context.Context, s streams, args []string) error {
			if len(args) > 0 {
				return usagef("doctor takes no arguments, found %s", argumentsText(args))
			}
			r := ort.Inspect()
			if *asJSON {
				if err := printJSON(s.out, reportJSON(r)); err != nil {
					return err
				}
			} else {
				printDoctor(s, r)
			}
			return broken(r)
		}
	},
}

// broken says what keeps bnc from running models, nil for nothing.
func broken(r ort.Report) error {
	switch {
	case r.Plugin.Path == "":
		return errors.New("the plugin is missing")
	case r.PluginError != nil:
		return errors.New("the plugin cannot be used")
	case r.LoadError != nil:
		return errors.New("ONNX Runtime cannot be used")
	}
	return nil
}

// printDoctor prints the report.
func printDoctor(s streams, r ort.Report) {
	fmt.Fprintf(s.out, "bnc           %s\n", version)
	switch {
	case r.LoadError != nil:
		fmt.Fprintf(s.out, "ONNX Runtime  missing: %v\n              get it with 'make deps', or set BNC_ORT_LIB to libonnxruntime.so (1.30.0)\n", r.LoadError)
	default:
		fmt.Fprintf(s.out, "ONNX Runtime  %s, %s (%s)\n", r.Version, r.Library.Path, r.Library.From)
	}
	if r.Shim != "" {
		fmt.Fprintf(s.out, "  through     %s, as it is older than bnc's binding\n", r.Shim)
	}
	for _, p := range r.Providers {
		state := "available"
		if p.Error != nil {
			state = "not available: " + p.Error.Error()
		}
		fmt.Fprintf(s.out, "  %-11s %s\n", p.Provider, state)
	}
	switch {
	case r.Plugin.Path == "":
		fmt.Fprintf(s.out, "plugin        missing: build it with 'make build', or set BNC_OPS_LIB to libbnc_ops.so; looked at %s\n", strings.Join(r.Plugin.Tried, ", "))
	case r.PluginError != nil:
		fmt.Fprintf(s.out, "plugin        %s does not load: %v\n", r.Plugin.Path, r.PluginError)
	default:
		fmt.Fprintf(s.out, "plugin        %s (%s)\n", r.Plugin.Path, r.Plugin.From)
	}
}

// doctorJSON is what bnc doctor --json prints.
type doctorJSON struct {
	Version   string           `json:"version"`
	Library   libraryJSON      `json:"onnxruntime"`
	Plugin    libraryJSON      `json:"plugin"`
	Providers []map[string]any `json:"providers"`
}

type libraryJSON struct {
	Version string  `json:"version,omitempty"`
	Path    string  `json:"path"`
	Shim    string  `json:"shim,omitempty"`
	Error   *string `json:"error"`
}

func reportJSON(r ort.Report) doctorJSON {
	text := func(err error) *string {
		if err == nil {
			return nil
		}
		s := err.Error()
		return &s
	}
	out := doctorJSON{
		Version:   version,
		Library:   libraryJSON{r.Version, r.Library.Path, r.Shim, text(r.LoadError)},
		Plugin:    libraryJSON{Path: r.Plugin.Path, Error: text(r.PluginError)},
		Providers: []map[string]any{},
	}
	for _, p := range r.Providers {
		out.Providers = append(out.Providers, map[string]any{"name": p.Provider, "available": p.Error == nil, "error": text(p.Error)})
	}
	return out
}
