package plan

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Request is what Select needs to know.
type Request struct {
	Mobile *Profile // of the device
	// Cloud is the server's profile; without one Mobile holds the cloud's times.
	Cloud *Profile
	// Results of a search give payloads and accuracies: the entries that it has
	// trained are to choose from. Without results the profile's own are.
	Results  *Results
	Networks []Network
	Target   Target
	Limits   Limits
	Load     Load
	// ImageBytes is the size of the compressed image that cloud-only sends; 0
	// takes the profile's.
	ImageBytes float64
}

// Limits are what a choice must keep; nil is no limit.
type Limits struct {
	LatencyMS    *float64 `json:"max_latency,omitempty"`
	EnergyMJ     *float64 `json:"max_energy,omitempty"`
	Accuracy     *float64 `json:"min_accuracy,omitempty"` // a rate, at least: top-1, or agreement where there are no labels
	LossPoints   *float64 `json:"max_loss,omitempty"`     // of accuracy, percentage points
	PayloadBytes *float64 `json:"max_bytes,omitempty"`
	MobileBytes  *float64 `json:"max_mobile_bytes,omitempty"` // of the mobile side's weights
}

// Selection is what Select finds.
type Selection struct {
	Target string `json:"target"` // what was made small, in the words of Options
	Choice *Row   `json:"choice"` // that of the first network
	// Choices holds the chosen row of each network, nil where none keeps the
	// limits.
	Choices   []*Row     `json:"choices"`
	Table     []Row      `json:"table"`     // all cuts for all networks, cuts first
	Baselines []Baseline `json:"baselines"` // network by network
	Notes     []string   `json:"notes"`     // the device's profile's, and what else is to be known
	Request   Request    `json:"-"`
}

// Row is one division of the model over one network.
type Row struct {
	Cut    string `json:"cut"`
	Tensor string `json:"tensor,omitempty"`
	C      int    `json:"c"`
	S      int    `json:"s"`
	Coding
	Network      string   `json:"network"`
	LatencyMS    float64  `json:"latency_ms"`
	EnergyMJ     *float64 `json:"energy_mj"` // nil where power is not known
	PayloadBytes float64  `json:"payload_bytes"`

	// What the latency is made of.
	MobileMS float64 `json:"mobile_ms"`
	LinkMS   float64 `json:"link_ms"`
	CloudMS  float64 `json:"cloud_ms"`

	Accuracy *float64 `json:"accuracy,omitempty"`
	Loss     *float64 `json:"loss,omitempty"` // percentage points
	Bundle   string   `json:"bundle,omitempty"`
	Chosen   bool     `json:"chosen"`
	Excluded string   `json:"excluded,omitempty"` // the limit that it breaks

	// Published is what the source of the profile printed.
	Published *Published `json:"published,omitempty"`
	Origin    Origin     `json:"-"`
}

// Origin tells where a row's numbers come from: entries of the request's profiles
// and results, nil where there is none. Cloud is one of Mobile's profile where that
// holds the cloud's times.
type Origin struct {
	Mobile, Cloud *CutProfile
	Candidate     *Candidate
}

// String names the division.
func (r Row) String() string { return division(r.Cut, r.C, r.S, r.Coding) }

// The baselines.
const (
	MobileOnly = "mobile-only"
	CloudOnly  = "cloud-only"
	PlainSplit = "plain" // the best division without a bottleneck
)

// Baseline is another way to run the model, and how much better the choice is.
type Baseline struct {
	Way          string   `json:"way"`
	Network      string   `json:"network"`
	Cut          string   `json:"cut,omitempty"` // of the plain split
	LatencyMS    float64  `json:"latency_ms"`
	EnergyMJ     *float64 `json:"energy_mj"`
	PayloadBytes float64  `json:"payload_bytes"`
	// LatencyGain and EnergyGain are this over the choice's; nil without a choice.
	LatencyGain *float64 `json:"latency_gain"`
	EnergyGain  *float64 `json:"energy_gain"`
	// Published is what the source of the profile printed.
	Published *Published `json:"published,omitempty"`
	Origin    Origin     `json:"-"` // of the plain split
}

// Select chooses where to divide a model: selection in the paper's Algorithm 1.
// Of every cut it takes, out of a search's results, the smallest payload that
// keeps the limits of accuracy and size, and over every network the cut that costs
// least.
func Select(r Request) (*Selection, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	options, plain, err := r.options()
	if err != nil {
		return nil, err
	}
	s := &Selection{Choices: make([]*Row, len(r.Networks)), Notes: slices.Clone(r.Mobile.Notes), Request: r}
	for _, o := range options {
		if name := division(o.entry.Cut, o.c, o.s, o.how); name != o.entry.String() {
			s.Notes = append(s.Notes, fmt.Sprintf("%s has the times of %s, the nearest size that was profiled", name, o.entry))
		}
		for _, n := range r.Networks {
			s.Table = append(s.Table, r.row(o, n))
		}
	}
	for i, n := range r.Networks {
		for at := i; at < len(s.Table); at += len(r.Networks) {
			row := &s.Table[at]
			if row.Excluded == "" && (s.Choices[i] == nil || r.value(*row) < r.value(*s.Choices[i])) {
				s.Choices[i] = row
			}
		}
		if s.Choices[i] != nil {
			s.Choices[i].Chosen = true
		}
		s.Baselines = append(s.Baselines, r.baselines(n, plain, s.Choices[i])...)
	}
	if len(s.Choices) > 0 {
		s.Choice = s.Choices[0]
	}
	return s, nil
}

// value is what a row costs in terms of the target.
func (r Request) value(row Row) float64 {
	value := r.Target.Latency * row.LatencyMS
	if r.Target.Energy != 0 {
		value += r.Target.Energy * *row.EnergyMJ
	}
	return value
}

// check finds what no table can be made of.
func (r Request) check() error {
	var bad check
	for _, p := range []*Profile{r.Mobile, r.Cloud} {
		if p != nil {
			if err := p.Validate(); err != nil {
				bad.add("profile %s: %w", p.Name, err)
			}
		}
	}
	if r.Mobile == nil {
		return errors.New("no profile of the device")
	}
	if r.Results != nil {
		if err := r.Results.Validate(); err != nil {
			bad.add("results: %w", err)
		}
		if r.Results.SourceSHA256 != r.Mobile.SourceSHA256 {
			bad.add("the results are of %s, profile %s of %s: profile the model of the results", model(r.Results.Model, r.Results.SourceSHA256),
				r.Mobile.Name, model(r.Mobile.Model, r.Mobile.SourceSHA256))
		}
	}
	if r.Cloud != nil && r.Cloud.SourceSHA256 != r.Mobile.SourceSHA256 {
		bad.add("profile %s is of %s, profile %s of %s: both sides must be of one model", r.Mobile.Name, model(r.Mobile.Model, r.Mobile.SourceSHA256),
			r.Cloud.Name, model(r.Cloud.Model, r.Cloud.SourceSHA256))
	}
	for _, f := range []struct {
		name  string
		value float64
	}{
		{"weight of latency", r.Target.Latency}, {"weight of energy", r.Target.Energy}, {"load of the device", r.Load.Mobile},
		{"load of the cloud", r.Load.Cloud}, {"image bytes", r.ImageBytes},
	} {
		bad.number(f.name, f.value)
	}
	for _, l := range r.limits() {
		bad.pointer(l.name, l.limit)
	}
	if r.Target.Latency == 0 && r.Target.Energy == 0 {
		bad.add("the target has no weights")
	}
	if len(r.Networks) == 0 {
		bad.add("no network")
	}
	for i, n := range r.Networks {
		bad.network(n)
		if slices.IndexFunc(r.Networks, func(m Network) bool { return m.Name == n.Name }) != i {
			bad.add("network %q: given twice", n.Name)
		}
		if r.needsEnergy() && !n.powered() {
			bad.add("network %q has no power model (alpha and beta), which the energy needs: take a known network or a file with alpha_mw_per_mbps and beta_mw", n.Name)
		}
	}
	return bad.err()
}

func (b *check) network(n Network) {
	at := fmt.Sprintf("network %q: ", n.Name)
	for _, f := range []struct {
		name  string
		value float64
	}{
		{"uplink", n.Uplink}, {"round trip", n.RTT.Seconds()}, {"alpha", n.Alpha}, {"beta", n.Beta},
		{"downlink", n.Downlink}, {"response bytes", n.ResponseBytes}, {"tail energy", n.TailMJ},
	} {
		b.number(at+f.name, f.value)
	}
	if n.Uplink == 0 {
		b.add("%suplink is 0: nothing passes", at)
	}
}

func (r Request) needsEnergy() bool { return r.Target.Energy != 0 || r.Limits.EnergyMJ != nil }

// powered tells whether the power of sending is known.
func (n Network) powered() bool { return n.Alpha != 0 || n.Beta != 0 }

// model names a model in errors.
func model(name, sha256 string) string {
	if sha256 == "" {
		return fmt.Sprintf("%s (no file)", name)
	}
	return fmt.Sprintf("%s (sha256 %.12s)", name, sha256)
}

// limits lists the limits with what they are called.
func (r Request) limits() []limit {
	l := r.Limits
	return []limit{
		{"latency", "ms", l.LatencyMS}, {"energy", "mJ", l.EnergyMJ}, {"accuracy", "", l.Accuracy},
		{"accuracy lost", "points", l.LossPoints}, {"payload", "bytes", l.PayloadBytes}, {"mobile side", "bytes", l.MobileBytes},
	}
}

type limit struct {
	name, unit string
	limit      *float64
}

// broken says that found is over the limit, "" where it is not.
func (l limit) broken(found *float64, least bool) string {
	switch {
	case l.limit == nil:
		return ""
	case found == nil:
		return l.name + " not known"
	case least && *found >= *l.limit, !least && *found <= *l.limit:
		return ""
	}
	word := "over"
	if least {
		word = "under"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %.4g %s %.4g %s", l.name, *found, word, *l.limit, l.unit))
}

// finite returns v, nil where it is not finite.
func finite(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}
