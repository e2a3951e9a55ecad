package chart

import (
	"fmt"
	"strings"
)

// shapes are the marks of series, around the origin.
var shapes = []string{
	"M-4 0A4 4 0 1 0 4 0A4 4 0 1 0 -4 0Z", // circle
	"M-3.5 -3.5H3.5V3.5H-3.5Z",            // square
	"M0 -5L4.5 3.5H-4.5Z",                 // triangle
	"M0 -5L5 0L0 5L-5 0Z",                 // diamond
}

// dashes are the mark of a dashed line in the legend.
const dashes = "M-7 -1H-2V1H-7ZM2 -1H7V1H2Z"

// The colours of series on white and on black, by Okabe and Ito: they can be
// told apart with any kind of colour vision.
var light = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#2f8fc4", "#7a4fbf", "#555555"}
var dark = []string{"#56b4e9", "#ff8c42", "#2fd0a5", "#e79ac6", "#f0e442", "#9cd3f5", "#b79cf0", "#bbbbbb"}

// colours is their number.
const colours = 8

// style is the SVG's own style sheet; its rules hold inside of a chart only, also
// on a page.
var style = `.bnc-chart text{font:12px system-ui,sans-serif;fill:#333;text-anchor:middle}
.bnc-chart .title{font-size:15px;font-weight:600}
.bnc-chart .end{text-anchor:end}
.bnc-chart .legend{text-anchor:start}
.bnc-chart .paper{fill:#fff}
.bnc-chart .grid{stroke:#ddd;fill:none}
.bnc-chart .line{fill:none;stroke-width:2}
.bnc-chart .dashed{stroke-dasharray:5 4}
.bnc-chart .beside{text-anchor:start;paint-order:stroke;stroke:#fff;stroke-width:3px}
.bnc-chart .beside.end{text-anchor:end}
.bnc-chart .reference{stroke:#666;stroke-dasharray:5 4}
.bnc-chart .chosen{font-weight:700}
` + palette(light) + `@media(prefers-color-scheme:dark){
.bnc-chart text{fill:#ddd}
.bnc-chart .paper{fill:#161616}
.bnc-chart .grid{stroke:#383838}
.bnc-chart .reference{stroke:#aaa}
.bnc-chart .beside{stroke:#161616}
` + palette(dark) + "}\n"

// palette gives each series its colour.
func palette(colours []string) string {
	var b strings.Builder
	for i, c := range colours {
		fmt.Fprintf(&b, ".bnc-chart .s%d .line{stroke:%s}.bnc-chart .s%d .mark{fill:%s}\n", i, c, i, c)
	}
	return b.String()
}
