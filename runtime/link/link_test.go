package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bottlenet/bnc/runtime/plan"
)

// Time in these tests is synctest's: it stands still while anything runs, so what
// is measured is the schedule alone.

// exact is by how much times may differ from the schedule: both round to
// nanoseconds.
const exact = 2 * time.Nanosecond

// connect returns both ends of a connection over the link. They are closed at the
// end of the test; synctest then fails it if a goroutine is left.
func connect(t *testing.T, l *Link) (client, server net.Conn) {
	t.Helper()
	client, err := l.Dialer(func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		server = far
		return near, nil
	})(t.Context(), "tcp", "server:1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
		<-time.After(linger)
	})
	return client, server
}

// arrival is that so many bytes altogether have arrived after so long.
type arrival struct {
	bytes int
	after time.Duration
}

// watch reads n bytes and returns when they arrived, counted from begin.
func watch(t *testing.T, c net.Conn, n int, begin time.Time) []arrival {
	var all []arrival
	buffer, total := make([]byte, n), 0
	for total < n {
		k, err := c.Read(buffer[total:])
		if err != nil {
			t.Errorf("after %d of %d bytes: %v", total, n, err)
			break
		}
		total += k
		all = append(all, arrival{total, time.Since(begin)})
	}
	return all
}

// takes returns how long a rate takes for so many bytes.
func takes(bytes int, rate float64) time.Duration {
	return time.Duration(float64(bytes) * 8 / rate * 1e9)
}

func near(a, b time.Duration) bool { return (a - b).Abs() <= exact }

func TestRateAndDelay(t *testing.T) {
	for _, n := range append([]plan.Network{{Uplink: 9600}, {Uplink: 1e9, RTT: 300 * time.Millisecond}}, plan.Networks...) {
		n.RTT += 15 * time.Millisecond
		for _, write := range []int{1, 316, segment, 5000, 300000} {
			synctest.Test(t, func(t *testing.T) {
				client, server := connect(t, New(n, Options{}))
				total, begin := max(write, min(2000*write, 20000)), time.Now()
				go func() {
					for sent := 0; sent < total; sent += write {
						if k, err := client.Write(make([]byte, min(write, total-sent))); err != nil {
							t.Errorf("%d bytes written: %v", sent+k, err)
							return
						}
					}
				}()
				for _, a := range watch(t, server, total, begin) {
					if want := takes(a.bytes, n.Uplink) + n.RTT/2; !near(a.after, want) {
						t.Fatalf("%v bit/s, writes of %d: byte %d arrived after %v, want %v", n.Uplink, write, a.bytes, a.after, want)
					}
				}
			})
		}
	}
}

// TestContents: whatever the sizes of writes and reads, and jitter, all bytes
// arrive in order.
func TestContents(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			client, server := connect(t, New(plan.Networks[r.IntN(3)], Options{Jitter: 30 * time.Millisecond, Seed: seed}))
			want := make([]byte, 100000)
			for i := range want {
				want[i] = byte(r.Uint32())
			}
			go func() { // the server sends all back
				io.Copy(server, server)
			}()
			go func() {
				for rest := want; len(rest) > 0; {
					k := min(1+r.IntN(1<<r.IntN(17)), len(rest))
					client.Write(rest[:k])
					rest = rest[k:]
				}
			}()
			got := make([]byte, len(want))
			for read := 0; read < len(got); {
				k, err := client.Read(got[read:min(len(got), read+1+read%3000)])
				if err != nil {
					t.Fatal(err)
				}
				read += k
			}
			if !bytes.Equal(got, want) {
				t.Errorf("seed %d: other bytes came back", seed)
			}
		})
	}
}

// TestDownlink: the other direction has its own rate.
func TestDownlink(t *testing.T) {
	up := plan.Network{Uplink: 1e6, RTT: 40 * time.Millisecond}
	for o, rate := range map[Options]float64{{}: 1e6, {Downlink: 7e6}: 7e6, {Downlink: math.Inf(1)}: math.Inf(1)} {
		synctest.Test(t, func(t *testing.T) {
			client, server := connect(t, New(up, o))
			begin := time.Now()
			go server.Write(make([]byte, 50000))
			for _, a := range watch(t, client, 50000, begin) {
				if want := takes(a.bytes, rate) + 20*time.Millisecond; !near(a.after, want) {
					t.Fatalf("%+v: byte %d arrived after %v, want %v", o, a.bytes, a.after, want)
				}
			}
		})
	}
}

// TestRoundTrip: connecting takes a round trip, and so does an answer.
func TestRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		client, server := connect(t, New(plan.Network{Uplink: 1e6, RTT: 40 * time.Millisecond}, Options{}))
		if took := time.Since(begin); took != 40*time.Millisecond {
			t.Errorf("connected after %v", took)
		}
		begin = time.Now()
		go func() {
			b := make([]byte, 125)
			io.ReadFull(server, b)
			server.Write(b)
		}()
		client.Write(make([]byte, 125))
		io.ReadFull(client, make([]byte, 125))
		if took := time.Since(begin); !near(took, 42*time.Millisecond) { // 1 ms either way
			t.Errorf("answered after %v", took)
		}
	})
}

// TestSharedRate: connections take turns. Together they are as fast as one, and
// none gets much more than its share.
func TestSharedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each, connections = 400000, 4
		l := New(plan.Networks[1], Options{})
		var clients, servers [connections]net.Conn
		for i := range connections {
			clients[i], servers[i] = connect(t, l)
		}
		begin := time.Now()
		done := make(chan []arrival)
		for i, client := range clients {
			server := servers[i]
			go client.Write(make([]byte, each))
			go func() { done <- watch(t, server, each, begin) }()
		}
		last := time.Duration(0)
		total := takes(connections*each, plan.Networks[1].Uplink)
		for range connections {
			all := <-done
			last = max(last, all[len(all)-1].after)
			half := all[slices.IndexFunc(all, func(a arrival) bool { return a.bytes >= each/2 })].after
			// What is queued, 64 KiB of 400,000 bytes, may be ahead or behind.
			if share := float64(half) / float64(total); share < 0.5-0.17 || share > 0.5+0.17 {
				t.Errorf("half of a connection's bytes arrived after %.2f of the time", share)
			}
		}
		if !near(last, total) {
			t.Errorf("all arrived after %v, want %v", last, total)
		}
	})
}

// TestUnlimited: an infinite rate is none.
func TestUnlimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, New(plan.Network{Uplink: math.Inf(1)}, Options{}))
		begin := time.Now()
		go client.Write(make([]byte, 10<<20))
		watch(t, server, 10<<20, begin)
		if took := time.Since(begin); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

// TestBackpressure: Write takes what a socket would at once and blocks for the
// rest until as much has arrived.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 1e6
		client, server := connect(t, New(plan.Network{Uplink: rate}, Options{}))
		begin := time.Now()
		client.Write(make([]byte, queue))
		if took := time.Since(begin); took != 0 {
			t.Errorf("64 KiB blocked for %v", took)
		}
		go io.Copy(io.Discard, server)
		client.Write(make([]byte, 10*segment))
		// The ten segments fit in when ten have gone.
		if took := time.Since(begin); !near(took, takes(10*segment, rate)) {
			t.Errorf("the next 10 segments went in after %v, want %v", took, takes(10*segment, rate))
		}
	})
	synctest.Test(t, func(t *testing.T) { // a server that doesn't read
		client, _ := connect(t, New(plan.Networks[2], Options{}))
		client.SetWriteDeadline(time.Now().Add(time.Hour))
		n, err := client.Write(make([]byte, 1<<20))
		if timeout := (net.Error)(nil); !errors.As(err, &timeout) || !timeout.Timeout() || n > queue || n+segment <= queue {
			t.Errorf("%d bytes went in: %v", n, err)
		}
	})
}
