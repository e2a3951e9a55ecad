package chart

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// TestAxes draws random ranges: each axis holds its range, its ticks ascend, are
// neither few nor many, and their labels read as their values.
func TestAxes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		low := math.Pow(10, 12*r.Float64()-6)
		high := low + math.Pow(10, 12*r.Float64()-6)
		for _, log := range []bool{false, true} {
			a := newAxis(low, high, 100, 500, 6, log)
			if a.at(low) < 100-1e-6 || a.at(high) > 500+1e-6 || a.at(low) > a.at(high) {
				t.Fatalf("%g..%g lies at %g..%g", low, high, a.at(low), a.at(high))
			}
			// A logarithmic axis marks every power of ten where there are many.
			if n := len(a.ticks); n < 1 || n > 13 || !log && n < 3 {
				t.Fatalf("%g..%g, log %v: %d ticks", low, high, log, n)
			}
			before := math.Inf(-1)
			for _, tick := range a.ticks {
				at := a.at(tick.value)
				if at <= before || at < 100-1e-6 || at > 500+1e-6 {
					t.Fatalf("%g..%g: tick %v at %g, after %g", low, high, tick, at, before)
				}
				before = at
				v, err := strconv.ParseFloat(strings.ReplaceAll(tick.label, ",", ""), 64)
				if err != nil || math.Abs(v-tick.value) > 1e-3*math.Abs(tick.value) { // four digits at least
					t.Fatalf("tick %g is labelled %q", tick.value, tick.label)
				}
			}
		}
	}
}

func TestNumber(t *testing.T) {
	for want, got := range map[string]string{
		"0": number(0, 0), "-1,234": number(-1234, 0), "123": number(123, 0), "1,000,000": number(1e6, 0), "0.50": number(0.5, 2),
		"1,234.5": digits(1234.5), "0.001": digits(0.001), "1e+07": digits(1e7), "0.3": digits(0.1 + 0.2),
	} {
		if got != want {
			t.Errorf("%s, expected %s", got, want)
		}
	}
}
