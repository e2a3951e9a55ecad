package imagein_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// formats writes the pixels of a PNG, in each way that has a name, as a file and as what
// Pillow reads of it as RGB. Alpha is 0 in places.
const formats = `
import json, sys
import numpy as np
from PIL import Image
rgb = Image.open(sys.argv[1]).convert("RGB")
rgba = rgb.copy()
rgba.putalpha(Image.fromarray((np.indices(rgb.size[::-1]).sum(0) // 40 % 3 * 127).astype(np.uint8)))
names = []
def save(name, image, **options):
    path = sys.argv[2] + "/" + name
    image.save(path, **options)
    Image.open(path).convert("RGB").save(path + ".png")
    names.append(name)
save("lossless.webp", rgb, lossless=True)
save("lossless-alpha.webp", rgba, lossless=True, exact=True)
save("lossy.webp", rgb, quality=90)
save("odd.webp", rgb.crop((0, 0, 101, 77)), quality=50)
save("lossy-alpha.webp", rgba, quality=90)
save("plain.tif", rgb)
save("lzw.tiff", rgb, compression="tiff_lzw")
save("deflate.tiff", rgba, compression="tiff_adobe_deflate")
save("gray.TIF", rgb.convert("L"))
save("palette.tif", rgb.quantize(64))
save("plain.bmp", rgb)
save("same.jfif", rgb, format="JPEG", quality=95, subsampling=0)
print(json.dumps(names))
`

// TestFormatsAgainstPillow reads files of every format that Pillow wrote.
func TestFormatsAgainstPillow(t *testing.T) {
	dir := t.TempDir()
	var names []string
	if err := json.Unmarshal(rttest.Python(t, formats, rttest.GoImage(t, "video-001.png"), dir), &names); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !imagein.IsImage(name) {
			t.Errorf("%s is no image's name", name)
		}
		want, got := pixelsOf(t, filepath.Join(dir, name+".png")), pixelsOf(t, filepath.Join(dir, name))
		if len(got) != len(want) {
			t.Fatalf("%s: %d bytes, Pillow's %d", name, len(got), len(want))
		}
		most, mean := 0, 0.0
		for i := range want {
			d := int(got[i]) - int(want[i])
			most, mean = max(most, d, -d), mean+float64(max(d, -d))/float64(len(want))
		}
		// Lossy formats leave the rounding of colours to the decoder: libwebp's fixed-point
		// sums and libjpeg's are off from exact ones by up to 3 and by well below 1 on average.
		limit, average := 0, 0.0
		if strings.HasPrefix(name, "lossy") || strings.HasPrefix(name, "odd") || strings.HasSuffix(name, ".jfif") {
			limit, average = 3, 1
		}
		if most > limit || mean > average {
			t.Errorf("%s: pixels differ from Pillow's by up to %d, %.2f on average", name, most, mean)
		}
	}
}

// pixelsOf reads a file and returns its pixels as RGB.
func pixelsOf(t *testing.T, path string) []uint8 {
	t.Helper()
	img, err := imagein.DecodeFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := img.Bounds().Size()
	l := imagein.Layout{Channels: 3, Height: size.Y, Width: size.X, DType: tensor.Uint8}
	prep, err := imagein.New(imagein.Default(l, size), l)
	if err != nil {
		t.Fatal(err)
	}
	pixels, err := prep.Pixels(img)
	if err != nil {
		t.Fatal(err)
	}
	return pixels
}

// TestDamagedFormats refuses files of each format that are cut short, and what is none.
func TestDamagedFormats(t *testing.T) {
	dir := t.TempDir()
	var names []string
	if err := json.Unmarshal(rttest.Python(t, formats, rttest.GoImage(t, "video-001.png"), dir), &names); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		file, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 20, len(file) / 2} {
			if _, err := imagein.Decode(file[:n]); err == nil {
				t.Errorf("the first %d of %d bytes of %s were read", n, len(file), name)
			}
		}
	}
}
