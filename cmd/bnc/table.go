package main

import (
	"io"

	"github.com/bottlenet/bnc/internal/table"
)

// writeTable prints rows, the first of which is the head, in aligned columns or
// as Markdown. The columns from number numeric on hold numbers.
func writeTable(w io.Writer, rows [][]string, numeric int, markdown bool) error {
	if markdown {
		return table.Markdown(w, rows, func(column int) bool { return column >= numeric })
	}
	return table.Left(w, rows)
}
