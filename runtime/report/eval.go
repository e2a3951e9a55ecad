package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/runtime/plan"
)

// Eval is what bnc eval --json prints, of a bundle or a whole model. Rates are from
// 0 to 1.
type Eval struct {
	Name         string        `json:"-"` // in legends
	N            int           `json:"n"` // images
	Top1         *float64      `json:"top1"`
	Agreement    *float64      `json:"agreement"`
	Primary      *primary      `json:"primary"`
	Measure      *plan.Measure `json:"measure"` // of Primary, of other tasks than classes
	PayloadBytes *struct {
		Mean float64 `json:"mean"`
		P95  float64 `json:"p95"`
		Max  float64 `json:"max"`
	} `json:"payload_bytes"` // null where nothing crosses
	Paired      *paired  `json:"paired"`
	DeviceMACs  *int64   `json:"device_macs"`
	DeviceShare *float64 `json:"device_share"` // of the model's
	// InputCodec and InputSize are what images themselves were sent as, "" where they were not.
	InputCodec   string    `json:"input_codec"`
	InputSize    int       `json:"input_size"`
	ImagesSHA256 string    `json:"images_sha256"` // "" where it does not tell
	Pictures     []Picture `json:"pictures"`
	Sweep        []struct {
		Quality      int      `json:"quality"`
		Top1         *float64 `json:"top1"`
		Primary      *primary `json:"primary"`
		Paired       *paired  `json:"paired"`
		PayloadBytes float64  `json:"payload_bytes"`
		P95          float64  `json:"p95"`
		Max          float64  `json:"max"`
	} `json:"sweep"`
}

// paired is how it compares with its teacher image by image.
type paired struct {
	Teacher    float64    `json:"teacher"`
	Difference float64    `json:"difference"`
	Interval   [2]float64 `json:"interval"`
}

// primary is what models are compared by.
type primary struct {
	Name     string     `json:"name"`
	Value    float64    `json:"value"`
	Interval [2]float64 `json:"interval"` // 0, 0 where it is not known
}

// ParseEval reads and checks an evaluation; file stands for it in errors.
func ParseEval(file, name string, data []byte) (*Eval, error) {
	e := &Eval{Name: name}
	if err := json.Unmarshal(data, e); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var bad []error
	check := func(at string, top1 *float64, first *primary, bytes float64) {
		switch {
		case e.Measure != nil && first == nil:
			bad = append(bad, fmt.Errorf("%s: %sprimary is missing: evaluate with labels or beside a teacher", file, at))
		case e.Measure != nil:
		case top1 == nil:
			bad = append(bad, fmt.Errorf("%s: %stop1 is missing: evaluate on images with labels", file, at))
		case !(*top1 >= 0 && *top1 <= 1):
			bad = append(bad, fmt.Errorf("%s: %stop1 is %v: expected a rate from 0 to 1", file, at, *top1))
		}
		if !(bytes > 0) {
			bad = append(bad, fmt.Errorf("%s: %spayload_bytes is %v: expected a number above 0", file, at, bytes))
		}
	}
	if e.N <= 0 {
		bad = append(bad, fmt.Errorf("%s: n is %d: expected what bnc eval --json prints", file, e.N))
	}
	if m := e.Measure; m != nil && !(m.Points > 0) {
		bad = append(bad, fmt.Errorf("%s: measure.points is %v: expected a number above 0", file, m.Points))
	}
	if e.whole() {
		check("", e.Top1, e.Primary, 1)
	} else {
		check("", e.Top1, e.Primary, e.PayloadBytes.Mean)
	}
	for i, p := range e.Sweep {
		check(fmt.Sprintf("sweep[%d].", i), p.Top1, p.Primary, p.PayloadBytes)
	}
	return e, errors.Join(bad...)
}

// measure is what the evaluation tells.
func (e *Eval) measure() plan.Measure {
	if e.Measure != nil {
		return *e.Measure
	}
	return plan.Top1
}

// value is what the model is compared by.
func (e *Eval) value() float64 {
	if e.Measure != nil {
		return e.Primary.Value
	}
	return *e.Top1
}

// entry is where that is said.
func (e *Eval) entry() string {
	if e.Measure != nil {
		return "primary"
	}
	return "top1"
}

// taught tells that the value is the agreement with a teacher.
func (e *Eval) taught() bool {
	return e.Measure != nil && e.Agreement != nil && *e.Agreement == e.Primary.Value
}

// whole tells whether it is of a model from which nothing is sent.
func (e *Eval) whole() bool { return e.PayloadBytes == nil }

// measurement is the accuracy at a size.
type measurement struct {
	quality      int // 0: that of the bundle
	value, bytes float64
	entry        string
	p95, max     float64 // of the bytes, 0 where they are not known
	primary      *primary
	paired       *paired
	own          bool // of the bundle as it is
}

// at is a cell of the quality.
func (m measurement) at() Cell {
	if m.quality == 0 {
		return text("")
	}
	return integer(m.quality)
}

// intervals are cells of what the value is between and, in points, its difference to the
// teacher's.
func (m measurement) intervals(of plan.Measure) []Cell {
	cells := []Cell{text(""), text("")}
	if p := m.primary; p != nil && p.Interval != [2]float64{} {
		cells[0] = text(fmt.Sprintf("%.2f to %.2f", of.Points*p.Interval[0], of.Points*p.Interval[1]))
	}
	if p := m.paired; p != nil {
		cells[1] = text(fmt.Sprintf("%+.2f (%+.2f to %+.2f)", of.Points*p.Difference, of.Points*p.Interval[0], of.Points*p.Interval[1]))
	}
	return cells
}

// measurements returns those of a sweep and, where it is none of them, that of the
// bundle as it is, the smallest first.
func (e *Eval) measurements() []measurement {
	var all []measurement
	for i, p := range e.Sweep {
		m := measurement{quality: p.Quality, bytes: p.PayloadBytes, entry: fmt.Sprintf("sweep[%d]", i), p95: p.P95, max: p.Max, primary: p.Primary, paired: p.Paired}
		if e.Measure != nil {
			m.value = p.Primary.Value
		} else {
			m.value = *p.Top1
		}
		all = append(all, m)
	}
	own := measurement{value: e.value(), bytes: e.PayloadBytes.Mean, entry: e.entry() + ", payload_bytes.mean", p95: e.PayloadBytes.P95, max: e.PayloadBytes.Max, primary: e.Primary, paired: e.Paired, own: true}
	if i := slices.IndexFunc(all, func(m measurement) bool { return m.value == own.value && m.bytes == own.bytes }); i >= 0 {
		all[i].own = true
	} else {
		all = append(all, own)
	}
	slices.SortStableFunc(all, func(a, b measurement) int { return cmp.Compare(a.bytes, b.bytes) })
	return all
}
