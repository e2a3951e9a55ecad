package oip

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"

	"github.com/bottlenet/bnc/internal/fault"
)

// Credentials are files that say which server is trusted, and who calls it.
type Credentials struct {
	Token string `json:"token,omitempty"` // file with the bearer token in one line
	CA    string `json:"ca,omitempty"`    // PEM file with the authorities that the server's certificate may be of; the machine's
	Cert  string `json:"cert,omitempty"`  // PEM file with the client's own certificate; Key belongs to it
	Key   string `json:"key,omitempty"`   // PEM file with its key
}

// Read returns what the files hold. A file whose contents are wrong is a
// fault.DataError.
func (c Credentials) Read() (o DialOptions, err error) {
	if c.Token != "" {
		if o.Token, err = readToken(c.Token); err != nil {
			return o, err
		}
	}
	if c.CA == "" && c.Cert == "" {
		return o, nil
	}
	o.TLS = &tls.Config{}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return o, err
		}
		o.TLS.RootCAs = x509.NewCertPool()
		if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return o, fault.Unusable("option ca %s: expected certificates in PEM", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return o, fault.Unusable("option cert %s, option key %s: %w", c.Cert, c.Key, err)
		}
		o.TLS.Certificates = []tls.Certificate{pair}
	}
	return o, nil
}

// readToken returns the bearer token in a file.
func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return "", fault.Unusable("option token %s: expected one line with a token", path)
	}
	return token, nil
}
