package chart

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"math"
	"unicode/utf8"
)

// Rows is a chart with a row for every name and one x axis for all: bars that are
// stacked of the series' values, or a mark for each value.
type Rows struct {
	Title   string
	X       string // what the axis shows, with the unit
	Stacked bool
	LogX    bool // of marks: a logarithmic axis; values at or below 0 are left out
	Width   int  // in pixels; 0 is 720
	Series  []string
	Rows    []Row
	Lines   []Line
}

// Row is one row.
type Row struct {
	Name   string
	Values []float64 // one a series; NaN and infinities are left out
	Text   string    // written at the bar's end
	Chosen bool      // the name is written in bold
}

// Line is a value that all rows are compared with.
type Line struct {
	Name string
	X    float64
}

// The sizes of rows, in pixels.
const (
	rowHeight, barHeight = 20, 13
	lineName             = 16 // height of a line's name
	longestName          = 22 // letters
	markWidth            = 9
	markHeight           = 5.0 // of crowded ones: half is enough to see each
)

// square is the mark of a bar's part in the legend.
var square = []string{"M-5 -5H5V5H-5Z"}

// WriteSVG writes the chart as an SVG document.
func (c Rows) WriteSVG(w io.Writer) error {
	_, err := w.Write(c.svg())
	return err
}

func (c Rows) svg() []byte {
	if c.Width == 0 {
		c.Width = usualWidth
	}
	names, texts := 3, 0
	for _, r := range c.Rows {
		names = max(names, min(utf8.RuneCountInString(r.Name), longestName))
		texts = max(texts, utf8.RuneCountInString(r.Text))
	}
	from, to := names*letter+16, c.Width-right-texts*letter
	marks, height := square, rowHeight
	p := rowPlot{Rows: c, x: c.axis(float64(from), float64(to))}
	if !c.Stacked {
		marks = shapes
		if p.crowded() {
			p.apart = markHeight
			height = max(rowHeight, int(markHeight*float64(len(c.Series)))+rowHeight/2)
		}
	}
	first := top + lineName*len(c.Lines)
	last := first + height*len(c.Rows)
	foot := last + bottom

	var b bytes.Buffer
	begin(&b, c.Title, c.Width, foot+legendHeight(c.Width, c.Series))
	for _, t := range p.x.ticks {
		x := p.x.at(t.value)
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %dV%d"/>`+"\n", x, first, last)
		text(&b, "tick", x, float64(last+18), t.label)
	}
	text(&b, "name", (from+to)/2, last+bottom-14, c.X)
	for i, l := range c.Lines {
		p.reference(&b, i, l, last)
	}
	for i, r := range c.Rows {
		y := float64(first + height*i + height/2)
		class := "tick end"
		if r.Chosen {
			class += " chosen"
		}
		text(&b, class, float64(from-8), y+4, shortened(r.Name))
		if c.Stacked {
			p.bar(&b, r, y)
		} else {
			fmt.Fprintf(&b, `<path class="grid" d="M%d %.1fH%d"/>`+"\n", from, y, to)
			p.marks(&b, r, y)
		}
	}
	legend(&b, c.Width, foot, c.Series, marks)
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// rowPlot is a chart with the axis that holds its values.
type rowPlot struct {
	Rows
	x     axis
	apart float64 // distance between the lines that a row's marks are on, pixels
}

// crowded tells whether marks of one row hide each other.
func (p rowPlot) crowded() bool {
	for _, r := range p.Rows.Rows {
		for i, v := range r.Values {
			for _, w := range r.Values[:i] {
				if p.drawn(v) && p.drawn(w) && math.Abs(p.x.at(v)-p.x.at(w)) < markWidth {
					return true
				}
			}
		}
	}
	return false
}

// axis returns the axis for all values: of bars it begins at 0.
func (c Rows) axis(from, to float64) axis {
	low, high := math.Inf(1), math.Inf(-1)
	add := func(v float64) {
		if c.drawn(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	for _, l := range c.Lines {
		add(l.X)
	}
	for _, r := range c.Rows {
		sum := 0.0
		for _, v := range r.Values {
			if !c.Stacked {
				add(v)
			} else if c.drawn(v) {
				sum += v
			}
		}
		if c.Stacked {
			add(sum)
		}
	}
	switch {
	case low > high: // nothing to draw
		low, high = 1, 10
	case c.Stacked && high == 0:
		low, high = 0, 1
	case c.Stacked:
		low = 0
	}
	ticks := int(to-from) / 40 // for short numbers
	log := c.LogX && !c.Stacked
	if log {
		ticks = ticksIn(int(to - from))
	}
	return newAxis(low, high, from, to, max(2, ticks), log)
}

// drawn tells whether a value has a place.
func (c Rows) drawn(v float64) bool {
	return finite(v) && (v > 0 || !c.LogX && !c.Stacked || c.Stacked && v == 0)
}

// reference draws a line, with its name above the rows.
func (p rowPlot) reference(b *bytes.Buffer, i int, l Line, last int) {
	if !p.drawn(l.X) {
		return
	}
	x, y := p.x.at(l.X), top+lineName*i
	class, dx := "beside", 5.0
	if x > (p.x.from+p.x.to)/2 {
		class, dx = "beside end", -5
	}
	fmt.Fprintf(b, `<path class="grid reference" d="M%.1f %dV%d"><title>%s: %s</title></path>`+"\n", x, y, last, html.EscapeString(l.Name), digits(l.X))
	text(b, class, x+dx, float64(y+10), l.Name)
}

// bar draws a row's values one behind the other, and its text at the end.
func (p rowPlot) bar(b *bytes.Buffer, r Row, y float64) {
	sum := 0.0
	for i, v := range r.Values {
		if !p.drawn(v) {
			continue
		}
		from, to := p.x.at(sum), p.x.at(sum+v)
		sum += v
		fmt.Fprintf(b, `<g class="s%d"><path class="mark" d="M%.1f %.1fH%.1fV%.1fH%.1fZ"><title>%s</title></path></g>`+"\n",
			i%colours, from, y-barHeight/2., to, y+barHeight/2., from, p.label(r, i, v))
	}
	if r.Text != "" {
		class := "beside"
		if r.Chosen {
			class += " chosen"
		}
		text(b, class, p.x.at(sum)+5, y+4, r.Text)
	}
}

// marks draws a mark for each of a row's values.
func (p rowPlot) marks(b *bytes.Buffer, r Row, y float64) {
	for i, v := range r.Values {
		if p.drawn(v) {
			y := y + p.apart*(float64(i)-float64(len(r.Values)-1)/2)
			fmt.Fprintf(b, `<g class="s%d"><path class="mark" d="%s" transform="translate(%.1f %.1f)"><title>%s</title></path></g>`+"\n",
				i%colours, shapes[i%len(shapes)], p.x.at(v), y, p.label(r, i, v))
		}
	}
}

// label is what shows when the pointer rests on a value.
func (p rowPlot) label(r Row, i int, v float64) string {
	return html.EscapeString(fmt.Sprintf("%s, %s: %s", r.Name, p.Series[i], digits(v)))
}

// shortened returns the name's end, where names of tensors differ.
func shortened(name string) string {
	letters := []rune(name)
	if len(letters) <= longestName {
		return name
	}
	return "…" + string(letters[len(letters)-longestName+1:])
}
