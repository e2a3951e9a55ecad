// Package draw shows on a picture what a model says of it: boxes with their labels and
// landmarks, masks in colours, and lines of text.
//
//	img := draw.Answer(picture, frame, seen, []string{"cat 93%"})
//	img = draw.Beside(draw.Panel{Title: "whole model", Image: img}, draw.Panel{Title: "split", Image: other})
package draw

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"slices"

	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/task"
	ximage "golang.org/x/image/draw"
)

// largest is how long the longer side of what is drawn is at most, in pixels: larger
// pictures are shrunk.
const largest = 1280

// smallest is how long the longer side is at least, so that text can be read.
const smallest = 320

// Answer returns the upright picture with what is seen of it, and with lines of text below.
// Frame is how the picture lies in the model's input. A picture that is the answer itself
// is drawn instead.
func Answer(picture image.Image, frame imagein.Frame, seen task.Seen, lines []string) *image.RGBA {
	if seen.Image != nil {
		picture = seen.Image
	}
	c := newCanvas(picture)
	if seen.Mask != nil {
		c.mask(seen.Mask, frame)
	}
	for _, b := range slices.Backward(seen.Boxes) { // the best one on top
		c.box(b)
	}
	return c.below(lines)
}

// canvas is a copy of a picture that is drawn on.
type canvas struct {
	*image.RGBA
	scale float64 // of a pixel of the picture
}

func newCanvas(picture image.Image) *canvas {
	from := picture.Bounds()
	long := max(from.Dx(), from.Dy(), 1)
	scale := 1.0
	switch {
	case long > largest:
		scale = largest / float64(long)
	case long < smallest:
		scale = smallest / float64(long)
	}
	size := image.Pt(max(int(math.Round(float64(from.Dx())*scale)), 1), max(int(math.Round(float64(from.Dy())*scale)), 1))
	c := &canvas{image.NewRGBA(image.Rectangle{Max: size}), scale}
	how := ximage.Interpolator(ximage.BiLinear)
	if scale > 1 {
		how = ximage.NearestNeighbor // few pixels: to be seen as they are
	}
	how.Scale(c.RGBA, c.Bounds(), picture, from, draw.Src, nil)
	return c
}

// stroke is how wide a line is.
func (c *canvas) stroke() int { return max(2, max(c.Bounds().Dx(), c.Bounds().Dy())/250) }

// box draws a box with its landmarks and, where it has room, its label.
func (c *canvas) box(b task.Box) {
	ink := Colour(b.Class)
	at := func(x, y float64) image.Point {
		return image.Pt(int(math.Round(within(x*c.scale))), int(math.Round(within(y*c.scale))))
	}
	r := image.Rectangle{at(b.X0, b.Y0), at(b.X1, b.Y1)}
	w := c.stroke()
	for _, side := range []image.Rectangle{
		image.Rect(r.Min.X, r.Min.Y, r.Max.X, r.Min.Y+w), image.Rect(r.Min.X, r.Max.Y-w, r.Max.X, r.Max.Y),
		image.Rect(r.Min.X, r.Min.Y, r.Min.X+w, r.Max.Y), image.Rect(r.Max.X-w, r.Min.Y, r.Max.X, r.Max.Y),
	} {
		draw.Draw(c, side, image.NewUniform(ink), image.Point{}, draw.Src)
	}
	for _, p := range b.Points {
		middle := at(p[0], p[1])
		draw.Draw(c, image.Rectangle{middle, middle}.Inset(-w), image.NewUniform(ink), image.Point{}, draw.Src)
	}
	name := b.Label
	if name == "" {
		name = fmt.Sprint(b.Class)
	}
	c.tag(r, fmt.Sprintf("%s %.0f%%", name, 100*b.Score), ink)
}

// within keeps a coordinate among those that pixels can have.
func within(x float64) float64 {
	if math.IsNaN(x) {
		return 0
	}
	return min(max(x, -1e6), 1e6)
}

// mask colours what a mask says of each place, all classes but the first, which is the
// background.
func (c *canvas) mask(m *task.Mask, f imagein.Frame) {
	if m.Width <= 0 || m.Height <= 0 || len(m.Classes) < m.Width*m.Height {
		return
	}
	const share = 0.5 // of the colour
	size := c.Bounds().Size()
	for y := range size.Y {
		for x := range size.X {
			px, py := (float64(x)+0.5)/c.scale, (float64(y)+0.5)/c.scale
			u, v := (float64(x)+0.5)/float64(size.X), (float64(y)+0.5)/float64(size.Y)
			if f.Input.X > 0 && f.Input.Y > 0 && f.Picture != (image.Point{}) {
				ix, iy := f.ToInput(px, py)
				u, v = ix/float64(f.Input.X), iy/float64(f.Input.Y)
			}
			if u < 0 || v < 0 || u >= 1 || v >= 1 {
				continue // cropped away: nothing is said of it
			}
			class := m.Classes[int(v*float64(m.Height))*m.Width+int(u*float64(m.Width))]
			if class == 0 {
				continue
			}
			ink, p := Colour(int(class)), c.Pix[c.PixOffset(x, y):][:3]
			for k, to := range [3]uint8{ink.R, ink.G, ink.B} {
				p[k] = uint8((1-share)*float64(p[k]) + share*float64(to))
			}
		}
	}
}

// Colour returns the colour of a class: neighbours in number are far apart in hue.
func Colour(class int) color.RGBA {
	hue := math.Mod(float64(class)*0.618033988749895+0.35, 1) * 6 // the golden ratio
	if hue < 0 {
		hue += 6
	}
	part := func(from float64) uint8 {
		k := math.Mod(from+hue, 6)
		return uint8(math.Round(255 * (0.95 - 0.75*max(0, min(k, 4-k, 1)))))
	}
	return color.RGBA{part(5), part(3), part(1), 255}
}
