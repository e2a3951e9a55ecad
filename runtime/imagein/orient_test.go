package imagein_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// upright writes a picture with each EXIF orientation, in each format that has EXIF and in
// both byte orders, and what Pillow makes of it with and without exif_transpose.
const upright = `
import json, struct, sys
from PIL import Image, ImageOps
picture = Image.open(sys.argv[1]).convert("RGB").resize((61, 40))
names = []
for mode in ("RGB", "L"):
    for n in range(0, 10):
        for order in ("<", ">"):
            entries = [struct.pack(order + "HHIHH", tag, 3, 1, value, 0) for tag, value in ((0x0100, 61), (0x0112, n))]
            tiff = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HIH", 42, 8, len(entries)) + b"".join(entries) + bytes(4)
            for ending, options in (("jpg", dict(quality=95, subsampling=0)), ("png", {}), ("webp", dict(lossless=True)), ("tif", None)):
                if ending == "tif":
                    if order == ">" or not 1 <= n <= 8:
                        continue
                    options = dict(tiffinfo={274: n}, compression="tiff_lzw") # Pillow does not turn a file that it maps
                else:
                    options["exif"] = b"Exif\0\0" + tiff
                name = "%s-%d-%s.%s" % (mode, n, "le" if order == "<" else "be", ending)
                path = sys.argv[2] + "/" + name
                picture.convert(mode).save(path, **options)
                raw = Image.open(path).convert("RGB")
                if ending == "tif": # which Pillow turns when it is loaded
                    raw.save(path + ".upright.png")
                else:
                    raw.save(path + ".raw.png")
                    ImageOps.exif_transpose(Image.open(path)).convert("RGB").save(path + ".upright.png")
                names.append(name)
print(json.dumps(names))
`

// TestOrientationAgainstPillow turns images as Pillow's exif_transpose does, and leaves
// them as they are where the preprocessing says nothing of it.
func TestOrientationAgainstPillow(t *testing.T) {
	dir := t.TempDir()
	var names []string
	if err := json.Unmarshal(rttest.Python(t, upright, rttest.GoImage(t, "video-001.png"), dir), &names); err != nil {
		t.Fatal(err)
	}
	turned := 0
	for _, name := range names {
		img, err := imagein.DecodeFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := img.(*imagein.Oriented); ok {
			turned++
		}
		for form, orient := range map[string]bool{"upright": true, "raw": false} {
			reference := filepath.Join(dir, name+"."+form+".png")
			if _, err := os.Stat(reference); err != nil {
				continue
			}
			want, err := imagein.DecodeFile(reference)
			if err != nil {
				t.Fatal(err)
			}
			size := want.Bounds().Size()
			got, expected := prepared(t, img, size, orient), prepared(t, want, size, false)
			most := 0
			for i := range expected {
				d := int(got[i]) - int(expected[i])
				most = max(most, d, -d)
			}
			limit := 0
			if filepath.Ext(name) == ".jpg" {
				limit = 3 // decoders round differently
			}
			if most > limit {
				t.Errorf("%s, orient %v: pixels differ from Pillow's by up to %d", name, orient, most)
			}
		}
		if o, ok := img.(*imagein.Oriented); ok { // as a plain image it is upright too
			var file bytes.Buffer
			if err := png.Encode(&file, o); err != nil {
				t.Fatal(err)
			}
			flat, err := png.Decode(&file)
			if err != nil {
				t.Fatal(err)
			}
			size := o.Bounds().Size()
			if !bytes.Equal(prepared(t, flat, size, false), prepared(t, o, size, true)) {
				t.Errorf("%s: its pixels, one by one, are others than the prepared ones", name)
			}
		}
	}
	if want := 2*7*2*3 + 2*7; turned != want { // orientations 2 to 8; JPEG, PNG and WebP in two byte orders, TIFF in one
		t.Errorf("%d files have an orientation, expected %d", turned, want)
	}
}

// prepared returns an image's pixels as RGB of a size.
func prepared(t *testing.T, img image.Image, size image.Point, orient bool) []uint8 {
	t.Helper()
	l := imagein.Layout{Channels: 3, Height: size.Y, Width: size.X, DType: tensor.Uint8}
	p := imagein.Default(l, size)
	p.Orient = orient
	prep, err := imagein.New(p, l)
	if err != nil {
		t.Fatal(err)
	}
	pixels, err := prep.Pixels(img)
	if err != nil {
		t.Fatal(err)
	}
	return pixels
}

// TestOrientationOfOldModels: metadata that do not mention it keep images as they are;
// what is new says that it turns them.
func TestOrientationOfOldModels(t *testing.T) {
	var old imagein.Preprocess
	if err := json.Unmarshal([]byte(`{"color":"rgb","resize":256,"crop":[224,224],"scale":1,"mean":[0,0,0],"std":[1,1,1]}`), &old); err != nil || old.Orient {
		t.Errorf("%+v, %v", old, err)
	}
	text, err := json.Marshal(imagein.Default(imagein.Layout{Channels: 3, Height: 8, Width: 8, DType: tensor.Float32}, image.Point{}))
	if err != nil || !bytes.Contains(text, []byte(`"orient":true`)) {
		t.Errorf("%s, %v", text, err)
	}
}

// FuzzOrientation reads EXIF data of any kind from each container.
func FuzzOrientation(f *testing.F) {
	tiff := []byte("MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00")
	f.Add(tiff)
	f.Add([]byte("II\x2a\x00\xff\xff\xff\xff"))
	f.Add([]byte("II\x2a\x00\x08\x00\x00\x00\xff\xff\x12\x01\x04\x00"))
	f.Fuzz(func(t *testing.T, exif []byte) {
		if len(exif) > 1<<15 {
			return
		}
		wrap := map[string][]byte{
			"tiff":     exif,
			"jpeg":     append([]byte{0xff, 0xd8, 0xff, 0xff, 0xe1, byte((len(exif) + 8) >> 8), byte(len(exif) + 8)}, append([]byte("Exif\x00\x00"), exif...)...),
			"png":      append(binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n"), uint32(len(exif))), append([]byte("eXIf"), append(exif, 0, 0, 0, 0)...)...),
			"webp":     append(binary.LittleEndian.AppendUint32([]byte("RIFF\x00\x00\x00\x00WEBPEXIF"), uint32(len(exif))), exif...),
			"raw jpeg": append([]byte{0xff, 0xd8}, exif...), "raw png": append([]byte("\x89PNG\r\n\x1a\n"), exif...), "raw webp": append([]byte("RIFF\x00\x00\x00\x00WEBP"), exif...),
		}
		for name, file := range wrap {
			img := imagein.WithOrientation(image.NewGray(image.Rect(0, 0, 3, 2)), file)
			if o, ok := img.(*imagein.Oriented); ok && (o.Orientation < 2 || o.Orientation > 8) {
				t.Errorf("%s: orientation %d", name, o.Orientation)
			}
			if _, ok := img.(*imagein.Oriented); !ok && bytes.Equal(exif, tiff) && name != "raw jpeg" && name != "raw png" && name != "raw webp" {
				t.Errorf("%s: no orientation found", name)
			}
		}
	})
}
