package serve

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/oip"
)

// value returns a metric's value in Prometheus's text form, "" if it is not
// there.
func value(text, metric string) string {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, metric+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

func TestMetrics(t *testing.T) {
	m := NewMetrics()
	m.Request("m", "", 2*time.Millisecond, 8*time.Millisecond, 11*time.Millisecond, 300)
	m.Request("m", "", 0, 8*time.Millisecond, 9*time.Millisecond, 500)
	m.Request("m", oip.Overloaded.String(), 0, 0, time.Millisecond, 500)
	m.Batch("m", 2)
	m.Queue("m", 3)
	r := start(t, &stub{}, ServerOptions{Metrics: m})
	text := call(t, http.DefaultClient, "GET", r.url("/metrics"), "").body
	for metric, want := range map[string]string{
		`bnc_requests_total{cause="ok",model="m"}`:                    "2",
		`bnc_requests_total{cause="overloaded",model="m"}`:            "1",
		`bnc_request_seconds_count{model="m",stage="total"}`:          "2",
		`bnc_request_seconds_sum{model="m",stage="compute"}`:          "0.016",
		`bnc_request_seconds_sum{model="m",stage="queue"}`:            "0.002",
		`bnc_payload_bytes_sum{model="m"}`:                            "800",
		`bnc_batch_images_sum{model="m"}`:                             "2",
		`bnc_queue_length{model="m"}`:                                 "3",
		`bnc_requests_total{cause="unauthenticated",model=""}`:        "",
		`bnc_request_seconds_bucket{model="m",stage="total",le="30"}`: "2",
	} {
		if got := value(text, metric); got != want {
			t.Errorf("%s: %q, expected %q", metric, got, want)
		}
	}
	if value(text, "process_open_fds") == "" || value(text, "go_goroutines") == "" {
		t.Error("nothing of the process or of Go")
	}
}

// What is refused in front of the service counts too, and nobody makes series
// by making up names.
func TestMetricsOfRefusals(t *testing.T) {
	m := NewMetrics()
	r := start(t, &stub{infer: func(context.Context, *oip.Request) (*oip.Response, error) { panic("a bug") }},
		ServerOptions{Metrics: m, TokenFile: write(t, t.TempDir(), "tokens", goodTokens), MaxBody: 1000})
	const token = "Bearer alpha-token"
	for i := range 20 {
		path := r.url(fmt.Sprintf("/v2/models/made-up-%d/infer", i))
		call(t, http.DefaultClient, "POST", path, inferJSON)
		call(t, http.DefaultClient, "POST", path, "{", "Authorization", token)
		path = r.url("/v2/models/m/infer")
		call(t, http.DefaultClient, "POST", path, "{", "Authorization", token)
		call(t, http.DefaultClient, "POST", path, strings.Repeat(" ", 1001), "Authorization", token)
	}
	call(t, http.DefaultClient, "POST", r.url("/v2/models/m/infer"), inferJSON, "Authorization", token)
	text := call(t, http.DefaultClient, "GET", r.url("/metrics"), "", "Authorization", token).body
	for cause, want := range map[oip.Cause]string{oip.Unauthenticated: "20", oip.Invalid: "20", oip.TooLarge: "20", oip.NotFound: "20", oip.Internal: "1"} {
		if got := value(text, fmt.Sprintf(`bnc_requests_total{cause="%v",model=""}`, cause)); got != want {
			t.Errorf("%v: %q, expected %s", cause, got, want)
		}
	}
	if strings.Contains(text, "made-up") {
		t.Error("a name that is not served is a label")
	}
}
