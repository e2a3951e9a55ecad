package draw

import (
	"image"
	"image/color"
	"image/draw"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// regular is the typeface of all text.
var regular = func() *opentype.Font {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		panic("BUG: " + err.Error()) // it is in the program
	}
	return f
}()

// face returns the typeface at a size in pixels.
func face(size int) font.Face {
	f, err := opentype.NewFace(regular, &opentype.FaceOptions{Size: float64(size), DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		panic("BUG: " + err.Error()) // it is in the program
	}
	return f
}

// textSize is that of text on a picture of that size, in pixels.
func textSize(size image.Point) int { return min(max(12, max(size.X, size.Y)/45), 28) }

// write writes a line whose upper left corner is at a point.
func write(to draw.Image, text string, at image.Point, size int, ink color.Color) {
	f := face(size)
	d := font.Drawer{Dst: to, Src: image.NewUniform(ink), Face: f, Dot: fixed.P(at.X, at.Y+f.Metrics().Ascent.Round())}
	d.DrawString(text)
}

// lineHeight is the distance of lines of text.
func lineHeight(size int) int { return size*13/10 + 1 }

// tag writes a text on a coloured ground above the upper left corner of r, or within it
// where there is no room above.
func (c *canvas) tag(r image.Rectangle, text string, ground color.RGBA) {
	size := textSize(c.Bounds().Size())
	high := lineHeight(size)
	width := font.MeasureString(face(size), text).Ceil() + size/2
	at := image.Pt(min(max(r.Min.X, 0), max(c.Bounds().Dx()-width, 0)), r.Min.Y-high)
	if at.Y < 0 {
		at.Y = max(r.Min.Y, 0)
	}
	draw.Draw(c, image.Rectangle{at, at.Add(image.Pt(width, high))}, image.NewUniform(ground), image.Point{}, draw.Src)
	write(c, text, at.Add(image.Pt(size/4, 0)), size, readable(ground))
}

// readable returns black or white, whichever can be read on a ground.
func readable(ground color.RGBA) color.Color {
	if 299*int(ground.R)+587*int(ground.G)+114*int(ground.B) > 128*1000 { // ITU-R BT.601's luma
		return color.Black
	}
	return color.White
}

// below returns the picture with lines of text below it.
func (c *canvas) below(lines []string) *image.RGBA {
	if len(lines) == 0 {
		return c.RGBA
	}
	size := textSize(c.Bounds().Size())
	high := lineHeight(size)
	out := image.NewRGBA(image.Rect(0, 0, c.Bounds().Dx(), c.Bounds().Dy()+high*len(lines)+size/2))
	draw.Draw(out, out.Bounds(), image.White, image.Point{}, draw.Src)
	draw.Draw(out, c.Bounds(), c.RGBA, image.Point{}, draw.Src)
	for i, line := range lines {
		write(out, line, image.Pt(size/4, c.Bounds().Dy()+size/4+i*high), size, color.Black)
	}
	return out
}

// Panel is one of several pictures side by side.
type Panel struct {
	Title string
	Image image.Image
}

// Beside returns panels in one row, each below its title.
func Beside(panels ...Panel) *image.RGBA {
	const gap = 8
	var all image.Point
	for _, p := range panels {
		size := p.Image.Bounds().Size()
		all = image.Pt(all.X+size.X+gap, max(all.Y, size.Y))
	}
	size := textSize(image.Pt(all.X/max(len(panels), 1), all.Y))
	top := lineHeight(size) + size/2
	out := image.NewRGBA(image.Rect(0, 0, max(all.X-gap, 0), all.Y+top))
	draw.Draw(out, out.Bounds(), image.White, image.Point{}, draw.Src)
	x := 0
	for _, p := range panels {
		b := p.Image.Bounds()
		write(out, p.Title, image.Pt(x+size/4, size/4), size, color.Black)
		draw.Draw(out, image.Rectangle{image.Pt(x, top), image.Pt(x, top).Add(b.Size())}, p.Image, b.Min, draw.Src)
		x += b.Dx() + gap
	}
	return out
}
