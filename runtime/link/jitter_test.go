package link

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bottlenet/bnc/runtime/plan"
)

// late sends segments, gap apart, and returns by how much each is later than the
// schedule without jitter.
func late(t *testing.T, o Options, segments int, gap time.Duration) []time.Duration {
	var all []time.Duration
	synctest.Test(t, func(t *testing.T) {
		n := plan.Network{Uplink: 10e6, RTT: 20 * time.Millisecond}
		client, server := connect(t, New(n, o))
		begin := time.Now()
		go func() {
			for range segments {
				client.Write(make([]byte, segment))
				<-time.After(gap)
			}
		}()
		for i, a := range watch(t, server, segments*segment, begin) {
			left := takes(a.bytes, n.Uplink)
			if gap > 0 {
				left = time.Duration(i)*gap + takes(segment, n.Uplink)
			}
			all = append(all, a.after-left-n.RTT/2)
		}
	})
	if len(all) != segments {
		t.Fatalf("%d arrivals of %d segments", len(all), segments)
	}
	return all
}

// TestJitter: segments are late by 0 to Jitter, evenly distributed. Those that
// follow at once keep their order.
func TestJitter(t *testing.T) {
	const jitter = 30 * time.Millisecond
	o := Options{Jitter: jitter, Seed: 7}
	apart := late(t, o, 2000, 2*jitter) // none holds up another
	for i, d := range apart {
		if d < -exact || d >= jitter+exact {
			t.Errorf("segment %d is %v late", i, d)
		}
	}
	// The mean of 2000 numbers of 0 to 30 ms has a deviation of 30/sqrt(12*2000)
	// = 0.2 ms; four of them. The largest of a tenth has been seen with certainty:
	// the chance that none is there is 0.9 to the power of 2000.
	sum := time.Duration(0)
	for _, d := range apart {
		sum += d
	}
	if mean := sum / 2000; (mean - jitter/2).Abs() > 800*time.Microsecond {
		t.Errorf("the mean is %v", mean)
	}
	if least, most := slices.Min(apart), slices.Max(apart); least > jitter/10 || most < jitter*9/10 {
		t.Errorf("from %v to %v", least, most)
	}

	// Sent at once, each segment has the same fate, but is held up by those before
	// it: arrivals are the running maximum of the schedule.
	together := late(t, o, 2000, 0)
	gap, latest := takes(segment, 10e6), time.Duration(0)
	for i, d := range apart {
		latest = max(latest, time.Duration(i)*gap+d)
		if got := time.Duration(i)*gap + together[i]; (got - latest).Abs() > 2*exact {
			t.Fatalf("segment %d arrives at %v, want %v", i, got, latest)
		}
	}

	if again := late(t, o, 2000, 0); !slices.Equal(again, together) {
		t.Error("the same seed gave another schedule")
	}
	o.Seed++
	if other := late(t, o, 2000, 0); slices.Equal(other, together) {
		t.Error("another seed gave the same schedule")
	}
}

// TestLoss: connections break after 1/Loss segments on average, in either
// direction; both ends learn of it, and a new connection works.
func TestLoss(t *testing.T) {
	const loss, breaks = 0.02, 400
	for _, upload := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := New(plan.Network{Uplink: 10e6, RTT: time.Millisecond}, Options{Loss: loss, Seed: 3})
			arrived := 0
			for range breaks {
				client, server := connect(t, l)
				from, to := server, client
				if upload {
					from, to = client, server
				}
				writing := make(chan error)
				go func() {
					for {
						if _, err := from.Write(make([]byte, segment)); err != nil {
							writing <- err
							return
						}
					}
				}()
				n, err := io.Copy(io.Discard, to)
				arrived += int(n)
				if upload {
					// A pipe's far end sees the end, no reset.
					if _, err = client.Read(make([]byte, 1)); err == nil {
						t.Error("the reading client learned nothing")
					}
				}
				if !errors.Is(err, syscall.ECONNRESET) {
					t.Fatalf("reading ended with %v", err)
				}
				if err := <-writing; upload && !errors.Is(err, syscall.ECONNRESET) || !upload && !errors.Is(err, io.ErrClosedPipe) {
					t.Fatalf("writing ended with %v", err)
				}
			}
			// Geometric: mean and deviation are 49 segments, so that of the mean
			// of 400 is 49/20; four of them.
			mean := float64(arrived) / segment / breaks
			if want := 1/loss - 1; math.Abs(mean-want) > 4*want/20 {
				t.Errorf("upload %v: %.1f segments between resets, want %.0f", upload, mean, want)
			}
		})
	}
}

// TestNextBreaks: errors of the connection underneath are passed on, behind the
// data that came before them.
func TestNextBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, New(plan.Networks[0], Options{}))
		begin := time.Now()
		go func() {
			server.Write(make([]byte, 3000))
			server.Close()
		}()
		watch(t, client, 3000, begin)
		if _, err := client.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("reading: %v", err)
		}
		var err error
		for range 2 { // the first goes out before anybody knows
			client.Write([]byte{1})
			<-time.After(time.Second)
			_, err = client.Write([]byte{1})
		}
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("writing: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		_, err := New(plan.Networks[0], Options{}).Dialer(func(context.Context, string, string) (net.Conn, error) { return nil, refused })(t.Context(), "tcp", "x:1")
		if err != refused {
			t.Errorf("connecting: %v", err)
		}
	})
}
