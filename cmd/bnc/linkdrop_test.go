package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/link"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/predict"
)

// through listens at the address that it returns and connects over the link to
// another one, until the test ends.
func through(t *testing.T, l *link.Link, to string) string {
	t.Helper()
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	dial := l.Dialer(nil)
	var open sync.WaitGroup
	connect := func(near net.Conn) {
		defer near.Close()
		far, err := dial(ctx, "tcp", to)
		if err != nil {
			return // who waits for it sees near closed
		}
		open.Go(func() {
			io.Copy(far, near)
			far.Close()
		})
		io.Copy(near, far)
	}
	open.Go(func() {
		for {
			near, err := front.Accept()
			if err != nil {
				return
			}
			open.Go(func() { connect(near) })
		}
	})
	t.Cleanup(func() {
		front.Close()
		cancel()
		open.Wait()
	})
	return front.Addr().String()
}

// TestLinkDrops lets the link between client and server drop to nothing and come
// back while inputs go through: each gets one result, in order and right, from
// here while nothing passes, and from the server again afterwards.
func TestLinkDrops(t *testing.T) {
	set := newCloudSet(t)
	path := set.bundle("net-rb1")
	want := cloudRuns(t, append([]string{path}, set.inputs...)...)
	server := serveHere(t, path)
	for scheme, address := range map[string]string{"http": server.HTTP, "grpc": server.GRPC} {
		t.Run(scheme, func(t *testing.T) { dropLink(t, path, scheme, address, slices.Repeat(set.inputs, 40), want) })
	}
}

func dropLink(t *testing.T, path, scheme, address string, inputs []string, want []predict.Result) {
	const drops, enough = 2, 20 // results from either side before the link changes
	const patience = time.Minute
	up := plan.Network{Uplink: 50e6, RTT: 2 * time.Millisecond}
	l := link.New(up, link.Options{})
	// What the client says of the server: whether it is left alone.
	alone := make(chan bool, len(inputs))
	log := writerFunc(func(line []byte) (int, error) {
		if bytes.Contains(line, []byte("does not answer")) {
			alone <- true
		} else if bytes.Contains(line, []byte("is ready again")) {
			alone <- false
		}
		return t.Output().Write(line)
	})
	out, in := io.Pipe()
	code := make(chan int, 1)
	url := scheme + "://" + through(t, l, address)
	go func() {
		args := append([]string{"run", path, "--cloud", url, "--jsonl", "--top", "3", "--inflight", "2", "--deadline", "500ms"}, inputs...)
		c := run(context.Background(), args, in, log)
		in.Close()
		code <- c
	}()
	// A line that is not read holds the command up: with the link up, the next
	// ones are read when the client has found its server again, and so it is
	// results, not times, that decide what happens.
	by, dropped, down, left := map[string]int{}, 0, false, false
	lines := json.NewDecoder(out)
	n := 0
	for ; lines.More(); n++ {
		var r predict.Result
		if err := lines.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if n >= len(inputs) || r.Input != inputs[n] {
			t.Fatalf("result %d is of %s", n, r.Input)
		}
		sameTop(t, r, want[n%len(want)])
		if (r.Where == "mobile") != (r.Fallback != "") {
			t.Errorf("result %d is from %s: %q", n, r.Where, r.Fallback)
		}
		switch by[r.Where]++; {
		case !down && by["split"] >= enough && dropped < drops:
			l.SetNetwork(plan.Network{})
			down, by = true, map[string]int{}
			dropped++
		case down && by["mobile"] >= enough:
			l.SetNetwork(up)
			down, by = false, map[string]int{}
		}
		for end := time.After(patience); !down && (left || len(alone) > 0); {
			select {
			case left = <-alone:
			case <-end:
				t.Fatalf("the link is there, the client does not find its server; result %d", n)
			}
		}
	}
	if c := <-code; c != exitDone || n != len(inputs) {
		t.Errorf("exit code %d after %d of %d results", c, n, len(inputs))
	}
	if dropped != drops || down || by["split"] < enough {
		t.Errorf("the link dropped %d times, expected %d, and since it came back there are results from %v", dropped, drops, by)
	}
}
