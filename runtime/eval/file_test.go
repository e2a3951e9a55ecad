package eval

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/ops"
)

// TestFileBytesOfEveryLength covers varints of one to three bytes.
func TestFileBytesOfEveryLength(t *testing.T) {
	for length := range 1 << 15 {
		record := length + len(binary.AppendUvarint(nil, uint64(length)))
		if got := JPEGFileBytes([]int{record}, false)[0]; got != length+jpegFrame {
			t.Fatalf("a record of %d bytes: %d, expected %d + %d", record, got, length, jpegFrame)
		}
	}
}

// TestFileBytesLikePillow: a payload as a file is as long as what libjpeg-turbo
// writes for the tile, with and without a range.
func TestFileBytesLikePillow(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ height, width, quality int }{
		{8, 8, 20}, {28, 28, 20}, {56, 40, 75}, {400, 300, 95},
	} {
		tile := make([]byte, 0, c.height*c.width)
		for i, v := range scene(c.width, c.height).Pix {
			if i%4 == 2 { // blue has hard edges
				tile = append(tile, v)
			}
		}
		raw := filepath.Join(dir, "tile")
		if err := os.WriteFile(raw, tile, 0o644); err != nil {
			t.Fatal(err)
		}
		var want int
		err := json.Unmarshal(rttest.Python(t, `
import io, sys
from PIL import Image
raw, h, w, quality = sys.argv[1], *map(int, sys.argv[2:])
b = io.BytesIO()
Image.frombytes("L", (w, h), open(raw, "rb").read()).save(b, "JPEG", quality=quality)
print(len(b.getvalue()))
`, raw, strconv.Itoa(c.height), strconv.Itoa(c.width), strconv.Itoa(c.quality)), &want)
		if err != nil {
			t.Fatal(err)
		}
		for _, dynamic := range []bool{false, true} {
			var ranges []float32
			if dynamic {
				ranges = []float32{0, 1}
			}
			g := ops.Geometry{Height: c.height, Width: c.width, Quality: c.quality, Dynamic: dynamic}
			_, sizes, err := ops.Encode(g, tile, ranges)
			if err != nil {
				t.Fatal(err)
			}
			if got := JPEGFileBytes(sizes, dynamic)[0]; got != want {
				t.Errorf("%dx%d quality %d, dynamic %v: %d bytes, Pillow's file has %d", c.height, c.width, c.quality, dynamic, got, want)
			}
		}
	}
}
