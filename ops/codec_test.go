package ops_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rawcodec"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/ops/internal/onenode"
)

// Files of before hold these names.
func TestNamesOfJPEG(t *testing.T) {
	jpeg, err := ops.Lookup("jpeg")
	if err != nil {
		t.Fatal(err)
	}
	if jpeg.Name() != "jpeg" || jpeg.Operators() != (ops.Operators{Encode: "JpegEncode", Decode: "JpegDecode", RoundTrip: "JpegRoundTrip"}) {
		t.Errorf("%s has %+v", jpeg.Name(), jpeg.Operators())
	}
	if want := []ops.Parameter{{Name: "quality", Least: 1, Most: 100}}; !slices.Equal(jpeg.Parameters(), want) {
		t.Errorf("parameters %+v, expected %+v", jpeg.Parameters(), want)
	}
	if _, err := ops.Lookup("png"); err == nil || !strings.Contains(err.Error(), "expected one of jpeg") {
		t.Errorf("a codec that is not there: %v", err)
	}
}

func TestParametersAreChecked(t *testing.T) {
	jpeg := geometry{Height: 8, Width: 8, Quality: 20}.part()
	raw := ops.Part{Codec: rawcodec.Codec(), Height: 8, Width: 8}
	for _, test := range []struct {
		part       ops.Part
		parameters ops.Parameters
		want       string
	}{
		{jpeg, nil, "quality of jpeg is missing"},
		{jpeg, ops.Parameters{"quality": 20}, "quality of jpeg is missing"}, // an int, not an int64
		{jpeg, ops.Parameters{"quality": []byte{20}}, "quality is bytes, expected a number"},
		{jpeg, ops.Parameters{"quality": int64(101)}, "quality is 101, expected 1..100"},
		{jpeg, ops.Parameters{"quality": int64(20), "speed": int64(1)}, "jpeg has no speed"},
		{raw, ops.Parameters{"key": int64(1)}, "key is a number, expected bytes"},
		{raw, ops.Parameters{"key": []byte{}}, "key has 0 bytes, expected 1..256"},
		{raw, ops.Parameters{"key": make([]byte, 257)}, "key has 257 bytes"},
		{ops.Part{Height: 8, Width: 8}, nil, "none is given"},
	} {
		test.part.Parameters = test.parameters
		if _, err := (ops.Record{test.part}).Coder(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: error is %v, expected one with %q", test.parameters, err, test.want)
		}
	}
	if _, err := (ops.Record{}).Coder(); err == nil {
		t.Error("a record of no tensor is taken")
	}
}

// rawPart is of codec "raw"; its key holds a zero byte, which C strings cannot.
func rawPart(height, width int, dynamic bool) ops.Part {
	return ops.Part{Codec: rawcodec.Codec(), Parameters: ops.Parameters{"key": []byte{0, 7, 0xff}}, Height: height, Width: width, Dynamic: dynamic}
}

// stored is what codec "raw" makes of a tile.
func stored(tile []byte) []byte {
	out := make([]byte, len(tile))
	for i, v := range tile {
		out[i] = v ^ [3]byte{0, 7, 0xff}[i%3]
	}
	return out
}

// A record of several tensors is built here from those of each alone.
func TestRecordsOfSeveralTensors(t *testing.T) {
	first, second := geometry{Height: 28, Width: 30, Quality: 20, Dynamic: true}, geometry{Height: 9, Width: 40, Quality: 75}
	coder := coderOf(t, ops.Record{first.part(), rawPart(5, 7, true), second.part()})
	const n = 2
	tiles := [][]byte{smooth(11, n, 28, 30), noise(12, n*5*7), smooth(13, n, 9, 40)}
	ranges := [][]float32{{0, 1, -2, 2}, {3, 4, 5, 6}, nil}
	payload, sizes, err := coder.Encode(tiles, ranges)
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for i := range n {
		alone := func(g geometry, k int) []byte {
			pixels := g.Height * g.Width
			rec, _, err := encode(g, tiles[k][i*pixels:][:pixels], ranges[k][min(2*i, len(ranges[k])):min(2*i+2, len(ranges[k]))])
			if err != nil {
				t.Fatal(err)
			}
			return rec
		}
		body := slices.Concat(alone(first, 0), record(stored(tiles[1][i*35:][:35]), ranges[1][2*i:][:2]...), data(t, alone(second, 2)))
		want = append(want, record(body)...)
		if size := len(record(body)); sizes[i] != size {
			t.Errorf("record %d has %d bytes, expected %d", i, sizes[i], size)
		}
	}
	if !bytes.Equal(payload, want) {
		t.Fatalf("payload is\n%x, expected\n%x", payload, want)
	}

	got, gotRanges, err := coder.Decode(payload)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got[1], tiles[1]) || !slices.Equal(gotRanges[0], ranges[0]) || !slices.Equal(gotRanges[1], ranges[1]) || gotRanges[2] != nil {
		t.Errorf("decoded %v, ranges %v", got[1], gotRanges)
	}
	for k, g := range map[int]geometry{0: first, 2: second} {
		alone, _, err := encode(g, tiles[k], ranges[k])
		if err != nil {
			t.Fatal(err)
		}
		if want, _, _ := decode(g, alone); !bytes.Equal(got[k], want) {
			t.Errorf("tiles of tensor %d are not those of its own payload", k)
		}
	}

	for at := range payload { // the second record's framing, wherever it is cut
		var damaged *ops.DamagedError
		_, _, err := coder.Decode(payload[:at])
		if at == sizes[0] {
			continue
		}
		if !errors.As(err, &damaged) || damaged.Record == 0 != (at < sizes[0]) {
			t.Fatalf("cut at %d of %d: %v", at, len(payload), err)
		}
	}
	length, prefix := binary.Uvarint(payload)
	long := slices.Clone(payload[:prefix+int(length)])
	long[prefix], long[prefix+1] = 0xff, 0x7f // the first part's length, two bytes of which announce too much
	if _, _, err := coder.Decode(long); err == nil || !strings.Contains(err.Error(), "a part announces 16383 bytes") {
		t.Errorf("a part that goes past its record: %v", err)
	}
}

func TestTilesOfEachTensorAreCounted(t *testing.T) {
	coder := coderOf(t, ops.Record{rawPart(2, 3, false), rawPart(4, 5, true)})
	for _, test := range []struct {
		tiles  [][]byte
		ranges [][]float32
		want   string
	}{
		{[][]byte{make([]byte, 6)}, [][]float32{nil}, "tiles of 1 tensors and ranges of 1, expected 2"},
		{[][]byte{make([]byte, 12), make([]byte, 20)}, [][]float32{nil, {0, 1}}, "20 bytes, expected a positive multiple of 20"},
		{[][]byte{make([]byte, 6), make([]byte, 20)}, [][]float32{nil, nil}, "0 numbers, expected 2"},
		{[][]byte{make([]byte, 6), make([]byte, 20)}, [][]float32{nil, {0, float32(math.Inf(1))}}, "range of tile 0"},
	} {
		if _, _, err := coder.Encode(test.tiles, test.ranges); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error is %v, expected one with %q", err, test.want)
		}
	}
}

// The operators of a second codec, in a plugin that was made with its row, in both
// ages of ONNX Runtime's interface.
func TestOperatorsOfASecondCodec(t *testing.T) {
	plugin, program := rawcodec.Plugin(t), buildRunop(t)
	operators := rawcodec.Codec().Operators()
	p := rawPart(5, 7, true)
	tiles, ranges := noise(14, 2*5*7), []float32{0, 1, -1, 6}
	payload, sizes, err := coderOf(t, ops.Record{p}).Encode([][]byte{tiles}, [][]float32{ranges})
	if err != nil {
		t.Fatal(err)
	}
	if want := slices.Concat(record(stored(tiles[:35]), 0, 1), record(stored(tiles[35:]), -1, 6)); !bytes.Equal(payload, want) {
		t.Fatalf("payload is %x, expected %x", payload, want)
	}
	tile := array{"tile", onenode.Uint8, "2,1,5,7", tiles}
	span := array{"range", onenode.Float, "2,2", littleEndian(t, ranges)}
	wire := array{"payload", onenode.Uint8, fmt.Sprint(len(payload)), payload}
	value := func(name string, kind int) onenode.Value { return onenode.Value{Name: name, Type: kind} }
	tileAndRange := []onenode.Value{value("tile", onenode.Uint8), value("range", onenode.Float)}
	node := func(op string, in, out []onenode.Value, key []byte, sized map[string]int64) onenode.Node {
		return onenode.Node{Op: op, Inputs: in, Outputs: out, Attributes: sized, Strings: map[string][]byte{"key": key}}
	}
	key := p.Parameters["key"].([]byte)
	wireOut := []onenode.Value{value("payload", onenode.Uint8)}
	sized := map[string]int64{"height": 5, "width": 7, "dynamic_range": 1}
	decode := node(operators.Decode, wireOut, tileAndRange, key, sized)
	for version, library := range map[string]string{"1.11.0": oldORTLibrary(t), "1.30.0": ortLibrary(t)} {
		r := runop{library: library, program: program, plugin: plugin}
		for _, test := range []struct {
			node   onenode.Node
			inputs []array
			want   [][]byte
		}{
			{node(operators.Encode, tileAndRange, wireOut, key, nil), []array{tile, span}, [][]byte{payload}},
			{decode, []array{wire}, [][]byte{tiles, span.bytes}},
			{node(operators.RoundTrip, tileAndRange, []onenode.Value{value("decoded", onenode.Uint8), value("payload_bytes", onenode.Int64)}, key, nil),
				[]array{tile, span}, [][]byte{tiles, littleEndian(t, []int64{int64(sizes[0]), int64(sizes[1])})}},
		} {
			got, err := r.run(t, test.node, test.inputs...)
			if err != nil {
				t.Errorf("%s: %s: %v", version, test.node.Op, err)
			} else if !slices.EqualFunc(got, test.want, bytes.Equal) {
				t.Errorf("%s: %s gives other outputs than the Go face", version, test.node.Op)
			}
		}
		long, none := decode, decode
		long.Strings = map[string][]byte{"key": make([]byte, 257)}
		none.Strings = nil
		for want, node := range map[string]onenode.Node{"bnc.RawDecode: key has 257 bytes": long, "bnc.RawDecode: attribute key is missing": none} {
			if _, err := r.run(t, node, wire); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error is %v, expected one with %q", version, err, want)
			}
		}
		short := wire
		short.bytes, short.shape = payload[:len(payload)-1], fmt.Sprint(len(payload)-1)
		if _, err := r.run(t, decode, short); err == nil || !strings.Contains(err.Error(), "payload record 1 at byte") {
			t.Errorf("%s: a payload cut off: %v", version, err)
		}
	}
}
