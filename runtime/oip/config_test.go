package oip

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/bottlenet/bnc/runtime/oip/oippb"
)

// bare is a fake whose metadata has no properties, as Triton's.
type bare struct{ fake }

func (b *bare) ModelMetadata(ctx context.Context, model, version string) (*ModelMetadata, error) {
	m, err := b.fake.ModelMetadata(ctx, model, version)
	if err != nil {
		return nil, err
	}
	plain := *m
	plain.Properties = nil
	return &plain, nil
}

// config answers what a model's configuration has as parameters.
type config func(model, version string) (map[string]string, error)

// serveRESTConfig is serveREST with Triton's extension: the document of
// GET /v2/models/m/config in Triton 2.51, which has more in it.
func serveRESTConfig(t *testing.T, s Service, c config) string {
	mux := http.NewServeMux()
	mux.Handle("/", restHandler(s))
	answer := func(w http.ResponseWriter, r *http.Request) {
		parameters, err := c(r.PathValue("model"), r.PathValue("version"))
		if err != nil {
			w.WriteHeader(CauseOf(err).HTTP())
			io.WriteString(w, `{"error":"no"}`)
			return
		}
		values := map[string]map[string]string{}
		for name, value := range parameters {
			values[name] = map[string]string{"string_value": value}
		}
		json.NewEncoder(w).Encode(map[string]any{"name": r.PathValue("model"), "max_batch_size": 8,
			"parameters": values, "model_operations": map[string]any{"op_library_filename": []string{"ops.so"}}})
	}
	mux.HandleFunc("GET /v2/models/{model}/config", answer)
	mux.HandleFunc("GET /v2/models/{model}/versions/{version}/config", answer)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// serveGRPCConfig is serveGRPC with Triton's extension.
func serveGRPCConfig(t *testing.T, s Service, c config) string {
	return "grpc://" + serveGRPC(t, grpcServer{s: s}, grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if method, _ := grpc.MethodFromServerStream(stream); method != modelConfig {
			t.Errorf("the client calls %s", method)
		}
		request := new(oippb.ModelConfigRequest)
		if err := stream.RecvMsg(request); err != nil {
			return err
		}
		parameters, err := c(request.GetName(), request.GetVersion())
		if err != nil {
			return status.Error(CauseOf(err).GRPC(), "no")
		}
		answer := &oippb.ModelConfig{Parameters: map[string]*oippb.ModelParameter{}}
		for name, value := range parameters {
			answer.Parameters[name] = &oippb.ModelParameter{StringValue: value}
		}
		return stream.SendMsg(&oippb.ModelConfigResponse{Config: answer})
	}))
}

// TestPropertiesOfTheConfiguration: a model's identity is found where Triton has
// it, and only looked for where the metadata has none.
func TestPropertiesOfTheConfiguration(t *testing.T) {
	asked := 0
	var parameters map[string]string
	var answer error
	c := func(model, version string) (map[string]string, error) {
		if asked++; model != "m" || version != "1" {
			t.Errorf("asked for %q of version %q", model, version)
		}
		return parameters, answer
	}
	serve := map[string]func(*testing.T, Service, config) string{"http": serveRESTConfig, "grpc": serveGRPCConfig}
	for name, serve := range serve {
		t.Run(name, func(t *testing.T) {
			r := dial(t, serve(t, new(bare), c), DialOptions{})
			expect := func(want map[string]string) {
				t.Helper()
				m, err := r.ModelMetadata(t.Context(), "m", "1")
				if err != nil || len(m.Properties) != len(want) || len(want) > 0 && !reflect.DeepEqual(m.Properties, want) {
					t.Fatalf("%+v, %v, expected the properties %v", m, err, want)
				}
				if !reflect.DeepEqual(m.Inputs, fakeModel.Inputs) {
					t.Errorf("inputs %v", m.Inputs)
				}
			}
			parameters, answer = map[string]string{ParamPair: "34cd", "other": ""}, nil
			expect(parameters)
			parameters = nil
			expect(nil)
			// What does not pass says that the server has no such thing.
			for i := range causes {
				cause := Cause(i)
				answer = Errorf(cause, "no")
				if cause.Retry() || cause == Deadline || cause == Canceled {
					refused(t, cause.String(), second(r.ModelMetadata(t.Context(), "m", "1")), cause, "no")
					continue
				}
				expect(nil)
			}
			asked = 0
			refused(t, "no such model", second(r.ModelMetadata(t.Context(), "x", "")), NotFound, "no model")
			r = dial(t, serve(t, new(fake), c), DialOptions{})
			expect(fakeModel.Properties)
			if asked != 0 {
				t.Errorf("the configuration was asked for %d times without need", asked)
			}
		})
	}
}

// TestNoConfiguration has servers without the extension, and with something else
// in its place.
func TestNoConfiguration(t *testing.T) {
	remotes(t, new(bare), DialOptions{}, func(t *testing.T, r *Remote) {
		if m, err := r.ModelMetadata(t.Context(), "m", ""); err != nil || len(m.Properties) != 0 {
			t.Errorf("%+v, %v", m, err)
		}
	})
	for _, body := range []string{"<html>", "[]", `{"parameters":["bnc_pair"]}`, `{"parameters":{"bnc_pair":"12ab"}}`, ""} {
		mux := http.NewServeMux()
		mux.Handle("/", restHandler(new(bare)))
		mux.HandleFunc("/v2/models/m/config", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
		server := httptest.NewServer(mux)
		defer server.Close()
		if m, err := dial(t, server.URL, DialOptions{}).ModelMetadata(t.Context(), "m", ""); err != nil || len(m.Properties) != 0 {
			t.Errorf("%q: %+v, %v", body, m, err)
		}
	}
}
