package chart

import (
	"bytes"
	"html/template"
	"io"
)

// Table is a table of a page. Cells that begin with a digit or a sign are
// aligned to the right.
type Table struct {
	Title  string
	Header []string
	Rows   [][]string
}

// WritePage writes charts and then tables as one HTML page without references
// to anything outside of it.
func WritePage(w io.Writer, title string, charts []Chart, tables []Table) error {
	type figure struct {
		Title string
		SVG   template.HTML
	}
	var figures []figure
	for _, c := range charts {
		figures = append(figures, figure{c.Title, template.HTML(c.svg())}) // svg escapes what it is given
	}
	var b bytes.Buffer
	err := page.Execute(&b, map[string]any{"Title": title, "Figures": figures, "Tables": tables})
	if err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}

var page = template.Must(template.New("page").Funcs(template.FuncMap{"class": cellClass}).Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title>{{.Title}}</title>
<style>
body{font:15px system-ui,sans-serif;max-width:760px;margin:2em auto;padding:0 1em;background:#fff;color:#222}
figure{margin:1.5em 0}
svg{max-width:100%;height:auto}
table{border-collapse:collapse;margin:.5em 0 2em}
th,td{padding:.25em .8em;border-bottom:1px solid #ccc;text-align:left}
td.number{text-align:right;font-variant-numeric:tabular-nums}
@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}th,td{border-color:#444}}
</style>
</head>
<body>
<h1>{{.Title}}</h1>
{{range .Figures}}<figure aria-label="{{.Title}}">
{{.SVG}}</figure>
{{end}}{{range .Tables}}<h2>{{.Title}}</h2>
<table>
<tr>{{range .Header}}<th>{{.}}</th>{{end}}</tr>
{{range .Rows}}<tr>{{range .}}<td{{with class .}} class="{{.}}"{{end}}>{{.}}</td>{{end}}</tr>
{{end}}</table>
{{end}}</body>
</html>
`))

// cellClass is the style of a cell: number, or none.
func cellClass(cell string) string {
	if cell != "" && (cell[0] >= '0' && cell[0] <= '9' || cell[0] == '-' || cell[0] == '+') {
		return "number"
	}
	return ""
}
