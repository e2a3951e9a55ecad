// Command switch shows the client choosing the cut while it runs:
//
//	switch BNC IMAGE BUNDLE...
//
// A server in a process of its own hosts the bundles; the client computes with one
// thread, as a weaker device would. The link is Wi-Fi, then 3G, then Wi-Fi again, and
// then others keep the server busy. The client's log goes to stdout.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"os"
	"os/exec"
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
	"github.com/bottlenet/bnc/runtime/tensor"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "switch:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 4 {
		return errors.New("usage: switch BNC IMAGE BUNDLE BUNDLE...")
	}
	program, picture, bundles := args[0], args[1], args[2:]
	address, end, err := serveBundles(ctx, program, bundles)
	if err != nil {
		return err
	}
	defer end()
	wifi, err := plan.ParseNetwork("wifi")
	if err != nil {
		return err
	}
	slow, err := plan.ParseNetwork("3g")
	if err != nil {
		return err
	}
	air := link.New(wifi, link.Options{})
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
	item, err := data.ReadItem(picture)
	if err != nil {
		return err
	}
	x, err := feeder.One(item)
	if err != nil {
		return err
	}
	images := func(what string, n int) error {
		fmt.Println("--", what)
		for range n {
			r, err := c.Run(ctx, ort.Feed{feeder.Input(): x})
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
	air.SetNetwork(slow)
	if err := images("the link drops to 3G", 10); err != nil {
		return err
	}
	air.SetNetwork(wifi)
	if err := images("Wi-Fi again", 10); err != nil {
		return err
	}
	busy, rest := context.WithCancel(ctx)
	var others sync.WaitGroup
	defer others.Wait()
	defer rest()
	direct, err := oip.Dial(address, oip.DialOptions{})
	if err != nil {
		return err
	}
	defer direct.Close()
	payload, err := payloadOf(ctx, bundles[0], feeder.Input(), x)
	if err != nil {
		return err
	}
	for range 6 {
		others.Go(func() {
			for busy.Err() == nil {
				direct.Infer(busy, &oip.Request{Model: filepath.Base(bundles[0]), Inputs: []oip.Tensor{payload}})
			}
		})
	}
	return images("others keep the server busy", 12)
}

// serveBundles starts bnc serve and returns its address.
func serveBundles(ctx context.Context, program string, bundles []string) (address string, end func(), err error) {
	cmd := exec.CommandContext(ctx, program, append([]string{"serve", "--http", "", "--grpc", "127.0.0.1:0", "--json", "--log-level", "error"}, bundles...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	end = func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}
	var ready struct {
		GRPC string `json:"grpc"`
	}
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		end()
		return "", nil, fmt.Errorf("bnc serve did not start: %w", err)
	}
	return "grpc://" + ready.GRPC, end, nil
}

// payloadOf is what the mobile half of a bundle makes of x.
func payloadOf(ctx context.Context, dir, input string, x *tensor.Tensor) (oip.Tensor, error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return oip.Tensor{}, err
	}
	mobile, err := b.OpenMobile(ort.Options{})
	if err != nil {
		return oip.Tensor{}, err
	}
	defer mobile.Close()
	crossing, _, err := mobile.Run(ctx, ort.Feed{input: x})
	return oip.Tensor{Name: b.Cloud.Inputs[0].Name, Value: crossing}, err
}
