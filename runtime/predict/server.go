package predict

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
)

// ServerOptions say with which server inputs are run, and how.
type ServerOptions struct {
	client.RemoteOptions               // its Cloud is needed by the others
	Link                 string        `json:"link,omitempty"`     // emulated: 3g, 4g, wifi or RATE, each with [,DELAY] one way
	Deadline             time.Duration `json:"deadline,omitempty"` // how long an image may take with the server; 0 for client.DefaultDeadline
	Fallback             *bool         `json:"fallback,omitempty"` // finish here what the server does not answer in time; nil for true
	Model                string        `json:"model,omitempty"`    // the whole model, to fall back to instead of a bundle's own cloud half
	Cut                  string        `json:"cut,omitempty"`      // use only this of a folder of bundles: a cut or a bundle's name
	InFlight             int           `json:"inflight,omitempty"` // images that are under way at a time; 0 for 1
}

// Check finds options that cannot be.
func (o ServerOptions) Check() error {
	if o.Cloud == "" {
		for _, with := range []struct {
			option string
			given  bool
		}{
			{"token", o.Token != ""}, {"ca", o.CA != ""}, {"cert", o.Cert != ""}, {"key", o.Key != ""}, {"link", o.Link != ""}, {"deadline", o.Deadline != 0},
			{"fallback", o.Fallback != nil}, {"model", o.Model != ""}, {"cut", o.Cut != ""}, {"inflight", o.InFlight != 0},
		} {
			if with.given {
				return fault.Usage(with.option, "needs option cloud URL")
			}
		}
	}
	if o.Deadline < 0 {
		return fault.Usage("deadline", "%v: expected more than 0", o.Deadline)
	}
	if o.InFlight < 0 {
		return fault.Usage("inflight", "%d: expected 1 or more", o.InFlight)
	}
	return o.RemoteOptions.Check()
}

// Open loads the bundle or model at path, or with a Cloud makes a client of the server for
// those that are there, and images have a rate. First is the first of them.
func (o ServerOptions) Open(ctx context.Context, path string, session ort.Options, rate bundle.Rate, log *slog.Logger) (c *Predictor, first string, err error) {
	if o.Cloud == "" {
		c, err = Open(path, session, rate)
		return c, path, err
	}
	with := client.Options{Session: session, Rate: rate, Deadline: o.Deadline, Fallback: o.Fallback == nil || *o.Fallback, Model: o.Model, Log: log}
	if with.Bundles, err = bundle.Find(path); err != nil {
		return nil, "", err
	}
	first = path
	switch {
	case len(with.Bundles) > 0:
		if with.Bundles, err = pinned(with.Bundles, o.Cut); err != nil {
			return nil, "", err
		}
		first = with.Bundles[0]
	case o.Model != "":
		return nil, "", fault.Usage("model", "%s: %s is a whole model already", o.Model, path)
	case o.Cut != "":
		return nil, "", fault.Usage("cut", "%s: %s is a whole model, expected bundles", o.Cut, path)
	default:
		with.Model = path
	}
	var over *plan.Network
	if o.Link != "" {
		if over, err = client.Link(o.Link); err != nil {
			return nil, "", err
		}
	}
	remote, err := o.Dial(over)
	if err != nil {
		return nil, "", err
	}
	c, err = openClient(ctx, remote, with, cmp.Or(o.InFlight, 1))
	return c, first, err
}

// pinned returns the one bundle that option cut means, all where it means none.
func pinned(dirs []string, cut string) ([]string, error) {
	if cut == "" {
		return dirs, nil
	}
	found, known, err := bundle.Of(dirs, cut)
	if err == nil && len(found) != 1 {
		err = fault.Usage("cut", "%s: %d bundles are of it, expected one of %s", cut, len(found), strings.Join(known, ", "))
	}
	return found, err
}
