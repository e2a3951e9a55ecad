package bundle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// payloads makes and reads the payloads of a pair.
type payloads struct {
	record  ops.Record
	coder   *ops.Coder
	quality int // the pair's own

	mu     sync.Mutex
	coders map[[2]int]*ops.Coder // by quality and limit, of other rates than the pair's own
}

func (m Meta) payloads() (*payloads, error) {
	p := &payloads{quality: m.Quality, coders: map[[2]int]*ops.Coder{}}
	for _, c := range m.Crossing() {
		p.record = append(p.record, c.Part)
	}
	if p.record == nil {
		return nil, errors.New("no payload crosses: it is a plain pair, or a whole model")
	}
	var err error
	p.coder, err = p.record.Coder()
	return p, err
}

// encode makes the payload, uint8 [L], of what a mobile graph without the codec
// computes: for each crossing tensor its tiles uint8 [N 1 H W] and, where the range
// is dynamic, the range float32 [N 2].
func (p *payloads) encode(results ort.Results, rate Rate) (*tensor.Tensor, error) {
	tiles, ranges := make([][]byte, len(p.record)), make([][]float32, len(p.record))
	for i, part := range p.record {
		tile, limits := tileNames(i)
		t, err := results.Tensor(tile)
		if err != nil {
			return nil, err
		}
		if t.DType != tensor.Uint8 {
			return nil, fmt.Errorf("%s: expected uint8, found %v", tile, t)
		}
		tiles[i] = t.Data
		if !part.Dynamic {
			continue
		}
		if t, err = results.Tensor(limits); err != nil {
			return nil, err
		}
		if t.DType != tensor.Float32 {
			return nil, fmt.Errorf("%s: expected float32[N 2], found %v", limits, t)
		}
		ranges[i] = tensor.Slice[float32](t)
	}
	payload, err := p.encodeAt(tiles, ranges, rate)
	if err != nil {
		return nil, err
	}
	return tensor.Of([]int64{int64(len(payload))}, payload), nil
}

// Tiles decodes a payload of rank 1 or 2 into what the cloud graph of a
// codec_at host pair takes: for each crossing tensor, as tile and range for the
// first, uint8 [N 1 H W] and, where the range is dynamic, float32 [N 2].
func Tiles(m Meta, payload *tensor.Tensor) (ort.Feed, error) {
	p, err := m.payloads()
	if err != nil {
		return nil, err
	}
	return p.decode(payload)
}

func (p *payloads) decode(payload *tensor.Tensor) (ort.Feed, error) {
	if payload == nil || payload.DType != tensor.Uint8 {
		return nil, fmt.Errorf("payload: expected uint8, found %v", payload)
	}
	pixels, ranges, err := p.coder.Decode(payload.Data)
	if err != nil {
		return nil, err
	}
	feed := ort.Feed{}
	for i, part := range p.record {
		tile, limits := tileNames(i)
		height, width := int64(part.Height), int64(part.Width)
		n := int64(len(pixels[i])) / (height * width)
		feed[tile] = tensor.Of([]int64{n, 1, height, width}, pixels[i])
		if part.Dynamic {
			feed[limits] = tensor.Of([]int64{n, 2}, ranges[i])
		}
	}
	return feed, nil
}

// GreyPayload is a payload of one image whose tiles are mid-grey: what a server can be
// warmed up with.
func (m Meta) GreyPayload() ([]byte, error) {
	p, err := m.payloads()
	if err != nil {
		return nil, err
	}
	payload, _, err := p.coder.Encode(p.grey())
	return payload, err
}

// grey returns the tiles of one image, mid-grey, and their ranges.
func (p *payloads) grey() (tiles [][]byte, ranges [][]float32) {
	for _, part := range p.record {
		var limits []float32
		if part.Dynamic {
			limits = []float32{0, 1}
		}
		tiles = append(tiles, bytes.Repeat([]byte{128}, part.Height*part.Width))
		ranges = append(ranges, limits)
	}
	return tiles, ranges
}

// FileBytes returns the sizes of whole files of the codec's own format with the same
// tiles as payload records of the given sizes, without their ranges; nil where there
// is no such format, and where several tensors cross: a record does not tell from
// outside how long its parts are.
func (m Meta) FileBytes(records []int) []int {
	if len(m.Crossing()) != 1 {
		return nil
	}
	codec, err := lookup(m.Codec)
	if err != nil || codec.FileFrame == 0 {
		return nil
	}
	files := make([]int, len(records))
	for i, record := range records {
		content := record - 1 // behind the varint, which has 7 bits a byte
		for limit := 1 << 7; content >= limit; limit <<= 7 {
			content--
		}
		if m.Dynamic() {
			content -= ops.RangeBytes
		}
		files[i] = content + codec.FileFrame
	}
	return files
}

// RecordSizes returns the length of each record of a payload, its varint
// included: how many bytes each image takes.
func RecordSizes(payload []byte) ([]int, error) {
	var sizes []int
	for at := 0; at < len(payload); {
		end, err := RecordEnd(payload, at)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, end-at)
		at = end
	}
	return sizes, nil
}

// RecordEnd returns where the record that begins at byte at of a payload ends.
func RecordEnd(payload []byte, at int) (int, error) {
	length, n := binary.Uvarint(payload[at:])
	if n <= 0 || length > uint64(len(payload)-at-n) {
		return 0, fmt.Errorf("payload of %d bytes: the record at byte %d goes past the end", len(payload), at)
	}
	return at + n + int(length), nil
}
