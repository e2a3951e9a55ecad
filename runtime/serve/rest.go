package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	maxHeaderBytes = 64 << 10
	// headerDeadline is how proxies in front of a server (Envoy, and so Istio
	// and KServe) tell how long they wait, in milliseconds.
	headerDeadline = "X-Envoy-Expected-Rq-Timeout-Ms"
)

// restServer is the REST transport.
type restServer struct {
	*front
	limits   limits
	server   *http.Server
	listener net.Listener
	tls      bool
}

// handler answers one route. What it returns is written in the protocol's form.
type handler func(w http.ResponseWriter, r *http.Request) error

func newREST(f *front, s *Server) *restServer {
	t := &restServer{front: f, limits: s.limits, listener: s.http, tls: s.identity != nil}
	t.server = &http.Server{
		Handler:           t.handler(),
		ReadHeaderTimeout: s.limits.header,
		ReadTimeout:       s.limits.read,
		IdleTimeout:       s.limits.idle,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         new(http.Protocols), // who wants HTTP/2 has gRPC
		ErrorLog:          slog.NewLogLogger(f.log.Handler(), slog.LevelDebug),
	}
	t.server.Protocols.SetHTTP1(true)
	if t.tls {
		t.server.TLSConfig = tlsConfig(s.identity, "http/1.1")
	}
	return t
}

func (t *restServer) serve() error {
	var err error
	if t.tls {
		err = t.server.ServeTLS(t.listener, "", "")
	} else {
		err = t.server.Serve(t.listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("HTTP: %w", err)
}

func (t *restServer) drain(ctx context.Context) { t.server.Shutdown(ctx) }

func (t *restServer) stop() { t.server.Close() }

// handler returns the routes behind authentication.
func (t *restServer) handler() http.Handler {
	routes := []struct {
		method, path string
		handler      handler
	}{
		{"GET", "/v2/health/live", t.live},
		{"GET", "/v2/health/ready", t.ready},
		{"GET", "/v2", t.metadata},
		{"GET", "/v2/{$}", t.metadata},
		{"GET", "/v2/models/{name}", t.modelMetadata},
		{"GET", "/v2/models/{name}/versions/{version}", t.modelMetadata},
		{"GET", "/v2/models/{name}/ready", t.modelReady},
		{"GET", "/v2/models/{name}/versions/{version}/ready", t.modelReady},
		{"POST", "/v2/models/{name}/infer", t.infer},
		{"POST", "/v2/models/{name}/versions/{version}/infer", t.infer},
	}
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.method+" "+r.path, t.answer(r.handler))
		mux.Handle(r.path, t.answer(wrongMethod(r.method)))
	}
	if t.metrics != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(t.metrics.Registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2}))
	}
	mux.Handle("/", t.answer(t.noRoute))
	return t.guarded(mux)
}

// openPaths answer without token and certificate.
var openPaths = []string{"/v2/health/live", "/v2/health/ready"}

// guarded lets nobody past without what guard wants, and turns panics into
// answers.
func (t *restServer) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				t.refuse(w, r, t.panicked(r.Method+" "+r.URL.Path, v))
			}
		}()
		if !slices.Contains(openPaths, r.URL.Path) {
			if err := t.guard.admit(r.TLS, r.Header.Get("Authorization")); err != nil {
				t.count(oip.Unauthenticated)
				t.refuse(w, r, err)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// answer writes the error that a handler returns.
func (t *restServer) answer(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			t.refuse(w, r, err)
		}
	})
}

// statusError is a refusal with a status that is REST's own.
type statusError struct {
	error
	status int
}

func (e statusError) Unwrap() error { return e.error }

// refuse writes the protocol's form of an error. The connection ends where the
// client may still be sending, or has no business here.
func (t *restServer) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var own statusError
	if !errors.As(err, &own) {
		err = t.refusal(err)
		own.status = oip.CauseOf(err).HTTP()
	}
	if own.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.Header().Set("Connection", "close")
	}
	if !t.discard(w, r) {
		w.Header().Set("Connection", "close")
	}
	t.write(w, own.status, map[string]string{"error": err.Error()})
}

// discard reads what is left of a body that is not wanted, for a short time,
// since most clients read a refusal only after they have sent all. It tells
// whether it came to the end.
func (t *restServer) discard(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Expect") != "" { // the client waits to be asked for it
		return false
	}
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(t.limits.linger))
	_, err := io.Copy(io.Discard, r.Body)
	return err == nil
}

// write writes a JSON document.
func (t *restServer) write(w http.ResponseWriter, status int, document any) {
	body, err := json.Marshal(document)
	if err != nil {
		panic(fmt.Sprintf("BUG: %T as JSON: %v", document, err))
	}
	w.Header().Set("Content-Type", "application/json")
	t.send(w, status, body)
}

// send writes a response as long as the client takes it in time.
func (t *restServer) send(w http.ResponseWriter, status int, body []byte) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(t.limits.write))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

func (t *restServer) noRoute(_ http.ResponseWriter, r *http.Request) error {
	return oip.Errorf(oip.NotFound, "there is no %.200q; inference is POST /v2/models/NAME/infer, and GET /v2/models/NAME describes a model", r.URL.Path)
}

func wrongMethod(right string) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", right)
		return statusError{fmt.Errorf("expected %s, found method %.20s", right, r.Method), http.StatusMethodNotAllowed}
	}
}

func (t *restServer) live(w http.ResponseWriter, r *http.Request) error {
	err := t.Live(r.Context())
	if err == nil {
		t.write(w, http.StatusOK, map[string]bool{"live": true})
	}
	return err
}

func (t *restServer) ready(w http.ResponseWriter, r *http.Request) error {
	err := t.Ready(r.Context())
	if err == nil {
		t.write(w, http.StatusOK, map[string]bool{"ready": true})
	}
	return err
}

func (t *restServer) metadata(w http.ResponseWriter, r *http.Request) error {
	m, err := t.Metadata(r.Context())
	if err == nil {
		t.write(w, http.StatusOK, m)
	}
	return err
}

func (t *restServer) modelReady(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	err := t.ModelReady(r.Context(), name, r.PathValue("version"))
	if err == nil {
		t.write(w, http.StatusOK, map[string]any{"name": name, "ready": true})
	}
	return err
}

func (t *restServer) modelMetadata(w http.ResponseWriter, r *http.Request) error {
	m, err := t.ModelMetadata(r.Context(), r.PathValue("name"), r.PathValue("version"))
	if err == nil {
		t.write(w, http.StatusOK, m)
	}
	return err
}
