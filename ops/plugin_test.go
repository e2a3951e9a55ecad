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
