// Command load puts bnc serve under load, beside a bare loop of ONNX Runtime over
// the same payloads:
//
//	load [FLAGS] BNC BUNDLE IMAGES
//
// BNC is the program, BUNDLE a directory that bnc split wrote, IMAGES a folder of
// photographs. The server is a process of its own with gRPC on loopback; load and
// server share the machine's cores.
package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/tools/internal/serving"
	"github.com/spf13/pflag"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// bench is what all measurements share.
type bench struct {
	program, dir string
	payloads     []*tensor.Tensor
	pair         string
}

func run(ctx context.Context) error {
	spell := pflag.Duration("time", 20*time.Second, "of each measurement of throughput")
	rounds := pflag.Int("rounds", 3, "of server and bare loop, alternating")
	clients := pflag.Int("clients", 16, "that wait for their answer, for throughput")
	many := pflag.Int("soak-clients", 200, "of the soak")
	soak := pflag.Duration("soak", 5*time.Minute, "with many clients, 0 for none")
	overload := pflag.Duration("overload", 30*time.Second, "at three times the capacity, 0 for none")
	model := pflag.String("images", "", "whole model that gets large image files from many clients at once")
	only := pflag.Bool("images-only", false, "of all measurements that of --images")
	pflag.Parse()
	if pflag.NArg() != 3 {
		pflag.Usage()
		return errors.New("expected BNC, BUNDLE and IMAGES")
	}
	b := &bench{program: pflag.Arg(0), dir: pflag.Arg(1)}
	if *model != "" {
		if err := b.images(ctx, *model); err != nil || *only {
			return err
		}
	}
	if err := b.prepare(ctx, pflag.Arg(2)); err != nil {
		return err
	}
	capacity := 0.0
	for _, batch := range []int{1, 8} {
		var bare, served []float64
		var waits []time.Duration
		for range *rounds {
			rate, err := b.bare(ctx, batch, *spell)
			if err != nil {
				return err
			}
			bare = append(bare, rate)
			r, err := b.served(ctx, batch, *clients, *spell, 0)
			if err != nil {
				return err
			}
			if r.failed > 0 {
				return fmt.Errorf("%d requests failed: %v", r.failed, r.first)
			}
			served = append(served, r.rate())
			waits = append(waits, r.waits...)
		}
		slices.Sort(bare)
		slices.Sort(served)
		of, is := bare[len(bare)/2], served[len(served)/2]
		capacity = is
		fmt.Printf("max batch %d: %.2f images/s served, %.2f bare, share %.1f%%; %d clients, p50 %v, p99 %v\n",
			batch, is, of, 100*is/of, *clients, quantile(waits, 0.5), quantile(waits, 0.99))
	}
	if *soak > 0 {
		r, err := b.served(ctx, 8, *many, *soak, 0)
		if err != nil {
			return err
		}
		fmt.Printf("soak: %d clients, %v: %d answers, %d errors (%v), p50 %v, p99 %v, memory %d MB after a fifth of the time, %d MB at the end\n",
			*many, *soak, len(r.waits), r.failed, r.first, quantile(r.waits, 0.5), quantile(r.waits, 0.99), r.early>>20, r.late>>20)
	}
	if *overload > 0 {
		r, err := b.served(ctx, 8, 0, *overload, 3*capacity)
		if err != nil {
			return err
		}
		fmt.Printf("overload at %.1f requests/s: %d answered (p99 %v), %d refused as overloaded (p99 %v), %d other errors (%v), none without an answer\n",
			3*capacity, len(r.waits), quantile(r.waits, 0.99), len(r.refused), quantile(r.refused, 0.99), r.failed, r.first)
	}
	return nil
}

// prepare makes the payloads of the images.
func (b *bench) prepare(ctx context.Context, images string) error {
	opened, err := bundle.Open(b.dir)
	if err != nil {
		return err
	}
	b.pair = opened.Meta.Pair
	mobile, err := opened.OpenMobile(ort.Options{})
	if err != nil {
		return err
	}
	defer mobile.Close()
	feeder, err := feed.New(mobile.Session().Inputs(), func(l imagein.Layout, size image.Point) (imagein.Preprocess, error) {
		return imagein.Default(l, size), nil
	})
	if err != nil {
		return err
	}
	paths, err := filepath.Glob(filepath.Join(images, "*.*"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if !imagein.IsImage(path) {
			continue
		}
		item, err := data.ReadItem(path)
		if err != nil {
			return err
		}
		x, err := feeder.One(item)
		if err != nil {
			return err
		}
		crossing, _, err := mobile.Run(ctx, ort.Feed{feeder.Input(): x})
		if err != nil {
			return err
		}
		payload := crossing[bundle.PayloadName]
		if payload == nil {
			return fmt.Errorf("%s is a plain pair: no payload crosses", b.dir)
		}
		b.payloads = append(b.payloads, payload)
	}
	if len(b.payloads) == 0 {
		return fmt.Errorf("%s holds no images", images)
	}
	return nil
}

// bare returns how many images a second a loop of the cloud half computes.
func (b *bench) bare(ctx context.Context, batch int, spell time.Duration) (float64, error) {
	opened, err := bundle.Open(b.dir)
	if err != nil {
		return 0, err
	}
	cloud, err := opened.OpenCloud(ort.Options{})
	if err != nil {
		return 0, err
	}
	defer cloud.Close()
	var together []byte
	for i := range batch {
		together = append(together, b.payloads[i%len(b.payloads)].Data...)
	}
	x := ort.Feed{bundle.PayloadName: tensor.Of([]int64{int64(len(together))}, together)}
	images := 0
	start := time.Now()
	for time.Since(start) < spell {
		if _, err := cloud.Run(ctx, x); err != nil {
			return 0, err
		}
		images += batch
	}
	return float64(images) / time.Since(start).Seconds(), nil
}

// connections are how many clients' connections the requests are spread over: a
// connection of HTTP/2 carries a limited number of calls at a time, and the others
// would wait on the client's side, where nobody can refuse them.
const connections = 32

// served starts a server and sends it requests of one image: as fast as a number
// of clients gets answers, or at a fixed rate.
func (b *bench) served(ctx context.Context, batch, clients int, spell time.Duration, rate float64) (r *result, err error) {
	server, err := serving.Start(ctx, b.program, b.dir, "--max-batch", strconv.Itoa(batch))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	remotes := make([]*oip.Remote, connections)
	for i := range remotes {
		if remotes[i], err = oip.Dial(server.Address, oip.DialOptions{}); err != nil {
			return nil, err
		}
		defer remotes[i].Close()
	}
	r = &result{}
	send := func(i int) { r.note(b.ask(ctx, remotes[i%len(remotes)], i)) }
	for i := range 2 * batch { // the first runs allocate
		if _, err := b.ask(ctx, remotes[0], i); err != nil {
			return nil, err
		}
	}
	done := make(chan struct{})
	defer close(done)
	go r.watch(server.PID(), spell, done)
	if rate > 0 {
		r.open(ctx, spell, rate, send)
	} else {
		r.closed(ctx, spell, clients, send)
	}
	return r, ctx.Err()
}

// ask sends one payload and returns how long the answer took.
func (b *bench) ask(ctx context.Context, remote *oip.Remote, i int) (time.Duration, error) {
	name := filepath.Base(b.dir)
	start := time.Now()
	_, err := remote.Infer(ctx, &oip.Request{
		Model: name, Params: oip.Params{oip.ParamPair: b.pair},
		Inputs: []oip.Tensor{{Name: bundle.PayloadName, Value: b.payloads[i%len(b.payloads)]}},
	})
	return time.Since(start), err
}
