// Package chart draws small line charts as SVG, and pages of them as HTML that
// needs nothing else. They follow the reader's light or dark colour scheme. The
// same charts give the same bytes.
//
//	c := chart.Chart{Title: "Accuracy", X: "payload bytes", Y: "top-1, %", LogX: true,
//		Series: []chart.Series{{Name: "net", Points: []chart.Point{{X: 120, Y: 71}, {X: 300, Y: 74}}}}}
//	err := c.WriteSVG(w)
package chart

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"math"
	"unicode/utf8"
)

// Chart is a line chart with any number of series.
type Chart struct {
	Title string
	X, Y  string // what the axes show, with the unit
	LogX  bool   // a logarithmic x axis; points at or left of 0 are left out
	// Width and Height are the size in pixels without the legend; 0 is 720 x 440.
	Width, Height int
	// Series are drawn in order, dashed ones first. Their colours and marks repeat after eight.
	Series []Series
}

// Series is one line of a chart.
type Series struct {
	Name    string
	Points  []Point // joined in order
	Scatter bool    // marks only, no line
	Dashed  bool    // a dashed line without marks: a reference
}

// Point is a place on a line. Points with NaN or an infinity are left out; the
// line goes on behind them.
type Point struct {
	X, Y  float64
	Label string // shown with the numbers when the pointer rests on the point
	Text  string // written beside the point
}

// The sizes of a chart, in pixels.
const (
	usualWidth, usualHeight = 720, 440
	left, right             = 70, 20
	top, bottom             = 50, 55
	legendLine              = 20 // height of a line
	letter                  = 7  // about the width of one
)

// WriteSVG writes the chart as an SVG document.
func (c Chart) WriteSVG(w io.Writer) error {
	b := c.svg()
	_, err := w.Write(b)
	return err
}

func (c Chart) svg() []byte {
	if c.Width == 0 || c.Height == 0 {
		c.Width, c.Height = usualWidth, usualHeight
	}
	plot := c.plot()
	var b bytes.Buffer
	var names []string
	for _, s := range c.Series {
		names = append(names, s.Name)
	}
	begin(&b, c.Title, c.Width, c.Height+legendHeight(c.Width, names))
	plot.grid(&b)
	text(&b, "name", (left+c.Width-right)/2, c.Height-12, c.X)
	fmt.Fprintf(&b, `<text class="name" transform="translate(18 %d) rotate(-90)">%s</text>`+"\n", (top+c.Height-bottom)/2, html.EscapeString(c.Y))
	marks := make([]string, len(c.Series))
	for i, s := range c.Series {
		marks[i] = shapes[i%len(shapes)]
		if s.Dashed {
			marks[i] = dashes
			plot.line(&b, i, s) // below the others
		}
	}
	for i, s := range c.Series {
		if !s.Dashed {
			plot.line(&b, i, s)
		}
	}
	legend(&b, c.Width, c.Height, names, marks)
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// begin writes what every chart begins with.
func begin(b *bytes.Buffer, title string, width, height int) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" class="bnc-chart">`+"\n",
		width, height, width, height)
	fmt.Fprintf(b, "<title>%s</title>\n<style>\n%s</style>\n", html.EscapeString(title), style)
	fmt.Fprintf(b, `<rect class="paper" width="%d" height="%d"/>`+"\n", width, height)
	text(b, "title", width/2, 28, title)
}

// plot is a chart's points with the axes that hold them.
type plot struct {
	Chart
	x, y axis
}

// plot returns the chart without the points that cannot be drawn, and its axes.
func (c Chart) plot() plot {
	p := plot{Chart: c}
	low, high := Point{X: math.Inf(1), Y: math.Inf(1)}, Point{X: math.Inf(-1), Y: math.Inf(-1)}
	for _, s := range c.Series {
		for _, at := range s.Points {
			if !c.drawn(at) {
				continue
			}
			low.X, low.Y = min(low.X, at.X), min(low.Y, at.Y)
			high.X, high.Y = max(high.X, at.X), max(high.Y, at.Y)
		}
	}
	if low.X > high.X { // nothing to draw
		low, high = Point{X: 1, Y: 0}, Point{X: 10, Y: 1}
	}
	p.x = newAxis(low.X, high.X, left, float64(c.Width-right), ticksIn(c.Width-left-right), c.LogX)
	p.y = newAxis(low.Y, high.Y, float64(c.Height-bottom), top, 6, false)
	return p
}

// ticksIn returns about how many ticks of an x axis so many pixels have room for.
func ticksIn(pixels int) int { return max(2, pixels/75) }

// drawn tells whether a point has a place.
func (c Chart) drawn(p Point) bool {
	return finite(p.X) && finite(p.Y) && (p.X > 0 || !c.LogX)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// grid draws the lines and labels of both axes' ticks.
func (p plot) grid(b *bytes.Buffer) {
	for _, t := range p.x.ticks {
		x := p.x.at(t.value)
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %dV%d"/>`+"\n", x, top, p.Height-bottom)
		text(b, "tick", x, float64(p.Height-bottom+18), t.label)
	}
	for _, t := range p.y.ticks {
		y := p.y.at(t.value)
		fmt.Fprintf(b, `<path class="grid" d="M%d %.1fH%d"/>`+"\n", left, y, p.Width-right)
		text(b, "tick end", left-8, y+4, t.label)
	}
}

// line draws a series: its line, then its marks with their numbers.
func (p plot) line(b *bytes.Buffer, i int, s Series) {
	var path bytes.Buffer
	var marks bytes.Buffer
	pen := "M"
	for _, at := range s.Points {
		if !p.drawn(at) {
			continue
		}
		x, y := p.x.at(at.X), p.y.at(at.Y)
		fmt.Fprintf(&path, "%s%.1f %.1f", pen, x, y)
		pen = "L"
		if at.Text != "" {
			class, dx := "beside", 8.0
			if x+dx+float64(letter*utf8.RuneCountInString(at.Text)) > float64(p.Width) {
				class, dx = "beside end", -8
			}
			text(&marks, class, x+dx, y+15, at.Text)
		}
		if s.Dashed {
			continue
		}
		label := fmt.Sprintf("%s: %s, %s", s.Name, digits(at.X), digits(at.Y))
		if at.Label != "" {
			label += " (" + at.Label + ")"
		}
		fmt.Fprintf(&marks, `<path class="mark" d="%s" transform="translate(%.1f %.1f)"><title>%s</title></path>`+"\n",
			shapes[i%len(shapes)], x, y, html.EscapeString(label))
	}
	fmt.Fprintf(b, `<g class="s%d">`+"\n", i%colours)
	if !s.Scatter && path.Len() > 0 {
		class := "line"
		if s.Dashed {
			class = "line dashed"
		}
		fmt.Fprintf(b, `<path class="%s" d="%s"/>`+"\n", class, path.Bytes())
	}
	fmt.Fprintf(b, "%s</g>\n", marks.Bytes())
}

// perLine is how many of the names a line of the legend has room for.
func perLine(width int, names []string) int {
	longest := 0
	for _, n := range names {
		longest = max(longest, utf8.RuneCountInString(n))
	}
	return max(1, min(len(names), (width-left-right)/(longest*letter+30)))
}

func legendHeight(width int, names []string) int {
	n := perLine(width, names)
	return legendLine * ((len(names) + n - 1) / n)
}

// legend writes the names of series beside their marks, below y.
func legend(b *bytes.Buffer, width, y int, names, marks []string) {
	n := perLine(width, names)
	for i, name := range names {
		x, y := left+(i%n)*(width-left-right)/n, y+i/n*legendLine+4
		fmt.Fprintf(b, `<g class="s%d"><path class="mark" d="%s" transform="translate(%d %d)"/></g>`+"\n",
			i%colours, marks[i%len(marks)], x+6, y-4)
		text(b, "legend", float64(x+18), float64(y), name)
	}
}

func text[T int | float64](b *bytes.Buffer, class string, x, y T, s string) {
	fmt.Fprintf(b, `<text class="%s" x="%.1f" y="%.1f">%s</text>`+"\n", class, float64(x), float64(y), html.EscapeString(s))
}
