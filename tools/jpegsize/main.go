// Command jpegsize prints how many bytes an image takes as JPEG at quality 75,
// scaled and cut to a square of the given side: what a phone would upload
// instead of features.
package main

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"strconv"

	"github.com/bottlenet/bnc/runtime/imagein"
	"golang.org/x/image/draw"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "jpegsize:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: jpegsize IMAGE SIDE")
	}
	side, err := strconv.Atoi(args[1])
	if err != nil || side < 1 {
		return fmt.Errorf("side %q: expected a number from 1 on", args[1])
	}
	img, err := imagein.DecodeFile(args[0])
	if err != nil {
		return err
	}
	b := img.Bounds()
	short := min(b.Dx(), b.Dy())
	centre := image.Rect(0, 0, short, short).Add(b.Min).Add(image.Pt((b.Dx()-short)/2, (b.Dy()-short)/2))
	square := image.NewRGBA(image.Rect(0, 0, side, side))
	draw.BiLinear.Scale(square, square.Bounds(), img, centre, draw.Src, nil)
	var out bytes.Buffer
	if err := jpeg.Encode(&out, square, &jpeg.Options{Quality: 75}); err != nil {
		return err
	}
	fmt.Println(out.Len())
	return nil
}
