package ops

/*
#include "picture.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"image"
	"sync/atomic"
	"unsafe"
)

// Picture is the header of a JPEG file.
type Picture struct {
	Width, Height int // in pixels
	Components    int // 1 grey, 3 colour; others have no decoder here
	coefficients  int64
}

// ErrComponents is the answer to files of other than 1 or 3 components.
var ErrComponents = errors.New("JPEG files of 1 or 3 components are decoded, others are not")

// ReadPicture reads the header of a JPEG file.
func ReadPicture(file []byte) (Picture, error) {
	var head C.bnc_picture
	var failure C.bnc_error
	if C.bnc_picture_head(bytePointer(file), C.size_t(len(file)), &head, &failure) != C.BNC_OK {
		return Picture{}, pictureError(&failure)
	}
	return Picture{int(head.width), int(head.height), int(head.components), int64(head.memory)}, nil
}

// Scaled returns the size at 1 / denominator: parts of pixels are whole ones.
func (p Picture) Scaled(denominator int) image.Point {
	up := func(n int) int { return (n + denominator - 1) / denominator }
	return image.Pt(up(p.Width), up(p.Height))
}

// Memory returns the bytes that decoding at 1 / denominator takes, pixels
// included.
func (p Picture) Memory(denominator int) int64 {
	size := p.Scaled(denominator)
	return int64(size.X)*int64(size.Y)*int64(p.pixel()) + p.coefficients
}

func (p Picture) pixel() int {
	if p.Components == 1 {
		return 1
	}
	return 4
}

// DecodePicture decodes the file whose header is p at 1 / denominator (1, 2, 4 or 8)
// of its size: an *image.Gray, or an *image.RGBA of alpha 255, as libjpeg-turbo and
// so Pillow decode it. It ends with ctx. A file that is cut off or damaged is an
// error.
func DecodePicture(ctx context.Context, p Picture, file []byte, denominator int) (image.Image, error) {
	if p.Components != 1 && p.Components != 3 {
		return nil, ErrComponents
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	size := p.Scaled(denominator)
	pixels := make([]uint8, size.X*size.Y*p.pixel())
	var stop atomic.Int32
	defer context.AfterFunc(ctx, func() { stop.Store(1) })()
	head := C.bnc_picture{width: C.int(p.Width), height: C.int(p.Height), components: C.int(p.Components)}
	var failure C.bnc_error
	status := C.bnc_picture_decode(bytePointer(file), C.size_t(len(file)), &head, C.int(denominator),
		(*C.atomic_int)(unsafe.Pointer(&stop)), bytePointer(pixels), &failure)
	switch {
	case status == C.BNC_STOPPED:
		return nil, context.Cause(ctx)
	case status != C.BNC_OK:
		return nil, pictureError(&failure)
	}
	bounds := image.Rectangle{Max: size}
	if p.Components == 1 {
		return &image.Gray{Pix: pixels, Stride: size.X, Rect: bounds}, nil
	}
	return &image.RGBA{Pix: pixels, Stride: 4 * size.X, Rect: bounds}, nil
}

func pictureError(e *C.bnc_error) error { return fmt.Errorf("JPEG: %s", C.GoString(&e.text[0])) }
