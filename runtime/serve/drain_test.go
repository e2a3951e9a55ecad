package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/oip/oippb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
)

// held is a service whose requests wait until they are let go.
type held struct {
	stub
	entered chan struct{} // one for each request
	release chan struct{} // closed to let them go
}

func newHeld() *held {
	h := &held{entered: make(chan struct{}, 10), release: make(chan struct{})}
	h.infer = func(ctx context.Context, r *oip.Request) (*oip.Response, error) {
		h.entered <- struct{}{}
		select {
		case <-h.release:
			return lengthOf(r), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return h
}

// ask sends one request over each transport and returns what comes of them.
func (r *running) ask(t *testing.T) <-chan error {
	t.Helper()
	out := make(chan error, 2)
	client := oippb.NewGRPCInferenceServiceClient(r.dial(t, nil))
	ctx := within(t)
	go func() {
		_, err := client.ModelInfer(ctx, inferProto(3))
		out <- err
	}()
	go func() {
		response, err := http.Post(r.url("/v2/models/m/infer"), "application/json", strings.NewReader(inferJSON))
		if err == nil {
			defer response.Body.Close()
			if body, _ := io.ReadAll(response.Body); response.StatusCode != 200 {
				err = fmt.Errorf("status %d: %s", response.StatusCode, body)
			}
		}
		out <- err
	}()
	return out
}

// refusesConnections waits until nobody listens at an address.
func refusesConnections(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatalf("%s still takes connections", address)
		}
	}
}

// A server that is told to end takes nothing new, answers what it has, and does
// not wait for streams.
func TestDrain(t *testing.T) {
	service := newHeld()
	r := start(t, service, ServerOptions{})
	outcomes := r.ask(t)
	<-service.entered
	<-service.entered
	ctx := within(t)
	watch, err := healthpb.NewHealthClient(r.dial(t, nil)).Watch(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	reflection, err := grpc_reflection_v1.NewServerReflectionClient(r.dial(t, nil)).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	request := &grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}
	if err := reflection.Send(request); err != nil {
		t.Fatal(err)
	}
	if _, err := reflection.Recv(); err != nil {
		t.Fatal(err)
	}

	r.stop()
	refusesConnections(t, r.HTTPAddr())
	refusesConnections(t, r.GRPCAddr())
	select {
	case err := <-r.done:
		t.Fatalf("the server ended before its requests: %v", err)
	case err := <-outcomes:
		t.Fatalf("a request ended before it was let go: %v", err)
	default:
	}
	close(service.release)
	for range 2 {
		if err := <-outcomes; err != nil {
			t.Error(err)
		}
	}
	select {
	case err := <-r.done:
		if err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Error("the server does not end")
	}
}

// Requests that do not end in time are broken off, and Serve says so.
func TestDrainTimeout(t *testing.T) {
	service := newHeld()
	r := start(t, service, ServerOptions{DrainTimeout: 50 * time.Millisecond})
	outcomes := r.ask(t)
	<-service.entered
	<-service.entered
	r.stop()
	if err := <-r.done; err == nil || !strings.Contains(err.Error(), "2 requests") {
		t.Errorf("%v", err)
	}
	for range 2 {
		if err := <-outcomes; err == nil {
			t.Error("a request that was broken off has an answer")
		}
	}
}

// Readiness is false from the first moment of draining.
func TestDrainReadiness(t *testing.T) {
	f := &front{Service: &stub{}, draining: make(chan struct{})}
	if err := f.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	close(f.draining)
	if err := f.Ready(t.Context()); oip.CauseOf(err) != oip.Unavailable {
		t.Errorf("%v", err)
	}
	if err := f.Live(t.Context()); err != nil {
		t.Error(err)
	}
}

// A server whose context has ended drains at once; one without an address is
// refused.
func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := Listen(ServerOptions{HTTP: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(ctx, &stub{}); err != nil {
		t.Error(err)
	}
	var wrong *fault.UsageError
	if _, err := Listen(ServerOptions{}); !errors.As(err, &wrong) {
		t.Errorf("%v", err)
	}
}

// Serve ends with an error when a listener breaks.
func TestListenerBreaks(t *testing.T) {
	r := start(t, &stub{}, ServerOptions{})
	r.http.Close()
	if err := <-r.done; err == nil || !strings.Contains(err.Error(), "HTTP") {
		t.Errorf("%v", err)
	}
}

// Clients that send slowly, or nothing, are given up, and others do not wait for
// them.
func TestSlowClients(t *testing.T) {
	r := start(t, &stub{}, ServerOptions{}, func(l *limits) { l.header, l.read = 300*time.Millisecond, 600*time.Millisecond })
	post := "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
	var slow []net.Conn
	for _, c := range []struct{ address, text string }{
		{r.HTTPAddr(), ""},
		{r.HTTPAddr(), "GET /v2 HT"},
		{r.HTTPAddr(), post + "X-Slow: "},
		{r.HTTPAddr(), post + "\r\n{"},
		{r.GRPCAddr(), ""},
		{r.GRPCAddr(), "PRI * HTTP/2.0\r\n"},
	} {
		for range 20 {
			conn, err := net.Dial("tcp", c.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, c.text); err != nil {
				t.Fatal(err)
			}
			slow = append(slow, conn)
		}
	}
	streams := slowCalls(t, r, 20)
	outcomes := r.ask(t)
	for range 2 {
		if err := <-outcomes; err != nil {
			t.Error(err)
		}
	}
	for i, stream := range streams {
		err := stream.RecvMsg(new(oippb.ModelInferResponse))
		checkCode(t, fmt.Sprint("slow call ", i), err, codes.Canceled) // the client's own end is DeadlineExceeded
	}
	for i, conn := range slow {
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		// An answer may come first: 400, 408, or gRPC's settings.
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
			t.Errorf("slow client %d is still connected", i)
		}
	}
}

// slowCalls begins calls whose message does not come: n of a method that answers
// everybody, n of one that infers.
func slowCalls(t *testing.T, r *running, n int) []grpc.ClientStream {
	t.Helper()
	conn, ctx := r.dial(t, nil), within(t)
	var streams []grpc.ClientStream
	for _, method := range []string{oippb.GRPCInferenceService_ServerLive_FullMethodName, oippb.GRPCInferenceService_ModelInfer_FullMethodName} {
		for range n {
			stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, method)
			if err != nil {
				t.Fatal(err)
			}
			streams = append(streams, stream)
		}
	}
	return streams
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// Connections beyond the limit wait until another ends.
func TestConnectionLimit(t *testing.T) {
	r := start(t, &stub{}, ServerOptions{MaxConnections: 2})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var open []net.Conn
	for range 2 {
		conn, err := net.Dial("tcp", r.HTTPAddr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		open = append(open, conn)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", r.url("/v2/health/live"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Do(request); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a third connection: %v", err)
	}
	open[0].Close()
	if a := do(t, client, request.WithContext(within(t))); a.status != 200 {
		t.Errorf("status %d", a.status)
	}
}
