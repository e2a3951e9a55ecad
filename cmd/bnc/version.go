package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/spf13/pflag"
)

// version is the tool's own.
const version = "0.1.0"

// commit is that of the source, which builds without version control are told by the
// linker (-X main.commit=...).
var commit = ""

var versionCommand = command{
	name:  "version",
	args:  "[--json]",
	short: "Tell the version of bnc, and of what it runs with",
	long: `
Examples:
  bnc version
  bnc version --json`,
	setup: func(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
		asJSON := fs.Bool("json", false, "print one JSON document, with commit, ONNX Runtime and plugin")
		return func(_ context.Context, s streams, args []string) error {
			if len(args) > 0 {
				return usagef("version takes no arguments, found %s", argumentsText(args))
			}
			if !*asJSON {
				fmt.Fprintln(s.out, "bnc", version)
				return nil
			}
			found := reportJSON(ort.Inspect())
			return printJSON(s.out, versionJSON{version, sourceCommit(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, found.Library, found.Plugin})
		}
	},
}

// versionJSON is what bnc version --json prints.
type versionJSON struct {
	Version  string      `json:"version"`
	Commit   string      `json:"commit"` // "" for unknown
	Go       string      `json:"go"`
	Platform string      `json:"platform"`
	Library  libraryJSON `json:"onnxruntime"`
	Plugin   libraryJSON `json:"plugin"`
}

// sourceCommit is the commit that bnc was built from, with -dirty where files were changed;
// "" for unknown.
func sourceCommit() string {
	if commit != "" {
		return commit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + dirty
}
