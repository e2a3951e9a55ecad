package ops_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/ops/internal/onenode"
)

// array is a tensor for runop: little-endian bytes with type and shape.
type array struct {
	name  string
	kind  int
	shape string // "1,28,28"
	bytes []byte
}

// runop runs one node in the runtime of a library, through its C API.
type runop struct {
	program, library, plugin string
}

func buildRunop(t *testing.T) string {
	t.Helper()
	headers, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Fatal(err)
	}
	program, csrc := filepath.Join(t.TempDir(), "runop"), filepath.Join("bench", "csrc")
	cc := strings.Fields(cmp.Or(os.Getenv("CC"), "cc"))
	args := append(cc[1:], "-O1", "-Wall", "-Wextra", "-isystem", strings.TrimSpace(string(headers)), "-o", program,
		filepath.Join(csrc, "runop.c"), filepath.Join(csrc, "cli.c"), filepath.Join(csrc, "rawort.c"), "-ldl")
	if out, err := exec.Command(cc[0], args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// run returns the outputs' bytes, or the error with what was printed.
func (r runop) run(t *testing.T, node onenode.Node, inputs ...array) ([][]byte, error) {
	t.Helper()
	dir := t.TempDir()
	model := filepath.Join(dir, "model.onnx")
	if err := os.WriteFile(model, node.Model(), 0o600); err != nil {
		t.Fatal(err)
	}
	var outputs []string
	for _, v := range node.Outputs {
		outputs = append(outputs, v.Name)
	}
	args := []string{r.library, r.plugin, model, strings.Join(outputs, ",")}
	for _, in := range inputs {
		file := filepath.Join(dir, in.name)
		if err := os.WriteFile(file, in.bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, fmt.Sprintf("%s:%d:%s:%s", in.name, in.kind, in.shape, file))
	}
	out, err := exec.Command(r.program, args...).Output()
	if err != nil {
		return nil, withStderr(err)
	}
	var values [][]byte
	for len(out) > 0 {
		head, rest, _ := bytes.Cut(out, []byte("\n"))
		fields := strings.Fields(string(head))
		var size int
		if _, err := fmt.Sscan(fields[len(fields)-1], &size); err != nil || size > len(rest) {
			t.Fatalf("runop printed %q and %d bytes", head, len(rest))
		}
		values, out = append(values, rest[:size]), rest[size:]
	}
	return values, nil
}

// The plugin is one file for the runtime of old devices, whose kernels cannot
// return a status, and for today's.
func TestPluginOnBothAgesOfTheInterface(t *testing.T) {
	for _, runtime := range []struct {
		version string
		library func(t testing.TB) string
	}{
		{"1.11.0", oldORTLibrary},
		{"1.30.0", ortLibrary},
	} {
		t.Run(runtime.version, func(t *testing.T) {
			checkRuntime(t, runop{library: runtime.library(t), program: buildRunop(t), plugin: buildPlugin(t)})
		})
	}
}

func checkRuntime(t *testing.T, r runop) {
	g := geometry{Height: 21, Width: 30, Quality: 20, Dynamic: true}
	tiles, ranges := smooth(10, 2, g.Height, g.Width), []float32{0, 1, -1, 6}
	payload, sizes, err := encode(g, tiles, ranges)
	if err != nil {
		t.Fatal(err)
	}
	decoded, _, err := decode(g, payload)
	if err != nil {
		t.Fatal(err)
	}
	rangeBytes := littleEndian(t, ranges)
	sizeBytes := littleEndian(t, []int64{int64(sizes[0]), int64(sizes[1])})

	tile := array{"tile", onenode.Uint8, "2,1,21,30", tiles}
	span := array{"range", onenode.Float, "2,2", rangeBytes}
	wire := array{"payload", onenode.Uint8, fmt.Sprint(len(payload)), payload}
	quality := map[string]int64{"quality": 20}
	sized := map[string]int64{"quality": 20, "height": 21, "width": 30, "dynamic_range": 1}
	tileIn, rangeIn := onenode.Value{Name: "tile", Type: onenode.Uint8}, onenode.Value{Name: "range", Type: onenode.Float}
	payloadValue := onenode.Value{Name: "payload", Type: onenode.Uint8}
	encode := onenode.Node{Op: "JpegEncode", Attributes: quality,
		Inputs: []onenode.Value{tileIn, rangeIn}, Outputs: []onenode.Value{payloadValue}}
	decode := onenode.Node{Op: "JpegDecode", Attributes: sized,
		Inputs: []onenode.Value{payloadValue}, Outputs: []onenode.Value{tileIn, rangeIn}}
	roundTrip := onenode.Node{Op: "JpegRoundTrip", Attributes: quality, Inputs: []onenode.Value{tileIn, rangeIn},
		Outputs: []onenode.Value{{Name: "decoded", Type: onenode.Uint8}, {Name: "payload_bytes", Type: onenode.Int64}}}

	for _, test := range []struct {
		node   onenode.Node
		inputs []array
		want   [][]byte
	}{
		{encode, []array{tile, span}, [][]byte{payload}},
		{decode, []array{wire}, [][]byte{decoded, rangeBytes}},
		{roundTrip, []array{tile, span}, [][]byte{decoded, sizeBytes}},
	} {
		got, err := r.run(t, test.node, test.inputs...)
		if err != nil {
			t.Errorf("%s: %v", test.node.Op, err)
		} else if !slices.EqualFunc(got, test.want, bytes.Equal) {
			t.Errorf("%s gives other outputs than the Go face", test.node.Op)
		}
	}

	// Found while decoding, when the outputs have already been asked for.
	damaged := wire
	damaged.bytes = slices.Concat(payload[:sizes[0]+20], []byte{0xff, 0xd9}, payload[sizes[0]+22:])
	hollow := span
	hollow.bytes = append(slices.Clone(rangeBytes[:12]), 0, 0, 0xc0, 0x7f) // the last number is NaN
	flat := tile
	flat.shape = "2,21,30"
	unknown := decode
	unknown.Attributes = map[string]int64{"quality": 20, "height": 21}
	for _, test := range []struct {
		name   string
		node   onenode.Node
		inputs []array
		want   string
	}{
		{"damaged payload", decode, []array{damaged}, fmt.Sprintf("payload record 1 at byte %d: the data holds a marker", sizes[0])},
		{"range not finite", roundTrip, []array{tile, hollow}, "range of tile 1"},
		{"wrong rank", encode, []array{flat, span}, "tile has shape [2,21,30]"},
		{"missing attribute", unknown, []array{wire}, "attribute width is missing"},
	} {
		got, err := r.run(t, test.node, test.inputs...)
		if err == nil {
			t.Errorf("%s: got %d outputs", test.name, len(got))
		} else if !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, expected one with %q", test.name, err, test.want)
		}
	}
}

// Parameters of both kinds, of which the decoder and RoundTrip see the same.
func TestOperatorsOfTransform(t *testing.T) {
	p := randomPlanes(5, 2)
	p.variable, p.maxBytes = true, 40
	part := p.part()
	tiles := slices.Concat(p.tile(1, 5), p.tile(2, 50))
	coder := coderOf(t, ops.Record{part})
	payload, sizes, err := coder.Encode([][]byte{tiles}, [][]float32{nil})
	if err != nil {
		t.Fatal(err)
	}
	decoded, _, err := coder.Decode(payload)
	if err != nil {
		t.Fatal(err)
	}
	node := func(op, in string, outputs ...onenode.Value) onenode.Node {
		numbers := map[string]int64{"quality": int64(p.quality), "variable": 1, "max_bytes": int64(p.maxBytes)}
		if op == part.Codec.Operators().Decode {
			numbers["height"], numbers["width"] = int64(part.Height), int64(part.Width)
		}
		return onenode.Node{Op: op, Attributes: numbers, Strings: map[string][]byte{"table": p.table()},
			Inputs: []onenode.Value{{Name: in, Type: onenode.Uint8}}, Outputs: outputs}
	}
	tile := array{"tile", onenode.Uint8, fmt.Sprintf("2,1,%d,%d", part.Height, part.Width), tiles}
	wire := array{"payload", onenode.Uint8, fmt.Sprint(len(payload)), payload}
	out := onenode.Value{Name: "out", Type: onenode.Uint8}
	bytesOut := onenode.Value{Name: "payload_bytes", Type: onenode.Int64}
	operators, program, plugin := part.Codec.Operators(), buildRunop(t), buildPlugin(t)
	for version, library := range map[string]string{"1.11.0": oldORTLibrary(t), "1.30.0": ortLibrary(t)} {
		r := runop{library: library, program: program, plugin: plugin}
		for _, test := range []struct {
			node  onenode.Node
			input array
			want  [][]byte
		}{
			{node(operators.Encode, "tile", out), tile, [][]byte{payload}},
			{node(operators.Decode, "payload", out), wire, decoded},
			{node(operators.RoundTrip, "tile", out, bytesOut), tile, [][]byte{decoded[0], littleEndian(t, []int64{int64(sizes[0]), int64(sizes[1])})}},
		} {
			got, err := r.run(t, test.node, test.input)
			if err != nil {
				t.Errorf("%s: %s: %v", version, test.node.Op, err)
			} else if !slices.EqualFunc(got, test.want, bytes.Equal) {
				t.Errorf("%s: %s gives other outputs than the Go face", version, test.node.Op)
			}
		}
	}
}

func littleEndian(t *testing.T, values any) []byte {
	t.Helper()
	b, err := binary.Append(nil, binary.LittleEndian, values)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
