package bnc

import (
	"math"
)

// orElse returns what an option points to, or its default where it points to nothing.
func orElse[T any](v *T, fallback T) T {
	if v == nil {
		return fallback
	}
	return *v
}

// within checks an option that is a number of low or more and less than below.
func within(option string, value, low, below float64) error {
	if value >= low && value < below {
		return nil
	}
	return usage(option, "%v: expected %v or more and less than %v", value, low, below)
}

// anyNumber is the bound of numbers that have none.
var anyNumber = math.Inf(1)
