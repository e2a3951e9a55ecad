package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bottlenet/bnc"
	"github.com/spf13/pflag"
)

// optionName is how the library names options in its messages.
var optionName = regexp.MustCompile(`\boption ([a-z][a-z0-9_]*)\b`)

// inFlags says a message of the library in the flags of a command.
func inFlags(message string) string {
	return optionName.ReplaceAllStringFunc(message, func(found string) string {
		name := strings.ReplaceAll(strings.TrimPrefix(found, "option "), "_", "-")
		if name == "output" {
			return "-o"
		}
		return "--" + name
	})
}

// optional is a flag whose absence is a value of its own.
type optional[T any] struct {
	to    **T
	kind  string
	parse func(string) (T, error)
}

// String returns the flag's text, "" where it was not given.
func (o optional[T]) String() string {
	if o.to == nil || *o.to == nil {
		return ""
	}
	return fmt.Sprint(**o.to)
}

// Set parses the flag's text.
func (o optional[T]) Set(text string) error {
	v, err := o.parse(text)
	if err == nil {
		*o.to = &v
	}
	return err
}

// Type is what the flag wants, in pflag's words.
func (o optional[T]) Type() string { return o.kind }

// IsBoolFlag reports whether the flag may stand without a value.
func (o optional[T]) IsBoolFlag() bool { return o.kind == "bool" }

func optionalInt(to **int) pflag.Value { return optional[int]{to, "int", strconv.Atoi} }

func optionalFloat(to **float64) pflag.Value {
	return optional[float64]{to, "float64", func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }}
}

func optionalDuration(to **time.Duration) pflag.Value {
	return optional[time.Duration]{to, "duration", time.ParseDuration}
}

// above0 is a flag with a number larger than 0, which stands for its absence.
type above0[T int | float64] struct {
	to    *T
	kind  string
	parse func(string) (T, error)
}

// String returns the flag's text, "" where it was not given.
func (f above0[T]) String() string {
	if f.to == nil || *f.to == 0 {
		return ""
	}
	return fmt.Sprint(*f.to)
}

// Set parses the flag's text.
func (f above0[T]) Set(text string) (err error) {
	*f.to, err = f.parse(text)
	if err == nil && !(*f.to > 0) {
		err = strconv.ErrRange
	}
	return err
}

// Type is what the flag wants.
func (f above0[T]) Type() string { return f.kind }

func countFrom1(to *int) pflag.Value { return above0[int]{to, "count", strconv.Atoi} }

func numberAbove0(to *float64) pflag.Value {
	return above0[float64]{to, "number", func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }}
}

// epochCount is the flag --epochs: 0 is none at all.
type epochCount struct{ to *int }

// String returns the flag's text, or its default.
func (f epochCount) String() string {
	switch {
	case f.to == nil || *f.to == 0:
		return "10"
	case *f.to == bnc.NoEpochs:
		return "0"
	}
	return strconv.Itoa(*f.to)
}

// Set parses the flag's text.
func (f epochCount) Set(text string) error {
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return err
	case n < 0:
		return strconv.ErrRange
	case n == 0:
		n = bnc.NoEpochs
	}
	*f.to = n
	return nil
}

// Type is what the flag wants.
func (f epochCount) Type() string { return "epochs" }

// optionalBool declares a switch that is off, on, or not said.
func optionalBool(fs *pflag.FlagSet, to **bool, name, usage string) {
	fs.Var(optional[bool]{to, "bool", strconv.ParseBool}, name, usage)
	fs.Lookup(name).NoOptDefVal = "true"
}

// inputShapes is the flag --input NAME=DIMS, as in data=1x3x224x224 or data=1,3,224,224.
type inputShapes struct{ to *map[string][]int64 }

// String is "": there is no default.
func (inputShapes) String() string { return "" }

// Set adds an input's shape.
func (f inputShapes) Set(text string) error {
	i := strings.LastIndexByte(text, '=')
	if i < 1 {
		return fmt.Errorf("expected NAME=DIMS, for example data=1x3x224x224")
	}
	dims, err := parseDims(text[i+1:])
	if err != nil {
		return err
	}
	if *f.to == nil {
		*f.to = map[string][]int64{}
	}
	(*f.to)[text[:i]] = dims
	return nil
}

// Type is what the flag wants.
func (inputShapes) Type() string { return "NAME=DIMS" }

// bounded is a flag of a whole number whose zero value stands for the default.
type bounded struct {
	to        *int
	low, high int
}

// boundsError says that a number is not within a flag's bounds.
type boundsError struct{ low, high int }

// Error says what was expected.
func (e *boundsError) Error() string { return fmt.Sprintf("expected %d to %d", e.low, e.high) }

// String returns the flag's text, "" where it was not given.
func (f bounded) String() string {
	if f.to == nil || *f.to == 0 {
		return ""
	}
	return strconv.Itoa(*f.to)
}

// Set parses the flag's text.
func (f bounded) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err == nil && (n < f.low || n > f.high) {
		err = &boundsError{f.low, f.high}
	}
	if err == nil {
		*f.to = n
	}
	return err
}

// Type is what the flag wants, in pflag's words.
func (bounded) Type() string { return "int" }

// channelsFlag is the flag --c.
type channelsFlag struct{ to *bnc.Channels }

// String returns the flag's text, "" where it was not given.
func (f channelsFlag) String() string {
	if f.to == nil || *f.to == 0 {
		return ""
	}
	return f.to.String()
}

// Set parses the flag's text.
func (f channelsFlag) Set(text string) (err error) {
	*f.to, err = bnc.ParseChannels(text)
	return err
}

// Type is what the flag wants.
func (channelsFlag) Type() string { return "N|full" }

// imageSize is the flag --input CxHxW.
type imageSize struct{ to *[3]int }

// String is "": there is no default.
func (imageSize) String() string { return "" }

// Set parses the flag's text.
func (f imageSize) Set(text string) error {
	dims, err := parseDims(text)
	if err != nil || len(dims) != 3 {
		return fmt.Errorf("expected CxHxW, for example 3x224x224")
	}
	*f.to = [3]int{int(dims[0]), int(dims[1]), int(dims[2])}
	return nil
}

// Type is what the flag wants.
func (imageSize) Type() string { return "CxHxW" }

// cropSize is the flag --crop HxW.
type cropSize struct{ to *[2]int }

// String returns the flag's text, "" where it was not given.
func (f cropSize) String() string {
	if f.to == nil || *f.to == [2]int{} {
		return ""
	}
	return fmt.Sprintf("%dx%d", f.to[0], f.to[1])
}

// Set parses the flag's text.
func (f cropSize) Set(text string) error {
	dims, err := parseDims(text)
	if err != nil || len(dims) != 2 {
		return fmt.Errorf("expected HxW, for example 224x224")
	}
	*f.to = [2]int{int(dims[0]), int(dims[1])}
	return nil
}

// Type is what the flag wants.
func (cropSize) Type() string { return "HxW" }

// declareImages declares the flags of image options.
func declareImages(fs *pflag.FlagSet, o *bnc.ImageOptions) {
	fs.StringVar(&o.Color, "color", "", "order of an image's channels: rgb, bgr or gray")
	fs.Var(optionalInt(&o.Resize), "resize", "short side that images are resized to, 0 to keep their size")
	fs.Var(cropSize{&o.Crop}, "crop", "HxW cut out of the centre (default: the input's)")
	optionalBool(fs, &o.Orient, "orient", "turn images as their EXIF orientation says (default true, but for what the model says)")
	fs.Var(optionalFloat(&o.Scale), "scale", "a pixel becomes (pixel * scale - mean) / std")
	fs.Float64SliceVar(&o.Mean, "mean", nil, "mean of each channel, a,b,c")
	fs.Float64SliceVar(&o.Std, "std", nil, "standard deviation of each channel, a,b,c")
	fs.StringVar(&o.Labels, "labels", "", "file with the name of a class a line")
}

// standsFor says in the help which value a flag's zero stands for.
func standsFor(fs *pflag.FlagSet, name string, value any) {
	fs.Lookup(name).DefValue = fmt.Sprint(value)
}

// notZero refuses a zero that was given to flags whose zero stands for their default.
func notZero(fs *pflag.FlagSet, expected string, names ...string) error {
	for _, name := range names {
		if f := fs.Lookup(name); f.Changed && (f.Value.String() == "0" || f.Value.String() == "0s") {
			return usagef("--%s %s: expected %s", name, f.Value, expected)
		}
	}
	return nil
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
