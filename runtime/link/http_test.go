package link

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bottlenet/bnc/runtime/plan"
)

// pipes is a listener without a network: what is dialled with dial is accepted.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// TestHTTP: clients that try again get every answer over a link that jitters,
// breaks and stands still at times; connections are given up on the way in every
// state, and no goroutine stays.
func TestHTTP(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			listener := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h := sha256.New()
				if _, err := io.Copy(h, r.Body); err == nil {
					w.Write(h.Sum(nil))
				}
			})}
			go server.Serve(listener)

			l := New(plan.Networks[0], Options{Jitter: 20 * time.Millisecond, Loss: 0.01, Seed: seed})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				r := rand.New(rand.NewPCG(seed, 1))
				for ctx.Err() == nil {
					l.SetNetwork(append([]plan.Network{{}}, plan.Networks...)[r.IntN(5)])
					select {
					case <-time.After(time.Duration(r.IntN(1500)) * time.Millisecond):
					case <-ctx.Done():
					}
				}
			}()

			transport := &http.Transport{DialContext: l.Dialer(listener.dial)}
			client := &http.Client{Transport: transport, Timeout: 3 * time.Second}
			var clients sync.WaitGroup
			failures := make([]int, 8)
			for i := range failures {
				clients.Go(func() {
					r := rand.New(rand.NewPCG(seed, 2+uint64(i)))
					for range 20 {
						body := make([]byte, r.IntN(1<<r.IntN(18)))
						want := sha256.Sum256(body)
						for {
							got, err := post(client, body)
							if err == nil && bytes.Equal(got, want[:]) {
								break
							}
							if err == nil {
								t.Errorf("a wrong answer of %d bytes", len(got))
							}
							if failures[i]++; failures[i] > 1000 {
								t.Errorf("no answer: %v", err)
								return
							}
						}
					}
				})
			}
			clients.Wait()
			cancel()
			total := 0
			for _, f := range failures {
				total += f
			}
			if total == 0 {
				t.Error("nothing failed: the link was too good for this test")
			}
			transport.CloseIdleConnections()
			server.Close()
			<-time.After(linger)
		})
	}
}

func post(client *http.Client, body []byte) ([]byte, error) {
	resp, err := client.Post("http://server", "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}
