package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"

	"github.com/bottlenet/bnc/internal/table"
)

// WriteMarkdown writes the tables in GitHub's Markdown.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n", markdown(r.Title), markdown(r.About))
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "\n## %s\n", markdown(s.Title))
		for _, p := range s.Text {
			fmt.Fprintf(&b, "\n%s\n", markdown(p))
		}
		for _, t := range s.Tables {
			t.markdown(&b)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t Table) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### %s\n\n", markdown(t.Title))
	if t.Text != "" {
		fmt.Fprintf(b, "%s\n\n", markdown(strings.TrimSpace(t.Text)))
	}
	rows := [][]string{make([]string, len(t.Columns))}
	for i, c := range t.Columns {
		rows[0][i] = markdown(c)
	}
	for _, row := range t.Rows {
		var cells []string
		for _, c := range row {
			s := markdown(c.Text)
			if c.Chosen {
				s = "**" + s + "**"
			}
			cells = append(cells, s)
		}
		rows = append(rows, cells)
	}
	table.Markdown(b, rows, t.Numeric) // a Builder does not fail
}

// Numeric tells whether a column holds numbers.
func (t Table) Numeric(column int) bool {
	for _, row := range t.Rows {
		if row[column].Value != nil {
			return true
		}
	}
	return false
}

// markdownEscapes are for what would be markup, or another line.
var markdownEscapes = strings.NewReplacer("\\", "\\\\", "|", "\\|", "<", "&lt;", ">", "&gt;", "&", "&amp;", "*", "\\*", "`", "\\`", "](", "]\\(", "~", "\\~", "\r\n", " ", "\n", " ", "\r", " ")

func markdown(s string) string { return markdownEscapes.Replace(s) }

// WriteCSV writes one table: a line of names, then numbers with all of their
// digits. Text that a spreadsheet would take for a formula gets a leading '.
func (t Table) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	c.Write(t.Columns) // Error below has the first error
	for _, row := range t.Rows {
		var cells []string
		for _, cell := range row {
			s := cell.full()
			if cell.Value == nil && s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
				s = "'" + s
			}
			cells = append(cells, s)
		}
		c.Write(cells)
	}
	c.Flush()
	return c.Error()
}

// Tables returns the tables of all sections.
func (r *Report) Tables() []Table {
	var all []Table
	for _, s := range r.Sections {
		all = append(all, s.Tables...)
	}
	return all
}
