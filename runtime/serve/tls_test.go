package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
)

// authority signs certificates in a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

// sign makes a certificate; without an authority it signs itself.
func (a *authority) sign(t *testing.T, serial int64, change func(*x509.Certificate)) (certPEM, keyPEM []byte, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: t.Name()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	change(c)
	parent, signer := c, key
	if a != nil {
		parent, signer = a.certificate, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), key
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	text, _, key := (*authority)(nil).sign(t, 1, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{c, key, text}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

func (a *authority) server(t *testing.T, serial int64) (cert, key []byte) {
	cert, key, _ = a.sign(t, serial, func(c *x509.Certificate) {
		c.IPAddresses, c.ExtKeyUsage = []net.IP{net.IPv4(127, 0, 0, 1)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	return cert, key
}

// client returns what a client with a certificate of a's uses against servers
// of other's; a nil a has none.
func (a *authority) client(t *testing.T, other *authority, change func(*x509.Certificate)) *tls.Config {
	t.Helper()
	config := &tls.Config{RootCAs: other.pool()}
	if a == nil {
		return config
	}
	cert, key, _ := a.sign(t, 9, func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		if change != nil {
			change(c)
		}
	})
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	// Whatever the server asks for, unlike Certificates, which is silent where
	// no authority fits.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return config
}

// tlsOptions writes a server's files.
func tlsOptions(t *testing.T, a *authority, clients *authority) ServerOptions {
	t.Helper()
	dir := t.TempDir()
	cert, key := a.server(t, 2)
	opts := ServerOptions{CertFile: write(t, dir, "cert", string(cert)), KeyFile: write(t, dir, "key", string(key))}
	if clients != nil {
		opts.ClientCAFile = write(t, dir, "clients", string(clients.pem))
	}
	return opts
}

// With an authority of client certificates nothing but health answers without
// one of its certificates, over HTTP and gRPC.
func TestMutualTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	opts := tlsOptions(t, ours, ours)
	r := start(t, &stub{}, opts)
	type outcome struct{ connects, in bool }
	for name, c := range map[string]struct {
		config *tls.Config
		want   outcome
	}{
		"none":                {(*authority)(nil).client(t, ours, nil), outcome{true, false}},
		"ours":                {ours.client(t, ours, nil), outcome{true, true}},
		"another authority's": {theirs.client(t, ours, nil), outcome{false, false}},
		"expired":             {ours.client(t, ours, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), outcome{false, false}},
		"a server's":          {ours.client(t, ours, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), outcome{false, false}},
		"unknown server":      {ours.client(t, theirs, nil), outcome{false, false}},
	} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: c.config}}
		get := func(path string) int {
			response, err := client.Get("https://" + r.HTTPAddr() + path)
			if err != nil {
				return 0
			}
			response.Body.Close()
			return response.StatusCode
		}
		live, server := get("/v2/health/live"), get("/v2")
		if got := (outcome{live == 200, server == 200}); got != c.want {
			t.Errorf("%s over HTTP: health %d, server %d; expected %+v", name, live, server, c.want)
		}
		client.CloseIdleConnections()

		conn := r.dial(t, credentials.NewTLS(c.config.Clone()))
		for _, call := range grpcCalls {
			want := codes.OK
			switch {
			case !c.want.connects:
				want = codes.Unavailable
			case !c.want.in && !call.open:
				want = codes.Unauthenticated
			}
			checkCode(t, name+": "+call.name, call.call(within(t), conn), want)
		}
	}
	if _, err := http.Get("http://" + r.HTTPAddr() + "/v2/models/m"); err != nil {
		t.Errorf("%v", err) // net/http answers 400: the client spoke plain HTTP
	}
}

// Where tokens and client certificates are configured, one is not enough.
func TestTokenAndCertificate(t *testing.T) {
	ours := newAuthority(t)
	opts := tlsOptions(t, ours, ours)
	opts.TokenFile = write(t, t.TempDir(), "tokens", goodTokens)
	r := start(t, &stub{}, opts)
	for _, c := range []struct {
		from   *authority
		header string
		in     bool
	}{
		{nil, "", false}, {ours, "", false}, {nil, "Bearer alpha-token", false}, {ours, "Bearer wrong", false}, {ours, "Bearer alpha-token", true},
	} {
		config := c.from.client(t, ours, nil)
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		status, code := 401, codes.Unauthenticated
		if c.in {
			status, code = 200, codes.OK
		}
		a := call(t, client, "GET", "https://"+r.HTTPAddr()+"/v2", "", "Authorization", c.header)
		if a.status != status {
			t.Errorf("certificate %v, header %q: status %d, expected %d", c.from != nil, c.header, a.status, status)
		}
		client.CloseIdleConnections()
		ctx := metadata.AppendToOutgoingContext(within(t), "authorization", c.header)
		conn := r.dial(t, credentials.NewTLS(config.Clone()))
		for _, call := range grpcCalls {
			if !call.open {
				checkCode(t, call.name+" "+c.header, call.call(ctx, conn), code)
			}
		}
	}
}

// TLS below 1.2 is refused, and a new certificate is shown from the next
// connection on.
func TestTLSServer(t *testing.T) {
	ours := newAuthority(t)
	opts := tlsOptions(t, ours, nil)
	r := start(t, &stub{}, opts)
	serial := func(address string) int64 {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: ours.pool()}}).DialContext(ctx, "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	for _, address := range []string{r.HTTPAddr(), r.GRPCAddr()} {
		if n := serial(address); n != 2 {
			t.Errorf("certificate %d", n)
		}
		_, err := tls.Dial("tcp", address, &tls.Config{RootCAs: ours.pool(), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		if err == nil {
			t.Error("TLS 1.1 is spoken")
		}
	}
	cert, key := ours.server(t, 3)
	for path, text := range map[string][]byte{opts.CertFile: cert, opts.KeyFile: key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.Reload()
	for _, address := range []string{r.HTTPAddr(), r.GRPCAddr()} {
		if n := serial(address); n != 3 {
			t.Errorf("after the change: certificate %d", n)
		}
	}
	if err := os.WriteFile(opts.KeyFile, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Reload()
	if n := serial(r.HTTPAddr()); n != 3 {
		t.Errorf("with a damaged key: certificate %d", n)
	}
}
