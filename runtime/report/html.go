package report

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"unicode/utf8"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"svg": func(svg []byte) template.HTML { return template.HTML(svg) }, // chart escapes what it is given
	"png": func(png []byte) template.URL {
		return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(png))
	},
	"file":  func(r Ref) int { return r.File + 1 },
	"class": cellClass,
	"row":   rowID,
	"full":  numberOf,
}).Parse(pageText))

// WriteHTML writes the page: one file that needs nothing else.
func (r *Report) WriteHTML(w io.Writer) error {
	var b bytes.Buffer
	if err := page.Execute(&b, r); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// numberOf is a cell's number with all of its digits, "" of text.
func numberOf(c Cell) string {
	if c.Value == nil {
		return ""
	}
	return strconv.FormatFloat(*c.Value, 'g', -1, 64)
}

// longest is how many letters a cell holds without being wrapped.
const longest = 40

// cellClass is the style of a cell.
func cellClass(t Table, column int, c Cell) template.HTMLAttr {
	var class string
	switch {
	case c.Refs != nil:
		class = "from"
	case t.ID == filesTable && column == 2:
		class = "hash"
	case utf8.RuneCountInString(c.Text) > longest:
		class = "long"
	case t.Numeric(column):
		class = "number"
	}
	if c.Chosen {
		class += " best"
	}
	if class == "" {
		return ""
	}
	return template.HTMLAttr(fmt.Sprintf(` class="%s"`, class))
}

// rowID lets sources link to the rows of the table of files.
func rowID(t Table, row []Cell) template.HTMLAttr {
	if t.ID != filesTable {
		return ""
	}
	return template.HTMLAttr(fmt.Sprintf(` id="F%d"`, row[0].Refs[0].File+1))
}
