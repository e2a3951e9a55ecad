package main

import (
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/spf13/pflag"
)

// splitOptions are the flags of a split in a search, which is not of the library yet.
type splitOptions struct {
	after, channels, codec, quantRange, codecAt, target string
	stride, width                                       int64
	bits, quality                                       int
	fp16, plain, external, asJSON                       bool
	inputs                                              []string
	calib, out, dump, depfile                           string
	seed                                                uint64
	images                                              imageFlags
}

// declare declares the flags.
func (o *splitOptions) declare(fs *pflag.FlagSet) {
	fs.StringVar(&o.after, "after", "", "cut to split at: rbK, cutN or a tensor's name")
	fs.StringVar(&o.channels, "c", "1", "channels that cross, or full: all of them, without channel units")
	fs.Int64Var(&o.stride, "s", 0, "spatial reduction, 1 to 4 (default 2; 1 where height or width is 1)")
	fs.IntVar(&o.bits, "bits", 8, "bits of the quantiser, 2 to 8")
	fs.IntVar(&o.quality, "quality", 20, "quality of the JPEG codec, 1 to 100")
	fs.StringVar(&o.codec, "codec", "jpeg", "codec: jpeg")
	fs.StringVar(&o.quantRange, "range", "", "quantiser's range: static (calibrated, nothing travels) or dynamic (each image's own travels)")
	fs.StringVar(&o.codecAt, "codec-at", bottleneck.CodecInGraph, "where the codec runs: graph, device-host or host")
	fs.Int64Var(&o.width, "restore-width", 0, "width of a residual branch in the restoration, 0 for none")
	fs.StringVar(&o.target, "target", "default", "what the mobile half is for: default or tx2 (Jetson TX2)")
	fs.BoolVar(&o.fp16, "fp16", false, "compute in float16 (inputs, outputs and quantiser stay float32)")
	fs.BoolVar(&o.plain, "plain", false, "no bottleneck: the cut tensor itself crosses")
	fs.StringArrayVar(&o.inputs, "input", nil, "fix an input's shape, NAME=DIMS; may be repeated")
	fs.StringVar(&o.calib, "calib", "", "images to calibrate the bottleneck on: a folder, classes or flat, IDX or .npy")
	fs.Uint64Var(&o.seed, "seed", 0, "seed of the bottleneck's weights")
	fs.StringVarP(&o.out, "output", "o", "", "bundle to write (default MODEL-CUT-cC-sS in the working directory)")
	fs.BoolVar(&o.external, "external-data", false, "keep large weights in FILE.data beside each graph")
	fs.StringVar(&o.dump, "dump", "", "folder to write the model to after each pass")
	fs.StringVar(&o.depfile, "depfile", "", "make-style dependency file to write")
	o.images.declare(fs)
	fs.BoolVar(&o.asJSON, "json", false, "print one JSON document")
}

// targetTX2 is the --target of a Jetson TX2.
const targetTX2 = "tx2"

// check finds wrong usage before any work.
func (o *splitOptions) check(fs *pflag.FlagSet) error {
	if err := noStdout(o.out, "a folder"); err != nil {
		return err
	}
	if o.after == "" {
		return usagef("which cut? give --after CUT (bnc inspect lists them)")
	}
	for _, c := range []struct {
		flag, value string
		allowed     []string
	}{
		{"codec", o.codec, []string{"jpeg"}},
		{"range", o.quantRange, []string{"", "static", "dynamic"}},
		{"codec-at", o.codecAt, []string{bottleneck.CodecInGraph, bottleneck.CodecOnDeviceHost, bottleneck.CodecOnHost}},
		{"target", o.target, []string{"default", targetTX2}},
	} {
		if err := oneOf(c.flag, c.value, c.allowed); err != nil {
			return err
		}
	}
	switch {
	case o.bits < 2 || o.bits > 8:
		return usagef("--bits %d: expected 2 to 8", o.bits)
	case o.quality < 1 || o.quality > 100:
		return usagef("--quality %d: expected 1 to 100", o.quality)
	case o.stride < 0 || o.stride > 4 || fs.Changed("s") && o.stride == 0:
		return usagef("--s %d: expected 1 to 4", o.stride)
	case o.width < 0:
		return usagef("--restore-width %d: expected 0 or more", o.width)
	case o.quantRange == "static" && o.calib == "":
		return usagef("--range static needs --calib DATA: a static range comes from real images")
	}
	if o.channels != "full" {
		if n, err := strconv.ParseInt(o.channels, 10, 64); err != nil || n < 1 {
			return usagef("--c %q: expected a number from 1 on, or full", o.channels)
		}
	}
	if o.plain {
		for _, name := range []string{"c", "s", "bits", "quality", "range", "codec-at", "restore-width", "fp16", "calib", "target"} {
			if fs.Changed(name) {
				return usagef("--%s has no meaning with --plain", name)
			}
		}
	}
	if o.target == targetTX2 {
		if fs.Changed("codec-at") && o.codecAt != bottleneck.CodecOnDeviceHost {
			return usagef("--target tx2 implies --codec-at device-host: TensorRT's provider of that age refuses graphs with custom operators")
		}
		o.codecAt = bottleneck.CodecOnDeviceHost
	}
	return nil
}

func oneOf(flag, value string, allowed []string) error {
	for _, a := range allowed {
		if a == value {
			return nil
		}
	}
	return usagef("--%s %q: expected one of %s", flag, value, strings.TrimPrefix(strings.Join(allowed, ", "), ", "))
}
