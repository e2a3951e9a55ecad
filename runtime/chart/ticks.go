package chart

import (
	"bytes"
	"math"
	"slices"
	"strconv"
)

// axis maps a range of numbers to a range of pixels.
type axis struct {
	low, high float64 // numbers, their logarithms on a logarithmic axis
	from, to  float64 // pixels
	log       bool
	ticks     []tick
}

// tick is a marked number.
type tick struct {
	value float64
	label string
}

// at returns the pixel of a number.
func (a axis) at(v float64) float64 {
	if a.log {
		v = math.Log10(v)
	}
	return a.from + (v-a.low)/(a.high-a.low)*(a.to-a.from)
}

// newAxis returns the axis for numbers low..high with about n ticks. Linear axes
// begin and end at a tick.
func newAxis(low, high, from, to float64, n int, log bool) axis {
	if log {
		return logAxis(low, high, from, to, n)
	}
	if high-low <= 1e-9*max(math.Abs(low), math.Abs(high)) { // equal but for rounding
		low, high = low-around(low), high+around(high)
	}
	step := nice((high - low) / float64(n))
	first, last := math.Floor(low/step), math.Ceil(high/step)
	decimals := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	a := axis{low: first * step, high: last * step, from: from, to: to}
	for i := first; i <= last; i++ {
		a.ticks = append(a.ticks, tick{i * step, number(i*step, decimals)})
	}
	return a
}

// around is half the range of an axis for a single number.
func around(v float64) float64 {
	if v == 0 {
		return 1
	}
	return math.Abs(v) / 10
}

// nice returns the step of 1, 2 or 5 times a power of ten that is at least v.
func nice(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v*(1-1e-9) { // 0.1 + 0.2 is not more than 0.3
			return m * power
		}
	}
	return 10 * power
}

// steps are the multiples of a power of ten that a logarithmic axis marks, the
// sparse ones first.
var steps = [][]float64{{1}, {1, 3}, {1, 2, 5}, {1, 1.5, 2, 3, 5, 7}, {1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9}}

// logAxis marks the densest of steps that has at most n+1 ticks. It leaves a
// little room on both sides.
func logAxis(low, high, from, to float64, n int) axis {
	l, h := math.Log10(low), math.Log10(high)
	room := max((h-l)*0.04, 0.02)
	a := axis{low: l - room, high: h + room, from: from, to: to, log: true}
	for i, multiples := range steps {
		var ticks []tick
		for e := math.Floor(a.low); e <= a.high; e++ {
			power := math.Pow(10, e)
			for _, m := range multiples {
				if v := math.Log10(m) + e; v >= a.low && v <= a.high {
					ticks = append(ticks, tick{m * power, digits(m * power)})
				}
			}
		}
		if i > 0 && len(ticks) > n+1 {
			break
		}
		a.ticks = ticks
	}
	if len(a.ticks) == 0 { // a range too small for any of them
		a.ticks = []tick{{low, digits(low)}}
	}
	return a
}

// number writes v with the given decimals, -1 for as many as it has, and large
// numbers in groups of three digits.
func number(v float64, decimals int) string {
	if v != 0 && (math.Abs(v) < 1e-4 || math.Abs(v) >= 1e7) {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	text := []byte(strconv.FormatFloat(v, 'f', decimals, 64))
	end := bytes.IndexByte(text, '.')
	if end < 0 {
		end = len(text)
	}
	for i := end - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = slices.Insert(text, i, ',')
	}
	return string(text)
}

// digits returns v rounded to five significant digits.
func digits(v float64) string {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 5, 64), 64)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return number(rounded, -1)
}
