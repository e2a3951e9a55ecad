package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// option is one division to choose from: what does not depend on the network.
type option struct {
	entry    *CutProfile // the device's
	origin   Origin
	c, s     int
	how      Coding
	payload  float64
	cloud    float64  // ms
	compute  *float64 // mJ on the device without load, nil where not known
	accuracy *float64
	loss     *float64
	bundle   string
	excluded string
}

// options returns what to choose from, and the plain splits.
func (r Request) options() (options, plain []option, err error) {
	var bad, badPlain check // a plain split that is not profiled on both sides is no baseline
	for i := range r.Mobile.Cuts {
		e := &r.Mobile.Cuts[i]
		if !e.Plain() && r.Results != nil {
			continue
		}
		o, err := r.option(e, e.C, e.S, Coding{Codec: e.Codec}, e.PayloadBytes)
		switch {
		case err != nil && e.Plain():
			badPlain.add("%w", err)
		case err != nil:
			bad.add("%w", err)
		case e.Plain():
			plain = append(plain, o)
		default:
			options = append(options, o)
		}
	}
	if r.Results != nil {
		for _, all := range r.locations() {
			o, err := r.smallest(all)
			if err != nil {
				bad.add("%w", err)
			}
			options = append(options, o)
		}
	} else if len(options) == 0 {
		options, bad.all = plain, append(bad.all, badPlain.all...)
	}
	if len(options) == 0 && bad.err() == nil {
		bad.add("there is nothing to choose from: %s", r.nothing())
	}
	return options, plain, bad.err()
}

// nothing says why there is nothing to choose from.
func (r Request) nothing() string {
	if r.Results != nil {
		return fmt.Sprintf("none of the %d candidates in the results is trained", len(r.Results.Candidates))
	}
	return fmt.Sprintf("profile %s has no cuts", r.Mobile.Name)
}

// option makes one of a profile's entry, for a bottleneck of c and s whose payload
// is known.
func (r Request) option(e *CutProfile, c, s int, how Coding, payload float64) (option, error) {
	o := option{entry: e, c: c, s: s, how: how, payload: payload, compute: e.EnergyMJ}
	name := division(e.Cut, c, s, how)
	if e.Mobile == nil {
		return o, fmt.Errorf("profile %s, %s: no time of the mobile part", r.Mobile.Name, name)
	}
	if !(payload > 0) {
		return o, fmt.Errorf("profile %s, %s: its payload is not known: give the results of a search, or profile with an image", r.Mobile.Name, name)
	}
	if o.compute == nil {
		o.compute = r.Mobile.computing(e.Mobile)
	}
	if o.compute == nil && r.needsEnergy() {
		return o, fmt.Errorf("profile %s, %s: no energy, and no power to compute it from: profile with a source of power", r.Mobile.Name, name)
	}
	p, at := r.Mobile, e
	if r.Cloud != nil {
		p = r.Cloud
		if at = p.find(e.Cut, e.Tensor, c, s, how.Codec); at == nil {
			return o, missing(p, e.Cut, name)
		}
	}
	if at.Cloud == nil {
		return o, fmt.Errorf("profile %s, %s: no time of the cloud part: give the cloud's profile as well", p.Name, name)
	}
	o.cloud, o.origin = at.Cloud.MedianMS, Origin{Mobile: e, Cloud: at}
	for _, l := range r.limits() {
		switch found := float64(e.MobileBytes); {
		case l.name == "payload":
			o.exclude(l.broken(&payload, false))
		case l.name == "mobile side" && found > 0:
			o.exclude(l.broken(&found, false))
		case l.name == "mobile side":
			o.exclude(l.broken(nil, false))
		case l.name == "accuracy" && r.Results == nil, l.name == "accuracy lost" && r.Results == nil:
			o.exclude(l.broken(nil, false))
		}
	}
	return o, nil
}

func (o *option) exclude(reason string) {
	if o.excluded == "" {
		o.excluded = reason
	}
}

func missing(p *Profile, cut, name string) error {
	var have []string
	for _, c := range p.Cuts {
		if !slices.Contains(have, c.Cut) {
			have = append(have, c.Cut)
		}
	}
	return fmt.Errorf("profile %s has no entry for %s: it has %s; run bnc profile with --cuts %s", p.Name, name, strings.Join(have, ", "), cut)
}

// computing returns the energy of computing for that time, nil where the power is
// not known.
func (p *Profile) computing(t *Timing) *float64 {
	if p.Power.ComputeMW == 0 {
		return nil
	}
	mj := p.Power.ComputeMW * t.MedianMS / 1e3
	return &mj
}

// find returns the entry for a division at that place: that of c, s and codec, or else
// the one whose sizes, and then codec, are nearest, as they change little of the time. A plain
// one stands for none but itself. Nil if there is none.
func (p *Profile) find(cut, tensor string, c, s int, codec string) *CutProfile {
	var best *CutProfile
	var distance int
	for i := range p.Cuts {
		e := &p.Cuts[i]
		if !samePlace(e.Cut, e.Tensor, cut, tensor) || e.Plain() != (s == 0) {
			continue
		}
		d := 2 * (abs(e.C-c) + abs(e.S-s))
		if !sameCodec(e.Codec, codec) {
			d++
		}
		if best == nil || d < distance {
			best, distance = e, d
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// samePlace tells whether two cuts are one: by their tensors where both are known.
func samePlace(cut, tensor, otherCut, otherTensor string) bool {
	if tensor != "" && otherTensor != "" {
		return tensor == otherTensor
	}
	return cut == otherCut
}

// locations returns the trained candidates of each place that has any, in the order
// in which the results first name a place.
func (r Request) locations() [][]*Candidate {
	var named []*Candidate
	var all [][]*Candidate
	for i := range r.Results.Candidates {
		c := &r.Results.Candidates[i]
		at := slices.IndexFunc(named, func(n *Candidate) bool { return samePlace(n.Cut, n.Tensor, c.Cut, c.Tensor) })
		if at < 0 {
			at, named, all = len(all), append(named, c), append(all, nil)
		}
		if c.Status == StatusTrained {
			all[at] = append(all[at], c)
		}
	}
	return slices.DeleteFunc(all, func(l []*Candidate) bool { return len(l) == 0 })
}

// smallest returns the candidate of one place that keeps the limits with the
// smallest payload, or, marked as excluded, the one that loses least.
func (r Request) smallest(place []*Candidate) (option, error) {
	var best, nearest *option
	var errs []error
	for _, c := range place {
		o, err := r.candidate(c)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if o.excluded == "" && (best == nil || o.payload < best.payload) {
			best = &o
		}
		if nearest == nil || *o.loss < *nearest.loss {
			nearest = &o
		}
	}
	switch {
	case len(errs) > 0:
		return option{}, errors.Join(errs...)
	case best == nil:
		return *nearest, nil
	}
	return *best, nil
}

func (r Request) candidate(c *Candidate) (option, error) {
	e := r.Mobile.find(c.Cut, c.Tensor, c.C, c.S, c.Codec)
	if e == nil {
		return option{}, missing(r.Mobile, c.Cut, c.String())
	}
	o, err := r.option(e, c.C, c.S, c.Coding, c.PayloadBytes)
	if err != nil {
		return o, err
	}
	o.origin.Candidate = c
	o.loss, o.accuracy, o.bundle = &c.Loss, c.Accuracy().Best(), c.Bundle
	for _, l := range r.limits() {
		switch l.name {
		case "accuracy":
			o.exclude(l.broken(o.accuracy, true))
		case "accuracy lost":
			o.exclude(l.broken(o.loss, false))
		}
	}
	return o, nil
}
