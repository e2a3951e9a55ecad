package serve

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/oip/oippb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/proto"
)

// maxStreams is how many calls run at a time on one connection.
const maxStreams = 256

// openMethods answer without token and certificate.
var openMethods = map[string]bool{
	oippb.GRPCInferenceService_ServerLive_FullMethodName:  true,
	oippb.GRPCInferenceService_ServerReady_FullMethodName: true,
	healthpb.Health_Check_FullMethodName:                  true,
}

// grpcServer is the gRPC transport.
type grpcServer struct {
	server   *grpc.Server
	listener net.Listener
	health   *health.Server
}

func newGRPC(f *front, s *Server) *grpcServer {
	g := &grpcServer{listener: s.grpc, health: health.NewServer()}
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(int(s.opts.MaxBody)),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.ConnectionTimeout(s.limits.header),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: s.limits.idle, Time: 2 * time.Minute, Timeout: 20 * time.Second}),
		// In the tap a caller is refused before a byte of the message is read.
		grpc.InTapHandle(func(ctx context.Context, info *tap.Info) (context.Context, error) {
			if err := f.tap(ctx, info); err != nil {
				return ctx, err
			}
			return expecting(ctx, s.limits.read), nil
		}),
		grpc.ChainUnaryInterceptor(f.unary),
		grpc.ChainStreamInterceptor(f.stream),
	}
	if s.identity != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(tlsConfig(s.identity, "h2"))))
	}
	g.server = grpc.NewServer(options...)
	oippb.RegisterGRPCInferenceServiceServer(g.server, &inference{front: f})
	g.health.SetServingStatus(oippb.GRPCInferenceService_ServiceDesc.ServiceName, healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(g.server, &healthServer{g.health, f})
	reflection.Register(g.server)
	return g
}

func (g *grpcServer) serve() error {
	if err := g.server.Serve(g.listener); err != nil {
		return fmt.Errorf("gRPC: %w", err)
	}
	return nil
}

func (g *grpcServer) drain(ctx context.Context) {
	g.health.Shutdown()
	done := make(chan struct{})
	go func() {
		g.server.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (g *grpcServer) stop() { g.server.Stop() }

// tap lets a call in by its header.
func (f *front) tap(ctx context.Context, info *tap.Info) error {
	if openMethods[info.FullMethodName] {
		return nil
	}
	var secured credentials.TLSInfo
	if p, ok := peer.FromContext(ctx); ok {
		secured, _ = p.AuthInfo.(credentials.TLSInfo)
	}
	authorization := ""
	if values := info.Header.Get("authorization"); len(values) == 1 {
		authorization = values[0]
	}
	if err := f.guard.admit(&secured.State, authorization); err != nil {
		f.count(oip.Unauthenticated)
		return f.status(err)
	}
	return nil
}

// expected is the key of a call's timer, which ends the call.
type expected struct{}

// expecting returns the context of a call that ends where its message has not
// arrived within the limit.
func expecting(ctx context.Context, limit time.Duration) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(limit, cancel)
	context.AfterFunc(ctx, func() { timer.Stop() })
	return context.WithValue(ctx, expected{}, timer)
}

// arrived lets a call of expecting last.
func arrived(ctx context.Context) { ctx.Value(expected{}).(*time.Timer).Stop() }

// unary answers calls, errors in the protocol's terms and panics as Internal.
func (f *front) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (response any, err error) {
	arrived(ctx)
	defer func() {
		if v := recover(); v != nil {
			response, err = nil, f.status(f.panicked(info.FullMethod, v))
		}
	}()
	return handler(ctx, request)
}

// stream ends streams (reflection, watched health) when the server drains:
// inferences are no streams, and a stream may last for ever.
func (f *front) stream(server any, s grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	arrived(s.Context()) // it may say something later
	done := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				done <- f.status(f.panicked(info.FullMethod, v))
			}
		}()
		done <- handler(server, s)
	}()
	select {
	case err := <-done:
		return err
	case <-f.draining:
		return f.status(oip.Errorf(oip.Unavailable, "the server is ending"))
	}
}

// status returns the gRPC form of a refusal.
func (f *front) status(err error) error {
	err = f.refusal(err)
	return status.Error(oip.CauseOf(err).GRPC(), err.Error())
}

// healthServer answers gRPC's health checks by the service's readiness.
type healthServer struct {
	*health.Server
	front *front
}

// Check answers for the server ("") and for the inference service.
func (h *healthServer) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	out, err := h.Server.Check(ctx, r)
	if err == nil && h.front.Ready(ctx) != nil {
		out.Status = healthpb.HealthCheckResponse_NOT_SERVING
	}
	return out, err
}

// inference is the protocol's service over gRPC.
type inference struct {
	oippb.UnimplementedGRPCInferenceServiceServer
	front *front
}

func (s *inference) ServerLive(ctx context.Context, _ *oippb.ServerLiveRequest) (*oippb.ServerLiveResponse, error) {
	return &oippb.ServerLiveResponse{Live: s.front.Live(ctx) == nil}, nil
}

func (s *inference) ServerReady(ctx context.Context, _ *oippb.ServerReadyRequest) (*oippb.ServerReadyResponse, error) {
	return &oippb.ServerReadyResponse{Ready: s.front.Ready(ctx) == nil}, nil
}

func (s *inference) ServerMetadata(ctx context.Context, _ *oippb.ServerMetadataRequest) (*oippb.ServerMetadataResponse, error) {
	m, err := s.front.Metadata(ctx)
	if err != nil {
		return nil, s.front.status(err)
	}
	return &oippb.ServerMetadataResponse{Name: m.Name, Version: m.Version, Extensions: m.Extensions}, nil
}

// ModelReady answers false for a model that is not there: that is what was asked,
// and an error would be a failure to clients.
func (s *inference) ModelReady(ctx context.Context, r *oippb.ModelReadyRequest) (*oippb.ModelReadyResponse, error) {
	return &oippb.ModelReadyResponse{Ready: s.front.ModelReady(ctx, r.GetName(), r.GetVersion()) == nil}, nil
}

func (s *inference) ModelMetadata(ctx context.Context, r *oippb.ModelMetadataRequest) (*oippb.ModelMetadataResponse, error) {
	m, err := s.front.ModelMetadata(ctx, r.GetName(), r.GetVersion())
	if err != nil {
		return nil, s.front.status(err)
	}
	return oip.MetadataToProto(m), nil
}

func (s *inference) ModelInfer(ctx context.Context, m *oippb.ModelInferRequest) (*oippb.ModelInferResponse, error) {
	r, err := oip.RequestFromProto(m)
	if err != nil {
		s.front.count(oip.CauseOf(err))
		return nil, s.front.status(err)
	}
	memory := &claim{of: s.front.bodies}
	defer memory.release()
	if err := memory.grow(int64(proto.Size(m))); err != nil {
		s.front.count(oip.CauseOf(err))
		return nil, s.front.status(err)
	}
	response, err := s.front.Infer(ctx, r)
	if err != nil {
		return nil, s.front.status(err)
	}
	out, err := oip.ResponseToProto(response)
	if err != nil {
		return nil, s.front.status(err)
	}
	return out, nil
}
