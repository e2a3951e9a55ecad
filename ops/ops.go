// Package ops is the codec of a BottleNet pair: it turns the grey images
// ("tiles") a mobile graph makes into payloads and back.
//
// One C source, built on libjpeg-turbo, has two faces: this package, and the
// ONNX Runtime plugin [PluginFile] with the ops JpegEncode, JpegDecode and
// JpegRoundTrip of domain [Domain], which build.sh makes. Both write and read
// the same bytes.
//
// A payload is one record an image: the LEB128 varint length of what follows,
// then, where the range is dynamic, lo and hi as little-endian float32, then
// the entropy-coded segment of a baseline JPEG with the standard tables of its
// quality. Headers and tables do not travel: a [Geometry] rebuilds them.
//
//	g := ops.Geometry{Height: 28, Width: 28, Quality: 20}
//	payload, sizes, err := ops.Encode(g, tile, nil)
//	...
//	tile, _, err := ops.Decode(g, payload)
//
// All functions are safe for concurrent use. The package never imports another
// of this module.
package ops

/*
#cgo CFLAGS: -std=c11 -Wall -Wextra
#cgo LDFLAGS: -l:libjpeg.a
#include "codec.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

const (
	// Domain is the ONNX operator domain of the plugin's ops.
	Domain = "bnc"
	// PluginFile is the name of the ONNX Runtime plugin.
	PluginFile = "libbnc_ops.so"
	// MaxSide is the longest side of a tile, in pixels.
	MaxSide = C.BNC_MAX_SIDE
	// MaxPixels is the largest tile.
	MaxPixels = C.BNC_MAX_PIXELS
	// MaxExpansion bounds what Decode allocates for tiles: fewer than
	// MaxExpansion bytes for each byte of payload, since an 8x8 block takes
	// at least 6 bits.
	MaxExpansion = 86
)

// Geometry is what both sides know of each tile without the payload telling.
type Geometry struct {
	Height, Width int  // of one tile, 1..MaxSide, together at most MaxPixels
	Quality       int  // libjpeg's scale, 1..100
	Dynamic       bool // each record carries its lo and hi
}

// DamagedError reports a payload that no encoder of its geometry wrote.
type DamagedError struct {
	Record int    // index of the damaged record
	Offset int    // of its first byte in the payload
	Reason string // what was expected and what was found
}

// Error names the record, its place and the reason.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("payload record %d at byte %d: %s", e.Record, e.Offset, e.Reason)
}

// Validate returns an error that names the first field outside its limits.
func (g Geometry) Validate() error {
	var failure C.bnc_error
	c := g.c()
	if C.bnc_geometry_check(&c, &failure) != C.BNC_OK {
		return asError(&failure)
	}
	return nil
}

// Encode returns the payload of the tiles, Height*Width bytes each, row after
// row, and the length of each record. ranges holds lo, hi of each tile, finite
// numbers, where g is Dynamic; it is nil otherwise.
func Encode(g Geometry, tiles []byte, ranges []float32) (payload []byte, sizes []int, err error) {
	if err := g.Validate(); err != nil {
		return nil, nil, err
	}
	pixels := g.Height * g.Width
	n := len(tiles) / pixels
	if n == 0 || len(tiles)%pixels != 0 {
		return nil, nil, fmt.Errorf("codec: tiles have %d bytes, expected a positive multiple of %d for %dx%d",
			len(tiles), pixels, g.Height, g.Width)
	}
	if want := g.numbers(n); len(ranges) != want {
		return nil, nil, fmt.Errorf("codec: ranges have %d numbers, expected %d for %d tiles", len(ranges), want, n)
	}
	var failure C.bnc_error
	codec := C.bnc_codec_new(C.int64_t(g.Quality), &failure)
	if codec == nil {
		return nil, nil, asError(&failure)
	}
	defer C.bnc_codec_free(codec)
	var (
		c      = g.c()
		lens   = make([]C.int64_t, n)
		bytes  *C.uint8_t
		length C.size_t
	)
	status := C.bnc_encode(codec, &c, C.size_t(n), bytePointer(tiles), floatPointer(ranges),
		&lens[0], &bytes, &length, &failure)
	if status != C.BNC_OK {
		return nil, nil, asError(&failure)
	}
	sizes = make([]int, n)
	for i, l := range lens {
		sizes[i] = int(l)
	}
	payload = make([]byte, length)
	copy(payload, unsafe.Slice((*byte)(bytes), length))
	return payload, sizes, nil
}

// Decode returns the tiles of a payload and, where g is Dynamic, lo and hi of
// each. A payload that Encode did not write gives a [*DamagedError]; damage
// that leaves another valid image, or at most 8 surplus bytes at the end of a
// record, goes unnoticed.
func Decode(g Geometry, payload []byte) (tiles []byte, ranges []float32, err error) {
	var (
		c       = g.c()
		count   C.size_t
		failure C.bnc_error
	)
	if C.bnc_count(&c, bytePointer(payload), C.size_t(len(payload)), &count, &failure) != C.BNC_OK {
		return nil, nil, asError(&failure)
	}
	codec := C.bnc_codec_new(C.int64_t(g.Quality), &failure)
	if codec == nil {
		return nil, nil, asError(&failure)
	}
	defer C.bnc_codec_free(codec)
	tiles = make([]byte, int(count)*g.Height*g.Width)
	if g.Dynamic {
		ranges = make([]float32, g.numbers(int(count)))
	}
	status := C.bnc_decode(codec, &c, bytePointer(payload), C.size_t(len(payload)), count,
		bytePointer(tiles), floatPointer(ranges), &failure)
	if status != C.BNC_OK {
		return nil, nil, asError(&failure)
	}
	return tiles, ranges, nil
}

// numbers returns how many range numbers n tiles have.
func (g Geometry) numbers(n int) int {
	if g.Dynamic {
		return 2 * n
	}
	return 0
}

func (g Geometry) c() C.bnc_geometry {
	return C.bnc_geometry{
		height:  C.int64_t(g.Height),
		width:   C.int64_t(g.Width),
		quality: C.int64_t(g.Quality),
		dynamic: C.bool(g.Dynamic),
	}
}

func asError(e *C.bnc_error) error {
	text := C.GoString(&e.text[0])
	if e.status == C.BNC_DAMAGED {
		return &DamagedError{Record: int(e.record), Offset: int(e.offset), Reason: text}
	}
	return errors.New("codec: " + text)
}

// bytePointer returns the address of the first byte, nil where there is none.
func bytePointer(b []byte) *C.uint8_t {
	if len(b) == 0 {
		return nil
	}
	return (*C.uint8_t)(&b[0])
}

// floatPointer returns the address of the first number, nil where there is none.
func floatPointer(f []float32) *C.float {
	if len(f) == 0 {
		return nil
	}
	return (*C.float)(&f[0])
}
