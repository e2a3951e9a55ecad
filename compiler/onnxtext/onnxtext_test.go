package onnxtext

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/models"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// texts returns the files of a folder of testdata and what is in them.
func texts(t testing.TB, folder string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata/%s (%v)", folder, err)
	}
	out := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[f] = string(b)
	}
	return out
}

func mustParse(t *testing.T, src string) *ir.Model {
	t.Helper()
	m, err := Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustPrint(t *testing.T, m *ir.Model) string {
	t.Helper()
	var b bytes.Buffer
	if err := Print(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// message returns m as the file would have it, without what the syntax does not
// say.
func message(t *testing.T, m *ir.Model) *onnxpb.ModelProto {
	t.Helper()
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	pb := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(b, pb); err != nil {
		t.Fatal(err)
	}
	normalise(t, pb.ProtoReflect())
	return pb
}

// normalise clears what the syntax does not say and puts the elements of every
// tensor into its raw_data.
func normalise(t *testing.T, m protoreflect.Message) {
	t.Helper()
	switch v := m.Interface().(type) {
	case *onnxpb.TensorProto:
		v.DocString, v.MetadataProps = nil, nil
		if v.GetDataType() == int32(ir.String) || v.ExternalData != nil {
			break
		}
		tensor := ir.Tensor{Proto: v}
		if v.RawData != nil {
			tensor.Raw = ir.Memory(v.RawData)
		}
		raw, err := tensor.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		v.RawData = append([]byte{}, raw...)
		v.FloatData, v.DoubleData, v.Int32Data, v.Int64Data, v.Uint64Data = nil, nil, nil, nil, nil
	case *onnxpb.NodeProto:
		v.DocString, v.MetadataProps, v.DeviceConfigurations = nil, nil, nil
		if ir.NormalDomain(v.GetDomain()) == "" {
			v.Domain = nil
		}
	case *onnxpb.GraphProto:
		v.DocString, v.MetadataProps, v.QuantizationAnnotation = nil, nil, nil
	case *onnxpb.ValueInfoProto:
		v.DocString, v.MetadataProps = nil, nil
	case *onnxpb.AttributeProto:
		v.DocString = nil
		if v.GetType() == onnxpb.AttributeProto_FLOAT {
			v.I = nil // onnx.parser sets it beside F where the text has a whole number
		}
	case *onnxpb.TypeProto:
		v.Denotation = nil
	case *onnxpb.TensorShapeProto_Dimension:
		v.Denotation = nil
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				normalise(t, v.List().Get(i).Message())
			}
		case f.IsList():
		case f.Message() != nil:
			normalise(t, v.Message())
		case f.Kind() == protoreflect.StringKind && v.String() == "":
			m.Clear(f)
		}
		return true
	})
}

// TestCanonical: the files are as Print writes them.
func TestCanonical(t *testing.T) {
	for file, src := range texts(t, "canonical") {
		if got := mustPrint(t, mustParse(t, src)); got != src {
			t.Errorf("%s: printed\n%s", file, got)
		}
	}
}

func TestPrintedModelIsTheSame(t *testing.T) {
	resnet, err := models.Build("resnet20", models.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]*ir.Model{"resnet20": resnet}
	for file, src := range texts(t, "syntax") {
		cases[file] = mustParse(t, src)
	}
	for name, m := range cases {
		text := mustPrint(t, m)
		if !proto.Equal(message(t, m), message(t, mustParse(t, text))) {
			t.Errorf("%s: what was printed is another model:\n%.2000s", name, text)
		}
	}
}

// TestAdditions: what onnx.parser does not take survives too.
func TestAdditions(t *testing.T) {
	const src = `<
  ir_version: 8,
  opset_import: ["" : 17, "my-domain.v1" : 1]
>
"a graph" (float["a dim", 2] x, opaque("a.b", c) o) => (float[?, 2] "float")
{
  "float" = "my-domain.v1"."Op 1" <"an attribute": tensors = [float {1}, int64[1] n {2}], types: type_protos = [float, seq(int64)], "": int = 1> (x)
  [nested] y = "my-domain.v1".Op (o) <bodies: graphs = ["inf" () => (z)
  {
    z = Identity (x)
  }, b () => (w)
  {
    w = Neg (x)
  }]>
}
`
	m := mustParse(t, src)
	if got := mustPrint(t, m); got != src {
		t.Errorf("printed\n%s", got)
	}
	attr := m.Graph.Nodes()[0].Attr("an attribute")
	if attr == nil || len(attr.Tensors) != 2 || attr.Tensors[1].Proto.GetName() != "n" {
		t.Errorf("tensors are %v", attr)
	}
	if bodies := m.Graph.Nodes()[1].Bodies(); len(bodies) != 2 || bodies[0].Name != "inf" {
		t.Errorf("bodies are %v", bodies)
	}
}

func TestSyntaxErrors(t *testing.T) {
	const header = "<ir_version: 8, opset_import: [\"\" : 17]>\n"
	for _, c := range []struct {
		src          string
		line, column int
		expected     string // a part of it
		found        string
	}{
		{"", 1, 1, "the name of a graph", "the end of the text"},
		{"<ir: 8> g () => () {}", 1, 2, "one of doc_string, domain, ir_version", `"ir"`},
		{"<ir_version: 8.5> g () => () {}", 1, 14, "an integer", `"8.5"`},
		{"<ir_version: 8, opset_import: [\"\" : 17 \"x\" : 1]>", 1, 40, `"," or "]"`, `the string "x"`},
		{header + "g (float x => () {}", 2, 12, `"," or ")"`, `"=>"`},
		{header + "g (floot[2] x) => () {}", 2, 9, `"," or ")"`, `"["`},
		{header + "g (float[2,] x) => () {}", 2, 12, "a dimension", `"]"`},
		{header + "g (seq(x) y) => () {}", 2, 8, "a type", `"x"`},
		{header + "g (map(x, float) y) => () {}", 2, 8, "the type of an element", `"x"`},
		{header + "g () => (y)\n{ y = Relu [x] }", 3, 12, `"("`, `"["`},
		{header + "g () => (y)\n{ y = (x) }", 3, 7, "an operator", `"("`},
		{header + "g () => (y)\n{ y Relu (x) }", 3, 5, `"="`, `"Relu"`},
		{header + "g () => (y)\n{ < }", 3, 3, "a node", `"<"`},
		{header + "g () => (y)\n{ y = Relu (x)", 3, 15, "a node", "the end of the text"},
		{header + "g () => () { = A <a = []> () }", 2, 23, "a type, like", "none"},
		{header + "g () => () { = A <a: ints = 1> () }", 2, 29, "a value of the type ints", `"1"`},
		{header + "g () => () { = A <a: int = [1]> () }", 2, 28, "one value of the type int", `"["`},
		{header + "g () => () { = A <a: int = 1.5> () }", 2, 28, "a value of the type int", `"1.5"`},
		{header + "g () => () { = A <a = [1, 2.5]> () }", 2, 27, "a value of the type int", `"2.5"`},
		{header + "g () => () { = A <a: whole = 1> () }", 2, 22, "the type of an attribute", `"whole"`},
		{header + "g () => () { = A <a = 99999999999999999999> () }", 2, 23, "an integer of -9223372036854775808 to", `"99999999999999999999"`},
		{header + "g () => () { = A <a = 1e39> () }", 2, 23, "a number that float32 can hold", `"1e39"`},
		{header + "g () => () { = A <a = -x> () }", 2, 23, "the value of an attribute", `"-x"`},
		{header + "g () => ()\n<float[2] w = {1, 2, 3}> {}", 3, 15, "2 elements", "3"},
		{header + "g () => ()\n<complex64[2] w = {1, 2}> {}", 3, 19, "4 elements", "2"},
		{header + "g () => ()\n<float[N] w = {1}> {}", 3, 15, "a dimension before is no number", `"{"`},
		{header + "g () => ()\n<float[] w = {1}> {}", 3, 14, "no tensor of a known shape", `"{"`},
		{header + "g () => ()\n<int8 w = {128}> {}", 3, 12, "an integer of -128 to 127", `"128"`},
		{header + "g () => ()\n<uint32 w = {-1}> {}", 3, 14, "an integer of 0 to 4294967295", `"-1"`},
		{header + "g () => ()\n<int32 w = {1.0}> {}", 3, 13, "an integer of", `"1.0"`},
		{header + "g () => ()\n<string w = {a}> {}", 3, 14, "a string in double quotes", `"a"`},
		{header + "g () => ()\n<string w = {\"ä\", \"open}> {}", 3, 19, "a string in double quotes", `"\"open}> {}"`},
		{header + "g () => () {}\nf <domain: 1> () => () {}", 3, 12, "the type of an attribute", `"1"`},
		{header + "g (" + strings.Repeat("seq(", 1e6), 2, 400, "at most 100 graphs or types", `"seq"`},
	} {
		_, err := Parse(c.src)
		var e *SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("%.200q: error %v, expected a SyntaxError", c.src, err)
			continue
		}
		if e.Line != c.line || e.Column != c.column || !strings.Contains(e.Expected, c.expected) || e.Found != c.found {
			t.Errorf("%.200q:\n\t%v\n\tshould be at %d:%d, expect %s, find %s", c.src, e, c.line, c.column, c.expected, c.found)
		}
	}
}

// TestModelErrors: what the syntax allows and a model does not is refused by
// the decoder, under this package's name.
func TestModelErrors(t *testing.T) {
	for src, want := range map[string]string{
		"g () => () {}": "IR version 0",
		"<ir_version: 8> g (float x) => (float y) { y = Relu (z) }":                                       `input "z" is not defined`,
		`<ir_version: 8, opset_import: ["" : 17]> g () => () <float[9] w = ["location": "../secret"]> {}`: "external",
	} {
		_, err := Parse(src)
		if err == nil || !strings.HasPrefix(err.Error(), "ONNX text: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, expected it to say %s", src, err, want)
		}
	}
}

func TestDumpLeavesLargeTensorsOut(t *testing.T) {
	m := mustParse(t, texts(t, "canonical")["testdata/canonical/small.txt"])
	node := m.Graph.NewNode("", "Constant", nil, []*ir.Value{m.Graph.Temp("c", nil)}, ir.TensorAttr("value", ir.Int64s(1, 2, 3, 4)))
	node.SetAttr(ir.TensorAttr("value", ir.Int64s(1, 2, 3, 4)))
	sparse := m.Graph.Temp("sparse", nil)
	m.Graph.SetSparseInit(sparse, &ir.Sparse{Proto: &onnxpb.SparseTensorProto{Dims: []int64{2}},
		Values: ir.Float32s([]float32{1}, 1), Indices: ir.Int64s(1)})

	var b bytes.Buffer
	if err := (Printer{MaxElements: 3}).Print(&b, m); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"  float[4, 3, 1, 1] \"conv.weight\" = {# left out: 12 elements\n  },\n",
		"  c = Constant <value: tensor = int64[4] {# left out: 4 elements\n  }> ()\n",
		"  float \"float\" = {0.33333334},\n",
		"\n# left out: the sparse initializer \"sparse\"\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the dump lacks %q:\n%s", want, b.String())
		}
	}
	if _, err := Parse(b.String()); err == nil || !strings.Contains(err.Error(), "expected 12 elements, found 0") {
		t.Errorf("parsing the dump: error %v", err)
	}
	if err := Print(&b, m); err == nil || !strings.Contains(err.Error(), `sparse initializer "sparse"`) {
		t.Errorf("printing a sparse initializer: error %v", err)
	}
}

func TestPrintReportsErrors(t *testing.T) {
	unreadable := errors.New("unreadable")
	m := ir.NewModel(8, 17)
	m.Graph.Const("w", ir.NewTensor(ir.Float32, []int64{1}, ir.Lazy{N: 4, Compute: func() ([]byte, error) { return nil, unreadable }}))
	if err := Print(&bytes.Buffer{}, m); !errors.Is(err, unreadable) || !strings.Contains(err.Error(), `"w"`) {
		t.Errorf("a constant that cannot be read: error %v", err)
	}
	if err := Print(full{}, ir.NewModel(8, 17)); !errors.Is(err, errFull) {
		t.Errorf("a writer that fails: error %v", err)
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// FuzzParse: no text makes the parser hang or panic, and what it takes can be
// printed and read again as the same text.
func FuzzParse(f *testing.F) {
	for _, folder := range []string{"canonical", "syntax"} {
		for _, src := range texts(f, folder) {
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src string) {
		m, err := Parse(src)
		if err != nil {
			return
		}
		first := mustPrint(t, m)
		again, err := Parse(first)
		if err != nil {
			t.Fatalf("%v in what was printed:\n%s", err, first)
		}
		if second := mustPrint(t, again); second != first {
			t.Fatalf("printed\n%s\nand again\n%s", first, second)
		}
	})
}
