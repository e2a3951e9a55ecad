package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Eval is what bnc eval --json prints, of a bundle or a whole model. Rates are from
// 0 to 1.
type Eval struct {
	Name         string   `json:"-"` // in legends
	N            int      `json:"n"` // images
	Primary      *float64 `json:"top1"`
	PayloadBytes *struct {
		Mean float64 `json:"mean"`
	} `json:"payload_bytes"` // null where nothing crosses
	Pictures []Picture `json:"pictures"`
	Sweep    []struct {
		Quality      int      `json:"quality"`
		Primary      *float64 `json:"top1"`
		PayloadBytes float64  `json:"payload_bytes"`
	} `json:"sweep"`
}

// ParseEval reads and checks an evaluation; file stands for it in errors.
func ParseEval(file, name string, data []byte) (*Eval, error) {
	e := &Eval{Name: name}
	if err := json.Unmarshal(data, e); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var bad []error
	check := func(at string, top1 *float64, bytes float64) {
		switch {
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
	if e.whole() {
		check("", e.Primary, 1)
	} else {
		check("", e.Primary, e.PayloadBytes.Mean)
	}
	for i, p := range e.Sweep {
		check(fmt.Sprintf("sweep[%d].", i), p.Primary, p.PayloadBytes)
	}
	return e, errors.Join(bad...)
}

// whole tells whether it is of a model from which nothing is sent.
func (e *Eval) whole() bool { return e.PayloadBytes == nil }

// measurement is the accuracy at a size.
type measurement struct {
	quality     int // 0: that of the bundle
	top1, bytes float64
	entry       string
}

// measurements returns those of a sweep and, where it is none of them, that of the
// bundle as it is, the smallest first.
func (e *Eval) measurements() []measurement {
	var all []measurement
	for i, p := range e.Sweep {
		all = append(all, measurement{p.Quality, *p.Primary, p.PayloadBytes, fmt.Sprintf("sweep[%d]", i)})
	}
	own := measurement{0, *e.Primary, e.PayloadBytes.Mean, "top1, payload_bytes.mean"}
	if !slices.ContainsFunc(all, func(m measurement) bool { return m.top1 == own.top1 && m.bytes == own.bytes }) {
		all = append(all, own)
	}
	slices.SortStableFunc(all, func(a, b measurement) int { return cmp.Compare(a.bytes, b.bytes) })
	return all
}
