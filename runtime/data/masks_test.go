package data

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// maskFiles writes images of 3 x 2 pixels and masks, whose first pixel is of the class of
// their place in names.
func maskFiles(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, name := range names {
		var b bytes.Buffer
		var err error
		if strings.HasSuffix(name, ".png") {
			mask := image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.Black, color.White, color.Black, color.White, color.Black, color.White, color.Black})
			mask.Pix[0] = uint8(i)
			err = png.Encode(&b, mask)
		} else {
			err = jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 3, 2)), nil)
		}
		path := filepath.Join(dir, name)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o777)
		}
		if err == nil {
			err = os.WriteFile(path, b.Bytes(), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestMasks are found in each layout, for each part.
func TestMasks(t *testing.T) {
	for name, c := range map[string]struct {
		files      []string // masks have odd places: their classes
		part       Part
		items      []string
		classes    []uint8
		passedOver string
	}{
		"beside":         {[]string{"a.jpg", "a.png", "b.jpeg", "b.png"}, Val, []string{"a.jpg", "b.jpeg"}, []uint8{1, 3}, ""},
		"folders":        {[]string{"images/a.jpg", "masks/a.png", "images/d/b.jpg", "masks/d/b.png", "images/c.jpg"}, Val, []string{"images/a.jpg", "images/d/b.jpg"}, []uint8{1, 3}, "1 image without a mask"},
		"VOC":            {[]string{"JPEGImages/a.jpg", "SegmentationClass/a.png", "Annotations/a.xml.jpg"}, Train, []string{"JPEGImages/a.jpg"}, []uint8{1}, ""},
		"ADE20K":         {[]string{"images/training/a.jpg", "annotations/training/a.png", "images/validation/b.jpg", "annotations/validation/b.png"}, Val, []string{"images/validation/b.jpg"}, []uint8{3}, ""},
		"parts outside":  {[]string{"train/images/a.jpg", "train/masks/a.png", "val/images/b.jpg", "val/masks/b.png"}, Train, []string{"train/images/a.jpg"}, []uint8{1}, ""},
		"parts beside":   {[]string{"train/a.jpg", "train/a.png", "val/b.jpg", "val/b.png"}, Val, []string{"val/b.jpg"}, []uint8{3}, ""},
		"one without":    {[]string{"a.jpg", "a.png", "b.jpg", "b.png", "c.jpg"}, Val, []string{"a.jpg", "b.jpg"}, []uint8{1, 3}, "1 image without a mask"},
		"no masks":       {[]string{"a.jpg", "a.png", "b.jpg"}, Val, []string{"a.jpg", "a.png", "b.jpg"}, nil, ""},
		"of another one": {[]string{"a.jpg", "c.png"}, Val, []string{"a.jpg", "c.png"}, nil, ""},
	} {
		dir := maskFiles(t, c.files...)
		set, err := Open(dir, c.part)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var items []string
		var classes []uint8
		for i := range set.Len() {
			rel, err := filepath.Rel(dir, set.File(i))
			if err != nil {
				t.Fatal(err)
			}
			items = append(items, filepath.ToSlash(rel))
			if !set.Masked() {
				continue
			}
			mask, err := set.Mask(i)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			classes = append(classes, mask.Classes[0])
		}
		if !slices.Equal(items, c.items) || !slices.Equal(classes, c.classes) || set.Masked() != (c.classes != nil) {
			t.Errorf("%s: %q, classes %d, masked %v; expected %q, %d", name, items, classes, set.Masked(), c.items, c.classes)
		}
		if told := strings.Join(set.PassedOver(), "\n"); !strings.Contains(told, c.passedOver) {
			t.Errorf("%s: %q, expected %q", name, told, c.passedOver)
		}
		if !set.Masked() {
			continue
		}
		changed := set.Select([]int{set.Len() - 1}).Map(func(_ int, item Item) (Item, error) { return item, nil })
		if mask, err := changed.Mask(0); err != nil || mask.Classes[0] != c.classes[set.Len()-1] || set.Unlabelled().Masked() {
			t.Errorf("%s: of a selection: %+v, %v", name, mask, err)
		}
	}
}

// TestMaskRefusals name the folder, the part or the file.
func TestMaskRefusals(t *testing.T) {
	if _, err := Open(maskFiles(t, "images/a.jpg", "masks/b.png"), Val); err == nil || !strings.Contains(err.Error(), "found no image with one") {
		t.Errorf("%v", err)
	}
	part := (*NoPartError)(nil)
	if _, err := Open(maskFiles(t, "images/training/a.jpg", "masks/training/a.png"), Val); !errors.As(err, &part) || part.Part != Val {
		t.Errorf("%v", err)
	}
	dir := maskFiles(t, "images/a.jpg", "masks/a.png")
	if err := os.WriteFile(filepath.Join(dir, "masks", "a.png"), []byte("torn"), 0o666); err != nil {
		t.Fatal(err)
	}
	set, err := Open(dir, Val)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Mask(0); err == nil || !strings.Contains(err.Error(), "a.png") {
		t.Errorf("%v", err)
	}
}
