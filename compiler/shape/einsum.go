package shape

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// equation is a parsed Einsum equation.
type equation struct {
	inputs []subscripts
	output subscripts
}

// subscripts are the letters of one operand around its ellipsis.
type subscripts struct {
	before, after []rune
	dots          bool
}

func parseEinsum(text string) (*equation, error) {
	text = strings.ReplaceAll(text, " ", "")
	left, right, arrow := strings.Cut(text, "->")
	e := &equation{}
	count := map[rune]int{}
	for _, term := range strings.Split(left, ",") {
		s, err := parseSubscripts(term)
		if err != nil {
			return nil, err
		}
		for _, r := range append(slices.Clone(s.before), s.after...) {
			count[r]++
		}
		e.inputs = append(e.inputs, s)
		e.output.dots = e.output.dots || s.dots
	}
	if arrow {
		s, err := parseSubscripts(right)
		if err != nil {
			return nil, err
		}
		for _, r := range append(slices.Clone(s.before), s.after...) {
			if count[r] == 0 {
				return nil, fmt.Errorf("expected equation %q to use only letters of its inputs behind the arrow, found %q", text, r)
			}
		}
		e.output = s
		return e, nil
	}
	for r, n := range count {
		if n == 1 {
			e.output.after = append(e.output.after, r)
		}
	}
	slices.Sort(e.output.after)
	return e, nil
}

func parseSubscripts(term string) (subscripts, error) {
	before, after, dots := strings.Cut(term, "...")
	for _, r := range before + after {
		if !unicode.IsLetter(r) {
			return subscripts{}, fmt.Errorf("expected letters, commas and one arrow in the equation, found %q", r)
		}
	}
	return subscripts{[]rune(before), []rune(after), dots}, nil
}
