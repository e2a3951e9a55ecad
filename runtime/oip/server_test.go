package oip

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bottlenet/bnc/runtime/oip/oippb"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// fake is a Service whose Infer is given. Its model is "m".
type fake struct {
	infer func(ctx context.Context, r *Request) (*Response, error)
	ready error
}

var fakeModel = &ModelMetadata{
	Name: "m", Versions: []string{"1"}, Platform: "onnx",
	Inputs:     []Port{{"payload", "UINT8", []int64{-1}}},
	Outputs:    []Port{{"logits", "FP32", []int64{-1, 10}}},
	Properties: map[string]string{ParamPair: "12ab"},
}

func (f *fake) Live(context.Context) error  { return nil }
func (f *fake) Ready(context.Context) error { return f.ready }
func (f *fake) Metadata(context.Context) (*ServerMetadata, error) {
	return &ServerMetadata{"fake", "0", []string{"binary_tensor_data"}}, nil
}
func (f *fake) ModelReady(_ context.Context, model, _ string) error {
	if model != "m" {
		return Errorf(NotFound, "no model %q", model)
	}
	return f.ready
}
func (f *fake) ModelMetadata(ctx context.Context, model, version string) (*ModelMetadata, error) {
	if model != "m" || version != "" && version != "1" {
		return nil, Errorf(NotFound, "no model %q of version %q", model, version)
	}
	return fakeModel, nil
}
func (f *fake) Infer(ctx context.Context, r *Request) (*Response, error) {
	if _, err := f.ModelMetadata(ctx, r.Model, r.Version); err != nil {
		return nil, err
	}
	return f.infer(ctx, r)
}

// reversed answers with every input's elements in opposite order: a client sees
// whether element sizes, byte order and shapes arrived.
func reversed(_ context.Context, r *Request) (*Response, error) {
	out := &Response{Model: r.Model, Version: "1", ID: r.ID, Params: r.Params}
	for _, in := range r.Inputs {
		t := *in.Value
		t.Strings = slices.Clone(t.Strings)
		slices.Reverse(t.Strings)
		t.Data = nil
		for size, i := t.DType.Size(), len(in.Value.Data); i > 0; i -= size {
			t.Data = append(t.Data, in.Value.Data[i-size:i]...)
		}
		out.Outputs = append(out.Outputs, Tensor{Name: in.Name, Value: &t})
	}
	return out, nil
}

// restHandler is the least REST server of a Service.
func restHandler(s Service) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, answer func(r *http.Request, model, version string) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := answer(r, r.PathValue("model"), r.PathValue("version"))
			if err != nil {
				w.WriteHeader(CauseOf(err).HTTP())
				v = map[string]string{"error": err.Error()}
			}
			if err = json.NewEncoder(w).Encode(v); err != nil {
				panic(err)
			}
		})
	}
	handle("GET /v2/health/live", func(r *http.Request, _, _ string) (any, error) { return nil, s.Live(r.Context()) })
	handle("GET /v2/health/ready", func(r *http.Request, _, _ string) (any, error) { return nil, s.Ready(r.Context()) })
	handle("GET /v2", func(r *http.Request, _, _ string) (any, error) { return s.Metadata(r.Context()) })
	for _, path := range []string{"/v2/models/{model}", "/v2/models/{model}/versions/{version}"} {
		handle("GET "+path, func(r *http.Request, m, v string) (any, error) { return s.ModelMetadata(r.Context(), m, v) })
		handle("GET "+path+"/ready", func(r *http.Request, m, v string) (any, error) { return nil, s.ModelReady(r.Context(), m, v) })
		mux.HandleFunc("POST "+path+"/infer", func(w http.ResponseWriter, r *http.Request) {
			header, body, err := inferREST(s, r)
			if err != nil {
				w.WriteHeader(CauseOf(err).HTTP())
				body, _ = json.Marshal(map[string]string{"error": err.Error()})
			}
			for name, values := range header {
				w.Header()[name] = values
			}
			w.Write(body)
		})
	}
	return mux
}

func inferREST(s Service, r *http.Request) (http.Header, []byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, nil, err
	}
	request, err := DecodeREST(r.PathValue("model"), r.PathValue("version"), r.Header, body)
	if err != nil {
		return nil, nil, err
	}
	response, err := s.Infer(r.Context(), request)
	if err != nil {
		return nil, nil, err
	}
	return EncodeREST(response, request)
}

// grpcServer is the least gRPC server of a Service. token is the one that calls
// must have, if any.
type grpcServer struct {
	oippb.UnimplementedGRPCInferenceServiceServer
	s     Service
	token string
}

func (g grpcServer) status(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(CauseOf(err).GRPC(), err.Error())
}

func (g grpcServer) ServerLive(ctx context.Context, _ *oippb.ServerLiveRequest) (*oippb.ServerLiveResponse, error) {
	return &oippb.ServerLiveResponse{Live: g.s.Live(ctx) == nil}, nil
}
func (g grpcServer) ServerReady(ctx context.Context, _ *oippb.ServerReadyRequest) (*oippb.ServerReadyResponse, error) {
	return &oippb.ServerReadyResponse{Ready: g.s.Ready(ctx) == nil}, nil
}
func (g grpcServer) ModelReady(ctx context.Context, m *oippb.ModelReadyRequest) (*oippb.ModelReadyResponse, error) {
	err := g.s.ModelReady(ctx, m.GetName(), m.GetVersion())
	if CauseOf(err) == Unavailable {
		return &oippb.ModelReadyResponse{}, nil
	}
	return &oippb.ModelReadyResponse{Ready: true}, g.status(err)
}
func (g grpcServer) ServerMetadata(ctx context.Context, _ *oippb.ServerMetadataRequest) (*oippb.ServerMetadataResponse, error) {
	m, err := g.s.Metadata(ctx)
	if err != nil {
		return nil, g.status(err)
	}
	return &oippb.ServerMetadataResponse{Name: m.Name, Version: m.Version, Extensions: m.Extensions}, nil
}
func (g grpcServer) ModelMetadata(ctx context.Context, r *oippb.ModelMetadataRequest) (*oippb.ModelMetadataResponse, error) {
	m, err := g.s.ModelMetadata(ctx, r.GetName(), r.GetVersion())
	if err != nil {
		return nil, g.status(err)
	}
	return MetadataToProto(m), nil
}
func (g grpcServer) ModelInfer(ctx context.Context, m *oippb.ModelInferRequest) (*oippb.ModelInferResponse, error) {
	if md, _ := metadata.FromIncomingContext(ctx); g.token != "" && !slices.Equal(md.Get("authorization"), []string{"Bearer " + g.token}) {
		return nil, g.status(Errorf(Unauthenticated, "no token"))
	}
	request, err := RequestFromProto(m)
	if err != nil {
		return nil, g.status(err)
	}
	response, err := g.s.Infer(ctx, request)
	if err != nil {
		return nil, g.status(err)
	}
	return ResponseToProto(response)
}

// listen returns a listener on a free port of the loopback interface.
func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serveGRPC serves g until the test ends and returns HOST:PORT.
func serveGRPC(t testing.TB, g grpcServer, options ...grpc.ServerOption) string {
	t.Helper()
	l := listen(t)
	server := grpc.NewServer(append(options, grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage))...)
	oippb.RegisterGRPCInferenceServiceServer(server, g)
	done := make(chan error)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// serveREST serves s until the test ends and returns HOST:PORT.
func serveREST(t testing.TB, s Service) string {
	t.Helper()
	server := httptest.NewServer(restHandler(s))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// dial returns a Remote that is closed when the test ends.
func dial(t testing.TB, address string, o DialOptions) *Remote {
	t.Helper()
	r, err := Dial(address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// payload is a request of model m with n bytes.
func payload(n int) *Request {
	return &Request{Model: "m", ID: "7", Inputs: []Tensor{
		{Name: "payload", Value: tensor.Of([]int64{int64(n)}, make([]uint8, n))}}}
}
