package shape_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/compiler/shape"
)

// FuzzInfer infers damaged models: an error or types are fine, a panic, a hang or
// an inconsistent type is not.
func FuzzInfer(f *testing.F) {
	for _, text := range []string{
		`g (float[N,3,H,224] x, float[8,3,3,3] w) => (float[] y) {
			c = Conv<pads = [1,1,1,1], strides = [2,2], auto_pad = "SAME_UPPER"> (x, w)
			p, i = MaxPool<kernel_shape = [3,3], ceil_mode = 1> (c)
			t = Transpose<perm = [0,2,3,1]> (p)
			y = ConvTranspose<group = 2, output_padding = [1,1]> (c, w)
		}`,
		`g (float[N,8,H,W] x) => (float[] y) {
			s = Shape<start = 1> (x)
			a = Constant <value_ints = [0, 1]> ()
			n = Gather (s, a)
			b = Slice (s, a, n, a)
			k = ConstantOfShape<value = int64[1] {3}> (n)
			r = Range (a, n, k)
			target = Concat <axis = 0> (n, b)
			e = Expand (target, a)
			t = Tile (e, a)
			p = ReduceProd<keepdims = 0> (target)
			m = Mod (target, a)
			y = Reshape (x, target)
		}`,
		`g (float[N,3] x, int64 trips, bool go) => (float[] y) {
			y, z = Loop (trips, go, x) <
				body = b (int64 i, bool c, float[?,3] state) => (bool d, float[?,3] next, float[] row) {
					d = Identity (c)
					next = Concat<axis = 0> (state, state)
					row = f.flat<to = 1> (x)
				}
			>
			u = If (go) < then_branch = a () => (float[] v) { v = Relu (x) }, else_branch = b () => (float[] w) { w = Split (x) } >
		}
		<domain: "f", opset_import: ["": 17]> flat <to> (x) => (y) { y = Flatten<axis: int = @to> (x) }`,
		`g (float[N,A,B] x, float[N,B,C] z) => (float[] y) {
			y = Einsum<equation = "nab,nbc->nac"> (x, z)
			s = SequenceConstruct (x, y)
			c = ConcatFromSequence<axis = 1> (s)
			v, k = TopK (c, c)
			h = OneHot (c, v, k)
			g = GatherND (h, x)
			o = Resize (x, x, x, c)
			q = QLinearConv (x, x, x, x, x, x, x, x)
		}`,
	} {
		b, err := onnx.Marshal(parse(f, text))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := onnx.Parse(b)
		if err != nil {
			return
		}
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			return
		}
		m.Graph.Walk(func(n *ir.Node) {
			for _, v := range n.Outputs() {
				if v != nil {
					checkType(t, v, info.Of(v))
				}
			}
		})
	})
}

// checkType holds what the package promises of every type.
func checkType(t *testing.T, v *ir.Value, got shape.Type) {
	elements := int64(1)
	for _, d := range got.Dims {
		if n, ok := d.Int(); !d.Known() || ok && n < 0 {
			t.Errorf("%q is %v", v.Name(), got)
		} else {
			elements *= n
		}
	}
	if got.Content != nil && (int64(len(got.Content)) != elements || elements > 1024) {
		t.Errorf("%q is %v with %d elements of contents", v.Name(), got, len(got.Content))
	}
}

// TestFunctionsDoNotMultiply: functions that call each other twice, forty deep,
// would be 2^40 nodes.
func TestFunctionsDoNotMultiply(t *testing.T) {
	var text strings.Builder
	text.WriteString("g (float[N] x) => (float[N] y) { y = f.f0 (x) }\n")
	for i := range 40 {
		fmt.Fprintf(&text, `<domain: "f", opset_import: ["f": 1]> f%d (x) => (y) { a = f.f%d (x)  y = f.f%d (a) }`+"\n", i, i+1, i+1)
	}
	text.WriteString(`<domain: "f", opset_import: ["": 17]> f40 (x) => (y) { y = Relu (x) }`)
	infer(t, text.String(), shape.Options{})
}

// BenchmarkInfer infers a chain of 10,000 nodes with a symbolic batch.
func BenchmarkInfer(b *testing.B) {
	var text strings.Builder
	text.WriteString("g (float[N,64,56,56] v0, float[64,64,3,3] w, float[64] k) => (float[] y) {\n")
	const blocks = 2500
	for i := range blocks {
		fmt.Fprintf(&text, "c%d = Conv<pads = [1,1,1,1]> (v%d, w)\nb%d = BatchNormalization (c%d, k, k, k, k)\na%d = Add (b%d, v%d)\nv%d = Relu (a%d)\n",
			i, i, i, i, i, i, i, i+1, i)
	}
	fmt.Fprintf(&text, "y = Identity (v%d) }", blocks)
	m, err := onnxtext.Parse(header + text.String())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := shape.Infer(m, shape.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// decisions turns fuzz input into choices; once it is used up all are 0.
type decisions []byte

func (d *decisions) below(n int) int {
	if len(*d) == 0 {
		return 0
	}
	b := int((*d)[0])
	*d = (*d)[1:]
	return b % n
}

// interesting are numbers that rules have to beware of.
var interesting = []int64{0, 1, 2, 3, -1, -2, 4, 5, 7, 8, 16, 1000, 1 << 31, -1 << 31, 1<<63 - 1, -1 << 63, 1 << 40}

func (d *decisions) number() int64 { return interesting[d.below(len(interesting))] }

func (d *decisions) numbers() []int64 {
	out := make([]int64, d.below(5))
	for i := range out {
		out[i] = d.number()
	}
	return out
}

// attributes are the names that rules read.
var attributes = map[string][]string{
	"ints": {"axes", "axis", "pads", "strides", "dilations", "kernel_shape", "output_shape", "output_padding", "perm", "split",
		"starts", "ends", "shape", "pooled_shape", "border", "scale", "inputdimensions", "scan_input_axes", "qkv_hidden_sizes", "value_ints"},
	"int": {"axis", "keepdims", "group", "blocksize", "allowzero", "start", "end", "to", "num_outputs", "transA", "transB", "ceil_mode",
		"batch_dims", "noop_with_empty_axes", "hidden_size", "layout", "k", "height", "width", "new_axis", "q_num_heads", "kv_num_heads",
		"onesided", "inverse", "channels_last", "output_dtype", "sample_size", "fmod", "num_scan_inputs", "value_int", "input_as_shape"},
	"string": {"auto_pad", "equation", "direction", "keep_aspect_ratio_policy", "mode", "reduction", "map_form"},
}

var words = []string{"SAME_UPPER", "VALID", "NOTSET", "ij,jk->ik", "...i,i...->...", "i,->", "bidirectional", "not_larger", "none", "SPARSE"}

// graph builds a graph of any operators over any inputs.
func (d *decisions) graph(ops []*shape.Op) *ir.Model {
	versions := []int64{7, 9, 10, 11, 12, 13, 15, 17, 18, 21, 27}
	m := ir.NewModel(8, versions[d.below(len(versions))])
	g := m.Graph
	var values []*ir.Value
	dtypes := []ir.DType{ir.Float32, ir.Int64, ir.Int32, ir.Bool, ir.Uint8, ir.Float16, ir.String}
	for range 1 + d.below(4) {
		var dims []ir.Dim
		for range d.below(6) {
			dims = append(dims, []ir.Dim{ir.Sym("N"), ir.Sym("H"), {N: int64(d.below(9))}, ir.UnknownDim}[d.below(4)])
		}
		v := g.Temp("x", ir.TensorType(dtypes[d.below(len(dtypes))], dims))
		g.AddInput(v, nil)
		values = append(values, v)
	}
	for range 1 + d.below(4) {
		values = append(values, g.Const("c", ir.Int64s(d.numbers()...)))
	}
	values = append(values, g.Const("f", ir.Float32s([]float32{0.5, 2, -1, 1e30}, 4)), nil)
	for range 1 + d.below(20) {
		op := ops[(d.below(256)*256+d.below(256))%len(ops)]
		var in, out []*ir.Value
		for range op.In.Min + d.below(4) {
			in = append(in, values[d.below(len(values))])
		}
		for range max(op.Out.Min, 1) + d.below(2) {
			out = append(out, g.Temp("v", nil))
		}
		n := g.NewNode(op.Domain, op.Name, in, out)
		for range d.below(5) {
			ints, scalars, texts := attributes["ints"], attributes["int"], attributes["string"]
			switch d.below(3) {
			case 0:
				n.SetAttr(ir.IntsAttr(ints[d.below(len(ints))], d.numbers()...))
			case 1:
				n.SetAttr(ir.IntAttr(scalars[d.below(len(scalars))], d.number()))
			case 2:
				n.SetAttr(ir.StringAttr(texts[d.below(len(texts))], words[d.below(len(words))]))
			}
		}
		values = append(values, out...)
		// A node that is refused would hide those after it.
		if _, err := shape.Infer(m, shape.Options{}); err != nil {
			values = values[:len(values)-len(out)]
			g.Remove(n)
		}
	}
	return m
}

// FuzzRules infers graphs of any operators over any inputs and attributes.
func FuzzRules(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 64 {
		b := make([]byte, 200)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b)
	}
	ops := shape.Ops()
	f.Fuzz(func(t *testing.T, b []byte) {
		d := decisions(b)
		m := d.graph(ops)
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			t.Fatal(err) // graph leaves out what is refused
		}
		m.Graph.Walk(func(n *ir.Node) {
			for _, v := range n.Outputs() {
				if v != nil {
					checkType(t, v, info.Of(v))
				}
			}
			info.MACs(n)
		})
	})
}
