package bnc

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/bottlenet/bnc/runtime/bench"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/serve"
)

// BenchOptions say what Bench measures.
type BenchOptions struct {
	Input         string `json:"input"` // JPEG or PNG image, or a folder of them; needed
	RemoteOptions        // the server to measure with; one in this process
	// Links are emulated: 3g, 4g, wifi or RATE[,DELAY], or NoLink for the network as it is;
	// 3g, 4g and wifi.
	Links     []string      `json:"link,omitempty"`
	N         int           `json:"n,omitempty"`          // measured runs of each way over each link; 30
	Most      time.Duration `json:"most,omitempty"`       // after which a way has enough runs, three at least; a minute
	JPEGBytes int           `json:"jpeg_bytes,omitempty"` // also send images that were compressed to at most that many bytes; 0 does not
	ImageOptions
	Reporter Reporter `json:"-"`
}

// NoLink is the option link that emulates none.
const NoLink = "none"

// BenchResult is what Bench measured: a row of each way over each link.
type BenchResult struct {
	Rows []bench.Row `json:"rows"`
}

// check finds options that cannot be.
func (o BenchOptions) check() error {
	switch {
	case o.Input == "":
		return usage("input", ": expected an image or a folder of images")
	case o.N < 0:
		return usage("n", "%d: expected 1 or more", o.N)
	case o.Most < 0:
		return usage("most", "%v: expected a time above 0", o.Most)
	}
	for _, name := range o.Links {
		if _, err := benchLink(name); err != nil {
			return err
		}
	}
	return o.RemoteOptions.check()
}

// benchLink reads one of option link; nil for none.
func benchLink(name string) (*plan.Network, error) {
	if name == NoLink {
		return nil, nil
	}
	return linkOf(name)
}

// Bench measures latency end to end over emulated links: of each bundle divided, of each
// whole model on the device alone and in the cloud alone, where its image crosses as the
// file that it is. A run that does not count comes before.
func Bench(ctx context.Context, paths []string, o BenchOptions) (result *BenchResult, failed error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if len(o.Links) == 0 {
		o.Links = []string{"3g", "4g", "wifi"}
	}
	p := progress{o.Reporter}
	photos, err := o.photos(p)
	if err != nil {
		return nil, err
	}
	serverName := bundle.Name
	if o.Cloud == "" {
		// In a server of our own a model may have the name of its bundle.
		serverName = func(path string) string {
			if bundle.IsBundle(path) {
				return bundle.Name(path)
			}
			return filepath.Base(path)
		}
	}
	models, err := serve.Named(paths, serverName)
	if err != nil {
		return nil, err
	}
	if o.Cloud == "" {
		address, stop, err := serve.Start(ctx, models)
		if err != nil {
			return nil, err
		}
		defer func() { failed = errors.Join(failed, stop()) }()
		o.Cloud = "grpc://" + address
	}
	b := bench.New(bench.Options{
		Paths: paths, Photos: photos, ServerName: serverName, N: cmp.Or(o.N, 30), Most: cmp.Or(o.Most, time.Minute),
		Prepare: func(inherited *imagein.Preprocess) feed.Chooser { return o.chooser(inherited) },
	})
	result, phase := &BenchResult{}, p.phase("measuring", len(o.Links)*len(paths))
	for _, name := range o.Links {
		rows, err := o.over(ctx, b, name, phase)
		if err != nil {
			return nil, err
		}
		result.Rows = append(result.Rows, rows...)
	}
	return result, nil
}

// over measures every way over one link.
func (o BenchOptions) over(ctx context.Context, b *bench.Bench, name string, p *phase) (rows []bench.Row, err error) {
	over, err := benchLink(name)
	if err != nil {
		return nil, err
	}
	remote, err := o.dial(over)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remote.Close()) }()
	var network plan.Network
	if over != nil {
		network = *over
	}
	return b.Link(ctx, name, network, remote, func() { p.step(1) })
}

// photos reads the images that are measured with.
func (o BenchOptions) photos(p progress) (*bench.Photos, error) {
	names, err := inputFiles([]string{o.Input}, p)
	if err != nil {
		return nil, err
	}
	skipped := leftOut{to: p}
	photos, err := bench.ReadPhotos(names, o.JPEGBytes, skipped.add)
	switch {
	case err != nil:
		return nil, err
	case photos.Len() == 0 && skipped.first != nil:
		return nil, unusable("none of the images can be used: %w", skipped.first)
	case photos.Len() == 0:
		return nil, unusable("%s holds no image (%s)", o.Input, imagein.Extensions())
	}
	return photos, nil
}
