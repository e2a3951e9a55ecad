// Package table writes tables for people, of rows whose first one is the head: in columns
// for a terminal, and as Markdown.
package table

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Left and Right write the table in columns, aligned on that side, two spaces apart. The
// last column of a table aligned on the left is as wide as each of its cells.
func Left(w io.Writer, rows [][]string) error { return columns(w, rows, 0, "\n") }

// Right is Left for the right side.
func Right(w io.Writer, rows [][]string) error { return columns(w, rows, tabwriter.AlignRight, "\t\n") }

func columns(w io.Writer, rows [][]string, flags uint, end string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', flags)
	for _, row := range rows {
		io.WriteString(t, strings.Join(row, "\t")+end) // Flush has the first error
	}
	return t.Flush()
}

// Markdown writes the table in GitHub's Markdown, whose cells are Markdown already. Number
// tells which columns hold numbers.
func Markdown(w io.Writer, rows [][]string, number func(column int) bool) error {
	for i, row := range rows {
		if _, err := fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | ")); err != nil {
			return err
		}
		if i > 0 {
			continue
		}
		rule := make([]string, len(row))
		for c := range rule {
			rule[c] = "---"
			if number(c) {
				rule[c] = "---:"
			}
		}
		if _, err := fmt.Fprintf(w, "| %s |\n", strings.Join(rule, " | ")); err != nil {
			return err
		}
	}
	return nil
}
