package bench

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/internal/fault"
)

// noise is a picture that compresses badly.
func noise(width, height int) image.Image {
	img, rng := image.NewGray(image.Rect(0, 0, width, height)), rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = uint8(rng.Uint32())
	}
	return img
}

// TestCompress: what is sent keeps the limit, at the best quality that does, or at half
// the sides where no quality does.
func TestCompress(t *testing.T) {
	img := noise(64, 48)
	var best bytes.Buffer
	if err := jpeg.Encode(&best, img, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	for limit, width := range map[int]int{best.Len(): 64, 2000: 64, 700: 32} {
		file, err := compress(img, limit)
		if err != nil || len(file) > limit {
			t.Fatalf("at most %d bytes: %d, %v", limit, len(file), err)
		}
		got, err := jpeg.DecodeConfig(bytes.NewReader(file))
		if err != nil || got.Width != width {
			t.Errorf("at most %d bytes: %d pixels wide, expected %d (%v)", limit, got.Width, width, err)
		}
	}
	if file, err := compress(img, best.Len()); !bytes.Equal(file, best.Bytes()) {
		t.Errorf("a limit that the best quality keeps: %d bytes, expected %d (%v)", len(file), best.Len(), err)
	}
	if file, err := compress(img, 10); err == nil {
		t.Errorf("at most 10 bytes: %d", len(file))
	}
}

// TestReadPhotos: files cross as they are; a damaged one is told and left out, and ends it
// where there is no other.
func TestReadPhotos(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	if err := png.Encode(&b, noise(16, 16)); err != nil {
		t.Fatal(err)
	}
	good, bad, array := filepath.Join(dir, "good.png"), filepath.Join(dir, "bad.png"), filepath.Join(dir, "x.npy")
	for name, text := range map[string][]byte{good: b.Bytes(), bad: b.Bytes()[:50], array: nil} {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var skipped []string
	skip := func(name string, err error) { skipped = append(skipped, name) }
	p, err := ReadPhotos(dir, []string{bad, good, array}, 500, skip)
	if err != nil || len(p.items) != 1 || len(skipped) != 1 || skipped[0] != bad {
		t.Fatalf("%+v, %v, %v", p, skipped, err)
	}
	if len(p.sets) != 2 || !bytes.Equal(p.sets[0].files[0], b.Bytes()) || len(p.sets[1].files[0]) > 500 {
		t.Errorf("what crosses: %+v", p.sets)
	}
	for _, names := range [][]string{{bad}, {array}} {
		unfit := (*fault.DataError)(nil)
		if _, err := ReadPhotos(dir, names, 0, skip); !errors.As(err, &unfit) {
			t.Errorf("%v: %v", names, err)
		}
	}
}
