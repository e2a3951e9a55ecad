package oip

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"testing"
	"time"
)

// discard is a log for what a test provokes.
var discard = log.New(io.Discard, "", 0)

// authority is a certificate authority with one certificate, of server and
// client for 127.0.0.1.
type authority struct {
	pool *x509.CertPool
	leaf tls.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{x509.NewCertPool(), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
	a.pool.AddCert(certificate)
	return a
}

// server returns the settings of a server with a's certificate, which with
// mutual wants one of a's from its clients.
func (a *authority) server(mutual bool) *tls.Config {
	config := &tls.Config{Certificates: []tls.Certificate{a.leaf}, ClientCAs: a.pool}
	if mutual {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config
}

// client returns the settings of a client that trusts a and has the certificate
// of another authority, nil for none.
func (a *authority) client(of *authority) *tls.Config {
	config := &tls.Config{RootCAs: a.pool}
	if of != nil {
		// Sent even if the server names other authorities.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &of.leaf, nil }
	}
	return config
}
