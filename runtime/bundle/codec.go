package bundle

import (
	"encoding/binary"
	"fmt"

	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// geometry returns what the codec needs to know of a pair's tiles.
func geometry(m Meta) ops.Geometry {
	return ops.Geometry{Height: m.Tile[0], Width: m.Tile[1], Quality: m.Quality, Dynamic: m.Dynamic()}
}

// encode makes the payload, uint8 [L], of tiles uint8 [N 1 H W] and, where the
// range is dynamic, limits float32 [N 2].
func encode(m Meta, tiles, limits *tensor.Tensor) (*tensor.Tensor, error) {
	if tiles.DType != tensor.Uint8 {
		return nil, fmt.Errorf("tile: expected uint8, found %v", tiles)
	}
	var ranges []float32
	if m.Dynamic() {
		if limits.DType != tensor.Float32 {
			return nil, fmt.Errorf("range: expected float32[N 2], found %v", limits)
		}
		ranges = tensor.Slice[float32](limits)
	}
	payload, _, err := ops.Encode(geometry(m), tiles.Data, ranges)
	if err != nil {
		return nil, err
	}
	return tensor.Of([]int64{int64(len(payload))}, payload), nil
}

// Tiles decodes a payload of rank 1 or 2 into what the cloud graph of a
// codec_at host pair takes: tile uint8 [N 1 H W] and, where the range is
// dynamic, range float32 [N 2].
func Tiles(m Meta, payload *tensor.Tensor) (ort.Feed, error) {
	if payload.DType != tensor.Uint8 {
		return nil, fmt.Errorf("payload: expected uint8, found %v", payload)
	}
	pixels, ranges, err := ops.Decode(geometry(m), payload.Data)
	if err != nil {
		return nil, err
	}
	n := int64(len(pixels) / (m.Tile[0] * m.Tile[1]))
	feed := ort.Feed{tileName: tensor.Of([]int64{n, 1, int64(m.Tile[0]), int64(m.Tile[1])}, pixels)}
	if m.Dynamic() {
		feed[rangeName] = tensor.Of([]int64{n, 2}, ranges)
	}
	return feed, nil
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
