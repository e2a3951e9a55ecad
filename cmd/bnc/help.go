package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// groups are the headings under which flags stand in a command's help, in that order;
// what is in none comes first.
var groups = []struct {
	title string
	flags []string
}{
	{"Bottleneck", []string{"c", "s", "bytes", "bits", "quality", "codec", "variable-rate", "range", "codec-at", "restore-width", "calib", "calib-by", "no-calib", "naive", "plain"}},
	{"Learning", []string{"epochs", "batch", "optimizer", "lr", "momentum", "nesterov", "weight-decay", "decay-all", "clip-norm", "ema", "schedule", "warmup", "patience", "keep-last", "freeze", "statistics"}},
	{"Loss", []string{"distill", "teacher", "loss", "label-smoothing", "temperature", "feature-weight", "rate-weight", "target-bytes"}},
	{"Augmentation", []string{"random-resized-crop", "random-crop", "flip"}},
	{"Images", []string{"color", "fit", "resize", "crop", "pad", "orient", "scale", "mean", "std", "labels", "feed", "input-codec", "input-size"}},
	{"Task", []string{"task", "decoder", "annotations", "scores"}},
	{"Server", []string{"cloud", "link", "deadline", "fallback", "inflight", "model", "cut"}},
	{"Safety", []string{"token", "ca", "cert", "key", "tokens", "tls-cert", "tls-key", "client-ca", "insecure"}},
	{"Limits", []string{"max-batch", "max-delay", "queue", "instances", "max-body", "max-pixels", "memory", "max-connections", "drain"}},
	{"Machine", []string{"threads", "jobs", "ep", "trt-fp16", "trt-cache", "layout"}},
	{"Output", []string{"output", "plot", "csv", "markdown", "title", "external-data", "draw", "save", "dump", "depfile", "json", "jsonl", "log-format", "log-level", quietFlag, "help"}},
}

// exits tell the exit codes.
const exits = `  0    done
  1    failed
  2    wrong usage
  3    the model or the data is not usable
  130  interrupted`

// variables are environment variables beside those of flags. Those of a flag's name are of
// the commands that have it.
var variables = []struct{ flag, name, what string }{
	{"", "BNC_ORT_LIB", "libonnxruntime.so (default: beside bnc, then in the cache folder of make deps)"},
	{"", "BNC_ORT_SHIM", "libbnc_ort_shim.so, for an ONNX Runtime older than 1.29 (default: beside bnc)"},
	{"", "BNC_OPS_LIB", "libbnc_ops.so, the codec's operators (default: beside bnc)"},
	{"token", tokenVariable, "bearer token for the server, where --token names no file"},
}

// overview lists the commands.
func overview(w io.Writer, root *cobra.Command) {
	fmt.Fprintf(w, "%s\n\nUsage: %s\n\n", root.Long, root.UseLine())
	for _, c := range append(commands, completionCommand()) {
		fmt.Fprintf(w, "  %-10s %s\n", c.name, c.short)
	}
	fmt.Fprintf(w, "\n'bnc COMMAND --help' tells more, with examples.\n\nEXIT STATUS\n%s\n", exits)
}

// writeHelp tells of a command.
func writeHelp(w io.Writer, c *cobra.Command) {
	if c == c.Root() {
		overview(w, c)
		return
	}
	fmt.Fprintf(w, "Usage: %s\n\n%s\n", c.UseLine(), c.Short)
	if c.Long != "" {
		fmt.Fprintf(w, "\n%s\n", c.Long)
	}
	if c.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", c.Example)
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintln(w, "\nCommands:")
		for _, sub := range c.Commands() {
			fmt.Fprintf(w, "  %-10s %s\n", sub.Name(), sub.Short)
		}
	}
	for _, g := range flagGroups(c) {
		fmt.Fprintf(w, "\n%s:\n%s", g.Name(), g.FlagUsages())
	}
	fmt.Fprintf(w, "\nEXIT STATUS\n%s\n\nENVIRONMENT\n%s", exits, environment(c))
}

// flagGroups returns a command's flags by their headings, which are the sets' names.
func flagGroups(c *cobra.Command) (sets []*pflag.FlagSet) {
	set := func(title string) *pflag.FlagSet {
		fs := pflag.NewFlagSet(title, pflag.ContinueOnError)
		fs.SortFlags = false
		return fs
	}
	rest, byTitle := set("Flags"), map[string]*pflag.FlagSet{}
	titleOf := map[string]string{}
	for _, g := range groups {
		for _, name := range g.flags {
			titleOf[name] = g.title
		}
		byTitle[g.title] = set(g.title)
	}
	add := func(f *pflag.Flag) {
		if fs := byTitle[titleOf[f.Name]]; fs != nil {
			fs.AddFlag(f)
		} else {
			rest.AddFlag(f)
		}
	}
	c.LocalFlags().VisitAll(add)
	c.InheritedFlags().VisitAll(add)
	if rest.HasFlags() {
		sets = append(sets, rest)
	}
	for _, g := range groups {
		if byTitle[g.title].HasFlags() {
			sets = append(sets, byTitle[g.title])
		}
	}
	return sets
}

// environment tells the variables that a command reads.
func environment(c *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintln(&b, "  BNC_FLAG      the value of a flag that is not given, as BNC_MAX_BATCH of --max-batch")
	for _, v := range variables {
		if v.flag == "" || c.Flags().Lookup(v.flag) != nil {
			fmt.Fprintf(&b, "  %-13s %s\n", v.name, v.what)
		}
	}
	return b.String()
}
