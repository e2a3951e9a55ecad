// Package imagecodec sends images themselves to a model, as the files of image codecs: what
// that takes, and what the model gets of it. It is what a bottleneck has to beat.
package imagecodec

import (
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"math"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/gen2brain/avif"
	"github.com/gen2brain/webp"
)

// Codec is an image codec for what a model gets: what it would cost to send the image
// itself, and what that does to accuracy.
type Codec struct {
	Name     string
	Lossless bool // it has no quality, the others one of 1 to 100 on the scale of their own library
	// System tells that a library of the system codes, of whatever version: a program that is
	// built without the tag nodynamic takes one that it finds.
	System bool
	encode func(w io.Writer, img image.Image, quality int) error
	decode func(file []byte) (image.Image, error)
	// payload is how many bytes of a file the receiver cannot know beforehand: no headers
	// of the container, no tables.
	payload func(file []byte) (int, error)
}

// All are the image codecs that there are. Colour images have halved chroma (4:2:0) but for
// PNG. avif-fast is AVIF of a device that is in a hurry: a tenth of the time for a twentieth
// more bytes.
func All() []Codec {
	return []Codec{
		{Name: "avif", System: avif.Dynamic() == nil, encode: encodeAVIF(usualSpeed), decode: decodeAVIF, payload: mediaBytes},
		{Name: "avif-fast", System: avif.Dynamic() == nil, encode: encodeAVIF(mostSpeed), decode: decodeAVIF, payload: mediaBytes},
		{Name: "webp", System: webp.Dynamic() == nil, encode: encodeWebP, decode: imagein.Decode, payload: riffBytes},
		{Name: "jpeg", encode: encodeJPEG, decode: imagein.Decode, payload: entropyBytes},
		{Name: "png", Lossless: true, encode: encodePNG, decode: imagein.Decode, payload: idatBytes},
	}
}

// Names are the codecs' names.
func Names() (names []string) {
	for _, c := range All() {
		names = append(names, c.Name)
	}
	return names
}

// Lookup returns the codec of a name.
func Lookup(name string) (Codec, bool) {
	for _, c := range All() {
		if c.Name == name {
			return c, true
		}
	}
	return Codec{}, false
}

// TellSystem tells which of the codecs of names are a library's of this system.
func TellSystem(notice data.Notice, names ...string) {
	for _, name := range names {
		if codec, ok := Lookup(name); ok && codec.System {
			notice("images are sent as %s by a library of this system: another version may give other bytes", name)
		}
	}
}

// The speeds of libavif: of its own tool, and the fastest.
const usualSpeed, mostSpeed = 6, 10

// encodeAVIF is libavif with libaom at a speed.
func encodeAVIF(speed int) func(w io.Writer, img image.Image, quality int) error {
	return func(w io.Writer, img image.Image, quality int) error {
		return avif.Encode(w, img, avif.Options{Quality: quality, QualityAlpha: quality, Speed: speed, ChromaSubsampling: image.YCbCrSubsampleRatio420})
	}
}

// encodeWebP is libwebp's lossy codec, at the effort that its own tool takes.
func encodeWebP(w io.Writer, img image.Image, quality int) error {
	return webp.Encode(w, img, webp.Options{Quality: quality, Method: webp.DefaultMethod})
}

// encodeJPEG writes baseline JPEG, the quality on libjpeg's scale.
func encodeJPEG(w io.Writer, img image.Image, quality int) error {
	return jpeg.Encode(w, img, &jpeg.Options{Quality: quality})
}

func encodePNG(w io.Writer, img image.Image, _ int) error { return png.Encode(w, img) }

// errDamaged is a file that a codec has not written to its end.
var errDamaged = errors.New("the file ends within a part of it")

// mediaBytes returns how much image data an AVIF file holds: the contents of its mdat
// boxes (ISO/IEC 14496-12, 4.2 and 8.1.1).
func mediaBytes(file []byte) (int, error) {
	const head, wide = 8, 16 // length and type; the same with a length of 64 bits
	total := 0
	for at := 0; at < len(file); {
		rest := file[at:]
		if len(rest) < head {
			return 0, errDamaged
		}
		size, from := uint64(binary.BigEndian.Uint32(rest)), uint64(head)
		switch {
		case size == 0: // to the end
			size = uint64(len(rest))
		case size == 1 && len(rest) >= wide:
			size, from = binary.BigEndian.Uint64(rest[head:]), wide
		}
		if size < from || size > uint64(len(rest)) {
			return 0, errDamaged
		}
		if string(rest[4:8]) == "mdat" {
			total += int(size - from)
		}
		at += int(size)
	}
	if total == 0 {
		return 0, errors.New("no image data in the AVIF file")
	}
	return total, nil
}

// riffBytes returns how much image data a WebP file holds: the contents of its chunks of
// colours and of alpha (RFC 9649, 2.3 to 2.7).
func riffBytes(file []byte) (int, error) {
	const signature, head = 12, 8
	total := 0
	for at := signature; at < len(file); {
		if at+head > len(file) {
			return 0, errDamaged
		}
		size := int(binary.LittleEndian.Uint32(file[at+4:]))
		if size > math.MaxInt32 || at+head+size > len(file) {
			return 0, errDamaged
		}
		switch string(file[at : at+4]) {
		case "VP8 ", "VP8L", "ALPH":
			total += size
		}
		at += head + size + size%2
	}
	if total == 0 {
		return 0, errors.New("no image data in the WebP file")
	}
	return total, nil
}

// entropyBytes returns the length of a JPEG file's entropy-coded segment: what
// is between the header of its single scan and the end marker (ITU-T T.81, B.1).
func entropyBytes(file []byte) (int, error) {
	const sos, marker, end = 0xda, 2, 2
	for at := 2; at+4 <= len(file); {
		length := int(binary.BigEndian.Uint16(file[at+2:]))
		if file[at] != 0xff {
			break
		}
		if file[at+1] == sos {
			return len(file) - (at + marker + length) - end, nil
		}
		at += marker + length
	}
	return 0, errors.New("no scan in the JPEG file")
}

// idatBytes returns how much image data a PNG file holds: the contents of its
// IDAT chunks (PNG specification, 11.2.4).
func idatBytes(file []byte) (int, error) {
	const signature, frame = 8, 12 // length, type and CRC of a chunk
	total := 0
	for at := signature; at+frame <= len(file); {
		length := int(binary.BigEndian.Uint32(file[at:]))
		if string(file[at+4:at+8]) == "IDAT" {
			total += length
		}
		at += frame + length
	}
	if total == 0 {
		return 0, errors.New("no image data in the PNG file")
	}
	return total, nil
}
