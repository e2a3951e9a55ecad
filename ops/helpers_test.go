package ops_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/ops"
)

// geometry is what both sides know of a payload of one tensor that is coded as JPEG.
type geometry struct {
	Height, Width, Quality int
	Dynamic                bool
}

func (g geometry) part() ops.Part {
	jpeg, err := ops.Lookup("jpeg")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return ops.Part{Codec: jpeg, Parameters: ops.Parameters{"quality": int64(g.Quality)}, Height: g.Height, Width: g.Width, Dynamic: g.Dynamic}
}

func encode(g geometry, tiles []byte, ranges []float32) (payload []byte, sizes []int, err error) {
	coder, err := ops.Record{g.part()}.Coder()
	if err != nil {
		return nil, nil, err
	}
	return coder.Encode([][]byte{tiles}, [][]float32{ranges})
}

func decode(g geometry, payload []byte) (tiles []byte, ranges []float32, err error) {
	coder, err := ops.Record{g.part()}.Coder()
	if err != nil {
		return nil, nil, err
	}
	all, limits, err := coder.Decode(payload)
	if err != nil {
		return nil, nil, err
	}
	return all[0], limits[0], nil
}

func coderOf(t testing.TB, r ops.Record) *ops.Coder {
	t.Helper()
	coder, err := r.Coder()
	if err != nil {
		t.Fatal(err)
	}
	return coder
}

// smooth returns n tiles that look like features: slow waves with some noise,
// cut off at zero as a ReLU does. The same seed gives the same tiles.
func smooth(seed uint64, n, height, width int) []byte {
	rng := rand.New(rand.NewPCG(seed, 0))
	tiles := make([]byte, 0, n*height*width)
	for range n {
		dx, dy, base := 1+rng.IntN(6), 1+rng.IntN(6), rng.IntN(120)-40
		for y := range height {
			for x := range width {
				v := base + 12*((x/dx+y/dy)%11) + rng.IntN(20)
				tiles = append(tiles, byte(min(max(v, 0), 255)))
			}
		}
	}
	return tiles
}

// noise returns n bytes of every value: the worst case of the codec.
func noise(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// record frames data, preceded by its range where there is one.
func record(data []byte, lohi ...float32) []byte {
	body, err := binary.Append(nil, binary.LittleEndian, lohi)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	body = append(body, data...)
	return append(binary.AppendUvarint(nil, uint64(len(body))), body...)
}

// data returns the entropy-coded bytes of one static record.
func data(t testing.TB, rec []byte) []byte {
	t.Helper()
	length, n := binary.Uvarint(rec)
	if n <= 0 || int(length) != len(rec)-n {
		t.Fatalf("record of %d bytes announces %d", len(rec), length)
	}
	return rec[n:]
}

// markers walks the segments of a JPEG file up to its scan. It returns the
// quantisation table 0 in zigzag order, and where the scan's data begins.
func markers(t testing.TB, file []byte) (quant [64]int, scan int) {
	t.Helper()
	for at := 2; at+4 <= len(file) && file[at] == 0xff; {
		kind, size := file[at+1], int(binary.BigEndian.Uint16(file[at+2:]))
		if table := file[at+4:]; kind == 0xdb && table[0] == 0 {
			for i := range quant {
				quant[i] = int(table[1+i])
			}
		}
		at += 2 + size
		if kind == 0xda {
			return quant, at
		}
	}
	t.Fatal("the JPEG file has no scan")
	return quant, 0
}

// goFile encodes a tile with image/jpeg: standard tables, complete headers.
func goFile(t testing.TB, g geometry, tile []byte) []byte {
	t.Helper()
	img := &image.Gray{Pix: tile, Stride: g.Width, Rect: image.Rect(0, 0, g.Width, g.Height)}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, &jpeg.Options{Quality: g.Quality}); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// goDecode decodes data with image/jpeg, under the headers that image/jpeg
// itself writes for the geometry.
func goDecode(t testing.TB, g geometry, data []byte) []byte {
	t.Helper()
	file := goFile(t, g, make([]byte, g.Height*g.Width))
	_, scan := markers(t, file)
	whole := append(append(file[:scan:scan], data...), 0xff, 0xd9)
	img, err := jpeg.Decode(bytes.NewReader(whole))
	if err != nil {
		t.Fatalf("image/jpeg: %v", err)
	}
	gray := img.(*image.Gray)
	tile := make([]byte, 0, g.Height*g.Width)
	for y := range g.Height {
		tile = append(tile, gray.Pix[y*gray.Stride:][:g.Width]...)
	}
	return tile
}

// findFile returns the file named by the environment variable env, or else by
// path below bnc's folder in the user's cache, and skips the test without it.
func findFile(t testing.TB, env, path string) string {
	t.Helper()
	file := os.Getenv(env)
	if file == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Skipf("%s is not set and there is no cache folder: %v", env, err)
		}
		file = filepath.Join(cache, "bnc", path)
	}
	if _, err := os.Stat(file); err != nil {
		t.Skipf("needs %s (or %s): %v", path, env, err)
	}
	return file
}

func oraclePython(t testing.TB) string {
	return findFile(t, "BNC_ORACLE_PYTHON", filepath.Join("oracle", "bin", "python"))
}

func ortLibrary(t testing.TB) string {
	return findFile(t, "BNC_ORT_LIB", filepath.Join("onnxruntime-1.30.0", "libonnxruntime.so"))
}

func oldORTLibrary(t testing.TB) string {
	return findFile(t, "BNC_ORT_OLD_LIB", filepath.Join("onnxruntime-1.11.0", "libonnxruntime.so"))
}

// sizes and qualities are the grid of the tests: one block, less than one, odd
// sides, tiles of real cuts; the extremes of the scale and what is used.
var (
	sizes     = [][2]int{{1, 1}, {7, 7}, {8, 8}, {13, 9}, {1, 40}, {28, 28}, {56, 28}, {224, 224}}
	qualities = []int{1, 5, 20, 50, 75, 95, 100}
)

// eachGeometry runs a subtest for every size and quality.
func eachGeometry(t *testing.T, test func(t *testing.T, g geometry)) {
	for _, size := range sizes {
		for _, quality := range qualities {
			g := geometry{Height: size[0], Width: size[1], Quality: quality}
			t.Run(fmt.Sprintf("%dx%dq%d", g.Height, g.Width, g.Quality), func(t *testing.T) { test(t, g) })
		}
	}
}
