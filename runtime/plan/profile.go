package plan

import (
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strings"
)

// FileFormat is the version of the files that this package reads and writes.
const FileFormat = 1

// KindProfile is the kind of a profile's file.
const KindProfile = "profile"

// Sources of a profile's power.
const (
	PowerINA3221  = "ina3221"  // sensors on the board's rails
	PowerINA226   = "ina226"   // a sensor on one rail
	PowerRAPL     = "rapl"     // the processor's energy counters
	PowerCommand  = "command"  // what a command printed
	PowerConstant = "constant" // given by the user
	PowerDerived  = "derived"  // computed from published energies
	PowerNone     = "none"     // not known
)

// Methods by which an entry was made.
const (
	MethodPair    = "pair"    // both halves were run
	MethodNodes   = "nodes"   // sums of node times of one session of the whole model
	MethodDerived = "derived" // from published numbers
)

// Profile is what a device needs for a model at its cuts: batch 1, warm.
type Profile struct {
	Format       int    `json:"format"` // FileFormat
	Kind         string `json:"kind"`   // KindProfile
	Name         string `json:"name"`
	Device       string `json:"device"`
	Model        string `json:"model"`
	SourceSHA256 string `json:"source_sha256"` // of the model's file; empty where there is none
	Threads      int    `json:"threads"`       // 0: one a core
	Provider     string `json:"provider"`
	Power        Power  `json:"power"`
	// Whole is the whole model on this device, CloudWhole on the server where
	// that is another machine whose times the entries hold.
	Whole      *Timing `json:"whole,omitempty"`
	CloudWhole *Timing `json:"cloud_whole,omitempty"`
	// WholeEnergyMJ is measured; without it the power and the time tell it.
	WholeEnergyMJ *float64 `json:"whole_energy_mj,omitempty"`
	// ImageBytes is the size of the compressed image that cloud-only sends, 0
	// where it is not known.
	ImageBytes float64      `json:"image_bytes,omitempty"`
	Cuts       []CutProfile `json:"cuts"`
	Published  []Published  `json:"published,omitempty"`
	Notes      []string     `json:"notes,omitempty"` // how numbers came about
}

// Power is what the device draws, in mW, and who says so.
type Power struct {
	Source    string  `json:"source"`
	ComputeMW float64 `json:"compute_mw"` // while it computes; 0: not known
	IdleMW    float64 `json:"idle_mw"`
}

// CutProfile is an entry: one division of the model.
type CutProfile struct {
	Cut    string `json:"cut"`
	Tensor string `json:"tensor,omitempty"` // that crosses; several are joined with +
	C      int    `json:"c"`                // channels that cross, 0: all
	S      int    `json:"s"`                // spatial reduction; 0: a plain split, the tensors themselves cross
	Codec  string `json:"codec,omitempty"`  // "" for JPEG, and for none of a plain split
	// PayloadBytes is the mean of what crosses, 0 where it is not known.
	PayloadBytes float64 `json:"payload_bytes"`
	// Mobile includes reduction and encoder, Cloud decoder and restoration. Nil:
	// not measured.
	Mobile       *Timing  `json:"mobile,omitempty"`
	Cloud        *Timing  `json:"cloud,omitempty"`
	EnergyMJ     *float64 `json:"energy_mj,omitempty"` // of the mobile part, measured
	Method       string   `json:"method"`
	MobileParams int64    `json:"mobile_params,omitempty"`
	MobileBytes  int64    `json:"mobile_bytes,omitempty"` // of its weights
}

// Put adds an entry; a pair that was run takes the place of a sum of nodes.
func (p *Profile) Put(entry CutProfile) {
	for i, e := range p.Cuts {
		if e.String() != entry.String() {
			continue
		}
		if entry.Method == MethodPair {
			p.Cuts[i] = entry
		}
		return
	}
	p.Cuts = append(p.Cuts, entry)
}

// Plain tells whether the cut tensors themselves cross.
func (c CutProfile) Plain() bool { return c.S == 0 }

// Timing sums up measurements of one time, in milliseconds.
type Timing struct {
	MedianMS float64 `json:"median_ms"`
	P5MS     float64 `json:"p5_ms"`
	P95MS    float64 `json:"p95_ms"`
	MeanMS   float64 `json:"mean_ms"`
	Runs     int     `json:"runs"` // 0: not measured but derived
	// HalfWidthMS is half the width of the 95% confidence interval of the median.
	HalfWidthMS float64 `json:"half_width_ms"`
}

// UnmarshalJSON demands a median: a misspelt one would be taken for no time at all.
func (t *Timing) UnmarshalJSON(b []byte) error {
	type fields Timing
	found := struct {
		*fields
		MedianMS *float64 `json:"median_ms"`
	}{fields: (*fields)(t)}
	if err := json.Unmarshal(b, &found); err != nil {
		return err
	}
	if found.MedianMS == nil {
		return fmt.Errorf("median_ms is missing in %.80s", b)
	}
	t.MedianMS = *found.MedianMS
	return nil
}

// Published is what the source of a profile printed itself, to be shown beside
// what the model says. Nothing is computed from it.
type Published struct {
	Network     string  `json:"network"`      // empty: of no network
	Way         string  `json:"way"`          // mobile-only, cloud-only, or a cut
	LatencyMS   float64 `json:"latency_ms"`   // 0: not given
	EnergyMJ    float64 `json:"energy_mj"`    // 0: not given
	LatencyGain float64 `json:"latency_gain"` // improvement of the choice over this way; 0: not given
	EnergyGain  float64 `json:"energy_gain"`
}

// Validate names the entries that cannot be used.
func (p *Profile) Validate() error {
	var bad check
	if p.Format != FileFormat {
		bad.add("format %d: this version reads %d", p.Format, FileFormat)
	}
	if p.Kind != KindProfile {
		bad.add("kind %q: expected %q", p.Kind, KindProfile)
	}
	if len(p.Cuts) == 0 && p.Whole == nil {
		bad.add("neither cuts nor whole: nothing was measured")
	}
	bad.number("power.compute_mw", p.Power.ComputeMW)
	bad.number("power.idle_mw", p.Power.IdleMW)
	bad.number("image_bytes", p.ImageBytes)
	bad.timing("whole", p.Whole)
	bad.timing("cloud_whole", p.CloudWhole)
	bad.pointer("whole_energy_mj", p.WholeEnergyMJ)
	seen := map[string]bool{}
	for i, c := range p.Cuts {
		at := fmt.Sprintf("cuts[%d] (%s)", i, c)
		if c.Cut == "" {
			bad.add("%s: cut is missing", at)
		}
		if c.C < 0 || c.S < 0 {
			bad.add("%s: c %d, s %d: expected 0 or more", at, c.C, c.S)
		}
		if c.Mobile == nil && c.Cloud == nil {
			bad.add("%s: neither mobile nor cloud: nothing was measured", at)
		}
		if seen[c.String()] {
			bad.add("%s: there are two of these", at)
		}
		seen[c.String()] = true
		bad.number(at+".payload_bytes", c.PayloadBytes)
		bad.timing(at+".mobile", c.Mobile)
		bad.timing(at+".cloud", c.Cloud)
		bad.pointer(at+".energy_mj", c.EnergyMJ)
		bad.number(at+".mobile_params", float64(c.MobileParams))
		bad.number(at+".mobile_bytes", float64(c.MobileBytes))
	}
	return bad.err()
}

// String names the division.
func (c CutProfile) String() string { return division(c.Cut, c.C, c.S, Coding{Codec: c.Codec}) }

// Coding is how what a bottleneck reduces to is coded.
type Coding struct {
	Codec   string `json:"codec,omitempty"`
	Quality int    `json:"quality,omitempty"` // 0 where all candidates have the same
}

// String is the codec with the quality, as far as they are said.
func (c Coding) String() string {
	if c.Quality == 0 {
		return c.Codec
	}
	return fmt.Sprintf("%s q=%d", c.Codec, c.Quality)
}

// JPEG is the codec of files that name none, as all did that were written before there was
// another.
const JPEG = "jpeg"

// sameCodec tells whether two names are of one codec.
func sameCodec(a, b string) bool { return cmp.Or(a, JPEG) == cmp.Or(b, JPEG) }

func division(cut string, c, s int, how Coding) string {
	name := fmt.Sprintf("%s c=%d s=%d", cut, c, s)
	switch {
	case s == 0:
		return cut + " plain"
	case c == 0:
		name = fmt.Sprintf("%s c=full s=%d", cut, s)
	}
	if !sameCodec(how.Codec, JPEG) {
		name += " " + how.Codec
	}
	if how.Quality != 0 {
		name += fmt.Sprintf(" q=%d", how.Quality)
	}
	return name
}

// check gathers what is wrong with a file.
type check struct{ all []error }

func (b *check) err() error { return errors.Join(b.all...) }

func (b *check) add(format string, args ...any) { b.all = append(b.all, fmt.Errorf(format, args...)) }

func (b *check) number(name string, v float64) {
	if !(v >= 0) || math.IsInf(v, 1) {
		b.add("%s is %v: expected a finite number from 0 on", name, v)
	}
}

func (b *check) pointer(name string, v *float64) {
	if v != nil {
		b.number(name, *v)
	}
}

func (b *check) timing(name string, t *Timing) {
	if t == nil {
		return
	}
	for _, f := range []struct {
		name  string
		value float64
	}{
		{"median_ms", t.MedianMS}, {"p5_ms", t.P5MS}, {"p95_ms", t.P95MS}, {"mean_ms", t.MeanMS},
		{"half_width_ms", t.HalfWidthMS}, {"runs", float64(t.Runs)},
	} {
		b.number(name+"."+f.name, f.value)
	}
}

//go:embed profiles/*.json
var builtin embed.FS

// BuiltinProfiles returns the names of the profiles that are built in. "paper" is
// derived from the paper's tables; its notes say how.
func BuiltinProfiles() []string {
	entries, err := builtin.ReadDir("profiles")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".json"))
	}
	return names
}

// OpenProfile reads and checks the built-in profile of that name, or else the
// file.
func OpenProfile(name string) (*Profile, error) {
	data, err := ReadProfile(name)
	if err != nil {
		return nil, err
	}
	return ParseProfile(name, data)
}

// ReadProfile returns the text of the built-in profile of that name, or else of
// the file.
func ReadProfile(name string) ([]byte, error) {
	data, err := builtin.ReadFile(path.Join("profiles", name+".json"))
	if err != nil {
		data, err = os.ReadFile(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("profile %q: %w; expected a file of bnc profile or one of %s", name, fs.ErrNotExist, strings.Join(BuiltinProfiles(), ", "))
	}
	return data, err
}

// ParseProfile reads and checks a profile; name stands for it in errors.
func ParseProfile(name string, data []byte) (*Profile, error) {
	p := new(Profile)
	if err := parse(name, data, p); err != nil {
		return nil, err
	}
	return p, nil
}

// parse reads one JSON document and checks it. Fields that this version does not
// know are passed over.
func parse(name string, data []byte, into interface{ Validate() error }) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := into.Validate(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// MergeProfiles joins profiles of one model on one device, such as of several
// bundles. Power and whole times come from the first that has them.
func MergeProfiles(all ...*Profile) (*Profile, error) {
	if len(all) == 0 {
		return nil, errors.New("no profiles")
	}
	joined := *all[0]
	joined.Cuts, joined.Notes = slices.Clone(joined.Cuts), slices.Clone(joined.Notes)
	for _, p := range all[1:] {
		for _, f := range []struct{ name, one, other string }{
			{"source_sha256", joined.SourceSHA256, p.SourceSHA256},
			{"device", joined.Device, p.Device},
			{"provider", joined.Provider, p.Provider},
			{"threads", fmt.Sprint(joined.Threads), fmt.Sprint(p.Threads)},
		} {
			if f.one != f.other {
				return nil, fmt.Errorf("profiles %s and %s do not belong together: %s is %q in one and %q in the other", joined.Name, p.Name, f.name, f.one, f.other)
			}
		}
		if joined.Power.Source == PowerNone || joined.Power.Source == "" {
			joined.Power = p.Power
		}
		joined.Whole = first(joined.Whole, p.Whole)
		joined.CloudWhole = first(joined.CloudWhole, p.CloudWhole)
		joined.WholeEnergyMJ = first(joined.WholeEnergyMJ, p.WholeEnergyMJ)
		if joined.ImageBytes == 0 {
			joined.ImageBytes = p.ImageBytes
		}
		joined.Cuts = append(joined.Cuts, p.Cuts...)
		joined.Published = append(joined.Published, p.Published...)
		joined.Notes = append(joined.Notes, p.Notes...)
	}
	if err := joined.Validate(); err != nil {
		return nil, fmt.Errorf("profiles together: %w", err)
	}
	return &joined, nil
}

// first returns the first that is there.
func first[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}
