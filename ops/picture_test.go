package ops_test

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/ops"
)

// noisyFile is a JPEG file of random colours, or greys.
func noisyFile(t testing.TB, width, height int, grey bool) []byte {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	r := image.Rect(0, 0, width, height)
	var img image.Image
	if grey {
		g := image.NewGray(r)
		for i := range g.Pix {
			g.Pix[i] = uint8(rng.Uint32())
		}
		img = g
	} else {
		c := image.NewRGBA(r)
		for i := range c.Pix {
			c.Pix[i] = uint8(rng.Uint32()) | uint8(i%4/3*255)
		}
		img = c
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 80}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Sizes that are no multiple of the blocks' come out as the ceiling of the fraction.
func TestPictureSizes(t *testing.T) {
	for _, grey := range []bool{true, false} {
		for _, size := range []image.Point{{1, 1}, {7, 9}, {16, 16}, {33, 65}, {640, 3}} {
			file := noisyFile(t, size.X, size.Y, grey)
			p, err := ops.ReadPicture(file)
			if err != nil || p.Width != size.X || p.Height != size.Y || (p.Components == 1) != grey {
				t.Fatalf("%v: header %+v, %v", size, p, err)
			}
			for _, d := range []int{1, 2, 4, 8} {
				img, err := ops.DecodePicture(t.Context(), p, file, d)
				want := image.Pt((size.X+d-1)/d, (size.Y+d-1)/d)
				if err != nil || img.Bounds() != (image.Rectangle{Max: want}) {
					t.Errorf("%v at 1/%d: %v, %v", size, d, img.Bounds(), err)
					continue
				}
				if _, _, _, a := img.At(want.X-1, want.Y-1).RGBA(); a != 0xffff {
					t.Errorf("%v at 1/%d: alpha %d", size, d, a)
				}
				if (img.ColorModel() == color.GrayModel) != grey {
					t.Errorf("%v at 1/%d: %T", size, d, img)
				}
			}
		}
	}
	p, err := ops.ReadPicture(noisyFile(t, 8, 8, false))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ops.DecodePicture(t.Context(), p, noisyFile(t, 8, 8, false), 3); err == nil || !strings.Contains(err.Error(), "1/3") {
		t.Errorf("1/3: %v", err)
	}
}

// Go's decoder is strict: what it refuses of a file that is cut off or changed is
// refused here, and nothing reads beyond the file.
func TestPictureDamage(t *testing.T) {
	for _, grey := range []bool{true, false} {
		file := noisyFile(t, 40, 24, grey)
		for n := range file {
			p, err := ops.ReadPicture(file[:n])
			if err == nil {
				_, err = ops.DecodePicture(t.Context(), p, file[:n], 1)
			}
			_, goErr := jpeg.Decode(bytes.NewReader(file[:n]))
			if (err == nil) != (goErr == nil) {
				t.Errorf("%d of %d bytes: %v, Go's decoder: %v", n, len(file), err, goErr)
			}
		}
		rng := rand.New(rand.NewPCG(7, 8))
		refused := 0
		for range 3000 {
			damaged := bytes.Clone(file)
			damaged[rng.IntN(len(file))] ^= 1 << rng.IntN(8)
			p, err := ops.ReadPicture(damaged)
			if err == nil && p.Memory(1) < 1<<24 {
				_, err = ops.DecodePicture(t.Context(), p, damaged, 1<<rng.IntN(4))
			}
			if err != nil {
				refused++
			}
		}
		if refused == 0 {
			t.Error("no damage was found in 3,000 changed files")
		}
	}
}

// once is a context that ends as soon as somebody has asked whether it has ended.
type once struct {
	context.Context
	done  chan struct{}
	asked bool
}

func (c *once) Done() <-chan struct{} { return c.done }
func (c *once) Err() error {
	if c.asked {
		return context.Canceled
	}
	c.asked = true
	return nil
}

// Decoding ends with its context: 36 million pixels are not through before.
func TestPictureStops(t *testing.T) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 6000, 6000)), nil); err != nil {
		t.Fatal(err)
	}
	p, err := ops.ReadPicture(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	ctx := &once{Context: t.Context(), done: make(chan struct{})}
	close(ctx.done)
	if _, err := ops.DecodePicture(ctx, p, b.Bytes(), 1); err != context.Canceled {
		t.Errorf("%v, expected %v", err, context.Canceled)
	}
}
