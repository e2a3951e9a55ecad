package plan

import (
	"fmt"
	"math"
	"os"
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
	Baseline     Accuracy       `json:"baseline"` // of the model without a bottleneck
	Candidates   []Candidate    `json:"candidates"`
}

// Accuracy holds rates from 0 to 1, the first measure of the task among them; nil where
// there is none.
type Accuracy struct {
	Primary   *float64 `json:"top1"`
	Agreement *float64 `json:"agreement"` // with the model without a bottleneck
}

// Candidate is one place and size of the bottleneck and what became of it.
type Candidate struct {
	Index  int    `json:"index"`
	Cut    string `json:"cut"`
	Tensor string `json:"tensor"` // that crosses; several are joined with +
	C      int    `json:"c"`
	S      int    `json:"s"`
	Seed   uint64 `json:"seed"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
	// Primary, the task's first measure, and Agreement are rates from 0 to 1, nil where there is none.
	Primary   *float64 `json:"top1"`
	Agreement *float64 `json:"agreement"`
	// Loss is the accuracy lost against the baseline, in percentage points;
	// below 0 where accuracy was gained.
	Loss         float64        `json:"loss"`
	PayloadBytes float64        `json:"payload_bytes"`
	Bundle       string         `json:"bundle,omitempty"`
	Seconds      float64        `json:"seconds"`
	Settings     map[string]any `json:"settings,omitempty"`
}

// String names the candidate.
func (c Candidate) String() string { return division(c.Cut, c.C, c.S) }

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

// Validate names the candidates that cannot be used.
func (r *Results) Validate() error {
	var bad check
	if r.Format != FileFormat {
		bad.add("format %d: this version reads %d", r.Format, FileFormat)
	}
	if r.Kind != KindSearch {
		bad.add("kind %q: expected %q", r.Kind, KindSearch)
	}
	bad.rates("baseline", r.Baseline.Primary, r.Baseline.Agreement)
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
			if c.Loss != c.Loss || c.Loss < -100 || c.Loss > 100 {
				bad.add("%s.loss is %v: expected percentage points from -100 to 100", at, c.Loss)
			}
			if want := r.loss(c); want != nil && math.Abs(c.Loss-*want) > 0.01 {
				bad.add("%s.loss is %v: the baseline and its accuracy make it %.2f percentage points", at, c.Loss, *want)
			}
			if c.Primary == nil && c.Agreement == nil {
				bad.add("%s: neither top1 nor agreement", at)
			}
		case StatusScreened, StatusSkipped, StatusFailed:
		default:
			bad.add("%s.status is %q: expected %s, %s, %s or %s", at, c.Status, StatusTrained, StatusScreened, StatusSkipped, StatusFailed)
		}
		bad.rates(at, c.Primary, c.Agreement)
		bad.number(at+".payload_bytes", c.PayloadBytes)
		bad.number(at+".seconds", c.Seconds)
	}
	return bad.err()
}

// loss returns what a candidate loses of the baseline in percentage points, nil where
// one of the two is not known.
func (r *Results) loss(c Candidate) *float64 {
	base, found := r.Baseline.Primary, c.Primary
	if base == nil {
		base, found = r.Baseline.Agreement, c.Agreement
	}
	if base == nil || found == nil {
		return nil
	}
	loss := 100 * (*base - *found)
	return &loss
}

func (b *check) rates(at string, top1, agreement *float64) {
	for _, r := range []struct {
		name  string
		value *float64
	}{{"top1", top1}, {"agreement", agreement}} {
		if r.value != nil && !(*r.value >= 0 && *r.value <= 1) {
			b.add("%s.%s is %v: expected a rate from 0 to 1", at, r.name, *r.value)
		}
	}
}
