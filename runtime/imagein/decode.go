package imagein

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxPixels and maxMemory bound what an image's header may claim: decoders allocate
// the picture before they read it. They are above any camera's.
const (
	maxPixels = 1 << 28
	maxMemory = 1 << 30 // bytes
)

// ErrFormat is the answer to a file of none of the formats that are read.
var ErrFormat = errors.New("expected a JPEG, PNG, WebP, TIFF or BMP image")

// extensions are the names' endings that IsImage knows.
var extensions = []string{".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp"}

// Extensions lists the endings of the names of images, for messages.
func Extensions() string { return strings.Join(extensions, ", ") }

// IsImage tells whether a file's name is that of an image.
func IsImage(name string) bool {
	return slices.Contains(extensions, strings.ToLower(filepath.Ext(name)))
}

// Decode reads an image of any kind that libjpeg-turbo or Go's decoders know: 8 and
// 16 bits, grey, palette, alpha, YCbCr and CMYK; of several in one file the first.
// Where the file has an EXIF orientation the image is an *Oriented one.
func Decode(data []byte) (image.Image, error) {
	p, err := Open(data)
	if err != nil {
		return nil, err
	}
	if p.Size.Y > maxPixels/p.Size.X || p.Memory(1) > maxMemory {
		return nil, fmt.Errorf("an image of %dx%d pixels takes %d MB to decode: at most %d pixels and %d MB are taken",
			p.Size.X, p.Size.Y, p.Memory(1)>>20, maxPixels, maxMemory>>20)
	}
	return p.Decode(context.Background(), 1)
}

// DecodeFile is Decode for a file; errors name it.
func DecodeFile(path string) (image.Image, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	img, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return img, nil
}
