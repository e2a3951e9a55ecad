package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// writeTable prints rows, the first of which is the head, in aligned columns or
// as Markdown. The columns from number numeric on hold numbers.
func writeTable(w io.Writer, rows [][]string, numeric int, markdown bool) error {
	if markdown {
		for i, row := range rows {
			if _, err := fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | ")); err != nil {
				return err
			}
			if i == 0 {
				fmt.Fprintf(w, "|%s%s\n", strings.Repeat("---|", numeric), strings.Repeat("---:|", len(row)-numeric))
			}
		}
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}
