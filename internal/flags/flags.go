// Package flags has values of flags that are parsed into options, beside pflag's own.
package flags

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"
)

// Parsed is a flag whose text is parsed into what it stands for. What is not given stays
// as it is: nil or zero, which in the library's options stands for a default.
type Parsed struct {
	Kind  string        // as the help shows it
	Wants string        // what messages say, "" for what they say of the kind or what Parse does
	Text  func() string // "" where it was not given; nil for always
	Parse func(text string) error
}

// String returns the flag's text.
func (p Parsed) String() string {
	if p.Text == nil {
		return ""
	}
	return p.Text()
}

// Set parses the flag's text.
func (p Parsed) Set(text string) error { return p.Parse(text) }

// Type is what the flag wants.
func (p Parsed) Type() string { return p.Kind }

// IsBoolFlag reports whether the flag may stand without a value.
func (p Parsed) IsBoolFlag() bool { return p.Kind == "bool" }

// Of is a flag of any type, whose zero value was not given.
func Of[T comparable](to *T, kind, wants string, parse func(string) (T, error)) pflag.Value {
	return Parsed{kind, wants, func() string {
		if *to == *new(T) {
			return ""
		}
		return fmt.Sprint(*to)
	}, func(text string) error {
		v, err := parse(text)
		if err == nil {
			*to = v
		}
		return err
	}}
}

// Optional is a flag whose absence is a value of its own.
func Optional[T any](to **T, kind string, parse func(string) (T, error)) pflag.Value {
	return Parsed{kind, "", func() string {
		if *to == nil {
			return ""
		}
		return fmt.Sprint(**to)
	}, func(text string) error {
		v, err := parse(text)
		if err == nil {
			*to = &v
		}
		return err
	}}
}

func parseFloat(text string) (float64, error) { return strconv.ParseFloat(text, 64) }

// Int is an Optional flag of whole numbers.
func Int(to **int) pflag.Value { return Optional(to, "int", strconv.Atoi) }

// Float is one of numbers.
func Float(to **float64) pflag.Value { return Optional(to, "float64", parseFloat) }

// Duration is one of times.
func Duration(to **time.Duration) pflag.Value {
	return Optional(to, "duration", time.ParseDuration)
}

// Bool declares a switch that is off, on, or not said.
func Bool(fs *pflag.FlagSet, to **bool, name, usage string) {
	fs.Var(Optional(to, "bool", strconv.ParseBool), name, usage)
	fs.Lookup(name).NoOptDefVal = "true"
}

// above0 lets numbers above 0 through.
func above0[T int | float64](parse func(string) (T, error)) func(string) (T, error) {
	return func(text string) (T, error) {
		v, err := parse(text)
		if err == nil && !(v > 0) {
			err = strconv.ErrRange
		}
		return v, err
	}
}

// CountFrom1 is a flag of a whole number from 1 on.
func CountFrom1(to *int) pflag.Value {
	return Of(to, "int", "a whole number from 1 on", above0(strconv.Atoi))
}

// NumberAbove0 is a flag of a number above 0.
func NumberAbove0(to *float64) pflag.Value {
	return Of(to, "float64", "a number larger than 0", above0(parseFloat))
}

// BoundsError says that a number is not within a flag's bounds.
type BoundsError struct{ low, high int }

// Error says what was expected.
func (e *BoundsError) Error() string { return fmt.Sprintf("expected %d to %d", e.low, e.high) }

// Bounded is a flag of a whole number from low to high.
func Bounded(to *int, low, high int) pflag.Value { return Of(to, "int", "", Within(low, high)) }

// Within parses a whole number from low to high.
func Within(low, high int) func(string) (int, error) {
	return func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err == nil && (n < low || n > high) {
			err = &BoundsError{low, high}
		}
		return n, err
	}
}

// List is a flag of several values; what is given last counts.
func List[T any, L ~[]T](to *L, kind string, parse func(string) (T, error)) pflag.Value {
	return Parsed{Kind: kind + ",...", Parse: func(text string) error {
		*to = nil
		for part := range strings.SplitSeq(text, ",") {
			v, err := parse(part)
			if err != nil {
				return err
			}
			*to = append(*to, v)
		}
		return nil
	}}
}

// Bytes is a flag of a number of bytes.
func Bytes(to *int64) pflag.Value {
	return Parsed{Kind: "size", Parse: func(text string) error {
		n, err := humanize.ParseBytes(text)
		if err != nil || n < 1 || n > math.MaxInt64 {
			return fmt.Errorf("expected a size, for example 4GB")
		}
		*to = int64(n)
		return nil
	}}
}

// Shapes is a flag of sizes by name, as in data=1x3x224x224 or data=1,3,224,224.
func Shapes(to *map[string][]int64) pflag.Value {
	return Parsed{Kind: "NAME=DIMS", Parse: func(text string) error {
		i := strings.LastIndexByte(text, '=')
		if i < 1 {
			return fmt.Errorf("expected NAME=DIMS, for example data=1x3x224x224")
		}
		dims, err := parseDims(text[i+1:])
		if err != nil {
			return err
		}
		if *to == nil {
			*to = map[string][]int64{}
		}
		(*to)[text[:i]] = dims
		return nil
	}}
}

// Sizes is a flag of as many sizes as to has, named as in kind.
func Sizes(to []int, kind, example string) pflag.Value {
	return Parsed{Kind: kind, Parse: func(text string) error {
		dims, err := parseDims(text)
		if err != nil || len(dims) != len(to) {
			return fmt.Errorf("expected %s, for example %s", kind, example)
		}
		for i, n := range dims {
			to[i] = int(n)
		}
		return nil
	}}
}

// Levels is a flag of numbers from 0 to 255.
func Levels(to *[]int) pflag.Value {
	return Parsed{Kind: "a,b,c", Parse: func(text string) error {
		for part := range strings.SplitSeq(text, ",") {
			v, err := strconv.ParseUint(part, 10, 8)
			if err != nil {
				return fmt.Errorf("expected numbers from 0 to 255, for example 114,114,114")
			}
			*to = append(*to, int(v))
		}
		return nil
	}}
}

// StandsFor says in the help which value a flag's zero stands for.
func StandsFor(fs *pflag.FlagSet, name string, value any) {
	fs.Lookup(name).DefValue = fmt.Sprint(value)
}

// parseDims reads numbers from 1 on, as in 1x3x224x224 or 1,3,224,224.
func parseDims(s string) ([]int64, error) {
	var dims []int64
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == 'x' || r == ',' }) {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("dimension %q: expected a number from 1 on", part)
		}
		dims = append(dims, n)
	}
	if len(dims) == 0 {
		return nil, fmt.Errorf("no dimensions")
	}
	return dims, nil
}
