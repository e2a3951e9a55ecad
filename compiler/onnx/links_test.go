package onnx

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
)

// linkCase is a model below a new folder: a file, or a link to one.
type linkCase struct {
	name     string
	model    string            // the real file
	location string            // of its one weight of 8 floats
	files    []string          // that hold such data
	links    map[string]string // by the link's path
	open     string            // what is opened, "" for model
}

// linkCases place a model and its data in all ways that a rule about links has to
// tell apart.
var linkCases = []linkCase{
	{name: "beside", model: "m/x.onnx", location: "d", files: []string{"m/d"}},
	{name: "below", model: "m/x.onnx", location: "sub/d", files: []string{"m/sub/d"}},
	{name: "there and back", model: "m/x.onnx", location: "sub/../d", files: []string{"m/d", "m/sub/e"}},
	{name: "missing", model: "m/x.onnx", location: "d"},
	{name: "above", model: "m/x.onnx", location: "../d", files: []string{"d"}},
	{name: "link out", model: "m/x.onnx", location: "d", files: []string{"else/d"}, links: map[string]string{"m/d": "../else/d"}},
	{name: "folder out", model: "m/x.onnx", location: "up/d", files: []string{"d"}, links: map[string]string{"m/up": ".."}},
	{name: "link inside", model: "m/x.onnx", location: "d", files: []string{"m/sub/e"}, links: map[string]string{"m/d": "sub/e"}},
	{name: "linked folder", model: "m/x.onnx", location: "d", files: []string{"m/d"}, links: map[string]string{"f": "m"}, open: "f/x.onnx"},
	{name: "cache", model: "blobs/a", location: "d", files: []string{"blobs/b"},
		links: map[string]string{"snap/s/x.onnx": "../../blobs/a", "snap/s/d": "../../blobs/b"}, open: "snap/s/x.onnx"},
	{name: "links to a cache's links", model: "blobs/a", location: "d", files: []string{"blobs/b"},
		links: map[string]string{"snap/x.onnx": "../blobs/a", "snap/d": "../blobs/b", "mine/x.onnx": "../snap/x.onnx", "mine/d": "../snap/d"}, open: "mine/x.onnx"},
	{name: "cache, data below the real file", model: "blobs/a", location: "d", files: []string{"blobs/sub/b"},
		links: map[string]string{"snap/x.onnx": "../blobs/a", "snap/d": "../blobs/sub/b"}, open: "snap/x.onnx"},
	{name: "cache, data elsewhere", model: "blobs/a", location: "d", files: []string{"else/b"},
		links: map[string]string{"snap/x.onnx": "../blobs/a", "snap/d": "../else/b"}, open: "snap/x.onnx"},
	{name: "data beside the link", model: "blobs/a", location: "d", files: []string{"snap/d"},
		links: map[string]string{"snap/x.onnx": "../blobs/a"}, open: "snap/x.onnx"},
	{name: "data beside the real file alone", model: "blobs/a", location: "d", files: []string{"blobs/d"},
		links: map[string]string{"snap/x.onnx": "../blobs/a"}, open: "snap/x.onnx"},
}

// write makes the case below root and returns the path that is opened.
func (c linkCase) write(t *testing.T, root string) string {
	t.Helper()
	at := func(path string) string {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, file := range c.files {
		if err := os.WriteFile(at(file), make([]byte, 32), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(at(c.model), addExternal(t, c.location), 0o644); err != nil {
		t.Fatal(err)
	}
	for link, target := range c.links {
		if err := os.Symlink(target, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	if c.open != "" {
		return filepath.Join(root, c.open)
	}
	return filepath.Join(root, c.model)
}

// addExternal is a model that adds its input and a weight of 8 floats that is
// external data.
func addExternal(t *testing.T, location string) []byte {
	t.Helper()
	value := func(name string) *onnxpb.ValueInfoProto {
		return &onnxpb.ValueInfoProto{Name: &name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
			ElemType: proto.Int32(int32(ir.Float32)),
			Shape:    &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 8}}}},
		}}}}
	}
	b, err := marshal.Marshal(&onnxpb.ModelProto{
		IrVersion:   proto.Int64(8),
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: proto.Int64(13)}},
		Graph: &onnxpb.GraphProto{
			Name: proto.String("add"), Input: []*onnxpb.ValueInfoProto{value("x")}, Output: []*onnxpb.ValueInfoProto{value("y")},
			Node: []*onnxpb.NodeProto{{OpType: proto.String("Add"), Input: []string{"x", "w"}, Output: []string{"y"}}},
			Initializer: []*onnxpb.TensorProto{{Name: proto.String("w"), DataType: proto.Int32(int32(ir.Float32)), Dims: []int64{8},
				DataLocation: onnxpb.TensorProto_EXTERNAL.Enum(),
				ExternalData: []*onnxpb.StringStringEntryProto{{Key: proto.String("location"), Value: &location}}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestLinksLikeONNXRuntime loads external data behind links where ONNX Runtime does,
// as in the Hugging Face hub's cache, and nowhere else.
func TestLinksLikeONNXRuntime(t *testing.T) {
	python := onnxPython(t)
	args := []string{filepath.Join("testdata", "opens.py")}
	for _, c := range linkCases {
		args = append(args, c.write(t, t.TempDir()))
	}
	absolute := linkCase{name: "absolute", model: "m/x.onnx", files: []string{"m/d"}}
	root := t.TempDir()
	absolute.location = filepath.Join(root, "m/d")
	cases := append(linkCases, absolute)
	args = append(args, absolute.write(t, root))
	out, err := exec.Command(python, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	opens := strings.Fields(string(out))
	if len(opens) != len(cases) {
		t.Fatalf("%d answers for %d models: %s", len(opens), len(cases), out)
	}
	for i, c := range cases {
		path := args[1+i]
		_, err := Load(path)
		if want := opens[i] == "1"; (err == nil) != want {
			t.Errorf("%s: ONNX Runtime opens it: %v; %v", c.name, want, err)
		}
		if err != nil {
			continue
		}
		if files, err := ExternalFiles(path); err != nil || len(files) != 1 {
			t.Errorf("%s: files %v, %v", c.name, files, err)
		} else if _, err := Hash(path); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
