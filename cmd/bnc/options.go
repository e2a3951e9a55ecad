package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/internal/flags"
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

// epochCount is the flag --epochs: 0 is none at all.
func epochCount(to *int) pflag.Value {
	return flags.Of(to, "int", "1 or more, or 0 to change no more than the --quality", func(text string) (int, error) {
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
func channels(to *bnc.Channels) pflag.Value { return flags.Of(to, "N|full", "", bnc.ParseChannels) }

// channelList is the flag --c of several sizes.
func channelList(to *[]bnc.Channels) pflag.Value {
	return flags.Parsed{Kind: "N|full,...", Parse: func(text string) error {
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

// declareTask declares the flags that say what outputs are.
func declareTask(fs *pflag.FlagSet, o *bnc.TaskOptions) {
	fs.StringVar(&o.Task, "task", "", "what the outputs are: "+strings.Join(bnc.Tasks(), ", ")+" (default auto: what the file says, else what they look like)")
	fs.StringVar(&o.Decoder, "decoder", "", "how a detector's boxes are read: a name, or a JSON file (default: what the file says, else what they look like)")
}

// declareFeed declares the flag of what inputs are given that get no images.
func declareFeed(fs *pflag.FlagSet, o *bnc.FeedOptions) {
	fs.Var(flags.Parsed{Kind: "NAME=FILE", Parse: func(text string) error {
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
	fs.Var(flags.Int(&o.Resize), "resize", "short side that images are resized to, 0 to keep their size")
	fs.Var(flags.Sizes(o.Crop[:], "HxW", "224x224"), "crop", "HxW cut out of the centre, or what a model of any size gets (default: the input's)")
	fs.Var(flags.Levels(&o.Pad), "pad", "colour of a letterbox's border, 0 to 255 of each channel, or one number for all (default 114)")
	flags.Bool(fs, &o.Orient, "orient", "turn images as their EXIF orientation says (default true, but for what the model says)")
	fs.Var(flags.Float(&o.Scale), "scale", "a pixel becomes (pixel * scale - mean) / std")
	fs.Float64SliceVar(&o.Mean, "mean", nil, "mean of each channel, `a,b,c`")
	fs.Float64SliceVar(&o.Std, "std", nil, "standard deviation of each channel, `a,b,c`")
	fs.StringVar(&o.Labels, "labels", "", "file with the name of a class a line")
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
