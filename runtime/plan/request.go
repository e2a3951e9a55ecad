package plan

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/bottlenet/bnc/internal/fault"
)

// What Options.Target makes small.
const (
	LeastLatency  = "latency"
	LeastEnergy   = "energy"
	LeastWeighted = "weighted" // Weight * ms + (1 - Weight) * mJ
)

// DefaultNetworks are those that selections and reports are made for: the paper's.
func DefaultNetworks() []string { return []string{"3g", "4g", "wifi"} }

// Sources are what is known of a device, a server and networks.
type Sources struct {
	Profiles     []string `json:"profile"`                 // of the device: files, or names of built-in ones
	CloudProfile string   `json:"cloud_profile,omitempty"` // of the server; "": the device's profile holds its times
	Results      string   `json:"results,omitempty"`       // file of a search's results
	Networks     []string `json:"network,omitempty"`       // a network's name, RATE[,DELAY] or a FILE.json; DefaultNetworks()
	ImageBytes   float64  `json:"image_bytes,omitempty"`   // of the compressed image that cloud-only sends; the profile's
}

// Check refuses sources without a profile.
func (s *Sources) Check() error {
	if len(s.Profiles) == 0 {
		return fault.Usage("profile", ": expected a file of bnc profile or one of %s", strings.Join(BuiltinProfiles(), ", "))
	}
	if s.ImageBytes != 0 && !aboveZero(s.ImageBytes) {
		return fault.Usage("image_bytes", "%v: expected a number above 0", s.ImageBytes)
	}
	if len(s.Networks) == 0 {
		s.Networks = DefaultNetworks()
	}
	return nil
}

// Options say what is chosen from, and by what.
type Options struct {
	Sources
	Target     string   `json:"target,omitempty"`      // what is to be small: LeastLatency (the default), LeastEnergy or LeastWeighted
	Weight     *float64 `json:"weight,omitempty"`      // of latency in LeastWeighted, 0 to 1; 0.5
	LoadMobile *float64 `json:"load_mobile,omitempty"` // factor by which the device's load slows it down; 1
	LoadCloud  *float64 `json:"load_cloud,omitempty"`  // the same of the server; 1
	Limits              // with Results, LossPoints is the search's where nil
}

// Select reads what the options name, and chooses. Options that cannot be are a
// fault.UsageError, files a fault.DataError. Where no cut keeps the limits on a network,
// an error that names it comes beside the selection.
func (o Options) Select() (*Selection, error) {
	r, err := o.request()
	if err != nil {
		return nil, err
	}
	found, err := Select(r)
	if err != nil {
		return nil, fault.Unusable("%w", err)
	}
	found.Target = cmp.Or(o.Target, LeastLatency)
	var without []string
	for i, n := range r.Networks {
		if found.Choices[i] == nil {
			without = append(without, n.Name)
		}
	}
	if len(without) > 0 {
		return found, fmt.Errorf("no cut keeps the limits on %s: the table tells which limit each breaks", strings.Join(without, ", "))
	}
	return found, nil
}

// check finds wrong options before any work.
func (o *Options) check() error {
	for _, c := range []struct {
		option string
		value  float64
		wrong  bool
	}{
		{"weight", o.weight(), !(o.weight() >= 0 && o.weight() <= 1)},
		{"load_mobile", o.load().Mobile, !aboveZero(o.load().Mobile)},
		{"load_cloud", o.load().Cloud, !aboveZero(o.load().Cloud)},
	} {
		if c.wrong {
			return fault.Usage(c.option, "%v: out of range", c.value)
		}
	}
	return o.Sources.Check()
}

// aboveZero tells numbers that can be a factor or a size.
func aboveZero(v float64) bool { return v > 0 && !math.IsInf(v, 1) }

func (o Options) weight() float64 { return *cmp.Or(o.Weight, new(0.5)) }

func (o Options) load() Load {
	return Load{Mobile: *cmp.Or(o.LoadMobile, new(1.0)), Cloud: *cmp.Or(o.LoadCloud, new(1.0))}
}

// target reads option target.
func (o Options) target() (Target, error) {
	switch o.Target {
	case "", LeastLatency:
		return Target{Latency: 1}, nil
	case LeastEnergy:
		return Target{Energy: 1}, nil
	case LeastWeighted:
		return Target{Latency: o.weight(), Energy: 1 - o.weight()}, nil
	}
	return Target{}, fault.Usage("target", "%q: expected one of %s, %s, %s", o.Target, LeastLatency, LeastEnergy, LeastWeighted)
}

// request reads the files that the options name.
func (o Options) request() (r Request, err error) {
	if err := o.check(); err != nil {
		return r, err
	}
	r.Load, r.Limits, r.ImageBytes = o.load(), o.Limits, o.ImageBytes
	if r.Target, err = o.target(); err != nil {
		return r, err
	}
	for _, name := range o.Networks {
		n, err := OpenNetwork(name)
		if err != nil {
			return r, fault.Usage("network", ": %w", err)
		}
		r.Networks = append(r.Networks, n)
	}
	var profiles []*Profile
	for _, name := range o.Profiles {
		p, err := OpenProfile(name)
		if err != nil {
			return r, fault.Unusable("%w", err)
		}
		profiles = append(profiles, p)
	}
	if r.Mobile, err = MergeProfiles(profiles...); err != nil {
		return r, fault.Unusable("%w", err)
	}
	if o.CloudProfile != "" {
		if r.Cloud, err = OpenProfile(o.CloudProfile); err != nil {
			return r, fault.Unusable("option cloud_profile: %w", err)
		}
	}
	if o.Results != "" {
		if r.Results, err = OpenResults(o.Results); err != nil {
			return r, fault.Unusable("option results: %w", err)
		}
		r.Limits.LossPoints = cmp.Or(r.Limits.LossPoints, new(r.Results.MaxLoss()))
	}
	return r, nil
}
