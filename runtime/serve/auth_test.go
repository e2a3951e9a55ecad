package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/oip/oippb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

// write writes a file of the test.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const goodTokens = "# who may come\nalpha-token\n\n  beta-token  \n"

// headers are values of Authorization, and whether they let in with goodTokens.
var headers = []struct {
	value string
	in    bool
}{
	{"", false},
	{"Bearer", false},
	{"Bearer ", false},
	{"Bearer wrong", false},
	{"Bearer alpha-toke", false},
	{"Bearer alpha-token2", false},
	{"Bearer # who may come", false},
	{"alpha-token", false},
	{"Basic " + base64.StdEncoding.EncodeToString([]byte("alpha-token:")), false},
	{"Basic alpha-token", false},
	{"Bearer alpha-token", true},
	{"bearer beta-token", true},
}

// Without a token nothing but health answers over HTTP: not one route, not what
// there is no route for.
func TestTokensREST(t *testing.T) {
	metrics := NewMetrics()
	r := start(t, &stub{}, ServerOptions{TokenFile: write(t, t.TempDir(), "tokens", goodTokens), Metrics: metrics})
	for _, c := range []struct {
		method, path, body string
		status             int // with a token
	}{
		{"GET", "/v2", "", 200},
		{"GET", "/v2/models/m", "", 200},
		{"GET", "/v2/models/x", "", 404},
		{"GET", "/v2/models/m/ready", "", 200},
		{"GET", "/v2/models/m/versions/1/ready", "", 200},
		{"POST", "/v2/models/m/infer", inferJSON, 200},
		{"POST", "/v2/models/x/infer", inferJSON, 404},
		{"GET", "/v2/models/m/infer", "", 405},
		{"GET", "/metrics", "", 200},
		{"GET", "/nothing", "", 404},
		{"GET", "/v2/health/live/", "", 404},
		{"GET", "/v2/health/", "", 404},
	} {
		for _, h := range headers {
			want := 401
			if h.in {
				want = c.status
			}
			a := call(t, http.DefaultClient, c.method, r.url(c.path), c.body, "Authorization", h.value)
			if a.status != want {
				t.Errorf("%s %s with %q: status %d, expected %d", c.method, c.path, h.value, a.status, want)
			}
			if want == 401 && (a.failure() == "" || a.header.Get("WWW-Authenticate") != "Bearer") {
				t.Errorf("%s %s with %q: %s %v", c.method, c.path, h.value, a.body, a.header)
			}
		}
	}
	for _, path := range openPaths {
		if a := call(t, http.DefaultClient, "GET", r.url(path), ""); a.status != 200 {
			t.Errorf("%s: status %d", path, a.status)
		}
	}
	if log := r.log.String(); strings.Contains(log, "alpha") || strings.Contains(log, "wrong") {
		t.Errorf("the log shows tokens: %s", log)
	}
}

// grpcCalls are all methods, and whether they answer everybody.
var grpcCalls = []struct {
	name string
	open bool
	call func(ctx context.Context, conn *grpc.ClientConn) error
}{
	{"ServerLive", true, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := oippb.NewGRPCInferenceServiceClient(conn).ServerLive(ctx, &oippb.ServerLiveRequest{})
		return err
	}},
	{"ServerReady", true, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := oippb.NewGRPCInferenceServiceClient(conn).ServerReady(ctx, &oippb.ServerReadyRequest{})
		return err
	}},
	{"Health.Check", true, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
		return err
	}},
	{"Health.List", false, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := healthpb.NewHealthClient(conn).List(ctx, &healthpb.HealthListRequest{})
		return err
	}},
	{"Health.Watch", false, func(ctx context.Context, conn *grpc.ClientConn) error {
		stream, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}},
	{"ServerMetadata", false, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := oippb.NewGRPCInferenceServiceClient(conn).ServerMetadata(ctx, &oippb.ServerMetadataRequest{})
		return err
	}},
	{"ModelReady", false, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := oippb.NewGRPCInferenceServiceClient(conn).ModelReady(ctx, &oippb.ModelReadyRequest{Name: "m"})
		return err
	}},
	{"ModelMetadata", false, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := oippb.NewGRPCInferenceServiceClient(conn).ModelMetadata(ctx, &oippb.ModelMetadataRequest{Name: "m"})
		return err
	}},
	{"ModelInfer", false, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := oippb.NewGRPCInferenceServiceClient(conn).ModelInfer(ctx, inferProto(3))
		return err
	}},
	{"reflection", false, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := reflected(ctx, conn)
		return err
	}},
}

// The same over gRPC, where unknown methods tell nothing either.
func TestTokensGRPC(t *testing.T) {
	r := start(t, &stub{}, ServerOptions{TokenFile: write(t, t.TempDir(), "tokens", goodTokens)})
	conn := r.dial(t, nil)
	for _, h := range headers {
		ctx := within(t)
		if h.value != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", h.value)
		}
		for _, c := range grpcCalls {
			want := codes.Unauthenticated
			if h.in || c.open {
				want = codes.OK
			}
			checkCode(t, c.name+" with "+h.value, c.call(ctx, conn), want)
		}
		want := codes.Unauthenticated
		if h.in {
			want = codes.Unimplemented
		}
		checkCode(t, "unknown method with "+h.value, conn.Invoke(ctx, "/a.B/C", &oippb.ServerLiveRequest{}, &oippb.ServerLiveResponse{}), want)
	}
	twice := metadata.AppendToOutgoingContext(within(t), "authorization", "Bearer wrong", "authorization", "Bearer alpha-token")
	checkCode(t, "two headers", grpcCalls[len(grpcCalls)-1].call(twice, conn), codes.Unauthenticated)
}

func TestTokenFiles(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ text, want string }{
		"empty":    {"", "holds no token"},
		"comments": {"# nothing\n\n  # here\n", "holds no token"},
		"blank":    {"one\ntwo words\n", "line 2"},
		"control":  {"a\x00b\n", "line 1"},
		"unicode":  {"ok\nschlüssel\n", "line 2"},
	} {
		_, err := Listen(ServerOptions{HTTP: "127.0.0.1:0", TokenFile: write(t, dir, name, c.text)})
		var wrong *fault.UsageError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Listen(ServerOptions{HTTP: "127.0.0.1:0", TokenFile: filepath.Join(dir, "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	read, err := readTokens(write(t, dir, "windows", "one\r\n#\r\ntwo\r\n"))
	if err != nil || len(read) != 2 || !read.match("one") || !read.match("two") || read.match("") || read.match("#") {
		t.Errorf("%d tokens, %v", len(read), err)
	}
}

func TestTokensReadableByOthers(t *testing.T) {
	dir := t.TempDir()
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		path := write(t, dir, mode.String(), "secret\n")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		s, err := Listen(ServerOptions{HTTP: "127.0.0.1:0", TokenFile: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if strings.Contains(log.String(), "WARN") != warned || strings.Contains(log.String(), "secret\n") {
			t.Errorf("%v: %s", mode, log.String())
		}
	}
}

// A changed file counts once it is looked at, or told to be; one that is no use
// changes nothing.
func TestTokensReload(t *testing.T) {
	path := write(t, t.TempDir(), "tokens", "first\n")
	r := start(t, &stub{}, ServerOptions{TokenFile: path})
	status := func(token string) int {
		return call(t, http.DefaultClient, "GET", r.url("/v2"), "", "Authorization", "Bearer "+token).status
	}
	statuses := func() []int { return []int{status("first"), status("second"), status("third")} }
	if got := statuses(); !slices.Equal(got, []int{200, 401, 401}) {
		t.Errorf("at the start: %v", got)
	}
	write(t, filepath.Dir(path), "tokens", "second\n")
	r.Reload()
	if got := statuses(); !slices.Equal(got, []int{401, 200, 401}) {
		t.Errorf("told to read: %v", got)
	}
	write(t, filepath.Dir(path), "tokens", "third-one\n# longer\n")
	write(t, filepath.Dir(path), "new", "third\n")
	if err := os.Rename(filepath.Join(filepath.Dir(path), "new"), path); err != nil {
		t.Fatal(err)
	}
	r.guard.tokens.mu.Lock()
	r.guard.tokens.checked = time.Time{} // as if a second had passed
	r.guard.tokens.mu.Unlock()
	if got := statuses(); !slices.Equal(got, []int{401, 401, 200}) {
		t.Errorf("another file: %v", got)
	}
	write(t, filepath.Dir(path), "tokens", "")
	r.Reload()
	if got := statuses(); !slices.Equal(got, []int{401, 401, 200}) {
		t.Errorf("an empty file: %v", got)
	}
	if !strings.Contains(r.log.String(), "holds no token") {
		t.Error("the log does not tell that the file is empty")
	}
}

// Without anything that keeps others out a server stays on this machine.
func TestLoopbackOnly(t *testing.T) {
	dir := t.TempDir()
	tokens := write(t, dir, "tokens", goodTokens)
	for _, c := range []struct {
		opts ServerOptions
		ok   bool
	}{
		{ServerOptions{HTTP: "127.0.0.1:0"}, true},
		{ServerOptions{HTTP: "localhost:0", GRPC: "127.0.0.1:0"}, true},
		{ServerOptions{HTTP: ":0"}, false},
		{ServerOptions{HTTP: "0.0.0.0:0"}, false},
		{ServerOptions{HTTP: "127.0.0.1:0", GRPC: ":0"}, false},
		{ServerOptions{GRPC: "[::]:0"}, false},
		{ServerOptions{GRPC: "192.0.2.1:0"}, false},
		{ServerOptions{HTTP: ":0", Insecure: true}, true},
		{ServerOptions{HTTP: ":0", TokenFile: tokens}, true},
		{ServerOptions{}, false},
		{ServerOptions{HTTP: "127.0.0.1"}, false},
		{ServerOptions{HTTP: "127.0.0.1:0", CertFile: "c"}, false},
		{ServerOptions{HTTP: "127.0.0.1:0", KeyFile: "k"}, false},
		{ServerOptions{HTTP: "127.0.0.1:0", ClientCAFile: "ca"}, false},
		{ServerOptions{HTTP: "127.0.0.1:0", CertFile: tokens, KeyFile: tokens}, false},
		{ServerOptions{HTTP: "127.0.0.1:0", MaxBody: 1 << 31}, false},
	} {
		s, err := Listen(c.opts)
		if s != nil {
			s.Close()
		}
		var wrong *fault.UsageError
		if (err == nil) != c.ok || err != nil && !errors.As(err, &wrong) {
			t.Errorf("%+v: %v", c.opts, err)
		}
	}
	_, err := Listen(ServerOptions{HTTP: ":0"})
	for _, word := range []string{"option tokens", "option client_ca", "option insecure", "127.0.0.1"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %s: %v", word, err)
		}
	}
}
