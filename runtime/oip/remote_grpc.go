package oip

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/bottlenet/bnc/runtime/oip/oippb"
)

// grpcService is a server behind gRPC.
type grpcService struct {
	server     string
	connection *grpc.ClientConn
	stub       oippb.GRPCInferenceServiceClient
}

// dialGRPC returns the server behind a grpc or grpcs URL.
func dialGRPC(u *url.URL, o DialOptions) (*Remote, error) {
	if port, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || port == 0 {
		return nil, Errorf(Invalid, "server %s: expected %s://HOST:PORT", quote(u.String()), u.Scheme)
	}
	if strings.Trim(u.Path, "/") != "" {
		return nil, Errorf(Invalid, "server %s: gRPC has no path, expected %s://%s", quote(u.String()), u.Scheme, u.Host)
	}
	secure := insecure.NewCredentials()
	if u.Scheme == "grpcs" {
		secure = credentials.NewTLS(o.TLS.Clone())
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(secure),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return o.Dialer(ctx, "tcp", address)
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)),
		// While a call waits, so that a dead link is noticed before its deadline.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		// The library's own waits up to two minutes for a server that restarts.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 10 * time.Second,
		}),
	}
	if o.Token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(o.Token)))
	}
	// passthrough: the dialer looks the name up, at every new connection.
	connection, err := grpc.NewClient("passthrough:///"+u.Host, options...)
	if err != nil {
		return nil, Errorf(Invalid, "server %s: %v", quote(u.String()), err)
	}
	s := &grpcService{u.String(), connection, oippb.NewGRPCInferenceServiceClient(connection)}
	return &Remote{s, s.parameters, connection.Close}, nil
}

// bearer is a token that goes with every call.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (b bearer) RequireTransportSecurity() bool { return false } // as DialOptions.Token says

func (s *grpcService) Live(ctx context.Context) error {
	m, err := s.stub.ServerLive(ctx, &oippb.ServerLiveRequest{})
	return s.health(ctx, m.GetLive(), err, "not live")
}

func (s *grpcService) Ready(ctx context.Context) error {
	m, err := s.stub.ServerReady(ctx, &oippb.ServerReadyRequest{})
	return s.health(ctx, m.GetReady(), err, "not ready")
}

func (s *grpcService) ModelReady(ctx context.Context, model, version string) error {
	m, err := s.stub.ModelReady(ctx, &oippb.ModelReadyRequest{Name: model, Version: version})
	return s.health(ctx, m.GetReady(), err, "model "+quote(model)+" is not ready")
}

// health returns the answer to a yes-or-no question.
func (s *grpcService) health(ctx context.Context, yes bool, err error, no string) error {
	if err != nil {
		return s.failure(ctx, err)
	}
	if !yes {
		return Errorf(Unavailable, "%s: %s", s.server, no)
	}
	return nil
}

func (s *grpcService) Metadata(ctx context.Context) (*ServerMetadata, error) {
	m, err := s.stub.ServerMetadata(ctx, &oippb.ServerMetadataRequest{})
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return &ServerMetadata{m.GetName(), m.GetVersion(), m.GetExtensions()}, nil
}

func (s *grpcService) ModelMetadata(ctx context.Context, model, version string) (*ModelMetadata, error) {
	m, err := s.stub.ModelMetadata(ctx, &oippb.ModelMetadataRequest{Name: model, Version: version})
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return metadataFromProto(m), nil
}

// modelConfig is the method of Triton's extension.
const modelConfig = "/inference.GRPCInferenceService/ModelConfig"

func (s *grpcService) parameters(ctx context.Context, model, version string) (map[string]string, error) {
	m := new(oippb.ModelConfigResponse)
	if err := s.connection.Invoke(ctx, modelConfig, &oippb.ModelConfigRequest{Name: model, Version: version}, m); err != nil {
		return nil, s.failure(ctx, err)
	}
	parameters := map[string]string{}
	for name, p := range m.GetConfig().GetParameters() {
		parameters[name] = p.GetStringValue()
	}
	return parameters, nil
}

func (s *grpcService) Infer(ctx context.Context, r *Request) (*Response, error) {
	m, err := requestToProto(withTimeout(ctx, r))
	if err != nil {
		return nil, err
	}
	answer, err := s.stub.ModelInfer(ctx, m)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	out, err := responseFromProto(answer)
	if err != nil {
		return nil, Errorf(Internal, "%s: the answer is not the protocol's: %v", s.server, err)
	}
	return out, nil
}

// failure is the error of a call to this server.
func (s *grpcService) failure(ctx context.Context, err error) error {
	return grpcFailure(ctx, s.server, err)
}
