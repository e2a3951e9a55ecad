package oip

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"slices"
	"time"
)

// DialOptions say how a server is reached.
type DialOptions struct {
	// Token is sent as "Authorization: Bearer TOKEN", "" for none. Without TLS
	// whoever listens on the way can read it.
	Token string
	// TLS holds certificates for https:// and grpcs://: nil for the machine's
	// roots and no certificate of the client's own.
	TLS *tls.Config
	// Dialer opens connections, nil for TCP.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Remote is a server behind a network. Its connections stay open between
// calls; all methods can be used at the same time.
//
// Its errors are *Error. Those of other servers (Triton, KServe) have the cause
// that is meant by their status and message. A server that cannot be reached is
// Unavailable, one whose certificate is not trusted, or that does not trust the
// client's, Unauthenticated (or Unavailable where TLS 1.3 is cut before it says
// why); a context's end is Deadline or Canceled.
type Remote struct {
	Service
	parameters parameters
	close      func() error
}

// parameters asks for the parameters in a model's configuration, Triton's
// extension "model configuration".
type parameters func(ctx context.Context, model, version string) (map[string]string, error)

// ModelMetadata returns what the server says about a model. Triton's metadata
// has no properties; there, and wherever there are none, they are the parameters
// of the model's configuration, if the server tells those.
func (r *Remote) ModelMetadata(ctx context.Context, model, version string) (*ModelMetadata, error) {
	m, err := r.Service.ModelMetadata(ctx, model, version)
	if err != nil || len(m.Properties) > 0 {
		return m, err
	}
	properties, err := r.parameters(ctx, model, version)
	if cause := CauseOf(err); err != nil && (cause.Retry() || cause == Deadline || cause == Canceled) {
		return nil, err // the server may have them
	}
	m.Properties = properties
	return m, nil
}

// Close closes the connections.
func (r *Remote) Close() error { return r.close() }

// Dial returns the server at an address: http://HOST:PORT[/PREFIX] and https://
// for REST with the binary tensor extension, grpc://HOST:PORT and grpcs:// for
// gRPC with raw contents. It opens no connection yet: Live tells whether one
// can be had. Proxies of the environment are not used, redirections not
// followed.
func Dial(address string, o DialOptions) (*Remote, error) {
	const forms = "http://HOST:PORT, https://HOST:PORT, grpc://HOST:PORT or grpcs://HOST:PORT"
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, Errorf(Invalid, "server %s: expected %s", quote(address), forms)
	}
	dial, known := dialers[u.Scheme]
	switch {
	case !known:
		return nil, Errorf(Invalid, "server %s: scheme %s, expected %s", quote(address), quote(u.Scheme), forms)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, Errorf(Invalid, "server %s: user, query and fragment have no meaning here, expected %s", quote(u.Redacted()), forms)
	case o.TLS != nil && !slices.Contains([]string{"https", "grpcs"}, u.Scheme):
		return nil, Errorf(Invalid, "server %s: certificates need https:// or grpcs://", quote(address))
	}
	if o.Dialer == nil {
		o.Dialer = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	if o.TLS == nil {
		o.TLS = &tls.Config{}
	}
	return dial(u, o)
}

// dialers has a row for every scheme.
var dialers = map[string]func(u *url.URL, o DialOptions) (*Remote, error){
	"http":  dialHTTP,
	"https": dialHTTP,
	"grpc":  dialGRPC,
	"grpcs": dialGRPC,
}

// withTimeout returns r, or where it does not say how long its client waits a
// copy that says what ctx does, so that a server need not guess.
func withTimeout(ctx context.Context, r *Request) *Request {
	deadline, ok := ctx.Deadline()
	if _, given := r.Params[ParamTimeout]; given || !ok {
		return r
	}
	out := *r
	out.Params = r.Params.with(ParamTimeout, max(1, time.Until(deadline).Microseconds()))
	return &out
}
