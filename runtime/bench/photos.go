package bench

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"sort"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
	"golang.org/x/image/draw"
)

// Photos are the images that are measured with, and what of them crosses where
// the cloud computes everything.
type Photos struct {
	items []data.Item
	sets  []photoSet
}

// photoSet are forms of the same images.
type photoSet struct {
	name  string
	files [][]byte // as many as there are items
}

// ReadPhotos reads the images among the files below path as they are, and where limit is
// above 0 also compresses them to at most so many bytes. Those that cannot be decoded are
// given to skip; tensors, which no camera makes, are passed over. No image at all is a
// fault.DataError.
func ReadPhotos(path string, names []string, limit int, skip func(name string, err error)) (*Photos, error) {
	p := &Photos{}
	own, smaller := photoSet{name: "cloud-only"}, photoSet{name: fmt.Sprintf("cloud-only, JPEG of %d bytes", limit)}
	var damaged error
	for _, name := range names {
		if !imagein.IsImage(name) {
			continue
		}
		file, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		img, err := imagein.Decode(file)
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
			damaged = cmp.Or(damaged, err)
			skip(name, err)
			continue
		}
		p.items = append(p.items, data.Item{Image: img})
		own.files = append(own.files, file)
		if limit > 0 {
			small, err := compress(img, limit)
			if err != nil {
				return nil, fault.Unusable("%s: option jpeg_bytes: %w", name, err)
			}
			smaller.files = append(smaller.files, small)
		}
	}
	switch {
	case len(p.items) == 0 && damaged != nil:
		return nil, fault.Unusable("none of the images can be used: %w", damaged)
	case len(p.items) == 0:
		return nil, fault.Unusable("%s holds no image (%s)", path, imagein.Extensions())
	}
	p.sets = append(p.sets, own)
	if limit > 0 {
		p.sets = append(p.sets, smaller)
	}
	return p, nil
}

// compress returns the JPEG of the best quality that takes at most limit bytes,
// of the image or, where none does, of one of half its sides, and so on.
func compress(img image.Image, limit int) ([]byte, error) {
	for b := img.Bounds(); b.Dx() >= 8 && b.Dy() >= 8; b = img.Bounds() {
		var failed error
		encode := func(quality int) []byte {
			var file bytes.Buffer
			if err := jpeg.Encode(&file, img, &jpeg.Options{Quality: quality}); err != nil {
				failed = err
			}
			return file.Bytes()
		}
		above := 1 + sort.Search(100, func(i int) bool { return len(encode(i+1)) > limit }) // the first quality that is too large
		if failed != nil {
			return nil, failed
		}
		if above > 1 {
			return encode(above - 1), nil
		}
		half := image.NewRGBA(image.Rect(0, 0, b.Dx()/2, b.Dy()/2))
		draw.BiLinear.Scale(half, half.Bounds(), img, b, draw.Src, nil)
		img = half
	}
	return nil, fmt.Errorf("expected a limit that some JPEG fits into, found %d", limit)
}
