package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/spf13/pflag"
)

var benchCommand = command{
	name:  "bench",
	args:  "BUNDLE|MODEL... --input IMAGES [FLAGS]",
	short: "Measure latency end to end over emulated links",
	long: `
Each bundle is run divided, each whole model on the device alone and in the cloud
alone; there its image crosses as the JPEG or PNG file that it is. Every way is
measured over every link, after a run that does not count. Without --cloud the
server runs in this process, on loopback: device and cloud are this machine then,
and only the link is slow.

Examples:
  bnc bench resnet50.onnx resnet50-rb1-c1-s2 resnet50-rb14-plain --input photos/
  bnc bench net-rb1 net-rb4 --input photo.jpg --link 4g,10Mbit,20ms --n 50 --json
  bnc bench net-rb1 --input photo.jpg --cloud http://cloud:8000`,
	setup: setupBench,
}

type benchOptions struct {
	input, cloud, token string
	links               []string
	n                   int
	most                time.Duration
	jpegBytes           int
	json, markdown      bool
	images              imageFlags
}

func setupBench(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o benchOptions
	fs.StringVar(&o.input, "input", "", "JPEG or PNG image, or a folder of them")
	fs.StringVar(&o.cloud, "cloud", "", "server, http://, https://, grpc:// or grpcs:// HOST:PORT (default: one in this process)")
	fs.StringVar(&o.token, "token", "", "file with the server's bearer token")
	fs.StringArrayVar(&o.links, "link", []string{"3g", "4g", "wifi"}, "emulated link, 3g, 4g, wifi or RATE[,DELAY]; none for the network as it is; may be repeated")
	fs.IntVar(&o.n, "n", 30, "measured runs of each way over each link")
	fs.DurationVar(&o.most, "most", time.Minute, "time after which a way has enough runs, three at least")
	fs.IntVar(&o.jpegBytes, "jpeg-bytes", 0, "also send images that were compressed to at most that many bytes")
	fs.BoolVar(&o.json, "json", false, "print one JSON document")
	fs.BoolVar(&o.markdown, "markdown", false, "print the table as Markdown")
	o.images.declare(fs)
	return func(ctx context.Context, s streams, args []string) error {
		switch {
		case len(args) == 0:
			return usagef("expected bundles or models to measure")
		case o.input == "":
			return usagef("--input: expected an image or a folder of images")
		case o.n < 1:
			return usagef("--n %d: expected 1 or more", o.n)
		case o.json && o.markdown:
			return usagef("--json and --markdown exclude each other")
		}
		return benchmark(ctx, s, args, o)
	}
}

// benchRow is a line of the table: one way over one link.
type benchRow struct {
	Link  string `json:"link"`
	Way   string `json:"way"`   // mobile-only, cloud-only, cloud-only at N bytes, split
	Model string `json:"model"` // the bundle's or model's name
	Cut   string `json:"cut"`
	N     int    `json:"n"`
	Bytes int    `json:"bytes"` // mean of what crossed

	Mobile stageTime `json:"mobile_ms"`
	Wire   stageTime `json:"link_ms"`
	Cloud  stageTime `json:"cloud_ms"`
	Total  stageTime `json:"total_ms"`
}

// stageTime is what several measurements of a time gave, in milliseconds.
type stageTime struct {
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
}

// way is one division of the work: run does one image.
type way struct {
	name, model, cut string
	linked           bool // the link matters
	run              func(ctx context.Context, i int) (bundle.Timings, int, error)
	close            func() error
}

func benchmark(ctx context.Context, s streams, paths []string, o benchOptions) (err error) {
	links, err := benchLinks(o.links)
	if err != nil {
		return err
	}
	photos, err := readPhotos(o.input, o.jpegBytes)
	if err != nil {
		return err
	}
	address, stop, err := o.server(ctx, paths)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	var rows []benchRow
	alone := map[string]benchRow{} // of the ways that no link matters to
	bar := newProgress(s.err, "measuring", len(links)*len(paths))
	defer bar.done()
	for _, network := range links {
		to := cloudFlags{url: address, token: o.token}
		if network.Uplink > 0 {
			to.link = network.Name
		}
		remote, err := to.dial()
		if err != nil {
			return err
		}
		for _, path := range paths {
			ways, err := o.ways(ctx, path, remote, photos, network)
			if err != nil {
				return errors.Join(err, remote.Close())
			}
			for _, w := range ways {
				row, known := alone[w.model]
				if w.linked || !known {
					if row, err = o.measure(ctx, w, len(photos.items)); err != nil {
						return errors.Join(fmt.Errorf("%s, %s: %w", w.model, w.name, err), w.close(), remote.Close())
					}
				}
				if !w.linked {
					alone[w.model] = row
				}
				row.Link = network.Name
				rows = append(rows, row)
				if err := w.close(); err != nil {
					return errors.Join(err, remote.Close())
				}
			}
			bar.step()
		}
		if err := remote.Close(); err != nil {
			return err
		}
	}
	if o.json {
		return printJSON(s.out, map[string]any{"rows": rows})
	}
	return writeBench(s.out, rows, o.markdown)
}

// benchLinks reads --link. A network without an uplink stands for none.
func benchLinks(names []string) ([]plan.Network, error) {
	var links []plan.Network
	for _, name := range names {
		if name == "none" {
			links = append(links, plan.Network{Name: name})
			continue
		}
		network, err := plan.ParseNetwork(name)
		if err != nil {
			return nil, usagef("--link: %w", err)
		}
		links = append(links, network)
	}
	return links, nil
}

// server returns the address of the server, which it starts where none is named.
func (o benchOptions) server(ctx context.Context, paths []string) (address string, stop func() error, err error) {
	if o.cloud != "" {
		return o.cloud, func() error { return nil }, nil
	}
	repository := serve.NewRepository(serve.Options{})
	closing := func() error {
		done, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return repository.Close(done)
	}
	for _, path := range paths {
		if err := repository.Load(nameOf(path), path); err != nil {
			return "", nil, errors.Join(unusableError{err}, closing())
		}
	}
	front, err := serve.Listen(serve.ServerOptions{GRPC: "127.0.0.1:0"})
	if err != nil {
		return "", nil, errors.Join(err, closing())
	}
	serving, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- front.Serve(serving, repository) }()
	return "grpc://" + front.GRPCAddr(), func() error {
		end()
		return errors.Join(<-ended, closing())
	}, nil
}

// nameOf is what a server calls the bundle or model at path.
func nameOf(path string) string {
	return strings.TrimSuffix(filepath.Base(filepath.Clean(path)), ".onnx")
}

// ways returns how the model or bundle at path can be run.
func (o benchOptions) ways(ctx context.Context, path string, remote *oip.Remote, p *photos, network plan.Network) ([]way, error) {
	if bundle.IsBundle(path) {
		c, err := client.Open(ctx, client.Options{Bundles: []string{path}, Remote: remote, Network: network, Deadline: 5 * time.Minute, Probe: -1})
		if err != nil {
			return nil, openError(err)
		}
		feeder, err := feed.New(c.Inputs(), o.images.chooser(c.Meta().Preprocess))
		if err != nil {
			return nil, errors.Join(unusableError{err}, c.Close())
		}
		return []way{{"split", nameOf(path), c.Meta().Cut, true, func(ctx context.Context, i int) (bundle.Timings, int, error) {
			x, err := feeder.One(p.items[i])
			if err != nil {
				return bundle.Timings{}, 0, unusableError{err}
			}
			r, err := c.Run(ctx, ort.Feed{feeder.Input(): x})
			return r.Timings, r.PayloadBytes, err
		}, c.Close}}, nil
	}
	runner, err := bundle.OpenRunner(path, ort.Options{})
	if err != nil {
		return nil, openError(err)
	}
	feeder, err := feed.New(runner.Inputs(), o.images.chooser(runner.Meta().Preprocess))
	if err != nil {
		return nil, errors.Join(unusableError{err}, runner.Close())
	}
	ways := []way{{"mobile-only", nameOf(path), "", false, func(ctx context.Context, i int) (bundle.Timings, int, error) {
		x, err := feeder.One(p.items[i])
		if err != nil {
			return bundle.Timings{}, 0, unusableError{err}
		}
		r, err := runner.Run(ctx, ort.Feed{feeder.Input(): x})
		return bundle.Timings{Mobile: r.Timings.Total, Total: r.Timings.Total}, 0, err
	}, runner.Close}}
	for _, files := range p.sets {
		ways = append(ways, way{files.name, nameOf(path), "", true, func(ctx context.Context, i int) (bundle.Timings, int, error) {
			return askImage(ctx, remote, nameOf(path), files.files[i])
		}, func() error { return nil }})
	}
	return ways, nil
}

// askImage lets the server compute a whole model of an image file.
func askImage(ctx context.Context, remote *oip.Remote, model string, file []byte) (bundle.Timings, int, error) {
	start := time.Now()
	r, err := remote.Infer(ctx, &oip.Request{Model: model, Inputs: []oip.Tensor{{Name: serve.ImageInput, Value: tensor.Of([]int64{int64(len(file))}, file)}}})
	if err != nil {
		return bundle.Timings{}, 0, err
	}
	total := time.Since(start)
	queue, _ := r.Params[oip.ParamQueue].(float64)
	compute, _ := r.Params[oip.ParamCompute].(float64)
	cloud := time.Duration((queue + compute) * float64(time.Millisecond))
	return bundle.Timings{Link: total - cloud, Cloud: cloud, Total: total}, len(file), nil
}

// measure runs a way until it has enough.
func (o benchOptions) measure(ctx context.Context, w way, images int) (benchRow, error) {
	var times []bundle.Timings
	bytes := 0
	start := time.Now()
	for i := -1; i < o.n; i++ {
		if i >= 3 && time.Since(start) > o.most {
			break
		}
		t, n, err := w.run(ctx, (i+1)%images)
		if err != nil {
			return benchRow{}, err
		}
		if i < 0 { // the first run allocates, connects and checks the pair
			start = time.Now()
			continue
		}
		times = append(times, t)
		bytes += n
	}
	of := func(stage func(bundle.Timings) time.Duration) stageTime {
		var all []float64
		for _, t := range times {
			all = append(all, millis(stage(t)))
		}
		slices.Sort(all)
		return stageTime{all[len(all)/2], all[min(len(all)*95/100, len(all)-1)]}
	}
	return benchRow{
		Way: w.name, Model: w.model, Cut: w.cut, N: len(times), Bytes: bytes / len(times),
		Mobile: of(func(t bundle.Timings) time.Duration { return t.Mobile }), Wire: of(func(t bundle.Timings) time.Duration { return t.Link }),
		Cloud: of(func(t bundle.Timings) time.Duration { return t.Cloud }), Total: of(func(t bundle.Timings) time.Duration { return t.Total }),
	}, nil
}

// writeBench prints the table, for a terminal or as Markdown.
func writeBench(w io.Writer, rows []benchRow, markdown bool) error {
	head := []string{"link", "way", "model", "cut", "bytes", "mobile ms", "link ms", "cloud ms", "total ms", "p95 ms", "runs"}
	table := [][]string{head}
	for _, r := range rows {
		ms := func(x float64) string { return fmt.Sprintf("%.1f", x) }
		table = append(table, []string{r.Link, r.Way, r.Model, r.Cut, fmt.Sprint(r.Bytes), ms(r.Mobile.Median), ms(r.Wire.Median), ms(r.Cloud.Median), ms(r.Total.Median), ms(r.Total.P95), fmt.Sprint(r.N)})
	}
	return writeTable(w, table, 4, markdown)
}
