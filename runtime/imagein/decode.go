package imagein

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // registers the decoder
	_ "image/png"  // registers the decoder
	"os"
	"path/filepath"
	"slices"
	"strings"

	_ "golang.org/x/image/bmp"  // registers the decoder
	_ "golang.org/x/image/tiff" // registers the decoder
	_ "golang.org/x/image/webp" // registers the decoder
)

// maxPixels bounds what an image's header may claim: both decoders allocate
// the picture before they read it. It is above any camera's.
const maxPixels = 1 << 28

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

// Decode reads an image of any kind that Go's decoders know: 8 and 16 bits, grey,
// palette, alpha, YCbCr and CMYK; of several in one file the first. Where the file
// has an EXIF orientation the image is an *Oriented one.
func Decode(data []byte) (image.Image, error) {
	config, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		if errors.Is(err, image.ErrFormat) {
			return nil, ErrFormat
		}
		return nil, err
	}
	if config.Width <= 0 || config.Height <= 0 || config.Height > maxPixels/config.Width {
		return nil, fmt.Errorf("an image of %dx%d pixels is outside of what is read (1 to %d pixels)", config.Width, config.Height, maxPixels)
	}
	img, format, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if format == "webp" {
		switch lossy := img.(type) {
		case *image.YCbCr:
			img = webpRGB(lossy)
		case *image.NYCbCrA:
			img = webpRGB(&lossy.YCbCr)
		}
	}
	return WithOrientation(img, data), nil
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
