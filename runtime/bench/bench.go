// Package bench measures how long a model takes end to end: on the device alone, divided,
// and in the cloud alone, over an emulated link or the network as it is.
package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/serve"
)

// Row is what was measured of one way over one link.
type Row struct {
	Link  string `json:"link"`
	Way   string `json:"way"`   // mobile-only, cloud-only, cloud-only at N bytes, split
	Model string `json:"model"` // the bundle's or model's name
	Cut   string `json:"cut"`
	N     int    `json:"n"`
	Bytes int    `json:"bytes"` // mean of what crossed

	Mobile Time `json:"mobile_ms"`
	Wire   Time `json:"link_ms"`
	Cloud  Time `json:"cloud_ms"`
	Total  Time `json:"total_ms"`
}

// Time is what several measurements of a time gave, in milliseconds.
type Time struct {
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
}

// Options say what is measured.
type Options struct {
	Input                string `json:"input"` // JPEG or PNG image, or a folder of them; needed
	client.RemoteOptions        // the server to measure with; without a Cloud one in this process
	// Links are emulated: 3g, 4g, wifi or RATE[,DELAY], or NoLink for the network as it is;
	// none for 3g, 4g and wifi.
	Links     []string      `json:"link,omitempty"`
	N         int           `json:"n,omitempty"`          // measured runs of each way over each link; 0 for 30
	Most      time.Duration `json:"most,omitempty"`       // after which a way has enough runs, three at least; 0 for a minute
	Draw      string        `json:"draw,omitempty"`       // folder for pictures of the whole model's answer beside each bundle's
	JPEGBytes int           `json:"jpeg_bytes,omitempty"` // also send images that were compressed to at most that many bytes; 0 does not
}

// NoLink is the option link that emulates none.
const NoLink = "none"

// Result is what was measured: a row of each way over each link.
type Result struct {
	Rows []Row `json:"rows"`
}

// Check finds options that cannot be.
func (o Options) Check() error {
	switch {
	case o.Input == "":
		return fault.Usage("input", ": expected an image or a folder of images")
	case o.N < 0:
		return fault.Usage("n", "%d: expected 1 or more", o.N)
	case o.Draw != "" && imagein.IsImage(o.Input):
		return fault.Usage("draw", "takes its examples from several images: option input names one, give a folder")
	case o.Most < 0:
		return fault.Usage("most", "%v: expected a time above 0", o.Most)
	}
	for _, name := range o.Links {
		if _, err := network(name); err != nil {
			return err
		}
	}
	return o.RemoteOptions.Check()
}

// network reads one of option link; nil for none.
func network(name string) (*plan.Network, error) {
	if name == NoLink {
		return nil, nil
	}
	return client.Link(name)
}

// bench measures ways.
type bench struct {
	o          Options
	photos     *Photos
	prepare    func(inherited *imagein.Preprocess) feed.Chooser
	serverName func(path string) string
	alone      map[string]Row // of models on the device alone, to which no link matters
}

// Run measures the bundles and models at paths with photos. Prepare says how images become
// the input of a model that says inherited. Step is called behind each path over each link.
func (o Options) Run(ctx context.Context, paths []string, photos *Photos, prepare func(inherited *imagein.Preprocess) feed.Chooser, step func()) (result *Result, failed error) {
	o.N, o.Most = cmp.Or(o.N, 30), cmp.Or(o.Most, time.Minute)
	b := &bench{o, photos, prepare, bundle.Name, map[string]Row{}}
	if o.Cloud == "" {
		// In a server of our own a model may have the name of its bundle.
		b.serverName = func(path string) string {
			if bundle.IsBundle(path) {
				return bundle.Name(path)
			}
			return filepath.Base(path)
		}
	}
	models, err := serve.Named(paths, b.serverName)
	if err != nil {
		return nil, err
	}
	if o.Cloud == "" {
		address, stop, err := serve.Start(ctx, models)
		if err != nil {
			return nil, err
		}
		defer func() { failed = errors.Join(failed, stop()) }()
		b.o.Cloud = "grpc://" + address
	}
	result = &Result{}
	for _, link := range o.links() {
		rows, err := b.over(ctx, link, paths, step)
		if err != nil {
			return nil, err
		}
		result.Rows = append(result.Rows, rows...)
	}
	return result, nil
}

// links are the links that are measured over.
func (o Options) links() []string {
	if len(o.Links) == 0 {
		return []string{"3g", "4g", "wifi"}
	}
	return o.Links
}

// Steps is how often Run calls its step for so many paths.
func (o Options) Steps(paths int) int { return len(o.links()) * paths }

// over measures every way over one link.
func (b *bench) over(ctx context.Context, link string, paths []string, step func()) (rows []Row, err error) {
	over, err := network(link)
	if err != nil {
		return nil, err
	}
	remote, err := b.o.Dial(over)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remote.Close()) }()
	var guess plan.Network // of which nothing is known
	if over != nil {
		guess = *over
	}
	for _, path := range paths {
		ways, err := b.ways(ctx, path, remote, guess)
		if err != nil {
			return nil, err
		}
		for _, w := range ways {
			row, known := b.alone[w.model]
			if w.linked || !known {
				row, err = b.measure(ctx, w)
			}
			if err := errors.Join(err, w.close()); err != nil {
				return nil, fmt.Errorf("%s, %s: %w", w.model, w.name, err)
			}
			if !w.linked {
				b.alone[w.model] = row
			}
			row.Link = link
			rows = append(rows, row)
		}
		step()
	}
	return rows, nil
}

// measure runs a way until it has enough.
func (b *bench) measure(ctx context.Context, w way) (Row, error) {
	var times []bundle.Timings
	bytes := 0
	start := time.Now()
	for i := -1; i < b.o.N; i++ {
		if i >= 3 && time.Since(start) > b.o.Most {
			break
		}
		t, n, err := w.run(ctx, (i+1)%len(b.photos.items))
		if err != nil {
			return Row{}, err
		}
		if i < 0 { // the first run allocates, connects and checks the pair
			start = time.Now()
			continue
		}
		times = append(times, t)
		bytes += n
	}
	of := func(stage func(bundle.Timings) time.Duration) Time {
		var all []float64
		for _, t := range times {
			all = append(all, float64(stage(t).Microseconds())/1000)
		}
		return Time{stats.Median(all), stats.Quantile(0.95, all)}
	}
	return Row{
		Way: w.name, Model: w.model, Cut: w.cut, N: len(times), Bytes: bytes / len(times),
		Mobile: of(func(t bundle.Timings) time.Duration { return t.Mobile }), Wire: of(func(t bundle.Timings) time.Duration { return t.Link }),
		Cloud: of(func(t bundle.Timings) time.Duration { return t.Cloud }), Total: of(func(t bundle.Timings) time.Duration { return t.Total }),
	}, nil
}
