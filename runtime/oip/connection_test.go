package oip

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/bottlenet/bnc/runtime/tensor"
)

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"":                    "expected http://HOST:PORT",
		"localhost:8000":      "expected http://HOST:PORT",
		"127.0.0.1:8000":      "expected http://HOST:PORT",
		"ftp://a:1":           `scheme "ftp"`,
		"http://u:secret@a:1": "user, query and fragment",
		"http://a:1/?x=1":     "user, query and fragment",
		"grpc://a":            "expected grpc://HOST:PORT",
		"grpc://a:0":          "expected grpc://HOST:PORT",
		"grpc://a:1/v2":       "no path",
		"http://a:1%zz/":      "expected http://HOST:PORT",
		"grpcs://a:99999":     "expected grpcs://HOST:PORT",
	} {
		_, err := Dial(address, DialOptions{})
		refused(t, address, err, Invalid, want)
	}
}

// counted counts the connections that are opened.
func counted(n *atomic.Int32) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		n.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
}

func TestConnectionsStayOpen(t *testing.T) {
	var opened atomic.Int32
	s := &fake{infer: reversed}
	remotes(t, s, DialOptions{Dialer: counted(&opened)}, func(t *testing.T, r *Remote) {
		opened.Store(0)
		for range 10 {
			if _, err := r.Infer(t.Context(), payload(1000)); err != nil {
				t.Fatal(err)
			}
			refused(t, "no such model", second(r.ModelMetadata(t.Context(), "x", "")), NotFound, "")
		}
		if n := opened.Load(); n != 1 {
			t.Errorf("%d connections for calls one after another, want 1", n)
		}
	})
}

func TestManyCallers(t *testing.T) {
	s := &fake{infer: reversed}
	remotes(t, s, DialOptions{}, func(t *testing.T, r *Remote) {
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				request := payload(100)
				request.ID = fmt.Sprint(i)
				request.Inputs[0].Value.Data[99] = byte(i)
				out, err := r.Infer(t.Context(), request)
				if err != nil || out.ID != request.ID || out.Output("payload").Data[0] != byte(i) {
					t.Errorf("caller %d: %v, %v", i, out, err)
				}
			})
		}
		wg.Wait()
	})
}

func TestUnreachable(t *testing.T) {
	l := listen(t)
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"http", "grpc", "https", "grpcs"} {
		r := dial(t, scheme+"://"+address, DialOptions{})
		refused(t, scheme, second(r.Infer(t.Context(), payload(1))), Unavailable, "")
		refused(t, scheme, r.Live(t.Context()), Unavailable, "")
	}
}

// TestConnectionCut has a server that reads the request and hangs up.
func TestConnectionCut(t *testing.T) {
	l := listen(t)
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 10))
			c.Close()
		}
	}()
	for _, scheme := range []string{"http", "grpc", "https", "grpcs"} {
		r := dial(t, scheme+"://"+l.Addr().String(), DialOptions{})
		refused(t, scheme, second(r.Infer(t.Context(), payload(1<<20))), Unavailable, "")
	}
}

func TestContextEnds(t *testing.T) {
	for _, late := range []bool{true, false} {
		s := &fake{infer: func(ctx context.Context, _ *Request) (*Response, error) {
			<-ctx.Done() // the client's hanging up arrives here
			return nil, ctx.Err()
		}}
		remotes(t, s, DialOptions{}, func(t *testing.T, r *Remote) {
			if late {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
				defer cancel()
				refused(t, "timeout", second(r.Infer(ctx, payload(1))), Deadline, "")
				return
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(30*time.Millisecond, cancel)
			refused(t, "cancel", second(r.Infer(ctx, payload(1))), Canceled, "")
		})
	}
}

// TestSlowConnect ends while the connection is still being made.
func TestSlowConnect(t *testing.T) {
	never := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for _, scheme := range []string{"http", "grpc"} {
		r := dial(t, scheme+"://127.0.0.1:1", DialOptions{Dialer: never})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		refused(t, scheme, second(r.Infer(ctx, payload(1))), Deadline, "")
	}
}

// TestTimeoutTravels checks that a server learns how long its client waits.
func TestTimeoutTravels(t *testing.T) {
	var got Params
	s := &fake{infer: func(_ context.Context, r *Request) (*Response, error) {
		got = r.Params
		return &Response{Model: "m"}, nil
	}}
	remotes(t, s, DialOptions{}, func(t *testing.T, r *Remote) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		request := payload(1)
		if _, err := r.Infer(ctx, request); err != nil {
			t.Fatal(err)
		}
		if us, ok := got[ParamTimeout].(int64); !ok || us <= 0 || us > time.Minute.Microseconds() {
			t.Errorf("timeout %v, want what is left of a minute", got[ParamTimeout])
		}
		if request.Params != nil {
			t.Errorf("the caller's request was changed: %v", request.Params)
		}
		request.Params = Params{ParamTimeout: int64(5)}
		if _, err := r.Infer(ctx, request); err != nil || got[ParamTimeout] != int64(5) {
			t.Errorf("%v, %v; want the request's own timeout", got, err)
		}
	})
}

func TestToken(t *testing.T) {
	s := &fake{infer: reversed}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hush" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		restHandler(s).ServeHTTP(w, r)
	}))
	defer server.Close()
	for _, address := range []string{server.URL, "grpc://" + serveGRPC(t, grpcServer{s: s, token: "hush"})} {
		if _, err := dial(t, address, DialOptions{Token: "hush"}).Infer(t.Context(), payload(1)); err != nil {
			t.Errorf("%s: %v", address, err)
		}
		refused(t, address, second(dial(t, address, DialOptions{}).Infer(t.Context(), payload(1))), Unauthenticated, "")
		refused(t, address, second(dial(t, address, DialOptions{Token: "loud"}).Infer(t.Context(), payload(1))), Unauthenticated, "")
	}
}

func TestLargeMessages(t *testing.T) {
	s := &fake{infer: reversed}
	remotes(t, s, DialOptions{}, func(t *testing.T, r *Remote) {
		// gRPC's own default ends at 4 MB.
		out, err := r.Infer(t.Context(), payload(5<<20))
		if err != nil || out.Output("payload").Len() != 5<<20 {
			t.Errorf("5 MB: %v", err)
		}
		refused(t, "request", second(r.Infer(t.Context(), payload(MaxMessage))), TooLarge, "")
	})
	huge := &fake{infer: func(context.Context, *Request) (*Response, error) {
		return &Response{Outputs: []Tensor{{Name: "o", Value: tensor.Of([]int64{MaxMessage}, make([]uint8, MaxMessage))}}}, nil
	}}
	r := dial(t, "http://"+serveREST(t, huge), DialOptions{})
	refused(t, "answer over REST", second(r.Infer(t.Context(), payload(1))), TooLarge, "")
	r = dial(t, "grpc://"+serveGRPC(t, grpcServer{s: huge}, grpc.MaxSendMsgSize(2*MaxMessage)), DialOptions{})
	refused(t, "answer over gRPC", second(r.Infer(t.Context(), payload(1))), TooLarge, "")
}

// TestTLS has a server that its client trusts or not, and one that wants a
// client's certificate.
func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	s := &fake{infer: reversed}
	for _, mutual := range []bool{false, true} {
		config := ours.server(mutual)
		rest := httptest.NewUnstartedServer(restHandler(s))
		rest.TLS = config
		rest.Config.ErrorLog = discard
		rest.StartTLS()
		t.Cleanup(rest.Close)
		for _, address := range []string{rest.URL, "grpcs://" + serveGRPC(t, grpcServer{s: s}, grpc.Creds(credentials.NewTLS(config)))} {
			try := func(roots, client *authority) error {
				r := dial(t, address, DialOptions{TLS: roots.client(client)})
				out, err := r.Infer(t.Context(), payload(10))
				if err == nil && !slices.Equal(out.Output("payload").Shape, []int64{10}) {
					t.Errorf("%s: %v", address, out)
				}
				return err
			}
			// A client of TLS 1.3 may find the connection cut before it reads why.
			refusal := func(client *authority) error {
				err := try(ours, client)
				for range 50 {
					if CauseOf(err) != Unavailable {
						break
					}
					err = try(ours, client)
				}
				return err
			}
			if err := try(ours, ours); err != nil {
				t.Errorf("%s: %v", address, err)
			}
			refused(t, address+" of an unknown authority", try(theirs, ours), Unauthenticated, "certificate")
			if mutual {
				refused(t, address+" without a certificate", refusal(nil), Unauthenticated, "tls: ")
				refused(t, address+" with a foreign certificate", refusal(theirs), Unauthenticated, "tls: ")
			}
		}
	}
	_, err := Dial("http://127.0.0.1:1", DialOptions{TLS: ours.client(nil)})
	refused(t, "TLS options without TLS", err, Invalid, "https:// or grpcs://")
}
