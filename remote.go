package bnc

import (
	"cmp"
	"math"

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

// check refuses options that do not go together.
func (o RemoteOptions) check() error {
	if (o.Cert == "") != (o.Key == "") {
		return usage("cert", "and option key belong together: found %q and %q", o.Cert, o.Key)
	}
	return nil
}

// dial returns the server, over an emulated link unless that is nil.
func (o RemoteOptions) dial(over *plan.Network) (*oip.Remote, error) {
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
		return nil, usage("cloud", ": %w", err)
	}
	return remote, nil
}

// linkOf reads option link.
func linkOf(name string) (*plan.Network, error) {
	network, err := plan.ParseNetwork(name)
	if err != nil {
		return nil, usage("link", ": %w", err)
	}
	return &network, nil
}
