package link

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/bottlenet/bnc/runtime/plan"
)

// nothing is a network on which nothing passes.
var nothing = plan.Network{Name: "nothing"}

// TestConformance runs x/net's tests of what net.Conn promises, over TCP, with
// and without a limit. These run in real time.
func TestConformance(t *testing.T) {
	for _, text := range []string{"1GB/s", "1Gbit,1ms"} {
		t.Run(text, func(t *testing.T) {
			n, err := plan.ParseNetwork(text)
			if err != nil {
				t.Fatal(err)
			}
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return nil, nil, nil, err
				}
				defer listener.Close()
				c1, err = New(n, Options{}).Dialer(nil)(t.Context(), "tcp", listener.Addr().String())
				if err != nil {
					return nil, nil, nil, err
				}
				if c2, err = listener.Accept(); err != nil {
					c1.Close()
					return nil, nil, nil, err
				}
				return c1, c2, func() { c1.Close(); c2.Close() }, nil
			})
		})
	}
}

// TestDeadlines: calls end at their deadlines to the nanosecond, also when these
// are set, moved or taken back while they wait.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(plan.Networks[0], Options{})
		client, server := connect(t, l)
		l.SetNetwork(nothing)
		client.Write(make([]byte, queue))
		go server.Write(make([]byte, 100))
		calls := map[string]func() error{
			"read":  func() error { _, err := client.Read(make([]byte, 1)); return err },
			"write": func() error { _, err := client.Write(make([]byte, 1)); return err },
		}
		for name, call := range calls {
			for _, c := range []struct {
				name string
				set  func(begin time.Time) // what is done before and during the call
				want time.Duration
			}{
				{"set before", func(b time.Time) { client.SetDeadline(b.Add(time.Second)) }, time.Second},
				{"passed before", func(b time.Time) { client.SetDeadline(b.Add(-time.Second)) }, 0},
				{"set during", func(b time.Time) {
					client.SetDeadline(time.Time{})
					time.AfterFunc(time.Second, func() { client.SetDeadline(b.Add(3 * time.Second)) })
				}, 3 * time.Second},
				{"moved", func(b time.Time) {
					client.SetDeadline(b.Add(2 * time.Second))
					time.AfterFunc(time.Second, func() { client.SetDeadline(b.Add(4 * time.Second)) })
				}, 4 * time.Second},
				{"passed during", func(b time.Time) {
					client.SetDeadline(time.Time{})
					time.AfterFunc(time.Second, func() { client.SetDeadline(b) })
				}, time.Second},
				{"only its own", func(b time.Time) {
					client.SetReadDeadline(b.Add(time.Minute))
					client.SetWriteDeadline(b.Add(time.Minute))
				}, time.Minute},
			} {
				begin := time.Now()
				c.set(begin)
				err := call()
				if took := time.Since(begin); !errors.Is(err, os.ErrDeadlineExceeded) || took != c.want {
					t.Errorf("%s, %s: %v after %v, want %v", name, c.name, err, took, c.want)
				}
			}
		}
		// A deadline that has passed is no end: the connection goes on.
		client.SetDeadline(time.Time{})
		l.SetNetwork(plan.Networks[0])
		go io.Copy(io.Discard, server)
		for name, call := range calls {
			if err := call(); err != nil {
				t.Errorf("%s after the deadline: %v", name, err)
			}
		}
	})
}

// TestTurns: calls of one kind at a time wait for each other, within their own
// deadlines.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(nothing, Options{})
		l.SetNetwork(plan.Networks[0])
		client, _ := connect(t, l)
		l.SetNetwork(nothing)
		begin := time.Now()
		client.SetDeadline(begin.Add(time.Second))
		errs := make(chan error)
		for range 3 {
			go func() { _, err := client.Read(make([]byte, 1)); errs <- err }()
			go func() { _, err := client.Write(make([]byte, 2*queue)); errs <- err }()
		}
		for range 6 {
			if err := <-errs; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
				t.Errorf("%v after %v", err, time.Since(begin))
			}
		}
	})
}

// TestClose: it returns at once, whatever waits, and ends calls that wait.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(plan.Networks[0], Options{})
		client, server := connect(t, l)
		l.SetNetwork(nothing)
		errs := make(chan error)
		go func() { _, err := client.Read(make([]byte, 1)); errs <- err }()
		go func() { _, err := client.Write(make([]byte, 1<<20)); errs <- err }()
		synctest.Wait()
		begin := time.Now()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("a waiting call ended with %v", err)
			}
		}
		for name, err := range map[string]error{"close": client.Close(), "read": second(client.Read(nil)), "write": second(client.Write(nil))} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s afterwards: %v", name, err)
			}
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("took %v", took)
		}
		// Nothing passes: what was written is given up after a while.
		if n, err := server.Read(make([]byte, 1)); n != 0 || err != io.EOF || time.Since(begin) != linger {
			t.Errorf("the server got %d bytes, %v after %v", n, err, time.Since(begin))
		}
	})
}

// TestCloseDelivers: what was written before Close arrives, then the end.
func TestCloseDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, New(plan.Network{Uplink: 1e6, RTT: time.Second}, Options{}))
		begin := time.Now()
		client.Write(make([]byte, 50000))
		client.Close()
		if n, err := io.Copy(io.Discard, server); n != 50000 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		if took, want := time.Since(begin), takes(50000, 1e6)+time.Second/2; !near(took, want) {
			t.Errorf("the end came after %v, want %v", took, want)
		}
	})
}

func second(_ int, err error) error { return err }
