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

// einsum reads the equation: letters name axes, the ellipsis those that
// broadcast; without an arrow the letters that occur once follow in order.
func einsum(c *call) ([]Type, error) {
	out := Unranked(c.arg(0).DType)
	e, err := parseEinsum(c.str("equation", ""))
	if err != nil {
		return nil, c.failf("%w", err)
	}
	if len(e.inputs) != len(c.in) {
		return nil, c.failf("expected %d inputs, as the equation has, found %d", len(e.inputs), len(c.in))
	}
	size, dots, ranked, err := e.sizes(c)
	if err != nil || !ranked {
		return []Type{out}, err
	}
	var dims []Dim
	for _, r := range e.output.before {
		dims = append(dims, size[r])
	}
	if e.output.dots {
		dims = append(dims, dots...)
	}
	for _, r := range e.output.after {
		dims = append(dims, size[r])
	}
	return one(TensorOf(out.DType, dims...))
}

// einsumMACs: every index of the equation runs through all of its values, with one
// product for each input but the first.
func einsumMACs(c *call, _ []Type) Dim {
	e, err := parseEinsum(c.str("equation", ""))
	if err != nil {
		return Dim{}
	}
	size, dots, ranked, err := e.sizes(c)
	if err != nil || !ranked {
		return Dim{}
	}
	macs := Const(int64(len(e.inputs) - 1)).Mul(Product(dots))
	for _, d := range size {
		macs = macs.Mul(d)
	}
	return macs
}

// sizes returns those of the letters and of the axes behind the ellipsis. It is false
// where the rank of an input is not known.
func (e *equation) sizes(c *call) (map[rune]Dim, []Dim, bool, error) {
	size := map[rune]Dim{}
	var dots []Dim
	for i, term := range e.inputs {
		t := c.arg(i)
		if !t.Ranked {
			return nil, nil, false, nil
		}
		free := len(t.Dims) - len(term.before) - len(term.after)
		if free < 0 || free > 0 && !term.dots {
			return nil, nil, false, c.badInput(i, "the rank the equation gives it")
		}
		split := len(term.before)
		letters := append(slices.Clone(term.before), term.after...)
		for k, d := range slices.Concat(t.Dims[:split], t.Dims[split+free:]) {
			old, seen := size[letters[k]]
			if !seen {
				size[letters[k]] = d
				continue
			}
			merged, ok := broadcastDim(old, d)
			if !ok {
				return nil, nil, false, c.badInput(i, "size %v for %q, as another input has", old, letters[k])
			}
			size[letters[k]] = merged
		}
		merged, ok := broadcastLists(dots, t.Dims[split:split+free])
		if !ok {
			return nil, nil, false, c.badInput(i, "dimensions for the ellipsis that broadcast with %s", dimsString(dots, true))
		}
		dots = merged
	}
	return size, dots, true, nil
}
