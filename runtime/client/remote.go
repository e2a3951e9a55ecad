package client

import (
	"cmp"
	"math"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/link"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/plan"
)

// RemoteOptions say which server is called, and as whom.
type RemoteOptions struct {
	// Cloud is a server of the Open Inference Protocol: http://, https://, grpc:// or
	// grpcs:// HOST:PORT.
	Cloud string `json:"cloud,omitempty"`
	oip.Credentials
	// Bearer is the bearer token itself, where Token names no file.
	Bearer string `json:"-"`
}

// Check refuses options that do not go together.
func (o RemoteOptions) Check() error {
	if (o.Cert == "") != (o.Key == "") {
		return fault.Usage("cert", "and option key belong together: found %q and %q", o.Cert, o.Key)
	}
	return nil
}

// Dial returns the server, over an emulated link unless that is nil.
func (o RemoteOptions) Dial(over *plan.Network) (*oip.Remote, error) {
	dialing, err := o.Credentials.Read()
	if err != nil {
		return nil, err
	}
	dialing.Token = cmp.Or(dialing.Token, o.Bearer)
	if over != nil {
		// No answer is larger than a few kilobytes, and Table 3 of the paper has uplinks only.
		dialing.Dialer = link.New(*over, link.Options{Downlink: math.Inf(1)}).Dialer(nil)
	}
	remote, err := oip.Dial(o.Cloud, dialing)
	if err != nil {
		return nil, fault.Usage("cloud", ": %w", err)
	}
	return remote, nil
}

// Link reads the network of an option link.
func Link(name string) (*plan.Network, error) {
	network, err := plan.ParseNetwork(name)
	if err != nil {
		return nil, fault.Usage("link", ": %w", err)
	}
	return &network, nil
}
