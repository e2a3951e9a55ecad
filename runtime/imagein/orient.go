package imagein

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"slices"
)

// Oriented is an image that its file has turned or mirrored: as it is to be shown, by
// EXIF's Orientation. Raw is what the file holds.
type Oriented struct {
	Raw         image.Image
	Orientation int // 2 to 8 (EXIF 2.32, 4.6.4 A, Orientation)
}

// ColorModel returns that of the file's image.
func (o *Oriented) ColorModel() color.Model { return o.Raw.ColorModel() }

// Bounds returns the bounds of the upright image, from 0, 0 on.
func (o *Oriented) Bounds() image.Rectangle {
	size := o.Raw.Bounds().Size()
	if o.transposed() {
		size.X, size.Y = size.Y, size.X
	}
	return image.Rectangle{Max: size}
}

// At returns a pixel of the upright image.
func (o *Oriented) At(x, y int) color.Color {
	p := o.source(x, y).Add(o.Raw.Bounds().Min)
	return o.Raw.At(p.X, p.Y)
}

func (o *Oriented) transposed() bool { return o.Orientation >= 5 }

// source returns where a pixel of the upright image is in the raw one, counted from
// its corner.
func (o *Oriented) source(x, y int) image.Point {
	size := o.Raw.Bounds().Size()
	if o.transposed() {
		x, y = y, x
	}
	if o.mirrors(0) {
		x = size.X - 1 - x
	}
	if o.mirrors(1) {
		y = size.Y - 1 - y
	}
	return image.Pt(x, y)
}

// place is the inverse of source.
func (o *Oriented) place(x, y int) image.Point {
	size := o.Raw.Bounds().Size()
	if o.mirrors(0) {
		x = size.X - 1 - x
	}
	if o.mirrors(1) {
		y = size.Y - 1 - y
	}
	if o.transposed() {
		x, y = y, x
	}
	return image.Pt(x, y)
}

// mirrors tells whether the raw image is mirrored along x (0) or y (1), before it is
// transposed.
func (o *Oriented) mirrors(axis int) bool {
	return slices.Contains([][]int{{2, 3, 7, 8}, {3, 4, 6, 7}}[axis], o.Orientation)
}

// upright returns the upright image in memory, grey or RGBA of 8 bits; of a *Reduced
// image a *Reduced one.
func (o *Oriented) upright() image.Image {
	if r, ok := o.Raw.(*Reduced); ok {
		return o.uprightReduced(r)
	}
	var s Scratch
	b := o.Bounds()
	turn := func(dst []uint8, step int, src samples) {
		for y := range o.Raw.Bounds().Dy() {
			row := src.row(y)
			for x := range src.width {
				p := o.place(x, y)
				copy(dst[(p.Y*b.Dx()+p.X)*step:][:src.keep], row[x*src.step:])
			}
		}
	}
	switch o.Raw.(type) {
	case *image.Gray, *image.Gray16:
		dst := image.NewGray(b)
		turn(dst.Pix, 1, s.luma(o.Raw))
		return dst
	}
	dst := image.NewNRGBA(b)
	turn(dst.Pix, 4, s.rgba(o.Raw))
	return dst
}

// uprightReduced is upright of an image at a fraction of its size.
func (o *Oriented) uprightReduced(r *Reduced) image.Image {
	size := r.Image.Bounds().Size()
	out := &Reduced{Image: (&Oriented{r.Image, o.Orientation}).upright(), Full: r.Full, from: r.from, extent: r.extent}
	if o.mirrors(0) {
		out.from[0] = float64(size.X) - r.from[0] - r.extent[0]
	}
	if o.mirrors(1) {
		out.from[1] = float64(size.Y) - r.from[1] - r.extent[1]
	}
	if o.transposed() {
		out.Full.X, out.Full.Y = r.Full.Y, r.Full.X
		out.from[0], out.from[1] = out.from[1], out.from[0]
		out.extent[0], out.extent[1] = out.extent[1], out.extent[0]
	}
	return out
}

// Upright returns an image as it is prepared: where the preprocessing honours EXIF
// orientations as it is to be shown, else as its file holds it.
func (prep *Preparer) Upright(img image.Image) image.Image {
	o, ok := img.(*Oriented)
	switch {
	case !ok:
		return img
	case prep.preprocess.Orient:
		return o.upright()
	}
	return o.Raw
}

// WithOrientation returns the image that was decoded from a file as an *Oriented one
// where the file says that it is to be turned or mirrored.
func WithOrientation(img image.Image, file []byte) image.Image {
	if n := orientation(exif(file)); n >= 2 && n <= 8 {
		return &Oriented{img, n}
	}
	return img
}

// exif returns a file's EXIF data, which are in TIFF's form; nil where it has none.
func exif(file []byte) []byte {
	const jpegStart, pngStart, riffHead = 2, 8, 12
	head := []byte("Exif\x00\x00")
	switch {
	case bytes.HasPrefix(file, []byte{0xff, 0xd8}):
		for at := jpegStart; at+4 <= len(file) && file[at] == 0xff; {
			const app1, scan, fill = 0xe1, 0xda, 0xff
			if file[at+1] == fill {
				at++
				continue
			}
			end := at + 2 + int(binary.BigEndian.Uint16(file[at+2:]))
			if file[at+1] == scan || end > len(file) {
				return nil
			}
			if data, ok := bytes.CutPrefix(file[at+4:max(end, at+4)], head); ok && file[at+1] == app1 {
				return data
			}
			at = end
		}
	case bytes.HasPrefix(file, []byte("\x89PNG\r\n\x1a\n")):
		return chunk(file, pngStart, func(b []byte) (string, int, int, int) {
			const frame = 12 // length, type and CRC
			n := int(binary.BigEndian.Uint32(b))
			return string(b[4:8]), 8, n, n + frame
		}, "eXIf")
	case bytes.HasPrefix(file, []byte("RIFF")):
		data := chunk(file, riffHead, func(b []byte) (string, int, int, int) {
			n := int(binary.LittleEndian.Uint32(b[4:]))
			return string(b[:4]), 8, n, 8 + n + n%2
		}, "EXIF")
		return bytes.TrimPrefix(data, head)
	case bytes.HasPrefix(file, []byte("II")), bytes.HasPrefix(file, []byte("MM")):
		return file
	}
	return nil
}

// chunk returns the content of the first chunk of a kind. Head reads a chunk's kind,
// where its content begins, how long it is, and where the next one is.
func chunk(file []byte, at int, head func([]byte) (kind string, from, n, next int), want string) []byte {
	for at+8 <= len(file) {
		kind, from, n, next := head(file[at:])
		if from+n > len(file)-at {
			return nil
		}
		if kind == want {
			return file[at+from:][:n]
		}
		at += next
	}
	return nil
}

// orientation returns the Orientation of EXIF data's first directory, 0 for none.
func orientation(exif []byte) int {
	const (
		tag         = 0x0112
		short, long = 3, 4 // element types
		head, entry = 8, 12
	)
	if len(exif) < head {
		return 0
	}
	var order binary.ByteOrder = binary.LittleEndian
	if exif[0] == 'M' {
		order = binary.BigEndian
	}
	if order.Uint16(exif[2:]) != 42 {
		return 0
	}
	at := int64(order.Uint32(exif[4:]))
	if at+2 > int64(len(exif)) {
		return 0
	}
	directory := exif[at:]
	count := int(order.Uint16(directory))
	for entries := directory[2:]; count > 0 && len(entries) >= entry; count, entries = count-1, entries[entry:] {
		if order.Uint16(entries) != tag {
			continue
		}
		switch order.Uint16(entries[2:]) {
		case short:
			return int(order.Uint16(entries[8:]))
		case long:
			return int(min(order.Uint32(entries[8:]), 9))
		}
	}
	return 0
}
