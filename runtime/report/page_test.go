package report_test

import (
	"bytes"
	"encoding/csv"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// elements returns all elements of a page, in order.
func elements(t *testing.T, page string) []*html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(func(yield func(*html.Node) bool) {
		for n := range root.Descendants() {
			if n.Type == html.ElementNode && !yield(n) {
				return
			}
		}
	})
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func content(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// cell is a cell of a table in one of the three forms.
type cell struct {
	text   string
	value  float64 // NaN of text
	column string
}

// tables returns the cells of a page's tables by ID, the head first.
func tables(t *testing.T, page string) map[string][][]cell {
	t.Helper()
	all := map[string][][]cell{}
	for _, n := range elements(t, page) {
		if n.Data != "table" {
			continue
		}
		id := strings.TrimPrefix(attr(n, "id"), "table-")
		for row := range n.Descendants() {
			if row.Type != html.ElementNode || row.Data != "tr" {
				continue
			}
			var cells []cell
			for d := range row.ChildNodes() {
				if d.Type != html.ElementNode {
					continue
				}
				c := cell{text: content(d), value: math.NaN()}
				if v := attr(d, "data-v"); v != "" {
					var err error
					if c.value, err = strconv.ParseFloat(v, 64); err != nil {
						t.Fatal(err)
					}
				}
				if len(all[id]) > 0 {
					c.column = all[id][0][len(cells)].text
				}
				cells = append(cells, c)
			}
			all[id] = append(all[id], cells)
		}
	}
	return all
}

// TestPage: the page parses, needs nothing from outside, every link has its end, and
// nothing that came from a file became markup.
func TestPage(t *testing.T) {
	text := page(t, made(t, full(t)))
	ids := map[string]int{}
	counts := map[string]int{}
	all := elements(t, text)
	for _, n := range all {
		counts[n.Data]++
		if id := attr(n, "id"); id != "" {
			ids[id]++
		}
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%d elements are called %s", n, id)
		}
	}
	for _, n := range all {
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "src":
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			case a.Key == "href" && (!strings.HasPrefix(a.Val, "#") || ids[a.Val[1:]] == 0):
				t.Errorf("<%s href=%q>: its end is not in the page", n.Data, a.Val)
			case a.Key == "aria-labelledby" && ids[a.Val] == 0:
				t.Errorf("<%s> is labelled by %s, which is not there", n.Data, a.Val)
			}
		}
		if (n.Data == "style" || n.Data == "script") && regexp.MustCompile(`url\(|@import|https?:|fetch|import\(`).MatchString(content(n)) {
			t.Errorf("a %s refers to the outside", n.Data)
		}
	}
	for element, want := range map[string]int{"script": 1, "img": 0, "link": 0, "iframe": 0, "b": 0, "main": 1, "h1": 1} {
		if counts[element] != want {
			t.Errorf("%d elements %s, expected %d", counts[element], element, want)
		}
	}
	// 4 networks, energy, sizes, accuracy against size, accuracy against bits.
	if counts["figure"] != 8 || counts["figure"] != strings.Count(text, `class="bnc-chart"`) {
		t.Errorf("%d figures", counts["figure"])
	}
	if !strings.Contains(text, "prefers-color-scheme:dark") || !strings.Contains(text, "@media print") {
		t.Error("no styles for dark screens and for print")
	}
	for _, bad := range []string{"NaN", "Inf", "ZgotmplZ"} {
		if strings.Contains(text, bad) {
			t.Errorf("%s in the page", bad)
		}
	}
}

var splitMarkdown = regexp.MustCompile(` \| `)

// markdownTables returns the cells of a Markdown text's tables in order.
func markdownTables(t *testing.T, text string) [][][]string {
	t.Helper()
	var all [][][]string
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, "|") {
			inside = false
			continue
		}
		if !inside {
			all, inside = append(all, nil), true
		}
		cells := splitMarkdown.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |"), -1)
		all[len(all)-1] = append(all[len(all)-1], cells)
	}
	return all
}

// unescaped is what a Markdown cell shows.
var unescaped = strings.NewReplacer(`\\`, `\`, `\|`, `|`, `\*`, `*`, "\\`", "`", `\(`, `(`, `\~`, `~`, "&lt;", "<", "&gt;", ">", "&amp;", "&", "**", "")

// TestThreeForms: page, Markdown and CSV have the same tables with the same cells:
// equal texts, and numbers that are equal but for the rounding of what is printed.
func TestThreeForms(t *testing.T) {
	r := made(t, full(t))
	onPage := tables(t, page(t, r))
	inMarkdown := markdownTables(t, written(t, func(b *bytes.Buffer) error { return r.WriteMarkdown(b) }))
	if len(inMarkdown) != len(r.Tables()) || len(onPage) != len(r.Tables()) {
		t.Fatalf("%d tables, %d in Markdown, %d on the page", len(r.Tables()), len(inMarkdown), len(onPage))
	}
	numbers := 0
	for i, table := range r.Tables() {
		rows, err := csv.NewReader(strings.NewReader(written(t, func(b *bytes.Buffer) error { return table.WriteCSV(b) }))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		md := slices.Delete(slices.Clone(inMarkdown[i]), 1, 2) // the rule
		if len(md) != len(rows) || len(onPage[table.ID]) != len(rows) || len(rows) != 1+len(table.Rows) {
			t.Fatalf("%s: %d lines of CSV, %d of Markdown, %d on the page", table.ID, len(rows), len(md), len(onPage[table.ID]))
		}
		for y, row := range rows {
			if len(md[y]) != len(row) || len(onPage[table.ID][y]) != len(row) {
				t.Fatalf("%s, row %d: %d cells in CSV, %d in Markdown, %d on the page", table.ID, y, len(row), len(md[y]), len(onPage[table.ID][y]))
			}
			for x, text := range row {
				shown, cell := unescaped.Replace(md[y][x]), onPage[table.ID][y][x]
				if plain := strings.NewReplacer("\n", " ").Replace(cell.text); shown != plain && !strings.Contains(plain, "**") {
					t.Errorf("%s, row %d: %q in Markdown, %q on the page", table.ID, y, shown, cell.text)
				}
				if y == 0 || math.IsNaN(cell.value) {
					if text != cell.text && text != "'"+cell.text {
						t.Errorf("%s, row %d: %q in CSV, %q on the page", table.ID, y, text, cell.text)
					}
					if strings.HasPrefix(text, "=") {
						t.Errorf("%s, row %d: a formula: %q", table.ID, y, text)
					}
					continue
				}
				numbers++
				exact, err := strconv.ParseFloat(text, 64)
				if err != nil || exact != cell.value {
					t.Errorf("%s, row %d: %q in CSV (%v), %v on the page", table.ID, y, text, err, cell.value)
				}
				if !rounds(exact, shown) {
					t.Errorf("%s, row %d, %s: %v is shown as %q", table.ID, y, cell.column, exact, shown)
				}
			}
		}
	}
	if numbers < 300 {
		t.Errorf("%d numbers were compared", numbers)
	}
}

// rounds tells whether shown is exact to half a unit of its last digit.
func rounds(exact float64, shown string) bool {
	v, err := strconv.ParseFloat(shown, 64)
	if err != nil {
		return false
	}
	decimals := 0
	if mantissa, exponent, ok := strings.Cut(shown, "e"); ok {
		e, err := strconv.Atoi(exponent)
		if err != nil {
			return false
		}
		shown, decimals = mantissa, -e
	}
	if _, after, ok := strings.Cut(shown, "."); ok {
		decimals += len(after)
	}
	return math.Abs(v-exact) <= 0.5*math.Pow(10, -float64(decimals))*(1+1e-9) // floats near a tie
}

// TestEveryRowHasASource: all tables but that of the files say where each row is from.
func TestEveryRowHasASource(t *testing.T) {
	r := made(t, full(t))
	for _, table := range r.Tables() {
		last := len(table.Columns) - 1
		for i, row := range table.Rows {
			if table.ID != "files" && len(row[last].Refs) == 0 && row[last].Text != "built in" {
				t.Errorf("%s, row %d: %q", table.ID, i, row[last].Text)
			}
			for _, ref := range row[last].Refs {
				if ref.File >= len(r.Files) {
					t.Errorf("%s, row %d: file %d of %d", table.ID, i, ref.File, len(r.Files))
				}
			}
		}
	}
	var names []string
	for _, f := range r.Files {
		names = append(names, f.Name)
		if len(f.SHA256) != 64 {
			t.Errorf("%s: sha256 %q", f.Name, f.SHA256)
		}
	}
	if want := []string{"phone.json", "server.json", "search " + hostile + ".json", "net.onnx", "aware.json", "naive.json", "campus.json"}; !slices.Equal(names, want) {
		t.Errorf("files %q", names)
	}
}
