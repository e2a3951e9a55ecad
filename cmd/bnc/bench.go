package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
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
  bnc bench net-rb1 net-rb4 --input photo.jpg --link 4g --link 10Mbit,20ms --n 50 --json
  bnc bench net-rb1 --input photo.jpg --cloud http://cloud:8000`,
	setup: setupBench,
}

type benchOptions struct {
	remote         remoteFlags
	input          string
	links          []string
	n              int
	most           time.Duration
	jpegBytes      int
	json, markdown bool
	images         imageFlags
	ownServer      bool // in this process
}

func setupBench(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o benchOptions
	fs.StringVar(&o.input, "input", "", "JPEG or PNG image, or a folder of them")
	o.remote.declare(fs, "measure with this server of the Open Inference Protocol instead of one in this process")
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
		case o.most <= 0:
			return usagef("--most %v: expected a time above 0", o.most)
		case o.json && o.markdown:
			return usagef("--json and --markdown exclude each other")
		}
		if err := o.remote.check(); err != nil {
			return err
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
	for _, name := range o.links { // before anything slow
		if _, err := benchLink(name); err != nil {
			return err
		}
	}
	photos, err := readPhotos(o.input, o.jpegBytes, s.notice)
	if err != nil {
		return err
	}
	stop, err := o.server(ctx, paths)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	bar := newProgress(s.err, "measuring", len(o.links)*len(paths))
	defer bar.done()
	alone := map[string]benchRow{} // of the models that run on the device: no link matters to them
	var rows []benchRow
	for _, over := range o.links {
		more, err := o.measureLink(ctx, over, paths, photos, alone, bar)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	if o.json {
		return printJSON(s.out, map[string]any{"rows": rows})
	}
	return writeBench(s.out, rows, o.markdown)
}

// measureLink measures every way over one link, as --link names it.
func (o benchOptions) measureLink(ctx context.Context, name string, paths []string, photos *photos, alone map[string]benchRow, bar progress) (rows []benchRow, err error) {
	network, err := benchLink(name)
	if err != nil {
		return nil, err
	}
	over := name
	if name == noLink {
		over = ""
	}
	remote, err := o.remote.dial(over)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remote.Close()) }()
	for _, path := range paths {
		ways, err := o.ways(ctx, path, remote, photos, network)
		if err != nil {
			return nil, err
		}
		for _, w := range ways {
			row, known := alone[w.model]
			if w.linked || !known {
				row, err = o.measure(ctx, w, len(photos.items))
			}
			if err := errors.Join(err, w.close()); err != nil {
				return nil, fmt.Errorf("%s, %s: %w", w.model, w.name, err)
			}
			if !w.linked {
				alone[w.model] = row
			}
			row.Link = name
			rows = append(rows, row)
		}
		bar.step()
	}
	return rows, nil
}

// noLink is the --link that emulates none.
const noLink = "none"

// benchLink reads a --link; none gives the zero Network, of which nothing is known.
func benchLink(name string) (plan.Network, error) {
	if name == noLink {
		return plan.Network{}, nil
	}
	network, err := plan.ParseNetwork(name)
	if err != nil {
		return plan.Network{}, usagef("--link: %w", err)
	}
	return network, nil
}

// serverName is what the server calls the model or bundle at path. In a server of our
// own a model may have the name of its bundle.
func (o *benchOptions) serverName(path string) string {
	if o.ownServer && !bundle.IsBundle(path) {
		return filepath.Base(path)
	}
	return bundle.Name(path)
}

// server starts a server of the models unless the flags name one. The returned
// function ends it.
func (o *benchOptions) server(ctx context.Context, paths []string) (stop func() error, err error) {
	o.ownServer = o.remote.url == ""
	models, err := namedModels(paths, o.serverName)
	if err != nil {
		return nil, err
	}
	if !o.ownServer {
		return func() error { return nil }, nil
	}
	repository := serve.NewRepository(serve.Options{})
	closing := func() error {
		done, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return repository.Close(done)
	}
	for name, path := range models {
		if err := repository.Load(name, path); err != nil {
			return nil, errors.Join(unusableError{err}, closing())
		}
	}
	front, err := serve.Listen(serve.ServerOptions{GRPC: "127.0.0.1:0"})
	if err != nil {
		return nil, errors.Join(err, closing())
	}
	o.remote.url = "grpc://" + front.GRPCAddr()
	serving, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- front.Serve(serving, repository) }()
	return func() error {
		end()
		return errors.Join(<-ended, closing())
	}, nil
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
		return []way{{"split", bundle.Name(path), c.Meta().Cut, true, func(ctx context.Context, i int) (bundle.Timings, int, error) {
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
	ways := []way{{"mobile-only", bundle.Name(path), "", false, func(ctx context.Context, i int) (bundle.Timings, int, error) {
		x, err := feeder.One(p.items[i])
		if err != nil {
			return bundle.Timings{}, 0, unusableError{err}
		}
		r, err := runner.Run(ctx, ort.Feed{feeder.Input(): x})
		return bundle.Timings{Mobile: r.Timings.Total, Total: r.Timings.Total}, 0, err
	}, runner.Close}}
	for _, files := range p.sets {
		ways = append(ways, way{files.name, bundle.Name(path), "", true, func(ctx context.Context, i int) (bundle.Timings, int, error) {
			return askImage(ctx, remote, o.serverName(path), files.files[i])
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
