// Command bnc is the BottleNet compiler: it splits ONNX CNNs at a learnable
// bottleneck into a mobile and a cloud graph.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/internal/fault"
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

// exitOf are the exit codes of errors.
var exitOf = map[bnc.Kind]int{bnc.None: exitDone, bnc.Failed: exitFailed, bnc.Usage: exitUsage, bnc.Data: exitUnusable}

// streams are where a command writes. Results go to out, everything else to err.
type streams struct{ out, err io.Writer }

// notice prints a line to err.
func (s streams) notice(format string, args ...any) { fmt.Fprintf(s.err, format+"\n", args...) }

// usagef is a wrong use of a command: exit code 2.
func usagef(format string, args ...any) error { return fault.Usage("", format, args...) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	screen := newReporter(stderr)
	err := dispatch(ctx, streams{screen.beside(stdout), screen}, args)
	screen.done()
	if err != nil {
		fmt.Fprintln(stderr, "bnc:", inFlags(err.Error()))
	}
	if err != nil && ctx.Err() != nil {
		return exitInterrupted
	}
	return exitOf[bnc.KindOf(err)]
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
