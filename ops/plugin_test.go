package ops_test

import (
	"bytes"
	"debug/elf"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/ops/internal/onenode"
)

// buildPlugin builds the plugin with build.sh and returns its path.
func buildPlugin(t *testing.T) string {
	t.Helper()
	plugin := filepath.Join(t.TempDir(), ops.PluginFile)
	if out, err := exec.Command("sh", "build.sh", plugin).CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, out)
	}
	return plugin
}

// The plugin lives in other programs' processes: it must neither bring its
// libjpeg into their symbol table nor take theirs, nor need a library.
func TestPluginIsSelfContained(t *testing.T) {
	file, err := elf.Open(buildPlugin(t))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	libraries, err := file.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	for _, library := range libraries {
		if !strings.HasPrefix(library, "libc.") && !strings.HasPrefix(library, "ld-") {
			t.Errorf("the plugin needs %s", library)
		}
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	var exported []string
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF {
			exported = append(exported, s.Name)
		} else if strings.HasPrefix(s.Name, "jpeg_") {
			t.Errorf("the plugin takes %s from its host", s.Name)
		}
	}
	if !slices.Equal(exported, []string{"RegisterCustomOps"}) {
		t.Errorf("the plugin exports %q, expected RegisterCustomOps alone", exported)
	}
}

func TestPluginInPython(t *testing.T) {
	python, plugin := oraclePython(t), buildPlugin(t)
	cmd := exec.Command(python, filepath.Join("testdata", "plugin_check.py"), plugin)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, withStderr(err))
	}
	t.Logf("%s", out)
}

// Both faces of the source write and read the same bytes.
func TestPluginAgreesWithTheGoFace(t *testing.T) {
	library, plugin := ortLibrary(t), buildPlugin(t)
	ort.SetSharedLibraryPath(library)
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ort.DestroyEnvironment() }) // after the tensors' own

	g := geometry{Height: 28, Width: 30, Quality: 20, Dynamic: true}
	const n = 3
	tiles, ranges := smooth(9, n, g.Height, g.Width), []float32{0, 1, -1, 1, 0, 6}
	want, sizes, err := encode(g, tiles, ranges)
	if err != nil {
		t.Fatal(err)
	}
	wantTiles, _, err := decode(g, want)
	if err != nil {
		t.Fatal(err)
	}
	tile := newTensor(t, ort.NewShape(n, 1, int64(g.Height), int64(g.Width)), tiles)
	span := newTensor(t, ort.NewShape(n, 2), ranges)

	encoded := runNode(t, plugin, onenode.Node{
		Op:         "JpegEncode",
		Attributes: map[string]int64{"quality": int64(g.Quality)},
		Inputs:     []onenode.Value{{Name: "tile", Type: onenode.Uint8}, {Name: "range", Type: onenode.Float}},
		Outputs:    []onenode.Value{{Name: "payload", Type: onenode.Uint8}},
	}, tile, span)
	payload := encoded[0].(*ort.Tensor[uint8])
	if !bytes.Equal(payload.GetData(), want) {
		t.Error("JpegEncode and Encode differ")
	}

	decoded := runNode(t, plugin, onenode.Node{
		Op: "JpegDecode",
		Attributes: map[string]int64{
			"height": int64(g.Height), "width": int64(g.Width), "quality": int64(g.Quality), "dynamic_range": 1,
		},
		Inputs:  []onenode.Value{{Name: "payload", Type: onenode.Uint8}},
		Outputs: []onenode.Value{{Name: "tile", Type: onenode.Uint8}, {Name: "range", Type: onenode.Float}},
	}, payload)
	if !bytes.Equal(decoded[0].(*ort.Tensor[uint8]).GetData(), wantTiles) {
		t.Error("JpegDecode and Decode give different tiles")
	}
	if got := decoded[1].(*ort.Tensor[float32]).GetData(); !slices.Equal(got, ranges) {
		t.Errorf("JpegDecode gives ranges %v, expected %v", got, ranges)
	}

	both := runNode(t, plugin, onenode.Node{
		Op:         "JpegRoundTrip",
		Attributes: map[string]int64{"quality": int64(g.Quality)},
		Inputs:     []onenode.Value{{Name: "tile", Type: onenode.Uint8}, {Name: "range", Type: onenode.Float}},
		Outputs:    []onenode.Value{{Name: "decoded", Type: onenode.Uint8}, {Name: "payload_bytes", Type: onenode.Int64}},
	}, tile, span)
	if !bytes.Equal(both[0].(*ort.Tensor[uint8]).GetData(), wantTiles) {
		t.Error("JpegRoundTrip and Decode give different tiles")
	}
	for i, got := range both[1].(*ort.Tensor[int64]).GetData() {
		if int(got) != sizes[i] {
			t.Errorf("JpegRoundTrip says record %d has %d bytes, Encode %d", i, got, sizes[i])
		}
	}
	joins(t, plugin)
}

// joins makes payloads of three tensors of those of each alone, from the last on, and takes
// them apart again, as Encode of a record of three does. Tiles go from records of a few
// bytes to those whose length takes three.
func joins(t *testing.T, plugin string) {
	t.Helper()
	const n = 3
	var record ops.Record
	var tiles, payloads [][]byte
	var ranges [][]float32
	var sizes [][]int64
	for i, g := range []geometry{{Height: 8, Width: 8, Quality: 20}, {Height: 40, Width: 30, Quality: 60, Dynamic: true}, {Height: 200, Width: 200, Quality: 100}} {
		record, tiles, ranges = append(record, g.part()), append(tiles, noise(uint64(i), n*g.Height*g.Width)), append(ranges, nil)
		if g.Dynamic {
			ranges[i] = []float32{0, 1, -1, 1, 0, 6}
		}
		payload, lengths, err := encode(g, tiles[i], ranges[i])
		if err != nil {
			t.Fatal(err)
		}
		payloads, sizes = append(payloads, payload), append(sizes, nil)
		for _, l := range lengths {
			sizes[i] = append(sizes[i], int64(l))
		}
	}
	want, lengths, err := coderOf(t, record).Encode(tiles, ranges)
	if err != nil {
		t.Fatal(err)
	}
	vector := func(b []byte) ort.Value { return newTensor(t, ort.NewShape(int64(len(b))), b) }
	value := func(kind int, names ...string) (all []onenode.Value) {
		for _, name := range names {
			all = append(all, onenode.Value{Name: name, Type: kind})
		}
		return all
	}
	whole, bytesOf := payloads[2], sizes[2]
	for _, i := range []int{1, 0} {
		joined := runNode(t, plugin, onenode.Node{Op: "JoinRecords", Inputs: value(onenode.Uint8, "first", "rest"), Outputs: value(onenode.Uint8, "payload")}, vector(payloads[i]), vector(whole))
		told := runNode(t, plugin, onenode.Node{Op: "JoinBytes", Inputs: value(onenode.Int64, "first", "rest"), Outputs: value(onenode.Int64, "payload_bytes")},
			newTensor(t, ort.NewShape(n), sizes[i]), newTensor(t, ort.NewShape(n), bytesOf))
		behind := whole
		whole, bytesOf = joined[0].(*ort.Tensor[uint8]).GetData(), told[0].(*ort.Tensor[int64]).GetData()
		apart := runNode(t, plugin, onenode.Node{Op: ops.SplitRecords, Inputs: value(onenode.Uint8, "payload"), Outputs: value(onenode.Uint8, "first", "rest")}, vector(whole))
		if !bytes.Equal(apart[0].(*ort.Tensor[uint8]).GetData(), payloads[i]) || !bytes.Equal(apart[1].(*ort.Tensor[uint8]).GetData(), behind) {
			t.Errorf("tensor %d: SplitRecords gives other payloads than were joined", i)
		}
	}
	if !bytes.Equal(whole, want) {
		t.Error("JoinRecords and Encode of a record of three differ")
	}
	for i, l := range lengths {
		if bytesOf[i] != int64(l) {
			t.Errorf("JoinBytes says record %d has %d bytes, Encode %d", i, bytesOf[i], l)
		}
	}
}

func newTensor[T ort.TensorData](t *testing.T, shape ort.Shape, values []T) ort.Value {
	t.Helper()
	tensor, err := ort.NewTensor(shape, values)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tensor.Destroy() })
	return tensor
}

// runNode makes a session with the plugin and returns the node's outputs.
func runNode(t *testing.T, plugin string, node onenode.Node, inputs ...ort.Value) []ort.Value {
	t.Helper()
	options, err := ort.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer options.Destroy()
	if err := options.RegisterCustomOpsLibrary(plugin); err != nil {
		t.Fatal(err)
	}
	names := func(values []onenode.Value) (out []string) {
		for _, v := range values {
			out = append(out, v.Name)
		}
		return out
	}
	session, err := ort.NewDynamicAdvancedSessionWithONNXData(node.Model(), names(node.Inputs), names(node.Outputs), options)
	if err != nil {
		t.Fatalf("%s: %v", node.Op, err)
	}
	defer session.Destroy()
	outputs := make([]ort.Value, len(node.Outputs))
	if err := session.Run(inputs, outputs); err != nil {
		t.Fatalf("%s: %v", node.Op, err)
	}
	for _, output := range outputs {
		t.Cleanup(func() { output.Destroy() })
	}
	return outputs
}
