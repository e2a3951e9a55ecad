package main

import (
	"crypto/tls"
	"crypto/x509"
	"math"
	"os"
	"strings"

	"github.com/bottlenet/bnc/runtime/link"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/spf13/pflag"
)

// tokenVariable holds the token where no file is given.
const tokenVariable = "BNC_TOKEN"

// remoteFlags are the flags that say which server is called, and as whom.
type remoteFlags struct {
	url, token    string
	ca, cert, key string
}

// declare adds the flags; use says what --cloud does.
func (f *remoteFlags) declare(fs *pflag.FlagSet, use string) {
	fs.StringVar(&f.url, "cloud", "", use+": http://, https://, grpc:// or grpcs:// HOST:PORT")
	fs.StringVar(&f.token, "token", "", "file with the bearer token for the server (default: the variable "+tokenVariable+")")
	fs.StringVar(&f.ca, "ca", "", "PEM file with the authorities that the server's certificate may be of (default: the machine's)")
	fs.StringVar(&f.cert, "cert", "", "PEM file with this client's certificate")
	fs.StringVar(&f.key, "key", "", "PEM file with its key")
}

// check refuses flags that do not go together.
func (f *remoteFlags) check() error {
	if (f.cert == "") != (f.key == "") {
		return usagef("--cert and --key belong together: found %q and %q", f.cert, f.key)
	}
	return nil
}

// dial returns the server, over an emulated link unless over is "".
func (f *remoteFlags) dial(over string) (*oip.Remote, error) {
	o := oip.DialOptions{Token: os.Getenv(tokenVariable)}
	if f.token != "" {
		var err error
		if o.Token, err = readToken(f.token); err != nil {
			return nil, err
		}
	}
	if over != "" {
		network, err := plan.ParseNetwork(over)
		if err != nil {
			return nil, usagef("--link: %w", err)
		}
		o.Dialer = link.New(network, link.Options{Downlink: math.Inf(1)}).Dialer(nil) // no answer is larger than a few kilobytes, and Table 3 of the paper has uplinks only
	}
	var err error
	if o.TLS, err = f.tls(); err != nil {
		return nil, err
	}
	remote, err := oip.Dial(f.url, o)
	if err != nil {
		return nil, usagef("--cloud: %w", err)
	}
	return remote, nil
}

// readToken returns the bearer token in a file.
func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return "", unusablef("--token %s: expected one line with a token", path)
	}
	return token, nil
}

// tls returns what the certificates' flags say, nil if they say nothing.
func (f *remoteFlags) tls() (*tls.Config, error) {
	if f.ca == "" && f.cert == "" {
		return nil, nil
	}
	config := &tls.Config{}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, unusablef("--ca %s: expected certificates in PEM", f.ca)
		}
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, unusablef("--cert %s, --key %s: %w", f.cert, f.key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
