// Package bench measures how long a model takes end to end: on the device alone, divided,
// and in the cloud alone, over an emulated link or the network as it is.
package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagecodec"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/serve"
)

// Row is what was measured of one way over one link.
type Row struct {
	Link  string `json:"link"`
	Way   string `json:"way"`   // mobile-only, cloud-only with how images are sent, split
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
	Links []string `json:"link,omitempty"`
	// InputCodec also sends the images themselves as files of InputCodecs, which the device encodes
	// from what it would give a model and the cloud decodes. Quality is that of each, or of all; 75 if
	// it is nil. To the server in this process only.
	InputCodec []string      `json:"input_codec,omitempty"`
	Quality    []int         `json:"quality,omitempty"`
	N          int           `json:"n,omitempty"`          // measured runs of each way over each link; 0 for 30
	Most       time.Duration `json:"most,omitempty"`       // after which a way has enough runs, three at least; 0 for a minute
	Slower     []float64     `json:"slower,omitempty"`     // how many times slower than what is measured the device is, a ranking for each; nil for 1
	Draw       string        `json:"draw,omitempty"`       // folder for pictures of the whole model's answer beside each bundle's
	JPEGBytes  int           `json:"jpeg_bytes,omitempty"` // also send images that were compressed to at most that many bytes; 0 does not
}

// NoLink is the option link that emulates none.
const NoLink = "none"

// Result is what was measured: a row of each way over each link, and what is fastest there.
type Result struct {
	Rows    []Row     `json:"rows"`
	Fastest []Ranking `json:"fastest"`
}

// Ranking are the best ways over a link to run a model on the device alone, in the cloud
// alone and divided, as far as they were measured, the fastest first, where the device takes
// so many times as long as it did.
type Ranking struct {
	Link   string  `json:"link"`
	Slower float64 `json:"slower"`
	Ways   []Row   `json:"ways"`
}

// best are the rows of least time in the median, one of each kind of way, in that order.
func best(rows []Row) (ranked []Row) {
	seen := map[string]bool{}
	for _, r := range slices.SortedStableFunc(slices.Values(rows), func(a, b Row) int { return cmp.Compare(a.Total.Median, b.Total.Median) }) {
		if kind, _, _ := strings.Cut(r.Way, ","); !seen[kind] {
			seen[kind], ranked = true, append(ranked, r)
		}
	}
	return ranked
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
	for _, times := range o.Slower {
		if !(times > 0) || math.IsInf(times, 1) {
			return fault.Usage("slower", "%v: expected a number above 0, as 4 of a device that takes four times as long", times)
		}
	}
	if _, err := o.sent(); err != nil {
		return err
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
	sending    map[string][]*imagecodec.Sender // to whole models, by their paths
}

// measure measures the bundles and models at paths with photos. Prepare says how images become
// the input of a model that says inherited. Step is called Steps times.
func (o Options) measure(ctx context.Context, paths []string, photos *Photos, prepare func(inherited *imagein.Preprocess) feed.Chooser, step func()) (result *Result, failed error) {
	b := &bench{o, photos, prepare, bundle.Name, nil}
	if b.sending, failed = b.senders(paths); failed != nil {
		return nil, failed
	}
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
		address, stop, err := serve.Start(ctx, models, b.decoding)
		if err != nil {
			return nil, err
		}
		defer func() { failed = errors.Join(failed, stop()) }()
		b.o.Cloud = "grpc://" + address
	}
	result = &Result{}
	for _, link := range o.links() {
		measured, err := b.over(ctx, link, paths, step)
		if err != nil {
			return nil, err
		}
		result.Rows = append(result.Rows, rows(measured, link, 1)...)
		for _, slower := range o.slower() {
			result.Fastest = append(result.Fastest, Ranking{link, slower, best(rows(measured, link, slower))})
		}
	}
	return result, nil
}

// decoding is the service that decodes what is sent to whole models.
func (b *bench) decoding(service oip.Service) oip.Service {
	d := decoding{service, map[string][]*imagecodec.Sender{}}
	for path, senders := range b.sending {
		d.senders[b.serverName(path)] = senders
	}
	return d
}

// slower are the devices of rankings.
func (o Options) slower() []float64 {
	if len(o.Slower) == 0 {
		return []float64{1}
	}
	return o.Slower
}

// links are the links that are measured over.
func (o Options) links() []string {
	if len(o.Links) == 0 {
		return []string{"3g", "4g", "wifi"}
	}
	return o.Links
}

// Steps is how often Run calls its step.
func (o Options) Steps() int { return len(o.links()) * (1 + o.runs()) }

// runs is how often each way is run over each link and counts.
func (o Options) runs() int { return cmp.Or(o.N, 30) }

// over measures every way over one link.
func (b *bench) over(ctx context.Context, link string, paths []string, step func()) (measured []samples, err error) {
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
	var ways []way
	defer func() {
		for _, w := range ways {
			err = errors.Join(err, w.close())
		}
	}()
	for _, path := range paths {
		of, err := b.ways(ctx, path, remote, guess)
		if err != nil {
			return nil, err
		}
		ways = append(ways, of...)
	}
	return b.measure(ctx, ways, step)
}

// measure runs the ways in turns, so that where the machine is busy for a while all are
// slower, until each has enough.
func (b *bench) measure(ctx context.Context, ways []way, step func()) ([]samples, error) {
	var all []samples
	for _, w := range ways {
		all = append(all, samples{way: w})
	}
	most := cmp.Or(b.o.Most, time.Minute)
	for i := -1; i < b.o.runs(); i++ {
		for k := range all {
			s := &all[k]
			if i >= 3 && s.took > most {
				continue
			}
			start := time.Now()
			t, n, err := s.run(ctx, (i+1)%len(b.photos.items))
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", s.model, s.name, err)
			}
			if i >= 0 { // the first run allocates, connects and checks the pair
				s.add(t, n, time.Since(start))
			}
		}
		step()
	}
	return all, nil
}

// samples are the runs of a way that count.
type samples struct {
	way
	times []bundle.Timings
	bytes int
	took  time.Duration
}

func (s *samples) add(t bundle.Timings, bytes int, took time.Duration) {
	s.times, s.bytes, s.took = append(s.times, t), s.bytes+bytes, s.took+took
}

// of is what the runs took of something.
func (s samples) of(stage func(bundle.Timings) time.Duration) Time {
	var all []float64
	for _, t := range s.times {
		all = append(all, float64(stage(t).Microseconds())/1000)
	}
	return Time{stats.Median(all), stats.Quantile(0.95, all)}
}

// rows are what was measured over a link, of a device that is so many times slower.
func rows(measured []samples, link string, slower float64) (all []Row) {
	mobile := func(t bundle.Timings) time.Duration { return time.Duration(slower * float64(t.Mobile)) }
	for _, s := range measured {
		all = append(all, Row{
			Link: link, Way: s.name, Model: s.model, Cut: s.cut, N: len(s.times), Bytes: s.bytes / len(s.times), Mobile: s.of(mobile),
			Wire:  s.of(func(t bundle.Timings) time.Duration { return t.Link }),
			Cloud: s.of(func(t bundle.Timings) time.Duration { return t.Cloud }),
			Total: s.of(func(t bundle.Timings) time.Duration { return t.Total - t.Mobile + mobile(t) }),
		})
	}
	return all
}
