package bundle_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/runtime/bundle"
)

// jpegMeta is of a bundle whose one tensor crosses as JPEG.
func jpegMeta(t *testing.T, height, width, quality int, dynamic bool) bundle.Meta {
	t.Helper()
	limits := bundle.RangeStatic
	if dynamic {
		limits = bundle.RangeDynamic
	}
	m, err := bundle.ParseMeta(map[string]string{"bnc.format": "1", "bnc.part": `"cloud"`, "bnc.pair": `"x"`, "bnc.codec": `"jpeg"`, "bnc.codec_at": `"host"`,
		"bnc.range": strconv.Quote(limits), "bnc.quality": strconv.Itoa(quality), "bnc.tile": fmt.Sprintf("[%d,%d]", height, width)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestFileBytesOfEveryLength covers varints of one to three bytes.
func TestFileBytesOfEveryLength(t *testing.T) {
	const jpegFrame = 330 // of a grey file of libjpeg's
	meta := jpegMeta(t, 8, 8, 20, false)
	for length := range 1 << 15 {
		record := length + len(binary.AppendUvarint(nil, uint64(length)))
		if got := meta.FileBytes([]int{record})[0]; got != length+jpegFrame {
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
		for y := range c.height {
			for x := range c.width { // slow waves and hard edges
				tile = append(tile, byte(100+60*math.Sin(float64(x)/9)+40*float64((x/13+y/7)%2)))
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
			meta := jpegMeta(t, c.height, c.width, c.quality, dynamic)
			coder, err := ops.Record{meta.Crossing()[0].Part}.Coder()
			if err != nil {
				t.Fatal(err)
			}
			_, sizes, err := coder.Encode([][]byte{tile}, [][]float32{ranges})
			if err != nil {
				t.Fatal(err)
			}
			if got := meta.FileBytes(sizes)[0]; got != want {
				t.Errorf("%dx%d quality %d, dynamic %v: %d bytes, Pillow's file has %d", c.height, c.width, c.quality, dynamic, got, want)
			}
		}
	}
}
