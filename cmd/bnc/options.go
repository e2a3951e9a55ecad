package main

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bottlenet/bnc"
	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"
)

// optionName is how the library names options in its messages.
var optionName = regexp.MustCompile(`\boption ([a-z][a-z0-9_]*)\b`)

// inFlags says a message of the library in the flags of a command.
func inFlags(message string) string {
	return optionName.ReplaceAllStringFunc(message, func(found string) string {
		name := strings.ReplaceAll(strings.TrimPrefix(found, "option "), "_", "-")
		switch name {
		case "output":
			return "-o"
		case "outputs":
			return "--output"
		}
		return "--" + name
	})
}

// parsed is a flag whose text is parsed into what it stands for. What is not given stays
// as it is: nil or zero, which in the library's options stands for a default.
type parsed struct {
	kind  string        // as the help shows it
	wants string        // what messages say, "" for what they say of the kind or what set does
	text  func() string // "" where it was not given; nil for always
	set   func(text string) error
}

// String returns the flag's text.
func (p parsed) String() string {
	if p.text == nil {
		return ""
	}
	return p.text()
}

// Set parses the flag's text.
func (p parsed) Set(text string) error { return p.set(text) }

// Type is what the flag wants.
func (p parsed) Type() string { return p.kind }

// IsBoolFlag reports whether the flag may stand without a value.
func (p parsed) IsBoolFlag() bool { return p.kind == "bool" }

// value is a flag of any type, whose zero value was not given.
func value[T comparable](to *T, kind, wants string, parse func(string) (T, error)) pflag.Value {
	return parsed{kind, wants, func() string {
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

// optional is a flag whose absence is a value of its own.
func optional[T any](to **T, kind string, parse func(string) (T, error)) pflag.Value {
	return parsed{kind, "", func() string {
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

func optionalInt(to **int) pflag.Value       { return optional(to, "int", strconv.Atoi) }
func optionalFloat(to **float64) pflag.Value { return optional(to, "float64", parseFloat) }

func optionalDuration(to **time.Duration) pflag.Value {
	return optional(to, "duration", time.ParseDuration)
}

// optionalBool declares a switch that is off, on, or not said.
func optionalBool(fs *pflag.FlagSet, to **bool, name, usage string) {
	fs.Var(optional(to, "bool", strconv.ParseBool), name, usage)
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

func countFrom1(to *int) pflag.Value {
	return value(to, "int", "a whole number from 1 on", above0(strconv.Atoi))
}
func numberAbove0(to *float64) pflag.Value {
	return value(to, "float64", "a number larger than 0", above0(parseFloat))
}

// boundsError says that a number is not within a flag's bounds.
type boundsError struct{ low, high int }

// Error says what was expected.
func (e *boundsError) Error() string { return fmt.Sprintf("expected %d to %d", e.low, e.high) }

// bounded is a flag of a whole number from low to high.
func bounded(to *int, low, high int) pflag.Value { return value(to, "int", "", within(low, high)) }

// within parses a whole number from low to high.
func within(low, high int) func(string) (int, error) {
	return func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err == nil && (n < low || n > high) {
			err = &boundsError{low, high}
		}
		return n, err
	}
}

// epochCount is the flag --epochs: 0 is none at all.
func epochCount(to *int) pflag.Value {
	return value(to, "int", "1 or more, or 0 to change no more than the --quality", func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		switch {
		case err == nil && n < 0:
			err = strconv.ErrRange
		case n == 0:
			n = bnc.NoEpochs
		}
		return n, err
	})
}

// channels is the flag --c.
func channels(to *bnc.Channels) pflag.Value { return value(to, "N|full", "", bnc.ParseChannels) }

// each is a flag of one value for all crossing tensors, or of one for each.
func each[T any](to *bnc.Each[T], kind string, parse func(string) (T, error)) pflag.Value {
	return parsed{kind: kind + ",...", set: func(text string) error {
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

// channelList is the flag --c of several sizes.
func channelList(to *[]bnc.Channels) pflag.Value {
	return parsed{kind: "N|full,...", set: func(text string) error {
		for part := range strings.SplitSeq(text, ",") {
			c, err := bnc.ParseChannels(part)
			if err != nil {
				return err
			}
			*to = append(*to, c)
		}
		return nil
	}}
}

// byteSize is a flag of a number of bytes.
func byteSize(to *int64) pflag.Value {
	return parsed{kind: "size", set: func(text string) error {
		n, err := humanize.ParseBytes(text)
		if err != nil || n < 1 || n > math.MaxInt64 {
			return fmt.Errorf("expected a size, for example 4GB")
		}
		*to = int64(n)
		return nil
	}}
}

// inputShapes is the flag --input NAME=DIMS, as in data=1x3x224x224 or data=1,3,224,224.
func inputShapes(to *map[string][]int64) pflag.Value {
	return parsed{kind: "NAME=DIMS", set: func(text string) error {
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

// sizes is a flag of as many sizes as to has, named as in kind.
func sizes(to []int, kind, example string) pflag.Value {
	return parsed{kind: kind, set: func(text string) error {
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

// levels is a flag of numbers from 0 to 255.
func levels(to *[]int) pflag.Value {
	return parsed{kind: "a,b,c", set: func(text string) error {
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

// declareTask declares the flags that say what outputs are.
func declareTask(fs *pflag.FlagSet, o *bnc.TaskOptions) {
	fs.StringVar(&o.Task, "task", "", "what the outputs are: "+strings.Join(bnc.Tasks(), ", ")+" (default auto: what the file says, else what they look like)")
	fs.StringVar(&o.Decoder, "decoder", "", "how a detector's boxes are read: a name, or a JSON file (default: what the file says, else what they look like)")
}

// declareFeed declares the flag of what inputs are given that get no images.
func declareFeed(fs *pflag.FlagSet, o *bnc.FeedOptions) {
	fs.Var(parsed{kind: "NAME=FILE", set: func(text string) error {
		name, file, ok := strings.Cut(text, "=")
		if !ok || name == "" || file == "" {
			return fmt.Errorf("expected NAME=FILE.npy, for example state=zeros.npy")
		}
		if o.Feed == nil {
			o.Feed = map[string]string{}
		}
		o.Feed[name] = file
		return nil
	}}, "feed", "what an input that gets no images is given, a .npy file; may be repeated")
}

// declareImages declares the flags of image options.
func declareImages(fs *pflag.FlagSet, o *bnc.ImageOptions) {
	fs.StringVar(&o.Color, "color", "", "order of an image's channels: rgb, bgr, gray or rgba")
	fs.StringVar(&o.Fit, "fit", "", "how images get the input's size: crop takes the centre, stretch and letterbox the whole, letterbox in proportion and with a border (default: what the model says, else crop)")
	fs.Var(optionalInt(&o.Resize), "resize", "short side that images are resized to, 0 to keep their size")
	fs.Var(sizes(o.Crop[:], "HxW", "224x224"), "crop", "HxW cut out of the centre, or what a model of any size gets (default: the input's)")
	fs.Var(levels(&o.Pad), "pad", "colour of a letterbox's border, 0 to 255 of each channel, or one number for all (default 114)")
	optionalBool(fs, &o.Orient, "orient", "turn images as their EXIF orientation says (default true, but for what the model says)")
	fs.Var(optionalFloat(&o.Scale), "scale", "a pixel becomes (pixel * scale - mean) / std")
	fs.Float64SliceVar(&o.Mean, "mean", nil, "mean of each channel, `a,b,c`")
	fs.Float64SliceVar(&o.Std, "std", nil, "standard deviation of each channel, `a,b,c`")
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
