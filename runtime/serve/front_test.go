package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/tensor"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// stub is a service with one model, "m", that answers with the number of bytes
// of its payload. What a test sets replaces that.
type stub struct {
	infer func(ctx context.Context, r *oip.Request) (*oip.Response, error)
	ready error
}

func (s *stub) Live(context.Context) error  { return nil }
func (s *stub) Ready(context.Context) error { return s.ready }

func (s *stub) Metadata(context.Context) (*oip.ServerMetadata, error) {
	return &oip.ServerMetadata{Name: "stub", Version: "7", Extensions: []string{"binary_tensor_data"}}, nil
}

func (s *stub) ModelReady(_ context.Context, model, version string) error {
	if model != "m" || version != "" && version != "1" {
		return oip.Errorf(oip.NotFound, "there is no model %q of version %q", model, version)
	}
	return nil
}

func (s *stub) ModelMetadata(ctx context.Context, model, version string) (*oip.ModelMetadata, error) {
	if err := s.ModelReady(ctx, model, version); err != nil {
		return nil, err
	}
	return &oip.ModelMetadata{
		Name: model, Versions: []string{"1"}, Platform: "test", Properties: map[string]string{"bnc_pair": "p"},
		Inputs:  []oip.Port{{Name: "payload", Datatype: "UINT8", Shape: []int64{-1}}},
		Outputs: []oip.Port{{Name: "length", Datatype: "INT64", Shape: []int64{1}}},
	}, nil
}

func (s *stub) Infer(ctx context.Context, r *oip.Request) (*oip.Response, error) {
	if err := s.ModelReady(ctx, r.Model, r.Version); err != nil {
		return nil, err
	}
	if s.infer != nil {
		return s.infer(ctx, r)
	}
	return lengthOf(r), nil
}

// lengthOf is the model "m".
func lengthOf(r *oip.Request) *oip.Response {
	n := int64(r.Input("payload").Len())
	return &oip.Response{
		Model: r.Model, Version: "1", ID: r.ID, Params: oip.Params{oip.ParamQueue: 0.5},
		Outputs: []oip.Tensor{{Name: "length", Value: tensor.Of([]int64{1}, []int64{n})}},
	}
}

// running is a server with its end.
type running struct {
	*Server
	log  *syncBuffer
	stop context.CancelFunc
	done chan error // what Serve returned
}

// start serves until the test ends. Addresses are free ones of loopback; set
// changes limits.
func start(t *testing.T, service oip.Service, opts ServerOptions, set ...func(*limits)) *running {
	t.Helper()
	r := &running{log: &syncBuffer{}, done: make(chan error, 1)}
	opts.HTTP, opts.GRPC = "127.0.0.1:0", "127.0.0.1:0"
	opts.Log = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if r.Server, err = Listen(opts); err != nil {
		t.Fatal(err)
	}
	for _, f := range set {
		f(&r.limits)
	}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() {
		r.done <- r.Serve(ctx, service)
		close(r.done)
	}()
	t.Cleanup(func() {
		r.stop()
		<-r.done
	})
	return r
}

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// reply is an HTTP answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// failure returns the protocol's error message, "" where the body has another
// form.
func (a reply) failure() string {
	var document map[string]string
	if json.Unmarshal([]byte(a.body), &document) != nil || len(document) != 1 || a.header.Get("Content-Type") != "application/json" {
		return ""
	}
	return document["error"]
}

// call sends a request; header has alternating names and values.
func call(t *testing.T, client *http.Client, method, url, body string, header ...string) reply {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return do(t, client, r)
}

func do(t *testing.T, client *http.Client, r *http.Request) reply {
	t.Helper()
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(text)}
}

func (r *running) url(path string) string { return "http://" + r.HTTPAddr() + path }

// dial connects to the gRPC side; nil credentials are none.
func (r *running) dial(t *testing.T, c credentials.TransportCredentials, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	if c == nil {
		c = insecure.NewCredentials()
	}
	conn, err := grpc.NewClient(r.GRPCAddr(), append(options, grpc.WithTransportCredentials(c))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// within returns a context that ends a test that hangs.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
