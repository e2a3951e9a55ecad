package oip

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// remotes serves s in both forms and calls test with a Remote of each.
func remotes(t *testing.T, s Service, o DialOptions, test func(t *testing.T, r *Remote)) {
	t.Run("http", func(t *testing.T) { test(t, dial(t, "http://"+serveREST(t, s), o)) })
	t.Run("grpc", func(t *testing.T) { test(t, dial(t, "grpc://"+serveGRPC(t, grpcServer{s: s}), o)) })
}

func TestRemote(t *testing.T) {
	s := &fake{infer: reversed}
	remotes(t, s, DialOptions{}, func(t *testing.T, r *Remote) {
		ctx := t.Context()
		for name, err := range map[string]error{"Live": r.Live(ctx), "Ready": r.Ready(ctx),
			"ModelReady": r.ModelReady(ctx, "m", ""), "ModelReady 1": r.ModelReady(ctx, "m", "1")} {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if m, err := r.Metadata(ctx); err != nil || m.Name != "fake" || !slices.Equal(m.Extensions, []string{"binary_tensor_data"}) {
			t.Errorf("Metadata: %v, %v", m, err)
		}
		if m, err := r.ModelMetadata(ctx, "m", "1"); err != nil || !reflect.DeepEqual(m, fakeModel) {
			t.Errorf("ModelMetadata: %v, %v", m, err)
		}
		refused(t, "ModelMetadata", second(r.ModelMetadata(ctx, "m", "2")), NotFound, `no model "m" of version "2"`)
		refused(t, "ModelReady", r.ModelReady(ctx, "../x", ""), NotFound, `no model "../x"`)

		random := rand.New(rand.NewPCG(6, 7))
		for range 20 {
			request := &Request{Model: "m", Version: "1", ID: "a", Params: randomParams(random), Inputs: randomTensors(random, "in", allTypes())}
			want, _ := reversed(ctx, request)
			got, err := r.Infer(ctx, request)
			if err != nil {
				t.Fatal(err)
			}
			got.Params = without(got.Params, paramAllBinary)
			sameResponse(t, got, want)
		}
	})
}

// second drops a call's result.
func second[T any](_ T, err error) error { return err }

// TestCauses sends every cause through both forms.
func TestCauses(t *testing.T) {
	var cause Cause
	s := &fake{infer: func(context.Context, *Request) (*Response, error) {
		return nil, Errorf(cause, "because of %v", cause)
	}}
	remotes(t, s, DialOptions{}, func(t *testing.T, r *Remote) {
		for c := range causes {
			cause = Cause(c)
			refused(t, cause.String(), second(r.Infer(t.Context(), payload(3))), cause, "because of "+cause.String())
		}
	})
}

func TestNotReady(t *testing.T) {
	s := &fake{ready: Errorf(Unavailable, "loading")}
	remotes(t, s, DialOptions{}, func(t *testing.T, r *Remote) {
		refused(t, "Ready", r.Ready(t.Context()), Unavailable, "")
		refused(t, "ModelReady", r.ModelReady(t.Context(), "m", ""), Unavailable, "")
		if err := r.Live(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestOtherServers has answers of Triton, KServe and proxies.
func TestOtherServers(t *testing.T) {
	var code int
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code == http.StatusMovedPermanently {
			w.Header().Set("Location", "http://elsewhere/")
		}
		w.WriteHeader(code)
		io.WriteString(w, body)
	}))
	defer server.Close()
	r := dial(t, server.URL, DialOptions{})
	for _, c := range []struct {
		code  int
		body  string
		cause Cause
		want  string
	}{
		{400, `{"error":"Request for unknown model: 'm' is not found"}`, NotFound, "unknown model: 'm'"},
		{400, `{"error":"unexpected shape for input 'payload'"}`, Invalid, "unexpected shape"},
		{422, `{"detail":"no"}`, Invalid, `422 Unprocessable Entity: {"detail":"no"}`},
		{403, "", Unauthenticated, "403 Forbidden"},
		{404, "404 page not found\n", NotFound, "404 page not found"},
		{405, "", Unsupported, ""},
		{408, "", Deadline, ""},
		{415, "", Unsupported, ""},
		{500, `{"error":"Traceback"}`, Internal, "Traceback"},
		{502, "<html>", Unavailable, "<html>"},
		{503, `{"error":"Exceeds maximum queue size"}`, Overloaded, "maximum queue size"},
		{503, `{"error":"Request timeout expired"}`, Deadline, "timeout expired"},
		{503, `{"error":"loading"}`, Unavailable, "loading"},
		{505, "", Internal, ""},
		{301, "", Unsupported, "redirection to http://elsewhere/, which is not followed"},
		{200, "hello", Internal, "the answer is not the protocol's"},
		{200, `{"outputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1]}]}`, Internal, `output "x"`},
		{500, strings.Repeat("long ", 1000), Internal, "long"},
	} {
		code, body = c.code, c.body
		refused(t, fmt.Sprint(code, body), second(r.Infer(t.Context(), payload(1))), c.cause, c.want)
	}
	code, body = 400, "" // Triton's "not ready"
	refused(t, "Ready", r.Ready(t.Context()), Unavailable, "")
	code, body = 200, `{"name":"m","ready":false}`
	refused(t, "ModelReady", r.ModelReady(t.Context(), "m", ""), Unavailable, "")
}

func TestOtherGRPCServers(t *testing.T) {
	var answer error
	s := &fake{infer: func(context.Context, *Request) (*Response, error) { return nil, answer }}
	r := dial(t, "grpc://"+serveGRPC(t, grpcServer{s: s}), DialOptions{})
	for _, c := range []struct {
		code  codes.Code
		text  string
		cause Cause
	}{
		{codes.PermissionDenied, "no", Unauthenticated},
		{codes.Unavailable, "Exceeds maximum queue size", Overloaded},
		{codes.Unavailable, "Request timeout expired", Deadline},
		{codes.Unavailable, "Request for unknown model: 'm' is not found", NotFound},
		{codes.ResourceExhausted, "grpc: received message larger than max (9 vs. 4)", TooLarge},
		{codes.DataLoss, "lost", Internal},
		{codes.Unknown, "what", Internal},
	} {
		answer = status.Error(c.code, c.text)
		refused(t, c.text, second(r.Infer(t.Context(), payload(1))), c.cause, c.text)
	}
}
