package serve

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/oip/oippb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// inferProto is a request of n bytes.
func inferProto(n int) *oippb.ModelInferRequest {
	return &oippb.ModelInferRequest{
		ModelName: "m", Id: "a",
		Inputs:           []*oippb.ModelInferRequest_InferInputTensor{{Name: "payload", Datatype: "UINT8", Shape: []int64{int64(n)}}},
		RawInputContents: [][]byte{make([]byte, n)},
	}
}

func TestGRPCMethods(t *testing.T) {
	r := start(t, &stub{}, ServerOptions{})
	client := oippb.NewGRPCInferenceServiceClient(r.dial(t, nil))
	ctx := within(t)
	check := func(name string, got proto.Message, err error, want proto.Message) {
		t.Helper()
		if err != nil || !proto.Equal(got, want) {
			t.Errorf("%s: %v, %v; expected %v", name, got, err, want)
		}
	}
	live, err := client.ServerLive(ctx, &oippb.ServerLiveRequest{})
	check("live", live, err, &oippb.ServerLiveResponse{Live: true})
	ready, err := client.ServerReady(ctx, &oippb.ServerReadyRequest{})
	check("ready", ready, err, &oippb.ServerReadyResponse{Ready: true})
	server, err := client.ServerMetadata(ctx, &oippb.ServerMetadataRequest{})
	check("server", server, err, &oippb.ServerMetadataResponse{Name: "stub", Version: "7", Extensions: []string{"binary_tensor_data"}})
	modelReady, err := client.ModelReady(ctx, &oippb.ModelReadyRequest{Name: "m"})
	check("model ready", modelReady, err, &oippb.ModelReadyResponse{Ready: true})
	modelReady, err = client.ModelReady(ctx, &oippb.ModelReadyRequest{Name: "x"})
	check("other model", modelReady, err, &oippb.ModelReadyResponse{})
	model, err := client.ModelMetadata(ctx, &oippb.ModelMetadataRequest{Name: "m"})
	check("model", model, err, &oippb.ModelMetadataResponse{
		Name: "m", Versions: []string{"1"}, Platform: "test",
		Parameters: map[string]*oippb.InferParameter{"bnc_pair": {ParameterChoice: &oippb.InferParameter_StringParam{StringParam: "p"}}},
		Inputs:     []*oippb.ModelMetadataResponse_TensorMetadata{{Name: "payload", Datatype: "UINT8", Shape: []int64{-1}}},
		Outputs:    []*oippb.ModelMetadataResponse_TensorMetadata{{Name: "length", Datatype: "INT64", Shape: []int64{1}}},
	})
	inferred, err := client.ModelInfer(ctx, inferProto(300))
	check("infer", inferred, err, &oippb.ModelInferResponse{
		ModelName: "m", ModelVersion: "1", Id: "a",
		Parameters:        map[string]*oippb.InferParameter{oip.ParamQueue: {ParameterChoice: &oippb.InferParameter_DoubleParam{DoubleParam: 0.5}}},
		Outputs:           []*oippb.ModelInferResponse_InferOutputTensor{{Name: "length", Datatype: "INT64", Shape: []int64{1}}},
		RawOutputContents: [][]byte{{44, 1, 0, 0, 0, 0, 0, 0}},
	})

	_, err = client.ModelMetadata(ctx, &oippb.ModelMetadataRequest{Name: "x"})
	checkCode(t, "metadata of another model", err, codes.NotFound)
	_, err = client.ModelMetadata(ctx, &oippb.ModelMetadataRequest{Name: "m", Version: "2"})
	checkCode(t, "metadata of another version", err, codes.NotFound)
	_, err = client.ModelInfer(ctx, &oippb.ModelInferRequest{ModelName: "x"})
	checkCode(t, "another model", err, codes.NotFound)
	short := inferProto(3)
	short.RawInputContents[0] = []byte{1}
	_, err = client.ModelInfer(ctx, short)
	checkCode(t, "too few bytes", err, codes.InvalidArgument)
	err = r.dial(t, nil).Invoke(ctx, "/inference.GRPCInferenceService/ModelStreamInfer", short, &oippb.ModelInferResponse{})
	checkCode(t, "unknown method", err, codes.Unimplemented)
}

func checkCode(t *testing.T, name string, err error, want codes.Code) {
	t.Helper()
	if status.Code(err) != want {
		t.Errorf("%s: %v, expected code %v", name, err, want)
	}
}

func TestGRPCErrors(t *testing.T) {
	var fail error
	r := start(t, &stub{infer: func(ctx context.Context, _ *oip.Request) (*oip.Response, error) {
		switch fail {
		case errPanic:
			panic("a bug")
		case errHang:
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return nil, fail
	}}, ServerOptions{})
	client := oippb.NewGRPCInferenceServiceClient(r.dial(t, nil))
	ctx := within(t)
	for c := oip.Internal; c <= oip.Unsupported; c++ {
		fail = oip.Errorf(c, "the reason")
		_, err := client.ModelInfer(ctx, inferProto(1))
		if status.Code(err) != c.GRPC() || status.Convert(err).Message() != "the reason" {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, fail = range []error{errors.New("open /etc/secret: no"), errPanic} {
		_, err := client.ModelInfer(ctx, inferProto(1))
		checkCode(t, fail.Error(), err, codes.Internal)
		if text := err.Error(); strings.Contains(text, "secret") || strings.Contains(text, "a bug") {
			t.Errorf("the client is told %q", text)
		}
	}
	if log := r.log.String(); !strings.Contains(log, "/etc/secret") || !strings.Contains(log, "a bug") {
		t.Errorf("the log does not tell the errors: %s", log)
	}
	fail = errHang
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err := client.ModelInfer(short, inferProto(1))
	checkCode(t, "deadline", err, codes.DeadlineExceeded)
}

var errPanic, errHang = errors.New("a panic"), errors.New("a hang")

func TestGRPCLimits(t *testing.T) {
	r := start(t, &stub{}, ServerOptions{MaxBody: 1000})
	client := oippb.NewGRPCInferenceServiceClient(r.dial(t, nil))
	ctx := within(t)
	if _, err := client.ModelInfer(ctx, inferProto(900)); err != nil {
		t.Error(err)
	}
	_, err := client.ModelInfer(ctx, inferProto(1001))
	checkCode(t, "large message", err, codes.ResourceExhausted) // grpc-go's own refusal
	if _, err := client.ModelInfer(ctx, inferProto(900)); err != nil {
		t.Error(err)
	}
}

func TestGRPCHealth(t *testing.T) {
	service := &stub{}
	r := start(t, service, ServerOptions{})
	client := healthpb.NewHealthClient(r.dial(t, nil))
	ctx := within(t)
	for _, name := range []string{"", "inference.GRPCInferenceService"} {
		out, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: name})
		if err != nil || out.Status != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%q: %v, %v", name, out, err)
		}
	}
	_, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: "other"})
	checkCode(t, "another service", err, codes.NotFound)

	r = start(t, &stub{ready: oip.Errorf(oip.Unavailable, "loading")}, ServerOptions{})
	out, err := healthpb.NewHealthClient(r.dial(t, nil)).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil || out.Status != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("%v, %v", out, err)
	}
	ready, err := oippb.NewGRPCInferenceServiceClient(r.dial(t, nil)).ServerReady(ctx, &oippb.ServerReadyRequest{})
	if err != nil || ready.Ready {
		t.Errorf("%v, %v", ready, err)
	}
}

func TestGRPCReflection(t *testing.T) {
	r := start(t, &stub{}, ServerOptions{})
	names, err := reflected(within(t), r.dial(t, nil))
	if err != nil || !slices.Contains(names, "inference.GRPCInferenceService") {
		t.Errorf("%v, %v", names, err)
	}
}

// reflected returns the services that a server says it has.
func reflected(ctx context.Context, conn *grpc.ClientConn) ([]string, error) {
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		return nil, err
	}
	request := &grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}
	stream.Send(request) // an error shows in Recv
	answer, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range answer.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	return names, stream.CloseSend()
}
