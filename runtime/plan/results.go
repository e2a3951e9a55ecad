package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
)

// KindSearch is the kind of a file with a search's results.
const KindSearch = "search"

// Status of a candidate.
const (
	StatusTrained  = "trained"
	StatusScreened = "screened" // judged by a short training of the bottleneck alone
	StatusSkipped  = "skipped"  // not tried; Reason says why
	StatusFailed   = "failed"   // tried in vain; Reason says why
)

// Results is what a search has found.
type Results struct {
	Format       int            `json:"format"` // FileFormat
	Kind         string         `json:"kind"`   // KindSearch
	Model        string         `json:"model"`
	SourceSHA256 string         `json:"source_sha256"`
	Settings     map[string]any `json:"settings,omitempty"`
	Task         string         `json:"task,omitempty"`    // what the outputs are; classify where the file does not tell
	Measure      *Measure       `json:"measure,omitempty"` // what losses are of; nil for top-1, or the agreement where there are no labels
	Baseline     Accuracy       `json:"baseline"`          // of the model without a bottleneck
	Candidates   []Candidate    `json:"candidates"`
}

// Measure is what candidates are compared by.
type Measure struct {
	Name   string  `json:"name"`
	Text   string  `json:"text"`           // in words
	Points float64 `json:"points"`         // how many points of a loss a difference of 1 is
	Unit   string  `json:"unit,omitempty"` // of points
	Lower  bool    `json:"lower,omitempty"`
}

// The measures of results that name none: shares of images.
var (
	Top1      = Measure{Name: "top1", Text: "top-1", Points: 100, Unit: "%"}
	Agreement = Measure{Name: "agreement", Text: "agreement with the model", Points: 100, Unit: "%"}
)

// MeasureOf is the measure of results, or plans, that name one, or have this baseline.
func MeasureOf(named *Measure, baseline Accuracy) Measure {
	switch {
	case named != nil:
		return *named
	case baseline.Primary != nil:
		return Top1
	}
	return Agreement
}

// LossInterval is the interval of the loss in points against a value, of one of the measure.
func (m Measure) LossInterval(against, low, high float64) *[2]float64 {
	lost := func(v float64) float64 { return 100 * (m.Rate(against) - m.Rate(v)) }
	a, b := lost(low), lost(high)
	return &[2]float64{min(a, b), max(a, b)}
}

// Rate is a value as part of 100 points: a share as it is. More is better.
func (m Measure) Rate(value float64) float64 {
	if m.Points != 100 {
		value *= m.Points / 100
	}
	if m.Lower {
		return -value
	}
	return value
}

// Value is the value of a rate.
func (m Measure) Value(rate float64) float64 {
	if m.Lower {
		rate = -rate
	}
	if m.Points != 100 {
		rate *= 100 / m.Points
	}
	return rate
}

// Format writes a value in points, a share with two digits behind the point.
func (m Measure) Format(value float64) string { return m.format(value, 2) }

// Short is Format with one digit of a share.
func (m Measure) Short(value float64) string { return m.format(value, 1) }

func (m Measure) format(value float64, digits int) string {
	if m.Unit == "%" {
		return fmt.Sprintf("%.*f%%", digits, m.Points*value)
	}
	return strings.TrimSpace(fmt.Sprintf("%.4g %s", m.Points*value, m.Unit))
}

// Perfect is the value of answers that are as they should be: that of 100 points, or of none.
func (m Measure) Perfect() float64 {
	if m.Lower {
		return 0
	}
	return 100 / m.Points
}

// Heading is what stands over values in points.
func (m Measure) Heading() string {
	if m.Unit == "" {
		return m.Text
	}
	return m.Text + ", " + m.Unit
}

// Accuracy is how good a model is, nil where that is not known: of classes rates from 0 to 1.
type Accuracy struct {
	Primary   *float64 `json:"top1"`
	Labelled  *float64 `json:"labelled,omitempty"` // the first measure of another task
	Agreement *float64 `json:"agreement"`          // with the model without a bottleneck, by the task's measure
}

// Labels is what labels say, nil without.
func (a Accuracy) Labels() *float64 { return cmp.Or(a.Primary, a.Labelled) }

// Best is what labels say, else the model without a bottleneck.
func (a Accuracy) Best() *float64 { return cmp.Or(a.Labels(), a.Agreement) }

// Axes are what is known of a candidate beside the means of accuracy and bytes. Results of
// before do not have them, and candidates that were not trained none but the device's part.
type Axes struct {
	// Interval is that of what candidates are compared by, 95% confidence.
	Interval *[2]float64 `json:"interval,omitempty"`
	// LossInterval is that of the loss in points, against the model itself image by image.
	LossInterval *[2]float64 `json:"loss_interval,omitempty"`
	PayloadP95   float64     `json:"payload_p95,omitempty"` // at least 95 of 100 images take no more bytes
	PayloadMax   int         `json:"payload_max,omitempty"`
	DeviceMACs   *int64      `json:"device_macs,omitempty"`  // multiply-adds of an image on the device, the reduction among them
	DeviceShare  *float64    `json:"device_share,omitempty"` // of the model's
}

// Candidate is one place and size of the bottleneck and what became of it.
type Candidate struct {
	Index  int    `json:"index"`
	Cut    string `json:"cut"`
	Tensor string `json:"tensor"` // that crosses; several are joined with +
	C      int    `json:"c"`
	S      int    `json:"s"`
	Coding
	Seed   uint64 `json:"seed"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
	// Primary, Labelled and Agreement are as those of an Accuracy.
	Primary   *float64 `json:"top1"`
	Labelled  *float64 `json:"labelled,omitempty"`
	Agreement *float64 `json:"agreement"`
	// Loss is the accuracy lost against the baseline, in points of the measure: percentage
	// points of a share. It is below 0 where accuracy was gained.
	Loss         float64 `json:"loss"`
	PayloadBytes float64 `json:"payload_bytes"` // mean
	Axes
	Bundle   string         `json:"bundle,omitempty"`
	Seconds  float64        `json:"seconds"`
	Settings map[string]any `json:"settings,omitempty"`
}

// UnmarshalJSON reads candidates of files that name no codec as what they are.
func (c *Candidate) UnmarshalJSON(b []byte) error {
	type fields Candidate
	found := fields{Coding: Coding{Codec: JPEG}}
	if err := json.Unmarshal(b, &found); err != nil {
		return err
	}
	*c = Candidate(found)
	return nil
}

// String names the candidate.
func (c Candidate) String() string { return division(c.Cut, c.C, c.S, c.Coding) }

// Accuracy is how good the candidate is.
func (c Candidate) Accuracy() Accuracy { return Accuracy{c.Primary, c.Labelled, c.Agreement} }

// OpenResults reads and checks a search's results.
func OpenResults(path string) (*Results, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ParseResults(path, data)
}

// ParseResults is OpenResults for what has been read; name stands for it in
// errors.
func ParseResults(name string, data []byte) (*Results, error) {
	r := new(Results)
	if err := parse(name, data, r); err != nil {
		return nil, err
	}
	return r, nil
}

// MaxLoss is the accuracy in percentage points that the search's bottlenecks may lose,
// by its settings; the paper's 2 where they do not tell.
func (r *Results) MaxLoss() float64 {
	if v, ok := r.Settings["max_loss"].(float64); ok && v >= 0 {
		return v
	}
	return 2
}

// Measured is what the candidates are compared by.
func (r *Results) Measured() Measure { return MeasureOf(r.Measure, r.Baseline) }

// Validate names the candidates that cannot be used.
func (r *Results) Validate() error {
	var bad check
	if r.Format != FileFormat {
		bad.add("format %d: this version reads %d", r.Format, FileFormat)
	}
	if r.Kind != KindSearch {
		bad.add("kind %q: expected %q", r.Kind, KindSearch)
	}
	share := r.Measured().Points == 100
	if m := r.Measure; m != nil && !(m.Points > 0) {
		bad.add("measure.points is %v: expected a number above 0", m.Points)
	}
	bad.rates("baseline", share, r.Baseline.Primary, r.Baseline.Agreement)
	for i, c := range r.Candidates {
		at := fmt.Sprintf("candidates[%d] (%s)", i, c)
		if c.Cut == "" {
			bad.add("%s: cut is missing", at)
		}
		if c.C < 0 || c.S < 1 {
			bad.add("%s: c %d, s %d: expected c from 0 and s from 1 on", at, c.C, c.S)
		}
		switch c.Status {
		case StatusTrained:
			if !(c.PayloadBytes > 0) {
				bad.add("%s.payload_bytes is %v: expected a number above 0", at, c.PayloadBytes)
			}
			if c.Loss != c.Loss || share && (c.Loss < -100 || c.Loss > 100) && !r.Measured().Lower {
				bad.add("%s.loss is %v: expected percentage points from -100 to 100", at, c.Loss)
			}
			if want := r.loss(c); want != nil && math.Abs(c.Loss-*want) > 0.01 {
				bad.add("%s.loss is %v: the baseline and its accuracy make it %.2f points", at, c.Loss, *want)
			}
			if c.Accuracy().Best() == nil {
				bad.add("%s: neither top1 nor agreement", at)
			}
		case StatusScreened, StatusSkipped, StatusFailed:
		default:
			bad.add("%s.status is %q: expected %s, %s, %s or %s", at, c.Status, StatusTrained, StatusScreened, StatusSkipped, StatusFailed)
		}
		bad.rates(at, share, c.Primary, c.Agreement)
		bad.number(at+".payload_bytes", c.PayloadBytes)
		bad.number(at+".seconds", c.Seconds)
	}
	return bad.err()
}

// loss returns what a candidate loses of the baseline in points, nil where one of the two is
// not known.
func (r *Results) loss(c Candidate) *float64 {
	base, found := r.Baseline.Labels(), c.Accuracy().Labels()
	if base == nil {
		base, found = r.Baseline.Agreement, c.Agreement
	}
	if base == nil || found == nil {
		return nil
	}
	m := r.Measured()
	return new(100 * (m.Rate(*base) - m.Rate(*found)))
}

// rates refuses shares that are none; share tells that the measure is one.
func (b *check) rates(at string, share bool, top1, agreement *float64) {
	for _, r := range []struct {
		name  string
		value *float64
		share bool
	}{{"top1", top1, true}, {"agreement", agreement, share}} {
		if r.value != nil && r.share && !(*r.value >= 0 && *r.value <= 1) {
			b.add("%s.%s is %v: expected a rate from 0 to 1", at, r.name, *r.value)
		}
	}
}
