package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"google.golang.org/protobuf/proto"
)

// What breaks ONNX splitters, one test for each kind of failure that the issues
// of onnx, onnxruntime, onnxsim, onnxscript and TensorRT tell of. Models over
// 2 GB have a target of their own: make big.

// fromText writes a model given in ONNX's text syntax; edit may change the
// message first.
func fromText(t *testing.T, text string, edit func(*onnxpb.ModelProto)) string {
	t.Helper()
	m, err := onnxtext.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		var pb onnxpb.ModelProto
		if err := proto.Unmarshal(b, &pb); err != nil {
			t.Fatal(err)
		}
		edit(&pb)
		if b, err = proto.Marshal(&pb); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// plainPairs splits a model at every cut and compares each pair with the model.
// It returns the tensors' names.
func plainPairs(t *testing.T, path string) []string {
	t.Helper()
	return plainPairsOf(t, path, path)
}

// plainPairsOf is plainPairs with another file of the same model to compare with.
func plainPairsOf(t *testing.T, path, reference string) []string {
	t.Helper()
	whole := open(t, reference)
	var names []string
	for _, c := range inspected(t, path).Cuts {
		names = append(names, c.Tensor)
		dir := filepath.Join(t.TempDir(), c.ID)
		mustBnc(t, "split", path, "--after", c.ID, "--plain", "-o", dir)
		t.Logf("%s: %s", c.ID, c.Tensor)
		compare(t, open(t, dir), whole, 2, 2, true)
	}
	return names
}

const imageNet = `<ir_version: 8, opset_import: ["" : 17]>
net (float[batch,3,32,32] x) => (float[batch,4] y)
<float[4,3,1,1] w = {1,2,3, -4,5,6, 7,-8,9, 1,0,2}, float[4] b = {1,2,3,4}, int64[2] shape = {0,-1}, float[4,4] fc = {1,2,3,4, 5,6,7,8, 8,7,6,5, 1,1,2,2}> {
	c = Conv <strides = [2,2]> (x, w, b)
	a = Relu (c)
	p = GlobalAveragePool (a)
	f = Reshape (p, shape)
	y = MatMul (f, fc)
}`

func TestCapturedValues(t *testing.T) {
	names := plainPairs(t, fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[1,2,4,4] x) => (float[1,2,4,4] y)
	<float zero = {0}, int64 three = {3}, bool yes = {1}> {
		a = Relu (x)
		m = ReduceMax <keepdims = 0> (a)
		flag = Greater (m, zero)
		b = Sigmoid (a)
		c = If (flag) <then_branch = t () => (float[1,2,4,4] p) { p = Mul (b, b) },
			else_branch = e () => (float[1,2,4,4] q) { q = Neg (b) }>
		d = Exp (b)
		e = Add (c, d)
		y = Loop (three, yes, e) <body = l (int64 i, bool go, float[1,2,4,4] v) => (bool go2, float[1,2,4,4] w) {
			go2 = Identity (go)
			w = Add (v, e)
		}>
	}`, nil))
	for _, want := range []string{"a", "e"} {
		if !slices.Contains(names, want) {
			t.Errorf("no cut at %q, cuts are %v", want, names)
		}
	}
	if slices.Contains(names, "b") {
		t.Error("b is a cut, though the condition goes around it")
	}
}

func TestFunctionsUsedInBodies(t *testing.T) {
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 15, "f" : 1]>
	net (float[1,2,4,4] x) => (float[1,2,4,4] y) <bool flag = {1}> {
		a = Relu (x)
		b = Sigmoid (a)
		y = If (flag) <then_branch = t () => (float[1,2,4,4] p) { p = f.Outer (b) },
			else_branch = e () => (float[1,2,4,4] q) { q = Neg (b) }>
	}
	<domain: "f", opset_import: ["" : 15, "f" : 1]>
	Outer (v) => (w) { w = f.Inner (v) }
	<domain: "f", opset_import: ["" : 15]>
	Inner (v) => (w) { w = Add (v, v) }`, nil)
	if names := plainPairs(t, path); len(names) != 2 {
		t.Errorf("cuts %v", names)
	}
	dir := filepath.Join(t.TempDir(), "pair")
	mustBnc(t, "split", path, "--after", "b", "--plain", "-o", dir)
	for part, want := range map[string]int{"mobile": 0, "cloud": 2} {
		m, err := onnx.Load(filepath.Join(dir, part+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Functions) != want {
			t.Errorf("%s has %d functions, expected %d", part, len(m.Functions), want)
		}
	}
}

func TestInitializersThatAreInputs(t *testing.T) {
	path := fromText(t, imageNet, func(m *onnxpb.ModelProto) {
		m.IrVersion = proto.Int64(3)
		m.OpsetImport[0].Version = proto.Int64(8)
		for _, init := range m.Graph.Initializer {
			var dims []ir.Dim
			for _, d := range init.Dims {
				dims = append(dims, ir.Dim{N: d})
			}
			m.Graph.Input = append(m.Graph.Input, &onnxpb.ValueInfoProto{Name: init.Name, Type: ir.TensorType(ir.DType(init.GetDataType()), dims)})
		}
	})
	if names := plainPairs(t, path); len(names) != 4 {
		t.Errorf("cuts %v", names)
	}
	dir := filepath.Join(t.TempDir(), "pair")
	mustBnc(t, "split", path, "--after", "a", "-o", dir)
	compare(t, open(t, dir), open(t, filepath.Join(dir, "bottlenet.onnx")), 4, 4, true)
}

// TestNamesCollide splits a model whose own names are those that bnc gives.
func TestNamesCollide(t *testing.T) {
	text := `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,3,32,32] x) => (float[batch,4] y)
	<float[4,3,1,1] w = {1,2,3, -4,5,6, 7,-8,9, 1,0,2}, float[4] range = {1,2,3,4}, int64[2] shape = {0,-1}, float[4,4] "bnc.quantiser.lo" = {1,2,3,4, 5,6,7,8, 8,7,6,5, 1,1,2,2}> {
		tile = Conv <strides = [2,2]> (x, w, range)
		"bnc.restore.channel.relu" = Relu (tile)
		payload = GlobalAveragePool ("bnc.restore.channel.relu")
		payload_bytes = Identity (payload)
		"bnc.tile_decoded" = Reshape (payload_bytes, shape)
		y = MatMul ("bnc.tile_decoded", "bnc.quantiser.lo")
	}`
	path := fromText(t, text, nil)
	plainPairs(t, path)
	for _, at := range []string{"graph", "device-host", "host"} {
		dir := filepath.Join(t.TempDir(), at)
		mustBnc(t, "split", path, "--after", "bnc.restore.channel.relu", "--c", "3", "--codec-at", at, "-o", dir)
		compare(t, open(t, dir), open(t, filepath.Join(dir, "bottlenet.onnx")), 4, 4, true)
	}
	taken := fromText(t, strings.ReplaceAll(strings.ReplaceAll(imageNet, "] y)", "] tile)"), "y = ", "tile = "), nil)
	if _, stderr, code := tryBnc(t, "split", taken, "--after", "a", "-o", filepath.Join(t.TempDir(), "b")); code != exitUnusable || !strings.Contains(stderr, `"tile"`) {
		t.Errorf("an output of that name: exit code %d, %s", code, stderr)
	}
}

func TestAnnotationsAreKept(t *testing.T) {
	path := fromText(t, imageNet, func(m *onnxpb.ModelProto) {
		m.MetadataProps = append(m.MetadataProps, &onnxpb.StringStringEntryProto{Key: proto.String("author"), Value: proto.String("me")})
		m.Graph.Node[1].DocString = proto.String("an activation")
		for _, name := range []string{"c", "p"} {
			m.Graph.QuantizationAnnotation = append(m.Graph.QuantizationAnnotation, &onnxpb.TensorAnnotation{TensorName: proto.String(name),
				QuantParameterTensorNames: []*onnxpb.StringStringEntryProto{{Key: proto.String("SCALE_TENSOR"), Value: proto.String(map[string]string{"c": "b", "p": "fc"}[name])}}})
		}
		// The weights of the matrix product as a sparse initializer: 1, 2 and 3.
		last := len(m.Graph.Initializer) - 1
		m.Graph.Initializer = m.Graph.Initializer[:last]
		values := ir.Float32s([]float32{1, 2, 3}, 3)
		raw, _ := values.Bytes()
		indices := ir.Int64s(0, 5, 10)
		rawIndices, _ := indices.Bytes()
		m.Graph.SparseInitializer = append(m.Graph.SparseInitializer, &onnxpb.SparseTensorProto{Dims: []int64{4, 4},
			Values:  &onnxpb.TensorProto{Name: proto.String("fc"), DataType: proto.Int32(1), Dims: []int64{3}, RawData: raw},
			Indices: &onnxpb.TensorProto{DataType: proto.Int32(7), Dims: []int64{3}, RawData: rawIndices}})
	})
	plainPairs(t, path)
	dir := filepath.Join(t.TempDir(), "pair")
	mustBnc(t, "split", path, "--after", "a", "--plain", "-o", dir)
	for part, want := range map[string]struct {
		annotated string
		sparse    int
	}{"mobile": {"c", 0}, "cloud": {"p", 1}} {
		m, err := onnx.Load(filepath.Join(dir, part+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		q := m.Graph.Proto.QuantizationAnnotation
		if author, _ := m.Meta("author"); author != "me" || len(q) != 1 || q[0].GetTensorName() != want.annotated || len(m.Graph.SparseInits()) != want.sparse {
			t.Errorf("%s: author %q, annotations %v, %d sparse initializers", part, author, q, len(m.Graph.SparseInits()))
		}
		if part == "mobile" && m.Graph.Nodes()[1].Proto.GetDocString() != "an activation" {
			t.Error("the node's doc string is lost")
		}
	}
}

// externalise moves every constant into a file; where names its location.
func externalise(t *testing.T, location string, shift int) string {
	t.Helper()
	var data []byte
	path := fromText(t, imageNet, func(m *onnxpb.ModelProto) {
		for _, init := range m.Graph.Initializer {
			raw, err := (&ir.Tensor{Proto: init}).Bytes()
			if err != nil {
				t.Fatal(err)
			}
			init.FloatData, init.Int64Data = nil, nil
			init.DataLocation = onnxpb.TensorProto_EXTERNAL.Enum()
			for k, v := range map[string]string{"location": location, "offset": fmt.Sprint(len(data) + shift), "length": fmt.Sprint(len(raw))} {
				init.ExternalData = append(init.ExternalData, &onnxpb.StringStringEntryProto{Key: proto.String(k), Value: proto.String(v)})
			}
			data = append(data, raw...)
		}
	})
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "weights.bin"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestExternalData reads shapes and weights from another file, which inference
// needs, and refuses locations outside of the model's folder.
func TestExternalData(t *testing.T) {
	path := externalise(t, "weights.bin", 0)
	// ONNX Runtime itself does not load it: "Cannot parse data from external
	// tensors".
	if names := plainPairsOf(t, path, fromText(t, imageNet, nil)); len(names) != 4 {
		t.Errorf("cuts %v", names)
	}
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, make([]byte, 1<<12), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, refused := range map[string]string{
		"absolute":      externalise(t, outside, 0),
		"leaves":        externalise(t, "../"+filepath.Base(filepath.Dir(outside))+"/secret", 0),
		"not there":     externalise(t, "nothing.bin", 0),
		"past the end":  externalise(t, "weights.bin", 1<<20),
		"negative":      externalise(t, "weights.bin", -8),
		"a folder":      externalise(t, ".", 0),
		"symbolic link": linked(t, outside),
	} {
		stdout, stderr, code := tryBnc(t, "split", refused, "--after", "a", "-o", filepath.Join(t.TempDir(), "b"))
		if code != exitUnusable || !strings.Contains(stderr, `initializer "w"`) || stdout != "" {
			t.Errorf("%s: exit code %d\n%s%s", name, code, stdout, stderr)
		}
	}
}

// linked is a model whose data is a symbolic link out of its folder.
func linked(t *testing.T, target string) string {
	t.Helper()
	path := externalise(t, "link.bin", 0)
	if err := os.Symlink(target, filepath.Join(filepath.Dir(path), "link.bin")); err != nil {
		t.Fatal(err)
	}
	return path
}
