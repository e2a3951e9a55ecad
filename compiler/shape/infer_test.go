package shape_test

import (
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/compiler/shape"
)

const header = `<ir_version: 8, opset_import: ["": 17, "custom": 1, "bnc": 1, "f": 1, "com.microsoft": 1]>
`

func parse(t testing.TB, text string) *ir.Model {
	t.Helper()
	m, err := onnxtext.Parse(header + text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return m
}

func infer(t testing.TB, text string, opts shape.Options) (*ir.Model, *shape.Info) {
	t.Helper()
	m := parse(t, text)
	info, err := shape.Infer(m, opts)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return m, info
}

// TestInfer holds the types of single values of small graphs.
func TestInfer(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		fix  map[string][]int64
		want map[string]string
	}{
		"symbols pass through": {
			text: `g (float[N,3,H,224] x, float[8,3,3,3] w) => (float[] y) {
				c = Conv<pads = [1,1,1,1], strides = [2,2]> (x, w)
				y = GlobalAveragePool (c)
			}`,
			want: map[string]string{"c": "float32[N,8,floordiv(H+1, 2),112]", "y": "float32[N,8,1,1]"},
		},
		"the largest of floats is a size": { // as torchvision's detectors pad their images
			text: `g (float[3,20,30] x) => (float[3,h,w] y) <float[2] sizes = {20, 30}, float scale = {32}, int64[1] one = {1}> {
				most = ReduceMax<keepdims = 0> (sizes)
				least = ReduceMin<keepdims = 0> (sizes)
				parts = Div (most, scale)
				whole = Ceil (parts)
				padded = Mul (whole, scale)
				more = Sub (padded, least)
				count = Cast<to = 7> (more)
				count1 = Reshape (count, one)
				zeros = Constant<value_ints = [0, 0, 0, 0, 0]> ()
				pads = Concat<axis = 0> (zeros, count1)
				y = Pad (x, pads)
			}`,
			want: map[string]string{"y": "float32[3,20,42]"},
		},
		"a scale of floats makes sizes": { // as torchvision's detectors scale their images
			text: `g (float[1,3,20,30] x) => (float[1,3,h,w] y) <int64[2] sizes = {20, 30}, float wanted = {64}, float[2] image = {20, 30}, int64[2] head = {1, 3}> {
				least = ReduceMin<keepdims = 0> (sizes)
				short = Cast<to = 1> (least)
				part = Reciprocal (short)
				scale = Mul (part, wanted)
				scaled = Mul (image, scale)
				whole = Floor (scaled)
				tail = Cast<to = 7> (whole)
				dims = Concat<axis = 0> (head, tail)
				y = Resize (x, , , dims)
			}`,
			want: map[string]string{"y": "float32[1,3,64,96]"},
		},
		"unnamed sizes get symbols": {
			text: `g (float[?,3] x) => (float[?,3] y) { y = Relu (x) }`,
			want: map[string]string{"y": "float32[?x.0,3]"},
		},
		"an unknown operator has what is declared": {
			text: `g (float[2] x) => (float[2,5] y, float[] z) {
				y = custom.Thing (x)
				hidden = custom.Other (x)
				z = Identity (hidden)
			}`,
			want: map[string]string{"y": "float32[2,5]", "hidden": "?"},
		},
		"computed sizes win over declared ones": {
			text: `g (float[N,3] x) => (float[1,7] y) { y = Relu (x) }`,
			want: map[string]string{"y": "float32[N,3]"},
		},
		"declared sizes stand in for unknown ones": {
			text: `g (float[N,3] x) => (int64[2,count] y) { y = NonZero (x) }`,
			want: map[string]string{"y": "int64[2,count]"},
		},
		"a fixed symbol is fixed everywhere": {
			text: `g (float[N,3] x, float[N] z) => (float[N,3] y) {
				y = Relu (x)
				u = custom.Thing (z)
			}`,
			fix:  map[string][]int64{"x": {4, 3}},
			want: map[string]string{"y": "float32[4,3]", "z": "float32[4]"},
		},
		"a changed number makes declarations stale": {
			text: `g (float[1,3] x) => (float[1,3] y) { y = custom.Thing (x) }`,
			fix:  map[string][]int64{"x": {4, 3}},
			want: map[string]string{"x": "float32[4,3]", "y": "float32[?y.0,?y.1]"},
		},
		"an input without a rank can be fixed": {
			text: `g (float x) => (float y) { y = Transpose (x) }`,
			fix:  map[string][]int64{"x": {}},
			want: map[string]string{"y": "float32[]"},
		},
		"sizes two symbols meet in": {
			text: `g (float[N,A] x, float[N,B] y) => (float[] z) { z = Add (x, y) }`,
			want: map[string]string{"z": "float32[N,max(A, B)]"},
		},
		"shape arithmetic": {
			text: `g (float[N,8,H,W] x) => (float[] y) {
				s = Shape (x)
				zero = Constant <value_int = 0> ()
				n = Gather (s, zero)
				axes = Constant <value_ints = [0]> ()
				n1 = Unsqueeze (n, axes)
				rest = Constant <value_ints = [-1]> ()
				target = Concat <axis = 0> (n1, rest)
				y = Reshape (x, target)
			}`,
			want: map[string]string{"n": "int64[]", "target": "int64[2]", "y": "float32[N,8*H*W]"},
		},
		"a function's attributes come from the call": {
			text: `g (float[N,8] x) => (float[] y) { y = f.flat<to = 2> (x)  z = f.flat (x)}
			<domain: "f", opset_import: ["": 17]>
			flat <to: int = 0> (x) => (y) { y = Flatten<axis: int = @to> (x) }`,
			want: map[string]string{"y": "float32[8*N,1]", "z": "float32[1,8*N]"},
		},
		"an attribute that the caller's caller left out has the function's default": {
			text: `g (float[2,3,4] x) => (float[] y) { y = f.outer (x) }
			<domain: "f", opset_import: ["": 17, "f": 1]>
			outer <to> (x) => (y) { y = f.flat<to: int = @to> (x) }
			<domain: "f", opset_import: ["": 17]>
			flat <to: int = 2> (x) => (y) { y = Flatten<axis: int = @to> (x) }`,
			want: map[string]string{"y": "float32[6,4]"}, // as ONNX Runtime has it
		},
		"a function's constants come from the call": {
			text: `g (float[N,8] x) => (float[] y) { y = f.widen<to = 5> (x) }
			<domain: "f", opset_import: ["": 17]>
			widen <to> (x) => (y) {
				axes = Constant <value_ints = [0]> ()
				n = Constant <value_int: int = @to> ()
				shape = Unsqueeze (n, axes)
				r = ConstantOfShape (shape)
				y = Identity (r)
			}`,
			want: map[string]string{"y": "float32[5]"},
		},
		"a branch that is not taken need not make sense": {
			text: `g (float[N,1] x) => (float[] y) {
				c = Constant <value = bool {1}> ()
				y = If (c) <
					then_branch = a () => (float[] u) { u = Relu (x) },
					else_branch = b () => (float[] v) { v = DepthToSpace<blocksize = 2> (x) }
				>
			}`,
			want: map[string]string{"y": "float32[N,1]"},
		},
		"a size of a loop's body is unknown outside": {
			text: `g (float[N,3] x, int64 trips, bool go) => (float[] y, float[] z) {
				y, z = Loop (trips, go, x) <
					body = b (int64 i, bool c, float[?,3] state) => (bool d, float[?,3] next, float[] row) {
						d = Identity (c)
						next = Concat<axis = 0> (state, state)
						row = ReduceSum<keepdims = 0> (x)
					}
				>
			}`,
			want: map[string]string{"y": "float32[?y.0,3]", "z": "float32[?z.0]"},
		},
		"the codec": {
			text: `g (uint8[N,1,28,56] tile, float[N,2] range) => (uint8[] payload, uint8[] back, uint8[] t) {
				payload = bnc.JpegEncode<quality = 20> (tile, range)
				back, ranges = bnc.JpegDecode<quality = 20, height = 28, width = 56, dynamic_range = 1> (payload)
				t, bytes = bnc.JpegRoundTrip<quality = 20> (tile, range)
			}`,
			want: map[string]string{
				"payload": "uint8[?payload.0]", "back": "uint8[?back.0,1,28,56]", "ranges": "float32[?back.0,2]",
				"t": "uint8[N,1,28,56]", "bytes": "int64[N]",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, info := infer(t, c.text, shape.Options{Fix: c.fix})
			for value, want := range c.want {
				if got := info.Of(m.Graph.Value(value)).String(); got != want {
					t.Errorf("%q is %s, expected %s", value, got, want)
				}
			}
		})
	}
}

// TestInferErrors: what cannot run is refused with a message that names node,
// value, what was expected and what was found.
func TestInferErrors(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		fix  map[string][]int64
		want []string
	}{
		"channels": {
			text: `g (float[N,4,9,9] x, float[8,3,3,3] w) => (float[] y) { y = Conv (x, w) }`,
			want: []string{`Conv node of "y"`, `input 0 "x"`, "expected 3 channels", "found float32[N,4,9,9]"},
		},
		"kernel larger than the input": {
			text: `g (float[N,3,2,9] x, float[8,3,3,3] w) => (float[] y) { y = Conv (x, w) }`,
			want: []string{`input 0 "x"`, "room for a kernel of 3", "larger input"},
		},
		"broadcast": {
			text: `g (float[N,4] x, float[3] b) => (float[] y) { y = Add (x, b) }`,
			want: []string{`Add node of "y"`, `input 1 "b"`, "broadcasts with [N,4]", "found float32[3]"},
		},
		"reshape": {
			text: `g (float[2,5] x) => (float[] y) { s = Constant <value_ints = [3,-1]> ()  y = Reshape (x, s) }`,
			want: []string{`Reshape node of "y"`, "the new shape [3,-1]", "float32[2,5]"},
		},
		"matrix product": {
			text: `g (float[N,4] x, float[5,6] w) => (float[] y) { y = MatMul (x, w) }`,
			want: []string{`input 1 "w"`, "expected 4 rows", "found float32[5,6]"},
		},
		"declared type": {
			text: `g (float[N] x) => (int64[N] y) { y = Relu (x) }`,
			want: []string{`output "y"`, "expected int64", "found float32"},
		},
		"number of inputs": {
			text: `g (float[N] x) => (float[N] y) { y = Add (x) }`,
			want: []string{`Add node of "y"`, "expected 2 inputs, found 1"},
		},
		"operator set": {
			text: `g (float[N] x) => (float[N] y) { y = Gelu (x) }`,
			want: []string{`Gelu node of "y"`, "expected opset 20 or newer", "found 17"},
		},
		"axis": {
			text: `g (float[N] x) => (float[N] y) { y = Concat<axis = 1> (x) }`,
			want: []string{"expected axis in -1..0, found 1"},
		},
		"recursion": {
			text: `g (float[N] x) => (float[N] y) { y = f.a (x) }
			<domain: "f", opset_import: ["f": 1]> a (x) => (y) { y = f.a (x) }`,
			want: []string{"must not call itself"},
		},
		"an input that is none": {
			text: `g (float[N] x) => (float[N] y) { y = Relu (x) }`,
			fix:  map[string][]int64{"z": {1}},
			want: []string{`input "z"`, "its inputs are x"},
		},
		"a rank that is not the input's": {
			text: `g (float[N] x) => (float[N] y) { y = Relu (x) }`,
			fix:  map[string][]int64{"x": {1, 2}},
			want: []string{`input "x"`, "expected 1 dimensions, found 2"},
		},
		"a negative size": {
			text: `g (float[N] x) => (float[N] y) { y = Relu (x) }`,
			fix:  map[string][]int64{"x": {-1}},
			want: []string{`input "x"`, "0 or more"},
		},
		"two sizes for one symbol": {
			text: `g (float[N] x, float[N] z) => (float[N] y) { y = Add (x, z) }`,
			fix:  map[string][]int64{"x": {2}, "z": {3}},
			want: []string{`input "z"`, `expected 2 for dimension "N"`, "found 3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := shape.Infer(parse(t, c.text), shape.Options{Fix: c.fix})
			if err == nil {
				t.Fatal("expected an error")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q lacks %q", err, part)
				}
			}
		})
	}
}

// TestMACs counts for one image whatever the batch.
func TestMACs(t *testing.T) {
	const conv = 8 * 3 * 3 * 3 * 10 * 12 // outputs times weights of each
	for _, c := range []struct {
		batch, height string
		macs          int64
		known         bool
	}{
		{"N", "10", conv, true}, {"1", "10", conv, true}, {"5", "10", conv, true}, {"?", "10", conv, true}, {"N", "H", 0, false},
	} {
		m, info := infer(t, `g (float[`+c.batch+`,3,`+c.height+`,12] x, float[8,3,3,3] w) => (float[] y) {
			y = Conv<pads = [1,1,1,1]> (x, w)
			z = Relu (y)
		}`, shape.Options{})
		nodes := m.Graph.Nodes()
		if got, known := info.MACs(nodes[0]); known != c.known || known && got != c.macs {
			t.Errorf("batch %s, height %s: %d, %v; expected %d, %v", c.batch, c.height, got, known, c.macs, c.known)
		}
		if got, known := info.MACs(nodes[1]); got != 0 || !known {
			t.Errorf("Relu costs %d, %v", got, known)
		}
	}
}

// TestMACsOfProducts counts, by hand, the multiply-adds of products that are no
// convolutions.
func TestMACsOfProducts(t *testing.T) {
	for graph, want := range map[string]int64{
		`y = MatMul (a, b)`:                                              5 * 7 * 9,
		`y = Einsum <equation = "ij,jk->ik"> (a, b)`:                     5 * 7 * 9,
		`y = Einsum <equation = "ij->ji"> (a)`:                           0,
		`y = Einsum <equation = "ij,jk,kl->il"> (a, b, c)`:               2 * 5 * 7 * 9 * 4,
		`y = Einsum <equation = "...i,...i->..."> (x, x)`:                6 * 2 * 3,
		`y = LSTM <hidden_size = 8> (x, w, r)`:                           6 * 2 * (4 * 8 * (3 + 8)), // 4 gates
		`y = Attention (q, k, v)`:                                        3 * 5 * 6 * (4 + 7),       // heads, queries, keys, sizes
		`y = Attention (q, k, v, , past, past)`:                          3 * 5 * (6 + 2) * (4 + 7),
		`y = com.microsoft.Attention <num_heads = 2> (z, p, s)`:          10*4*12 + 10*10*(4+4),
		`y = com.microsoft.MultiHeadAttention <num_heads = 2> (z, z, z)`: 10 * 10 * (4 + 4),
		`y = Softmax (a)`:                                                0,
	} {
		m := parse(t, `g (float[1,10,4] z, float[5,7] a, float[7,9] b, float[9,4] c, float[6,2,3] x, float[1,32,3] w, float[1,32,8] r,
			float[1,3,5,4] q, float[1,3,6,4] k, float[1,3,6,7] v, float[1,3,2,4] past, float[4,12] p, float[12] s) => (float[] y) { `+graph+` }`)
		m.SetOpset("", 23)
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, known := info.MACs(m.Graph.Nodes()[0]); got != want || !known {
			t.Errorf("%s costs %d, %v; expected %d", graph, got, known, want)
		}
	}
}

// TestMACsOfCalls: a call costs what the function's nodes do.
func TestMACsOfCalls(t *testing.T) {
	m, info := infer(t, `g (float[N,4] x, float[4,6] w) => (float[] y) { y = f.twice (x, w) }
		<domain: "f", opset_import: ["": 17]> twice (x, w) => (y) { a = MatMul (x, w)  b = MatMul (x, w)  y = Add (a, b) }`, shape.Options{})
	if got, known := info.MACs(m.Graph.Nodes()[0]); got != 2*4*6 || !known {
		t.Errorf("the call costs %d, %v; expected %d", got, known, 2*4*6)
	}
	m, info = infer(t, `g (float[N,4] x) => (float[] y) { a = custom.Op (x) y = f.hidden (a) }
		<domain: "f", opset_import: ["": 17, "custom": 1]> hidden (x) => (y) { a = Relu (x) y = custom.Op (a) }`, shape.Options{})
	for _, n := range m.Graph.Nodes() {
		if got, known := info.MACs(n); known {
			t.Errorf("%s costs %d, though nobody knows what the operator does", n.Label(), got)
		}
	}
}
