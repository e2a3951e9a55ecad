package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc"
	"github.com/spf13/pflag"
)

// jsonNames returns the names that a struct's fields have in JSON, those of embedded
// structs among them.
func jsonNames(of reflect.Type) (names []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			names = append(names, jsonNames(f.Type)...)
		case f.IsExported() && name != "-":
			names = append(names, name)
		}
	}
	return names
}

// TestOptionNames: messages of the library name an option as it is called in JSON, and
// inFlags makes a flag of that: so every option is a flag of its command by that name.
func TestOptionNames(t *testing.T) {
	for _, c := range []struct {
		command command
		options any
		other   []string // options that are no flag of that name, for a reason
	}{
		{splitCommand, bnc.SplitOptions{}, nil},
		{trainCommand, bnc.TrainOptions{}, []string{"outputs"}}, // of --output, beside what is written
		{evalCommand, bnc.EvalOptions{}, nil},
		{inspectCommand, bnc.InspectOptions{}, nil},
		{profileCommand, bnc.ProfileOptions{}, []string{"images"}}, // of --input, beside shapes
		{selectCommand, bnc.SelectOptions{}, nil},
		{reportCommand, bnc.ReportOptions{}, nil},
		{searchCommand, bnc.SearchOptions{}, []string{"train", "split", "partial"}}, // of them some; of collect
		{runCommand, bnc.RunOptions{}, nil},
		{benchCommand, bnc.BenchOptions{}, nil},
	} {
		fs := pflag.NewFlagSet(c.command.name, pflag.ContinueOnError)
		c.command.setup(fs)
		for _, name := range jsonNames(reflect.TypeOf(c.options)) {
			flag := strings.ReplaceAll(name, "_", "-")
			if fs.Lookup(flag) == nil && !slices.Contains(c.other, name) {
				t.Errorf("bnc %s has no --%s, for the option %q", c.command.name, flag, name)
			}
		}
	}
}
