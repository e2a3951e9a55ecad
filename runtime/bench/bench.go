// Package bench measures how long a model takes end to end: on the device alone, divided,
// and in the cloud alone, over an emulated link or the network as it is.
package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/plan"
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

// UnusableError says that a model or an image cannot be measured with.
type UnusableError struct{ err error }

// Error says what is wrong.
func (e *UnusableError) Error() string { return e.err.Error() }

// Unwrap returns what was wrong.
func (e *UnusableError) Unwrap() error { return e.err }

// Options say what is measured.
type Options struct {
	Paths  []string // of bundles and models
	Photos *Photos  // at least one
	// Prepare says how images become the input of a model that says inherited.
	Prepare func(inherited *imagein.Preprocess) feed.Chooser
	// ServerName is what the server calls the bundle or model at a path.
	ServerName func(path string) string
	N          int           // measured runs of a way over a link
	Most       time.Duration // after which a way has enough runs, three at least
}

// Bench measures ways. Those of models on the device alone, to which no link matters, are
// measured once.
type Bench struct {
	o     Options
	alone map[string]Row
}

// New returns a Bench.
func New(o Options) *Bench { return &Bench{o: o, alone: map[string]Row{}} }

// Link measures every way to the server over one link. The name is told in the rows; the
// network is a first guess at the link, the zero one where nothing is known. Done is
// called behind each path.
func (b *Bench) Link(ctx context.Context, name string, network plan.Network, remote *oip.Remote, done func()) (rows []Row, err error) {
	for _, path := range b.o.Paths {
		ways, err := b.ways(ctx, path, remote, network)
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
			row.Link = name
			rows = append(rows, row)
		}
		done()
	}
	return rows, nil
}

// measure runs a way until it has enough.
func (b *Bench) measure(ctx context.Context, w way) (Row, error) {
	var times []bundle.Timings
	bytes := 0
	start := time.Now()
	for i := -1; i < b.o.N; i++ {
		if i >= 3 && time.Since(start) > b.o.Most {
			break
		}
		t, n, err := w.run(ctx, (i+1)%b.o.Photos.Len())
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
