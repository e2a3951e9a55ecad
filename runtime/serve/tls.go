package serve

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
)

// identity is what a server shows and whom it believes.
type identity struct {
	certificate tls.Certificate
	clients     *x509.CertPool // nil: clients are not asked for certificates
}

// readIdentity reads a certificate with its key and, where clientCA is not "",
// the authorities that sign clients' certificates; all PEM.
func readIdentity(cert, key, clientCA string) (*identity, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", cert, key, err)
	}
	id := &identity{certificate: pair}
	if clientCA == "" {
		return id, nil
	}
	pem, err := os.ReadFile(clientCA)
	if err != nil {
		return nil, fmt.Errorf("authorities of client certificates: %w", err)
	}
	id.clients = x509.NewCertPool()
	if !id.clients.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("authorities of client certificates: %s holds no PEM certificate", clientCA)
	}
	return id, nil
}

// tlsConfig returns the configuration for a listener that offers protocol
// ("http/1.1" or "h2"). Certificates that change on disk are used from the next
// connection on. Clients are asked for a certificate but let through without
// one, since health answers everybody: guard.admit refuses the rest.
func tlsConfig(files *reloaded[*identity], protocol string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{protocol},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			id := files.get()
			c := &tls.Config{
				MinVersion:   tls.VersionTLS12,
				NextProtos:   []string{protocol},
				Certificates: []tls.Certificate{id.certificate},
			}
			if id.clients != nil {
				c.ClientAuth, c.ClientCAs = tls.VerifyClientCertIfGiven, id.clients
				// A resumed session would outlive the authority that let it in.
				c.SessionTicketsDisabled = true
			}
			return c, nil
		},
	}
}

// openIdentity reads the files that opts name; nil without TLS.
func openIdentity(opts ServerOptions, log *slog.Logger) (*reloaded[*identity], error) {
	if opts.CertFile == "" {
		return nil, nil
	}
	paths := []string{opts.CertFile, opts.KeyFile}
	if opts.ClientCAFile != "" {
		paths = append(paths, opts.ClientCAFile)
	}
	warnIfReadable(log, opts.KeyFile)
	return readFiles(log, func() (*identity, error) {
		return readIdentity(opts.CertFile, opts.KeyFile, opts.ClientCAFile)
	}, paths...)
}
