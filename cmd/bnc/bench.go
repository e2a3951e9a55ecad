package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/runtime/bench"
	"github.com/bottlenet/bnc/runtime/imagecodec"
	"github.com/spf13/pflag"
)

var benchCommand = command{
	name:  "bench",
	args:  "BUNDLE|MODEL... --input IMAGES [FLAGS]",
	short: "Measure latency end to end over emulated links",
	long: `
Each bundle is run divided, each whole model on the device alone and in the cloud
alone; there its image crosses as the JPEG or PNG file that it is, and with
--input-codec also as the pixels that the model takes, which the device encodes as
AVIF, WebP or JPEG and the cloud decodes: both count. Every way is measured over
every link, after a run that does not count. Without --cloud the server runs in this
process, on loopback: device and cloud are this machine then, and only the link is
slow. The best way on the device alone, in the cloud alone and divided are ranked
for each link, with --slower also as they would be if the device took several times
as long.

Examples:
  bnc bench resnet50.onnx resnet50-rb1-c1-s2 resnet50-rb14-plain --input photos/
  bnc bench net.onnx net-rb9 --input photos/ --input-codec avif,jpeg --quality 55,80 --slower 1,5
  bnc bench net-rb1 net-rb4 --input photo.jpg --link 4g --link 10Mbit,20ms --n 50 --json
  bnc bench net-rb1 --input photo.jpg --cloud http://cloud:8000`,
	setup: setupBench,
}

func setupBench(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o bnc.BenchOptions
	var asJSON, markdown bool
	fs.StringVar(&o.Input, "input", "", "JPEG or PNG image, or a folder of them")
	declareRemote(fs, &o.RemoteOptions, "measure with this server of the Open Inference Protocol instead of one in this process")
	fs.StringArrayVar(&o.Links, "link", []string{"3g", "4g", "wifi"}, "emulated link, 3g, 4g, wifi or `RATE[,DELAY]`; none for the network as it is; may be repeated")
	fs.IntVar(&o.N, "n", 30, "measured runs of each way over each link")
	fs.DurationVar(&o.Most, "most", time.Minute, "time after which a way has enough runs, three at least")
	fs.IntVar(&o.JPEGBytes, "jpeg-bytes", 0, "also send images that were compressed to at most that many bytes")
	fs.StringSliceVar(&o.InputCodec, "input-codec", nil, "also send what the model takes of the images as "+strings.Join(bench.InputCodecs(), ", ")+", coded by the device")
	fs.IntSliceVar(&o.Quality, "quality", nil, fmt.Sprintf("quality of each --input-codec, or of all, 1 to 100 (default %d)", imagecodec.DefaultQuality))
	fs.Float64SliceVar(&o.Slower, "slower", nil, "rank the ways for a device that takes so many times as long as this machine; a number or several (default 1)")
	fs.StringVar(&o.Draw, "draw", "", "folder for pictures of the whole model's answer beside each bundle's: of the worst, the median and the best image")
	fs.BoolVar(&asJSON, "json", false, "print one JSON document")
	fs.BoolVar(&markdown, "markdown", false, "print the table as Markdown")
	declareImages(fs, &o.ImageOptions)
	return func(ctx context.Context, s streams, args []string) error {
		if len(args) == 0 {
			return usagef("expected bundles or models to measure")
		}
		if err := notZero(fs, "1 or more", "n"); err != nil {
			return err
		}
		if err := notZero(fs, "a time above 0", "most"); err != nil {
			return err
		}
		if asJSON && markdown {
			return usagef("--json and --markdown exclude each other")
		}
		r := newReporter(s.err)
		defer r.done()
		o.Reporter = r
		result, err := bnc.Bench(ctx, args, o)
		if err != nil {
			return err
		}
		r.done()
		if asJSON {
			return printJSON(s.out, result)
		}
		return writeBench(s.out, result, markdown)
	}
}

// writeBench prints what was measured and what is fastest, for a terminal or as Markdown.
func writeBench(w io.Writer, result *bnc.BenchResult, markdown bool) error {
	ms := func(x float64) string { return fmt.Sprintf("%.1f", x) }
	head := []string{"link", "way", "model", "cut", "bytes", "mobile ms", "link ms", "cloud ms", "total ms", "p95 ms", "runs"}
	all := [][]string{head}
	for _, r := range result.Rows {
		all = append(all, []string{r.Link, r.Way, r.Model, r.Cut, fmt.Sprint(r.Bytes), ms(r.Mobile.Median), ms(r.Wire.Median), ms(r.Cloud.Median), ms(r.Total.Median), ms(r.Total.P95), fmt.Sprint(r.N)})
	}
	if err := writeTable(w, all, 4, markdown); err != nil {
		return err
	}
	fmt.Fprintln(w)
	head = []string{"link", "device slower", "fastest", "then", "then"}[:2+len(result.Fastest[0].Ways)]
	ranked := [][]string{head}
	for _, ranking := range result.Fastest {
		row := []string{ranking.Link, fmt.Sprintf("%v x", ranking.Slower)}
		for _, r := range ranking.Ways {
			row = append(row, fmt.Sprintf("%s ms: %s, %s", ms(r.Total.Median), r.Model, r.Way))
		}
		ranked = append(ranked, row)
	}
	return writeTable(w, ranked, len(head), markdown)
}
