// Package ops is the codecs of a BottleNet pair: it turns the grey images
// ("tiles") a mobile graph makes into payloads and back.
//
// A codec is a row of a table in C (codec.h says how one is added). Two faces are
// made of the table: this package, and the ONNX Runtime plugin [PluginFile] with
// the operators of each codec in domain [Domain], such as JpegEncode, JpegDecode
// and JpegRoundTrip, which build.sh makes. Both write and read the same bytes.
//
// A payload is one record an image: the LEB128 varint length of what follows, then
// for each crossing tensor, where its range is dynamic, lo and hi as little-endian
// float32, then what the codec makes of the tile; with a varint length before all
// tensors but the last. What a [Record] tells does not travel.
//
//	jpeg, err := ops.Lookup("jpeg")
//	...
//	coder, err := ops.Record{{Codec: jpeg, Parameters: ops.Parameters{"quality": int64(20)}, Height: 28, Width: 28}}.Coder()
//	...
//	payload, sizes, err := coder.Encode([][]byte{tiles}, [][]float32{nil})
//	...
//	tiles, ranges, err := coder.Decode(payload)
//
// All functions are safe for concurrent use. The package never imports another
// of this module.
package ops

/*
#cgo CFLAGS: -std=c11 -Wall -Wextra
#cgo linux LDFLAGS: -l:libjpeg.a
#cgo !linux LDFLAGS: -ljpeg
#include "payload.h"
*/
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"unsafe"
)

const (
	// Domain is the ONNX operator domain of the plugin's operators.
	Domain = "bnc"
	// SplitRecords is the plugin's operator that takes the payload of several crossing
	// tensors apart; JoinRecords makes it, and JoinBytes tells its records' bytes.
	SplitRecords = "SplitRecords"
	// PluginFile is the name of the ONNX Runtime plugin.
	PluginFile = "libbnc_ops.so"
	// MaxSide is the longest side of a tile, in pixels.
	MaxSide = C.BNC_MAX_SIDE
	// MaxPixels is the largest tile.
	MaxPixels = C.BNC_MAX_PIXELS
	// RangeBytes is how many bytes lo and hi take in a part of a record.
	RangeBytes = C.BNC_RANGE_BYTES
)

// Part is what both sides know of a crossing tensor's tiles without the payload
// telling.
type Part struct {
	Codec         Codec
	Parameters    Parameters
	Height, Width int  // of one tile, 1..MaxSide, together at most MaxPixels
	Dynamic       bool // each part of a record carries its lo and hi
}

// Record is what makes up each record of a payload: a part for each of one or more
// crossing tensors.
type Record []Part

// DamagedError reports a payload that no encoder of its record wrote.
type DamagedError struct {
	Record int    // index of the damaged record
	Offset int    // of its first byte in the payload
	Reason string // what was expected and what was found
}

// Error names the record, its place and the reason.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("payload record %d at byte %d: %s", e.Record, e.Offset, e.Reason)
}

// Coder encodes and decodes payloads. It keeps what its codecs set up from one call to
// the next.
type Coder struct {
	record Record
	warm   sync.Pool // of *call
}

// Coder returns a coder of the record, or an error that names the first tile or
// parameter outside its limits.
func (r Record) Coder() (*Coder, error) {
	coder := &Coder{record: slices.Clone(r)}
	c, err := r.open()
	if err != nil {
		return nil, err
	}
	coder.warm.Put(c)
	return coder, nil
}

// take returns a call that nobody else uses. It is given back to warm.
func (coder *Coder) take() (*call, error) {
	if warm, ok := coder.warm.Get().(*call); ok {
		return warm, nil
	}
	return coder.record.open()
}

// Encode returns the payload of a batch and the length of each image's record.
// tiles holds for each tensor its tiles, Height*Width bytes each, row after row;
// ranges lo, hi of each of them, finite numbers, where it is Dynamic, and nil
// otherwise.
func (coder *Coder) Encode(tiles [][]byte, ranges [][]float32) (payload []byte, sizes []int, err error) {
	n, err := coder.record.images(tiles, ranges)
	if err != nil {
		return nil, nil, err
	}
	c, err := coder.take()
	if err != nil {
		return nil, nil, err
	}
	defer coder.give(c)
	var (
		lens    = make([]C.int64_t, n)
		out     = &c.parts[0].coder.payload
		failure C.bnc_error
	)
	status := C.bnc_encode(&c.parts[0], c.len(), C.size_t(n), c.bytes(tiles), c.floats(ranges), &lens[0], out, &failure)
	if status != C.BNC_OK {
		return nil, nil, asError(&failure)
	}
	sizes = make([]int, n)
	for i, l := range lens {
		sizes[i] = int(l)
	}
	return bytes.Clone(unsafe.Slice((*byte)(out.bytes), out.length)), sizes, nil
}

// images returns how many images the tiles and ranges are of.
func (r Record) images(tiles [][]byte, ranges [][]float32) (n int, err error) {
	if len(tiles) != len(r) || len(ranges) != len(r) {
		return 0, fmt.Errorf("codec: tiles of %d tensors and ranges of %d, expected %d", len(tiles), len(ranges), len(r))
	}
	for i, p := range r {
		pixels := p.Height * p.Width
		if i == 0 {
			n = len(tiles[i]) / pixels
		}
		if n == 0 || len(tiles[i]) != n*pixels {
			return 0, fmt.Errorf("codec: tiles have %d bytes, expected a positive multiple of %d for %dx%d", len(tiles[i]), pixels, p.Height, p.Width)
		}
		if want := p.numbers(n); len(ranges[i]) != want {
			return 0, fmt.Errorf("codec: ranges have %d numbers, expected %d for %d tiles", len(ranges[i]), want, n)
		}
	}
	return n, nil
}

// Decode returns for each tensor the tiles of a payload and, where it is Dynamic,
// lo and hi of each. A payload that Encode did not write gives a [*DamagedError],
// but for damage that the codec cannot see.
func (coder *Coder) Decode(payload []byte) (tiles [][]byte, ranges [][]float32, err error) {
	c, err := coder.take()
	if err != nil {
		return nil, nil, err
	}
	defer coder.give(c)
	var (
		count   C.size_t
		failure C.bnc_error
		length  = C.size_t(len(payload))
	)
	if C.bnc_count(&c.parts[0], c.len(), bytePointer(payload), length, &count, &failure) != C.BNC_OK {
		return nil, nil, asError(&failure)
	}
	tiles, ranges = make([][]byte, len(coder.record)), make([][]float32, len(coder.record))
	for i, p := range coder.record {
		tiles[i] = make([]byte, int(count)*p.Height*p.Width)
		if p.Dynamic {
			ranges[i] = make([]float32, p.numbers(int(count)))
		}
	}
	status := C.bnc_decode(&c.parts[0], c.len(), bytePointer(payload), length, count, c.bytes(tiles), c.floats(ranges), &failure)
	if status != C.BNC_OK {
		return nil, nil, asError(&failure)
	}
	return tiles, ranges, nil
}

// numbers returns how many range numbers n tiles have.
func (p Part) numbers(n int) int {
	if p.Dynamic {
		return 2 * n
	}
	return 0
}

// call is a Record in C, for one call at a time, and what of Go's memory C is shown
// meanwhile. Its coders are freed when it is collected.
type call struct {
	parts  []C.bnc_part
	pinner runtime.Pinner
}

// open makes the coders of a record.
func (r Record) open() (*call, error) {
	if len(r) == 0 {
		return nil, errors.New("codec: no crossing tensor, expected at least 1")
	}
	c := &call{}
	for _, p := range r {
		var failure C.bnc_error
		if C.bnc_tile_check(C.int64_t(p.Height), C.int64_t(p.Width), &failure) != C.BNC_OK {
			return nil, asError(&failure)
		}
		one, err := p.Codec.coder(p.Parameters)
		if err != nil {
			return nil, err
		}
		runtime.AddCleanup(c, func(one *C.bnc_coder) { C.bnc_coder_free(one) }, one)
		c.parts = append(c.parts, C.bnc_part{coder: one, height: C.int64_t(p.Height), width: C.int64_t(p.Width), dynamic: C.bool(p.Dynamic)})
	}
	return c, nil
}

// give keeps a call for another time.
func (coder *Coder) give(c *call) {
	c.pinner.Unpin()
	C.bnc_coder_trim(c.parts[0].coder) // whose payload Encode uses
	coder.warm.Put(c)
}

func (c *call) len() C.size_t { return C.size_t(len(c.parts)) }

// bytes returns the addresses of the contents of one or more slices.
func (c *call) bytes(slices [][]byte) **C.uint8_t {
	pointers := make([]*C.uint8_t, len(slices))
	for i, s := range slices {
		if pointers[i] = bytePointer(s); pointers[i] != nil {
			c.pinner.Pin(pointers[i])
		}
	}
	return &pointers[0]
}

// floats is bytes of numbers.
func (c *call) floats(slices [][]float32) **C.float {
	pointers := make([]*C.float, len(slices))
	for i, s := range slices {
		if len(s) > 0 {
			pointers[i] = (*C.float)(&s[0])
			c.pinner.Pin(pointers[i])
		}
	}
	return &pointers[0]
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
