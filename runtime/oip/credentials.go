package oip

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
)

// Credentials are files that say which server is trusted, and who calls it.
type Credentials struct {
	Token string `json:"token,omitempty"` // file with the bearer token in one line
	CA    string `json:"ca,omitempty"`    // PEM file with the authorities that the server's certificate may be of; the machine's
	Cert  string `json:"cert,omitempty"`  // PEM file with the client's own certificate; Key belongs to it
	Key   string `json:"key,omitempty"`   // PEM file with its key
}

// CredentialsError says which file does not hold what it should.
type CredentialsError struct{ err error }

// Error names the file.
func (e *CredentialsError) Error() string { return e.err.Error() }

// Unwrap returns what reading it gave.
func (e *CredentialsError) Unwrap() error { return e.err }

func credentialsError(format string, args ...any) error {
	return &CredentialsError{fmt.Errorf(format, args...)}
}

// Read returns what the files hold. A file whose contents are wrong is a
// *CredentialsError.
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
			return o, credentialsError("option ca %s: expected certificates in PEM", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return o, credentialsError("option cert %s, option key %s: %w", c.Cert, c.Key, err)
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
		return "", credentialsError("option token %s: expected one line with a token", path)
	}
	return token, nil
}
