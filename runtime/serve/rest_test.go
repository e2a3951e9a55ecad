package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/oip"
)

// inferJSON is a request of three bytes.
const inferJSON = `{"id":"a","inputs":[{"name":"payload","datatype":"UINT8","shape":[3],"data":[1,2,3]}]}`

func TestRESTRoutes(t *testing.T) {
	r := start(t, &stub{}, ServerOptions{Metrics: NewMetrics()})
	model := `{"name":"m","versions":["1"],"platform":"test","inputs":[{"name":"payload","datatype":"UINT8","shape":[-1]}],
		"outputs":[{"name":"length","datatype":"INT64","shape":[1]}],"properties":{"bnc_pair":"p"}}`
	server := `{"name":"stub","version":"7","extensions":["binary_tensor_data"]}`
	inferred := `{"model_name":"m","model_version":"1","id":"a","parameters":{"bnc_queue_ms":0.5},
		"outputs":[{"name":"length","datatype":"INT64","shape":[1],"data":[3]}]}`
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string // JSON; "" is the protocol's error form
	}{
		{"GET", "/v2/health/live", "", 200, `{"live":true}`},
		{"HEAD", "/v2/health/live", "", 200, "-"},
		{"GET", "/v2/health/ready", "", 200, `{"ready":true}`},
		{"GET", "/v2", "", 200, server},
		{"GET", "/v2/", "", 200, server},
		{"GET", "/v2/models/m", "", 200, model},
		{"GET", "/v2/models/m/versions/1", "", 200, model},
		{"GET", "/v2/models/m/versions/2", "", 404, ""},
		{"GET", "/v2/models/x", "", 404, ""},
		{"GET", "/v2/models/m/ready", "", 200, `{"name":"m","ready":true}`},
		{"GET", "/v2/models/m/versions/1/ready", "", 200, `{"name":"m","ready":true}`},
		{"GET", "/v2/models/x/ready", "", 404, ""},
		{"POST", "/v2/models/m/infer", inferJSON, 200, inferred},
		{"POST", "/v2/models/m/versions/1/infer", inferJSON, 200, inferred},
		{"POST", "/v2/models/m/versions/2/infer", inferJSON, 404, ""},
		{"POST", "/v2/models/x/infer", inferJSON, 404, ""},
		{"POST", "/v2/models/m/infer", "", 400, ""},
		{"POST", "/v2/models/m/infer", `{"inputs":`, 400, ""},
		{"POST", "/v2/models/m/infer", strings.Replace(inferJSON, "[3]", "[4]", 1), 400, ""},
		{"GET", "/v2/models/m/infer", "", 405, ""},
		{"POST", "/v2/models/m", "", 405, ""},
		{"DELETE", "/v2", "", 405, ""},
		{"GET", "/", "", 404, ""},
		{"GET", "/v1/models", "", 404, ""},
		{"GET", "/v2/models/m/config", "", 404, ""},
		{"GET", "/v2/models/%2e%2e%2fm", "", 404, ""},
	} {
		name := c.method + " " + c.path
		a := call(t, http.DefaultClient, c.method, r.url(c.path), c.body)
		if a.status != c.status {
			t.Errorf("%s: status %d, expected %d: %s", name, a.status, c.status, a.body)
			continue
		}
		switch c.want {
		case "-":
		case "":
			if a.failure() == "" {
				t.Errorf("%s: expected the protocol's error, found %q %v", name, a.body, a.header)
			}
		default:
			if !sameJSON(t, a.body, c.want) {
				t.Errorf("%s: found %s\nexpected %s", name, a.body, c.want)
			}
		}
		if c.status == 405 && a.header.Get("Allow") == "" {
			t.Errorf("%s: no header Allow", name)
		}
	}
	if a := call(t, http.DefaultClient, "GET", r.url("/metrics"), ""); a.status != 200 || !strings.Contains(a.body, "go_goroutines") {
		t.Errorf("metrics: %d %.200s", a.status, a.body)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal([]byte(a), &x), json.Unmarshal([]byte(b), &y)); err != nil {
		t.Error(err)
	}
	return reflect.DeepEqual(x, y)
}

// Binary tensors follow the JSON object in both directions.
func TestRESTBinary(t *testing.T) {
	r := start(t, &stub{}, ServerOptions{})
	head := `{"parameters":{"binary_data_output":true},"inputs":[{"name":"payload","datatype":"UINT8","shape":[5],"parameters":{"binary_data_size":5}}]}`
	a := call(t, http.DefaultClient, "POST", r.url("/v2/models/m/infer"), head+"\x00\x01\x02\x03\x04", "Inference-Header-Content-Length", fmt.Sprint(len(head)))
	if a.status != 200 || !strings.HasSuffix(a.body, "\x05\x00\x00\x00\x00\x00\x00\x00") {
		t.Errorf("status %d, body %q", a.status, a.body)
	}
	if n := a.header.Get("Inference-Header-Content-Length"); n != fmt.Sprint(len(a.body)-8) {
		t.Errorf("header length %s of a body of %d bytes", n, len(a.body))
	}
	for _, length := range []string{"-1", "x", "100000", "99999999999999999999"} {
		a := call(t, http.DefaultClient, "POST", r.url("/v2/models/m/infer"), head, "Inference-Header-Content-Length", length)
		if a.status != 400 || a.failure() == "" {
			t.Errorf("header length %s: status %d, %s", length, a.status, a.body)
		}
	}
}

// Every cause has its status, and errors that are not the protocol's own stay
// on the server.
func TestRESTErrors(t *testing.T) {
	var fail error
	r := start(t, &stub{infer: func(context.Context, *oip.Request) (*oip.Response, error) { return nil, fail }}, ServerOptions{})
	for c := oip.Internal; c <= oip.Unsupported; c++ {
		fail = oip.Errorf(c, "the reason")
		if a := call(t, http.DefaultClient, "POST", r.url("/v2/models/m/infer"), inferJSON); a.status != c.HTTP() || a.failure() != "the reason" {
			t.Errorf("%v: status %d, %s", c, a.status, a.body)
		}
	}
	fail = errors.New("open /etc/secret: no")
	if a := call(t, http.DefaultClient, "POST", r.url("/v2/models/m/infer"), inferJSON); a.status != 500 || a.failure() == "" || strings.Contains(a.body, "secret") {
		t.Errorf("status %d, %s", a.status, a.body)
	}
	if !strings.Contains(r.log.String(), "/etc/secret") {
		t.Error("the log does not tell the error")
	}
	fail = context.DeadlineExceeded
	if a := call(t, http.DefaultClient, "POST", r.url("/v2/models/m/infer"), inferJSON); a.status != 504 {
		t.Errorf("status %d, %s", a.status, a.body)
	}
}

func TestRESTNotReady(t *testing.T) {
	r := start(t, &stub{ready: oip.Errorf(oip.Unavailable, "loading")}, ServerOptions{})
	if a := call(t, http.DefaultClient, "GET", r.url("/v2/health/ready"), ""); a.status != 503 || a.failure() != "loading" {
		t.Errorf("status %d, %s", a.status, a.body)
	}
	if a := call(t, http.DefaultClient, "GET", r.url("/v2/health/live"), ""); a.status != 200 {
		t.Errorf("status %d, %s", a.status, a.body)
	}
}

func TestRESTPanic(t *testing.T) {
	r := start(t, &stub{infer: func(context.Context, *oip.Request) (*oip.Response, error) { panic("a bug") }}, ServerOptions{})
	if a := call(t, http.DefaultClient, "POST", r.url("/v2/models/m/infer"), inferJSON); a.status != 500 || a.failure() == "" || strings.Contains(a.body, "a bug") {
		t.Errorf("status %d, %s", a.status, a.body)
	}
	if log := r.log.String(); !strings.Contains(log, "a bug") || !strings.Contains(log, "rest_test.go") {
		t.Errorf("the log tells neither the panic nor where: %s", log)
	}
}

// A body is refused by its declared length before it is read, and by its real
// one while it is read; both times the client gets to read why.
func TestRESTLimits(t *testing.T) {
	r := start(t, &stub{}, ServerOptions{MaxBody: 1000})
	large := strings.Repeat(" ", 1001)
	if a := call(t, http.DefaultClient, "POST", r.url("/v2/models/m/infer"), large); a.status != 413 || !strings.Contains(a.failure(), "1000") {
		t.Errorf("status %d, %s", a.status, a.body)
	}
	chunked, err := http.NewRequest("POST", r.url("/v2/models/m/infer"), io.MultiReader(strings.NewReader(large)))
	if err != nil {
		t.Fatal(err)
	}
	if a := do(t, http.DefaultClient, chunked); a.status != 413 || a.failure() == "" {
		t.Errorf("status %d, %s", a.status, a.body)
	}
	if a := call(t, http.DefaultClient, "POST", r.url("/v2/models/m/infer"), inferJSON, "Content-Encoding", "gzip"); a.status != 415 || a.failure() == "" {
		t.Errorf("gzip: status %d, %s", a.status, a.body)
	}
	// A client that sends all of a body before it reads gets to know why.
	const announced = 100 << 20
	post := fmt.Sprintf("POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n", announced)
	if status := sendRaw(t, r.HTTPAddr(), post+"\r\n", announced); status != 413 {
		t.Errorf("100 MB: status %d", status)
	}
	r = start(t, &stub{}, ServerOptions{}, func(l *limits) { l.linger = 50 * time.Millisecond })
	for _, c := range []struct {
		name, send string
		status     int
	}{
		{"announced and not sent", post + "\r\n", 413},
		{"asked first", post + "Expect: 100-continue\r\n\r\n", 413},
		{"long header", "GET /v2 HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 2*maxHeaderBytes) + "\r\n\r\n", 431},
	} {
		if status := sendRaw(t, r.HTTPAddr(), c.send, 0); status != c.status {
			t.Errorf("%s: status %d, expected %d", c.name, status, c.status)
		}
	}
}

// sendRaw sends text and then so many zeros, and returns the first answer's
// status.
func sendRaw(t *testing.T, address, text string, zeros int) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(make([]byte, zeros)); err != nil {
		t.Error(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Error(err)
		return 0
	}
	return response.StatusCode
}

// A proxy's header and the request's own parameter limit how long the service
// has.
func TestRESTDeadline(t *testing.T) {
	r := start(t, &stub{infer: func(ctx context.Context, _ *oip.Request) (*oip.Response, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}, ServerOptions{})
	if a := call(t, http.DefaultClient, "POST", r.url("/v2/models/m/infer"), inferJSON, headerDeadline, "1"); a.status != 504 || a.failure() == "" {
		t.Errorf("status %d, %s", a.status, a.body)
	}
	if a := call(t, http.DefaultClient, "POST", r.url("/v2/models/m/infer"), inferJSON, headerDeadline, "soon"); a.status != 400 {
		t.Errorf("status %d, %s", a.status, a.body)
	}
	for value, want := range map[string]int{"1": 504, "2000": 504, "-1": 400, "0.5": 400, `"soon"`: 400, "true": 400} {
		body := strings.Replace(inferJSON, "{", `{"parameters":{"timeout":`+value+`},`, 1)
		if a := call(t, http.DefaultClient, "POST", r.url("/v2/models/m/infer"), body); a.status != want || a.failure() == "" {
			t.Errorf("timeout %s: status %d, %s", value, a.status, a.body)
		}
	}
}

// A timeout of 0 is none, and a very long one does not overflow.
func TestRESTNoDeadline(t *testing.T) {
	r := start(t, &stub{}, ServerOptions{})
	for _, value := range []string{"0", "9223372036854775807"} {
		body := strings.Replace(inferJSON, "{", `{"parameters":{"timeout":`+value+`},`, 1)
		if a := call(t, http.DefaultClient, "POST", r.url("/v2/models/m/infer"), body); a.status != 200 {
			t.Errorf("timeout %s: status %d, %s", value, a.status, a.body)
		}
	}
}

// The service learns that the client went away.
func TestRESTCanceled(t *testing.T) {
	entered, left := make(chan struct{}), make(chan error, 1)
	r := start(t, &stub{infer: func(ctx context.Context, _ *oip.Request) (*oip.Response, error) {
		close(entered)
		<-ctx.Done()
		left <- ctx.Err()
		return nil, ctx.Err()
	}}, ServerOptions{})
	ctx, cancel := context.WithCancel(within(t))
	request, err := http.NewRequestWithContext(ctx, "POST", r.url("/v2/models/m/infer"), strings.NewReader(inferJSON))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-entered
		cancel()
	}()
	if _, err := http.DefaultClient.Do(request); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
