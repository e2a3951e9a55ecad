// Command switch shows the client choosing the cut while it runs:
//
//	switch BNC IMAGE BUNDLE...
//
// A server in a process of its own hosts the bundles; the client computes with one
// thread, as a weaker device would. Over Wi-Fi the link drops to 3G; then, with a new
// client, others keep the server busy. The client's log goes to stdout.
package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/link"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/tools/internal/serving"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "switch:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) < 4 {
		return errors.New("usage: switch BNC IMAGE BUNDLE BUNDLE [BUNDLE]")
	}
	program, picture, bundles := args[0], args[1], args[2:]
	server, err := serving.Start(ctx, program, bundles...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	item, err := data.ReadItem(picture)
	if err != nil {
		return err
	}
	if err := scenario(ctx, server.Address, bundles, item, "the link drops to 3G", func(air *link.Link, _ ort.Feed) (func(), error) {
		slow, err := plan.ParseNetwork("3g")
		air.SetNetwork(slow)
		return func() {}, err
	}); err != nil {
		return err
	}
	return scenario(ctx, server.Address, bundles, item, "others keep the server busy", func(_ *link.Link, x ort.Feed) (func(), error) {
		return crowd(ctx, server.Address, bundles[0], x)
	})
}

// scenario runs images over Wi-Fi, then others after disturb was called.
func scenario(ctx context.Context, address string, bundles []string, item data.Item, what string, disturb func(*link.Link, ort.Feed) (func(), error)) error {
	wifi, err := plan.ParseNetwork("wifi")
	if err != nil {
		return err
	}
	air := link.New(wifi, link.Options{Downlink: math.Inf(1)})
	remote, err := oip.Dial(address, oip.DialOptions{Dialer: air.Dialer(nil)})
	if err != nil {
		return err
	}
	defer remote.Close()
	c, err := client.Open(ctx, client.Options{
		Bundles: bundles, Remote: remote, Session: ort.Options{Threads: 1}, Network: wifi,
		Log: slog.New(slog.NewTextHandler(os.Stdout, nil)),
	})
	if err != nil {
		return err
	}
	defer c.Close()
	feeder, err := feed.New(c.Inputs(), func(l imagein.Layout, size image.Point) (imagein.Preprocess, error) {
		return imagein.Default(l, size), nil
	})
	if err != nil {
		return err
	}
	x, err := feeder.One(item)
	if err != nil {
		return err
	}
	in := ort.Feed{feeder.Input(): x}
	images := func(what string, n int) error {
		fmt.Println("--", what)
		for range n {
			r, err := c.Run(ctx, in)
			if err != nil {
				return err
			}
			t := r.Timings
			fmt.Printf("%s: %d bytes, mobile %d ms, link %d ms, cloud %d ms, total %d ms\n", r.Model, r.PayloadBytes,
				t.Mobile.Milliseconds(), t.Link.Milliseconds(), t.Cloud.Milliseconds(), t.Total.Milliseconds())
		}
		return nil
	}
	if err := images("Wi-Fi", 8); err != nil {
		return err
	}
	end, err := disturb(air, in)
	if err != nil {
		return err
	}
	defer end()
	return images(what, 12)
}

// crowd keeps the server busy with a bundle until the returned function is called.
func crowd(ctx context.Context, address, dir string, in ort.Feed) (func(), error) {
	crossing, err := crossingOf(ctx, dir, in)
	if err != nil {
		return nil, err
	}
	remote, err := oip.Dial(address, oip.DialOptions{})
	if err != nil {
		return nil, err
	}
	busy, rest := context.WithCancel(ctx)
	var others sync.WaitGroup
	for range 6 {
		others.Go(func() {
			for busy.Err() == nil {
				remote.Infer(busy, &oip.Request{Model: filepath.Base(dir), Inputs: crossing})
			}
		})
	}
	return func() {
		rest()
		others.Wait()
		remote.Close()
	}, nil
}

// crossingOf is what the mobile half of a bundle makes of an image.
func crossingOf(ctx context.Context, dir string, in ort.Feed) (inputs []oip.Tensor, err error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return nil, err
	}
	mobile, err := b.OpenMobile(ort.Options{})
	if err != nil {
		return nil, err
	}
	defer mobile.Close()
	crossing, _, err := mobile.Run(ctx, in)
	for name, value := range crossing {
		inputs = append(inputs, oip.Tensor{Name: name, Value: value})
	}
	return inputs, err
}
