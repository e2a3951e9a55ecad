package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/runtime/bench"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// ofShells are the commands by which a shell asks for completions.
var ofShells = []string{cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}

// shells are what completions are written for.
var shells = map[string]func(root *cobra.Command, w io.Writer) error{
	"bash":       func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
	"zsh":        func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) },
	"fish":       func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
	"powershell": func(root *cobra.Command, w io.Writer) error { return root.GenPowerShellCompletionWithDesc(w) },
}

func completionCommand() command {
	return command{
		name:  "completion",
		args:  "bash|zsh|fish|powershell",
		short: "Write what a shell needs to complete bnc's commands and flags",
		long: `
Examples:
  source <(bnc completion bash)
  bnc completion zsh >"${fpath[1]}/_bnc"
  bnc completion fish >~/.config/fish/completions/bnc.fish
  bnc completion powershell | Out-String | Invoke-Expression`,
		setup: func(*pflag.FlagSet) func(context.Context, streams, []string) error {
			return func(_ context.Context, s streams, args []string) error {
				shell, err := oneArg(args, "shell")
				if err != nil {
					return err
				}
				write := shells[shell]
				if write == nil {
					return usagef("shell %q: expected bash, zsh, fish or powershell", shell)
				}
				return write(newRoot(s), s.out)
			}
		},
	}
}

// arguments are the endings of the files that commands take, those of folders aside.
var arguments = map[string][]string{
	"inspect": {"onnx"}, "split": {"onnx"}, "search": {"onnx"}, "search plan": {"onnx"}, "train": {"onnx"}, "eval": {"onnx"}, "profile": {"onnx"}, "serve": {"onnx"}, "export triton": {"onnx"},
	"run": {"onnx", "jpg", "jpeg", "png", "npy"}, "bench": {"onnx"},
}

// fileFlags are the endings of the files that flags name, nil for folders.
var fileFlags = map[string][]string{
	"data": nil, "val": nil, "calib": nil, "dump": nil, "draw": nil, "save": nil, "trt-cache": nil, "watch": nil,
	"teacher": {"onnx"}, "model": {"onnx"}, "labels": {"txt"}, "decoder": {"json"}, "annotations": {"json"}, "results": {"json"}, "eval": {"json"}, "cloud-profile": {"json"},
	"ca": {"pem", "crt"}, "cert": {"pem", "crt"}, "key": {"pem", "key"}, "tls-cert": {"pem", "crt"}, "tls-key": {"pem", "key"}, "client-ca": {"pem", "crt"},
	"plot": {"svg"}, "markdown": {"md"},
}

// valueFlags are the values that flags can have, by command and flag where they differ.
var valueFlags = map[string][]string{
	"calib-by": {bnc.BySensitivity, bnc.ByVariance}, "codec": bnc.Codecs(), "range": {"static", "dynamic"}, "codec-at": {bnc.CodecInGraph, bnc.CodecOnDeviceHost, bnc.CodecOnHost},
	"split codec": append(bnc.Codecs(), bnc.CodecAuto), "search codec": append(bnc.Codecs(), bnc.CodecAuto), "search plan codec": append(bnc.Codecs(), bnc.CodecAuto),
	"split target": bnc.Targets(), "select target": {"latency", "energy", "weighted"},
	"freeze": {"none", "backbone", "before", "mobile", "cloud"}, "optimizer": {"sgd", "adam", "adamw", "adam-relative"}, "schedule": {"cosine", "step", "constant"},
	"statistics": {"batch", "running"}, "layout": {"auto", "nchw", "chwn"}, "flip": {"on", "off"}, "color": imagein.Colors(), "fit": imagein.Fits(),
	"task": append([]string{"auto"}, bnc.Tasks()...), "input-codec": bnc.InputCodecs(), "bench input-codec": bench.InputCodecs(), "link": {"3g", "4g", "wifi"}, "network": {"3g", "4g", "wifi"}, "ep": {"cpu", "cuda", "tensorrt"}, "kind": {"cpu", "gpu"},
	"log-format": {"text", "json"}, "log-level": {"debug", "info", "warn", "error"},
}

// complete tells the shell what a command's arguments and flags can be.
func complete(node *cobra.Command, c command) {
	switch endings, known := arguments[c.name]; {
	case c.name == "models":
		node.ValidArgsFunction = completeNetworks
	case c.name == "completion":
		node.ValidArgs = []string{"bash", "zsh", "fish", "powershell"}
	case known:
		node.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return endings, cobra.ShellCompDirectiveFilterFileExt
		}
	}
	node.Flags().VisitAll(func(f *pflag.Flag) {
		values := valueFlags[f.Name]
		if own := valueFlags[c.name+" "+f.Name]; own != nil {
			values = own
		}
		endings, isFile := fileFlags[f.Name]
		var answer cobra.CompletionFunc
		switch {
		case f.Value.Type() == "bool":
		case c.name == "split" && f.Name == "after":
			answer = completeCuts
		case values != nil:
			answer = cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
		case isFile && endings == nil:
			answer = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
		case isFile:
			answer = cobra.FixedCompletions(endings, cobra.ShellCompDirectiveFilterFileExt)
		}
		if answer != nil {
			if err := node.RegisterFlagCompletionFunc(f.Name, answer); err != nil {
				panic("BUG: " + err.Error()) // a flag has two
			}
		}
	})
}

// completeNetworks lists the networks of bnc models.
func completeNetworks(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		for _, m := range bnc.Models() {
			names = append(names, cobra.CompletionWithDesc(m.Name, m.Summary))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeCuts lists the cuts of the model on the command line.
func completeCuts(c *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	r, err := bnc.Inspect(ctx, args[0], bnc.InspectOptions{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	for _, cut := range r.Cuts {
		for _, name := range slices.Concat(cut.Aliases, []string{cut.ID}) {
			names = append(names, cobra.CompletionWithDesc(name, fmt.Sprintf("%s %s%s", cut.Tensor, cut.DType, shapeText(cut.Shape))))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completeCommands lists the commands below those of args.
func completeCommands(c *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	found, _, err := c.Root().Find(args)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	for _, sub := range found.Commands() {
		if sub.IsAvailableCommand() && !strings.HasPrefix(sub.Name(), "_") {
			names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
