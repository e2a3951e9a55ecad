package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/oip"
	"golang.org/x/net/netutil"
)

// ServerOptions say where a server listens, whom it lets in and how much it
// takes. The zero values of limits stand for their defaults.
type ServerOptions struct {
	HTTP, GRPC        string // addresses HOST:PORT, port 0 for any free one; "" is off
	CertFile, KeyFile string // PEM; TLS where they are given
	ClientCAFile      string // PEM authorities; clients must show a certificate of theirs
	TokenFile         string // one bearer token a line; clients must send one of them
	Insecure          bool   // everybody may come, from other machines too
	MaxBody           int64  // bytes of a request; 64 MB
	Memory            int64  // bytes of all requests together; 192 MiB
	MaxConnections    int    // of each listener; 1024
	Metrics           *Metrics
	DrainTimeout      time.Duration // for requests that run when the server ends; 30 s
	Log               *slog.Logger  // none: nothing is logged
}

// Defaults of ServerOptions.
const (
	DefaultMaxBody        = 64 << 20
	DefaultMaxConnections = 1024
	DefaultDrainTimeout   = 30 * time.Second
)

// Server has its listeners open and its secrets read.
type Server struct {
	opts       ServerOptions
	limits     limits
	http, grpc net.Listener // nil: off
	guard      guard
	identity   *reloaded[*identity] // nil: no TLS
}

// limits are times after which a slow client is given up.
type limits struct {
	header time.Duration // TLS handshake and header of a request
	read   time.Duration // a whole request
	linger time.Duration // the rest of a request that is refused
	write  time.Duration // a whole response, once it is there
	idle   time.Duration // between requests
}

var defaultLimits = limits{header: 10 * time.Second, read: 2 * time.Minute, linger: 5 * time.Second, write: time.Minute, idle: 5 * time.Minute}

// Listen checks opts, reads the files that they name and opens the listeners;
// clients wait until Serve. Errors about opts are a fault.UsageError.
func Listen(opts ServerOptions) (*Server, error) {
	opts = opts.withDefaults()
	if err := opts.check(); err != nil {
		return nil, err
	}
	s := &Server{opts: opts, limits: defaultLimits}
	var err error
	if s.identity, err = openIdentity(opts, opts.Log); err != nil {
		return nil, fault.Usage("", "%w", err)
	}
	s.guard.certificates = opts.ClientCAFile != ""
	if opts.TokenFile != "" {
		warnIfReadable(opts.Log, opts.TokenFile)
		s.guard.tokens, err = readFiles(opts.Log, func() (tokens, error) { return readTokens(opts.TokenFile) }, opts.TokenFile)
		if err != nil {
			return nil, fault.Usage("", "%w", err)
		}
	}
	if s.http, err = s.listen("HTTP", opts.HTTP); err == nil {
		s.grpc, err = s.listen("gRPC", opts.GRPC)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (o ServerOptions) withDefaults() ServerOptions {
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = DefaultMaxConnections
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = DefaultDrainTimeout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// check tells what does not go together.
func (o ServerOptions) check() error {
	switch {
	case o.HTTP == "" && o.GRPC == "":
		return fault.Usage("", "neither HTTP nor gRPC has an address: there is nothing to listen on")
	case (o.CertFile == "") != (o.KeyFile == ""):
		return fault.Usage("", "a TLS certificate and its key go together: found certificate %q, key %q", o.CertFile, o.KeyFile)
	case o.ClientCAFile != "" && o.CertFile == "":
		return fault.Usage("", "client certificates (%s) need TLS: give the server's own certificate and key too", o.ClientCAFile)
	case o.MaxBody < 0 || o.MaxBody > 1<<31-1: // gRPC's frames have 32 bits
		return fault.Usage("", "at most %d bytes of a request: expected 1 to 2^31 - 1", o.MaxBody)
	case o.Memory < 0 || o.MaxConnections < 0 || o.DrainTimeout < 0:
		return fault.Usage("", "%d bytes of memory, %d connections, %v to drain: none can be negative", o.Memory, o.MaxConnections, o.DrainTimeout)
	}
	return nil
}

// listen opens one listener, on loopback only where anybody would be let in.
func (s *Server) listen(what, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fault.Usage("", "%s address %q: %w; expected HOST:PORT", what, address, err)
	}
	local := addr.IP != nil && addr.IP.IsLoopback()
	switch open := s.guard == (guard{}); {
	case open && !local && !s.opts.Insecure:
		return nil, fault.Usage("", "%s address %s can be reached from other machines, and without tokens or client certificates everybody would be let in: "+
			"give a file of tokens (option tokens) or an authority of client certificates (option client_ca), or listen on 127.0.0.1; option insecure lets everybody in", what, address)
	case open && !local:
		s.opts.Log.Warn("everybody who reaches this address is let in", "protocol", what, "address", address)
	case s.guard.tokens != nil && s.identity == nil && !local:
		s.opts.Log.Warn("tokens cross the network unencrypted: give a TLS certificate and key", "protocol", what, "address", address)
	}
	l, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return netutil.LimitListener(l, s.opts.MaxConnections), nil
}

// HTTPAddr returns the address that REST is served on, "" where it is off.
func (s *Server) HTTPAddr() string { return addrOf(s.http) }

// GRPCAddr returns the address that gRPC is served on, "" where it is off.
func (s *Server) GRPCAddr() string { return addrOf(s.grpc) }

func addrOf(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// Reload reads tokens and certificates again. It is not needed for files whose
// size or time changes: those are noticed.
func (s *Server) Reload() {
	if s.guard.tokens != nil {
		s.guard.tokens.reload()
	}
	if s.identity != nil {
		s.identity.reload()
	}
}

// Close closes the listeners of a server that is not going to Serve.
func (s *Server) Close() {
	for _, l := range []net.Listener{s.http, s.grpc} {
		if l != nil {
			l.Close()
		}
	}
}

// Serve answers with service until ctx is done. Then readiness turns false, the
// listeners close, and requests that run have DrainTimeout to end; the error
// says if some had to be broken off. It does not close the service.
func (s *Server) Serve(ctx context.Context, service oip.Service) error {
	f := &front{
		Service: service, guard: s.guard, metrics: s.opts.Metrics, log: s.opts.Log,
		maxBody: s.opts.MaxBody, bodies: newBudget(s.opts.Memory), draining: make(chan struct{}),
	}
	var transports []transport
	if s.http != nil {
		transports = append(transports, newREST(f, s))
	}
	if s.grpc != nil {
		transports = append(transports, newGRPC(f, s))
	}
	broken := make(chan error, len(transports))
	for _, t := range transports {
		go func() { broken <- t.serve() }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-broken:
	}
	close(f.draining)
	return errors.Join(err, s.drain(f, transports))
}

// transport is one protocol's server.
type transport interface {
	serve() error              // until drain
	drain(ctx context.Context) // takes nothing new; until all is answered, or ctx is done
	stop()                     // breaks off what is left
}

func (s *Server) drain(f *front, transports []transport) error {
	s.opts.Log.Info("draining", "running", f.running.Load(), "timeout", s.opts.DrainTimeout)
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.DrainTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, t := range transports {
		all.Go(func() { t.drain(ctx) })
	}
	all.Wait()
	left := f.running.Load()
	for _, t := range transports {
		t.stop()
	}
	if left > 0 {
		return fmt.Errorf("%d requests were still running %v after the server was told to end and were broken off", left, s.opts.DrainTimeout)
	}
	return nil
}
