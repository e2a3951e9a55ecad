package bnc

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/bottlenet/bnc/runtime/plan"
)

// What Select makes small.
const (
	LeastLatency  = "latency"
	LeastEnergy   = "energy"
	LeastWeighted = "weighted" // Weight * ms + (1 - Weight) * mJ
)

// DefaultNetworks are those that selections and reports are made for: the paper's.
func DefaultNetworks() []string { return []string{"3g", "4g", "wifi"} }

// SelectOptions say what Select chooses from and by.
type SelectOptions struct {
	Profiles     []string `json:"profile"`                 // of the device: files, or names of built-in ones
	CloudProfile string   `json:"cloud_profile,omitempty"` // of the server; "": the device's profile holds its times
	Results      string   `json:"results,omitempty"`       // file of a search's results
	Networks     []string `json:"network,omitempty"`       // a network's name, RATE[,DELAY] or a FILE.json; DefaultNetworks()
	Target       string   `json:"target,omitempty"`        // what is to be small: LeastLatency (the default), LeastEnergy or LeastWeighted
	Weight       *float64 `json:"weight,omitempty"`        // of latency in LeastWeighted, 0 to 1; 0.5
	LoadMobile   *float64 `json:"load_mobile,omitempty"`   // factor by which the device's load slows it down; 1
	LoadCloud    *float64 `json:"load_cloud,omitempty"`    // the same of the server; 1
	ImageBytes   float64  `json:"image_bytes,omitempty"`   // of the compressed image that cloud-only sends; the profile's

	// Limits, none where nil.
	MaxLatency     *float64 `json:"max_latency,omitempty"`  // ms
	MaxEnergy      *float64 `json:"max_energy,omitempty"`   // mJ
	MinAccuracy    *float64 `json:"min_accuracy,omitempty"` // rate from 0 to 1; agreement where there are no labels
	MaxLoss        *float64 `json:"max_loss,omitempty"`     // accuracy lost, percentage points; with Results, the search's
	MaxBytes       *float64 `json:"max_bytes,omitempty"`    // of the payload
	MaxMobileBytes *float64 `json:"max_mobile_bytes,omitempty"`

	Reporter Reporter `json:"-"`
}

// SelectResult is what Select found. Choices has the chosen row of each network, nil where
// no cut keeps the limits; Choice is that of the first.
type SelectResult struct {
	Target    string          `json:"target"`
	Choice    *plan.Row       `json:"choice"`
	Choices   []*plan.Row     `json:"choices"`
	Table     []plan.Row      `json:"table"` // all cuts for all networks, cuts first
	Baselines []plan.Baseline `json:"baselines"`
	Notes     []string        `json:"notes"`
	Request   plan.Request    `json:"-"` // what was read
}

// check finds wrong options before any work.
func (o SelectOptions) check() error {
	for _, c := range []struct {
		option string
		value  float64
		wrong  bool
	}{
		{"weight", o.weight(), !(o.weight() >= 0 && o.weight() <= 1)},
		{"load_mobile", o.load().Mobile, !aboveZero(o.load().Mobile)},
		{"load_cloud", o.load().Cloud, !aboveZero(o.load().Cloud)},
		{"image_bytes", o.ImageBytes, o.ImageBytes != 0 && !aboveZero(o.ImageBytes)},
	} {
		if c.wrong {
			return usage(c.option, "%v: out of range", c.value)
		}
	}
	return profilesGiven(o.Profiles)
}

// profilesGiven refuses to work without a device's profile.
func profilesGiven(names []string) error {
	if len(names) == 0 {
		return usage("profile", ": expected a file of bnc profile or one of %s", strings.Join(plan.BuiltinProfiles(), ", "))
	}
	return nil
}

func aboveZero(v float64) bool { return v > 0 && !math.IsInf(v, 1) }

func (o SelectOptions) weight() float64 { return *cmp.Or(o.Weight, new(0.5)) }

func (o SelectOptions) load() plan.Load {
	return plan.Load{Mobile: *cmp.Or(o.LoadMobile, new(1.0)), Cloud: *cmp.Or(o.LoadCloud, new(1.0))}
}

// target reads option target.
func (o SelectOptions) target() (plan.Target, error) {
	switch o.Target {
	case "", LeastLatency:
		return plan.Target{Latency: 1}, nil
	case LeastEnergy:
		return plan.Target{Energy: 1}, nil
	case LeastWeighted:
		return plan.Target{Latency: o.weight(), Energy: 1 - o.weight()}, nil
	}
	return plan.Target{}, usage("target", "%q: expected one of %s, %s, %s", o.Target, LeastLatency, LeastEnergy, LeastWeighted)
}

// Select predicts latency and energy of every cut over every network and chooses the best.
// Where no cut keeps the limits on a network, an error that names it comes beside the
// result.
func Select(_ context.Context, o SelectOptions) (*SelectResult, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r, err := o.request()
	if err != nil {
		return nil, err
	}
	found, err := plan.Select(r)
	if err != nil {
		return nil, unusable("%w", err)
	}
	if r.ImageBytes == 0 && r.Mobile.ImageBytes == 0 {
		progress{o.Reporter}.notice("cloud-only is left out: how many bytes an image takes is not known; give option image_bytes")
	}
	result := &SelectResult{cmp.Or(o.Target, LeastLatency), found.Choices[0], found.Choices, found.Table, found.Baselines, found.Notes, r}
	var without []string
	for i, n := range r.Networks {
		if found.Choices[i] == nil {
			without = append(without, n.Name)
		}
	}
	if len(without) > 0 {
		return result, fmt.Errorf("no cut keeps the limits on %s: the table tells which limit each breaks", strings.Join(without, ", "))
	}
	return result, nil
}

// request reads the files that the options name.
func (o SelectOptions) request() (r plan.Request, err error) {
	r.Load, r.ImageBytes = o.load(), o.ImageBytes
	r.Limits = plan.Limits{LatencyMS: o.MaxLatency, EnergyMJ: o.MaxEnergy, Accuracy: o.MinAccuracy, LossPoints: o.MaxLoss, PayloadBytes: o.MaxBytes, MobileBytes: o.MaxMobileBytes}
	if r.Target, err = o.target(); err != nil {
		return r, err
	}
	for _, name := range networksOf(o.Networks) {
		n, err := plan.OpenNetwork(name)
		if err != nil {
			return r, usage("network", ": %w", err)
		}
		r.Networks = append(r.Networks, n)
	}
	var profiles []*plan.Profile
	for _, name := range o.Profiles {
		p, err := plan.OpenProfile(name)
		if err != nil {
			return r, unusable("%w", err)
		}
		profiles = append(profiles, p)
	}
	if r.Mobile, err = plan.MergeProfiles(profiles...); err != nil {
		return r, unusable("%w", err)
	}
	if o.CloudProfile != "" {
		if r.Cloud, err = plan.OpenProfile(o.CloudProfile); err != nil {
			return r, unusable("option cloud_profile: %w", err)
		}
	}
	if o.Results != "" {
		if r.Results, err = plan.OpenResults(o.Results); err != nil {
			return r, unusable("option results: %w", err)
		}
		r.Limits.LossPoints = cmp.Or(r.Limits.LossPoints, new(r.Results.MaxLoss()))
	}
	return r, nil
}

func networksOf(names []string) []string {
	if len(names) == 0 {
		return DefaultNetworks()
	}
	return names
}
