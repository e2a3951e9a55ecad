package fault

import "math"

// Words are options that are one of some words each, as OneOf has it.
type Words []struct {
	Option, Value string
	Known         []string
}

// Check refuses the first that is none of them.
func (w Words) Check() error {
	for _, c := range w {
		if err := OneOf(c.Option, c.Value, c.Known...); err != nil {
			return err
		}
	}
	return nil
}

// Shares are options that are numbers from 0 on, and below a bound.
type Shares []struct {
	Option string
	Value  float64
	Below  float64 // Unbounded for none
}

// Unbounded is the bound of numbers that have none.
var Unbounded = math.Inf(1)

// Check refuses the first that is out of its bounds.
func (s Shares) Check() error {
	for _, c := range s {
		if !(c.Value >= 0 && c.Value < c.Below) {
			return Usage(c.Option, "%v: expected 0 or more and less than %v", c.Value, c.Below)
		}
	}
	return nil
}
