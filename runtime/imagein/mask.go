package imagein

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
)

// NoClass is the class of pixels that belong to none: of masks' pixels that are not to be
// judged, as in VOC's, and of what is beyond the picture.
const NoClass = math.MaxUint8

// Mask holds the class of every pixel of a picture, row by row.
type Mask struct {
	Size    image.Point
	Classes []uint8 // NoClass for none
}

// errNoMask is the answer to a picture that holds no classes.
var errNoMask = errors.New("expected a PNG file of class indices: grey, or with a palette")

// DecodeMask reads a PNG file whose pixels are class indices: the samples of a grey one,
// places in the palette of one that has colours (VOC, ADE20K).
func DecodeMask(file []byte) (*Mask, error) {
	p, err := Open(file)
	if err != nil {
		return nil, err
	}
	if p.Format != "png" {
		return nil, fmt.Errorf("%w; found %s", errNoMask, p.Format)
	}
	img, err := Decode(file)
	if err != nil {
		return nil, err
	}
	if o, ok := img.(*Oriented); ok {
		img = o.upright()
	}
	m := &Mask{Size: img.Bounds().Size()}
	var row func(y int) []uint8
	unit := uint8(1)
	switch img := img.(type) {
	case *image.Gray:
		row = func(y int) []uint8 { return img.Pix[y*img.Stride:][:m.Size.X] }
		unit = grayUnit(file)
	case *image.Paletted:
		row = func(y int) []uint8 { return img.Pix[y*img.Stride:][:m.Size.X] }
	default:
		return nil, errNoMask
	}
	for y := range m.Size.Y {
		m.Classes = append(m.Classes, row(y)...)
	}
	for i := range m.Classes {
		m.Classes[i] /= unit
	}
	return m, nil
}

// grayUnit returns what Go's decoder makes of a grey sample of 1: samples of fewer than 8
// bits are spread over 0..255 (PNG specification, 11.2.2, IHDR).
func grayUnit(file []byte) uint8 {
	const depth = 24
	return uint8(math.MaxUint8 / (1<<min(file[depth], 8) - 1))
}

// DecodeMaskFile is DecodeMask for a file; errors name it.
func DecodeMaskFile(path string) (*Mask, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := DecodeMask(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Mask returns the class of each pixel of the input, [H W], from a mask of the picture:
// that at the pixel's centre, NoClass beyond the picture.
func (f Frame) Mask(m *Mask) ([]uint8, error) {
	if m.Size != f.Picture {
		return nil, fmt.Errorf("the mask is %dx%d pixels, the picture %dx%d (width x height, upright)", m.Size.X, m.Size.Y, f.Picture.X, f.Picture.Y)
	}
	columns := make([]int, f.Input.X) // where they are in the picture, -1 for beyond it
	for x := range columns {
		px, _ := f.ToPicture(float64(x)+0.5, 0)
		columns[x] = within(px, m.Size.X)
	}
	out := bytes.Repeat([]byte{NoClass}, f.Input.X*f.Input.Y)
	for y := range f.Input.Y {
		_, py := f.ToPicture(0, float64(y)+0.5)
		at := within(py, m.Size.Y)
		if at < 0 {
			continue
		}
		from, to := m.Classes[at*m.Size.X:], out[y*f.Input.X:]
		for x, column := range columns {
			if column >= 0 {
				to[x] = from[column]
			}
		}
	}
	return out, nil
}

// Places returns the class of each place of a grid over the input, [H W], from a mask of the
// picture: that of the pixel of the input in which the middle of the place lies. It fails for
// classes that are not there: those from classes on, 0 for any.
func (f Frame) Places(m *Mask, grid image.Point, classes int) ([]uint8, error) {
	input, err := f.Mask(m)
	if err != nil {
		return nil, err
	}
	places := make([]uint8, grid.X*grid.Y)
	for i := range places {
		x, y := (2*(i%grid.X)+1)*f.Input.X/(2*grid.X), (2*(i/grid.X)+1)*f.Input.Y/(2*grid.Y)
		places[i] = input[y*f.Input.X+x]
		if places[i] != NoClass && classes > 0 && int(places[i]) >= classes {
			return nil, &ClassError{int(places[i]), classes}
		}
	}
	return places, nil
}

// ClassError says that a mask has a class that a model has not.
type ClassError struct{ Class, Classes int }

// Error gives the class, and how many there are.
func (e *ClassError) Error() string {
	return fmt.Sprintf("its mask has class %d, the model has %d classes, counted from 0", e.Class, e.Classes)
}

// within returns the pixel that a point is in, of n in a line, -1 for beyond them.
func within(at float64, n int) int {
	const rounding = 1e-9 // of a point between two pixels, where the second is taken
	i := math.Floor(at + rounding)
	if !(i >= 0 && i < float64(n)) {
		return -1
	}
	return int(i)
}
