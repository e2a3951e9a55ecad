package report

import (
	"bytes"
	"io"
)

// drawn makes a figure of a drawing.
func drawn(title string, d interface{ WriteSVG(io.Writer) error }, text string) Figure {
	var b bytes.Buffer
	if err := d.WriteSVG(&b); err != nil {
		panic("BUG: " + err.Error()) // a buffer takes everything
	}
	return Figure{Title: title, SVG: b.Bytes(), Text: text}
}
