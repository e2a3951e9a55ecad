package main

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/internal/flags"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/pflag"
)

// numberBounds are the bounds of numeric flags that mean the same in every command.
var numberBounds = map[string]struct{ low, high float64 }{
	"threads":    {0, float64(16 * runtime.NumCPU())},
	"resize":     {0, 1 << 14},
	"classes":    {0, 1 << 16},
	"jpeg-bytes": {0, math.MaxInt32},
}

// inBounds checks the numbers among the flags that were given.
func inBounds(fs *pflag.FlagSet) (err error) {
	fs.Visit(func(f *pflag.Flag) {
		bounds, known := numberBounds[f.Name]
		if v, number := strconv.ParseFloat(f.Value.String(), 64); err == nil && known && number == nil && !(v >= bounds.low && v <= bounds.high) {
			err = fmt.Errorf("--%s %s: expected %.0f to %.0f", f.Name, f.Value, bounds.low, bounds.high)
		}
	})
	return err
}

// kinds say what a flag's type wants, by pflag's names of types.
var kinds = map[string]string{
	"int": "a whole number", "int64": "a whole number", "uint64": "a whole number from 0 on", "float64": "a number", "bool": "true or false",
	"duration": "a time, as 1.5s or 200ms", "intSlice": "whole numbers with commas between", "float64Slice": "numbers with commas between",
}

// flagError says in our words what is wrong with a flag's value.
func flagError(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	name, value := invalid.GetFlag().Name, invalid.GetValue()
	if bounds := (*flags.BoundsError)(nil); errors.As(err, &bounds) {
		return fmt.Errorf("--%s %s: %w", name, value, bounds)
	}
	wants := kinds[invalid.GetFlag().Value.Type()]
	if own, ok := invalid.GetFlag().Value.(flags.Parsed); ok && own.Wants != "" {
		wants = own.Wants
	}
	if wants != "" {
		return fmt.Errorf("--%s %q: expected %s", name, value, wants)
	}
	return fmt.Errorf("--%s %q: %w", name, value, errors.Unwrap(invalid))
}

// argumentsText lists arguments for a message.
func argumentsText(args []string) string {
	if len(args) == 0 {
		return "none"
	}
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = strconv.Quote(a)
	}
	return english.Plural(len(args), "argument", "") + ": " + strings.Join(quoted, ", ")
}
