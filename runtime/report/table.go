package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Table is a table of a report.
type Table struct {
	ID      string // in links and names of files
	Title   string
	Columns []string // names with units
	Rows    [][]Cell
	Text    string // what is to be known about it
}

// Cell is a cell of a table.
type Cell struct {
	Text   string
	Value  *float64 // of a number, as it was in the file or computed from it
	Chosen bool     // the best of its kind
	Refs   []Ref    // of cells that tell where their row comes from
}

// Ref is a place in a file.
type Ref struct {
	File  int // index in Report.Files
	Entry string
}

// String names the place: F1 is the first file.
func (r Ref) String() string { return strings.TrimSpace(fmt.Sprintf("F%d %s", r.File+1, r.Entry)) }

// none is the text of a cell about which nothing is known.
const none = "–"

func text(s string) Cell {
	if s == "" {
		s = none
	}
	return Cell{Text: s}
}

// number returns a cell of v in a format of package fmt.
func number(format string, v float64) Cell {
	s := fmt.Sprintf(format, v)
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-")
	}
	return Cell{Text: s, Value: &v}
}

func integer[T int | int64 | uint64](v T) Cell { return number("%.0f", float64(v)) }

// byteCount is of means, with a decimal where they are no whole numbers.
func byteCount(v float64) Cell {
	if v == math.Trunc(v) {
		return number("%.0f", v)
	}
	return number("%.1f", v)
}

// fine has two decimals, or two digits where that is less than a tenth.
func fine(v float64) Cell {
	if v != 0 && math.Abs(v) < 0.1 {
		return number("%.2g", v)
	}
	return number("%.2f", v)
}

func percent(v float64) Cell { return number("%.2f", 100*v) }

func points(v float64) Cell { return number("%.2f", v) }

// gain has three digits.
func gain(v float64) Cell {
	if v >= 100 {
		return number("%.0f", v)
	}
	return number("%.3g", v)
}

// maybe is a cell of a number that may be missing.
func maybe(v *float64, cell func(float64) Cell) Cell {
	if v == nil {
		return text("")
	}
	return cell(*v)
}

// positive is a cell of a number that is 0 where it is not known.
func positive(v float64, cell func(float64) Cell) Cell {
	if v == 0 {
		return text("")
	}
	return cell(v)
}

// channels is c of a division, stride its s.
func channels(c int) Cell {
	if c == 0 {
		return text("full")
	}
	return integer(c)
}

func stride(s int) Cell {
	if s == 0 {
		return text("plain")
	}
	return integer(s)
}

func refs(all ...Ref) Cell {
	var names []string
	for _, r := range all {
		names = append(names, r.String())
	}
	return Cell{Text: strings.Join(names, ", "), Refs: all}
}

// yes is a cell that says yes or nothing.
func yes(v bool) Cell {
	if v {
		return Cell{Text: "yes"}
	}
	return Cell{}
}

// full is the cell's number with all of its digits, or its text.
func (c Cell) full() string {
	if s := numberOf(c); s != "" {
		return s
	}
	return c.Text
}

// dense takes out the columns of which nothing is known.
func (t Table) dense() Table {
	for i := len(t.Columns) - 1; i >= 0; i-- {
		known := slices.ContainsFunc(t.Rows, func(row []Cell) bool { return row[i].Text != none && row[i].Text != "" })
		if known {
			continue
		}
		t.Columns = slices.Delete(slices.Clone(t.Columns), i, i+1)
		for r := range t.Rows {
			t.Rows[r] = slices.Delete(t.Rows[r], i, i+1)
		}
	}
	return t
}
