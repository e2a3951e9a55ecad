// Command bnc is the BottleNet compiler: it splits ONNX CNNs at a learnable
// bottleneck into a mobile and a cloud graph.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/compiler/similar"
	"github.com/spf13/pflag"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Exit codes of every command.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnusable    = 3   // the model or the data is not usable
	exitInterrupted = 130 // by Ctrl-C or SIGTERM, as shells say it
)

// exitOf are the exit codes of the library's errors.
var exitOf = map[bnc.Kind]int{bnc.None: exitDone, bnc.Failed: exitFailed, bnc.Usage: exitUsage, bnc.Data: exitUnusable}

// command is one bnc command.
type command struct {
	name  string
	args  string // of the usage line
	short string
	// long is the text of --help between usage and flags, with examples.
	long string
	// setup declares the flags and returns what runs the command.
	setup func(fs *pflag.FlagSet) func(ctx context.Context, io streams, args []string) error
}

// streams are where a command writes. Results go to out, everything else to err.
type streams struct{ out, err io.Writer }

// notice prints a line to err.
func (s streams) notice(format string, args ...any) { fmt.Fprintf(s.err, format+"\n", args...) }

var commands = []command{
	modelsCommand, inspectCommand, splitCommand, trainCommand, runCommand, evalCommand, profileCommand, searchCommand, selectCommand, reportCommand, serveCommand, benchCommand, exportCommand, doctorCommand,
}

// usageError is a wrong use of a command: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// unusableError marks models and data that cannot be used: exit code 3.
type unusableError struct{ error }

func (e unusableError) Unwrap() error { return e.error }

func unusablef(format string, args ...any) error { return unusableError{fmt.Errorf(format, args...)} }

// exitCode tells an error's exit code.
func exitCode(err error) int {
	var usage usageError
	var unusable unusableError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &unusable):
		return exitUnusable
	}
	return exitOf[bnc.KindOf(err)]
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s := streams{stdout, stderr}
	err := dispatch(ctx, s, args)
	if err != nil {
		fmt.Fprintln(stderr, "bnc:", inFlags(err.Error()))
	}
	if err != nil && ctx.Err() != nil {
		return exitInterrupted
	}
	return exitCode(err)
}

func dispatch(ctx context.Context, s streams, args []string) error {
	if len(args) == 0 {
		overview(s.err)
		return usagef("which command?")
	}
	switch args[0] {
	case "help", "--help", "-h":
		if len(args) > 1 {
			args = []string{args[1], "--help"}
			break
		}
		overview(s.out)
		return nil
	case "version", "--version":
		fmt.Fprintln(s.out, "bnc", version)
		return nil
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.execute(ctx, s, args[1:])
		}
	}
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	if near := similar.Names(args[0], names); len(near) > 0 {
		return usagef("no command %q; did you mean %q?", args[0], near[0])
	}
	return usagef("no command %q; see bnc --help", args[0])
}

// version names the metadata format and the tool's own version.
const version = "0.1.0"

func overview(w io.Writer) {
	fmt.Fprint(w, `bnc, the BottleNet compiler: splits an ONNX CNN at a learnable bottleneck into a
mobile graph and a cloud graph for ONNX Runtime.

Usage: bnc COMMAND [FLAGS]

`)
	for _, c := range commands {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.short)
	}
	fmt.Fprint(w, `
'bnc COMMAND --help' tells more, with examples. Exit codes: 0 done, 1 failed,
2 wrong usage, 3 the model or the data is not usable, 130 interrupted.
`)
}

func (c command) execute(ctx context.Context, s streams, args []string) error {
	flags := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetOutput(io.Discard)
	do := c.setup(flags)
	help := flags.BoolP("help", "h", false, "show this help")
	err := flags.Parse(args)
	if *help || errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintf(s.out, "Usage: bnc %s %s\n\n%s\n\n%s\n\nFlags:\n%s", c.name, c.args, c.short, strings.TrimSpace(c.long), flags.FlagUsages())
		return nil
	}
	if err == nil {
		err = inBounds(flags)
	}
	if err != nil {
		return usagef("%s: %w; see bnc %s --help", c.name, flagError(err), c.name)
	}
	return do(ctx, s, flags.Args())
}

// printJSON writes one indented JSON document.
func printJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// oneArg returns the single argument that a command takes.
func oneArg(args []string, what string) (string, error) {
	if len(args) != 1 {
		return "", usagef("expected one %s, found %s", what, argumentsText(args))
	}
	return args[0], nil
}
