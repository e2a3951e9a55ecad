package imagein

import (
	"image"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// format is a kind of image files.
type format struct {
	name   string
	magic  string // what a file begins with; ? stands for any byte
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

// formats are all that are read: with these decoders and no others, whatever a program
// registers with package image for purposes of its own.
var formats = []format{
	{"jpeg", "\xff\xd8", jpeg.DecodeConfig, jpeg.Decode},
	{"png", "\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode},
	{"webp", "RIFF????WEBPVP8", webp.DecodeConfig, webp.Decode},
	{"tiff", "II\x2a\x00", tiff.DecodeConfig, tiff.Decode},
	{"tiff", "MM\x00\x2a", tiff.DecodeConfig, tiff.Decode},
	{"bmp", "BM????\x00\x00\x00\x00", bmp.DecodeConfig, bmp.Decode},
}

// formatOf tells a file's kind.
func formatOf(file []byte) (format, bool) {
	for _, f := range formats {
		if f.begins(file) {
			return f, true
		}
	}
	return format{}, false
}

func (f format) begins(file []byte) bool {
	if len(file) < len(f.magic) {
		return false
	}
	for i, b := range []byte(f.magic) {
		if b != '?' && b != file[i] {
			return false
		}
	}
	return true
}
