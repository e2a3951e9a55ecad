package convert_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/internal/passtest"
)

// TestSymbolicBatchRefuses: graphs in which images of a batch would meet, or the
// batch is lost. That those which are taken compute each image's row is tested
// where ONNX Runtime can run: cmd/bnc.
func TestSymbolicBatchRefuses(t *testing.T) {
	for _, c := range []struct {
		name, inits, graph string // of input x, float [1,2,4,4]
		want               string
	}{
		{"squeezed away", `int64[3] ax = {0, 2, 3}`, `a = GlobalAveragePool (x) y = Squeeze (a, ax)`,
			`Squeeze node of "y": the batch size 1 that is built into the model cannot be made symbolic: the batch is squeezed away or mixed: "a" float32[batch,2,1,1]`},
		{"squeezed away, all", ``, `a = GlobalAveragePool (x) y = Squeeze (a)`, "Squeeze"},
		{"an image taken out", `int64 zero = {0}`, `y = Gather (x, zero)`, "squeezed away"},
		{"a channel of each image, by a computed index", ``, `a = Flatten (x) i = ArgMax <axis = 1> (a) y = Gather <axis = 1> (x, i)`, "squeezed away or mixed"},
		{"summed over the batch", ``, `y = ReduceMean <axes = [0], keepdims = 1> (x)`, "squeezed away or mixed"},
		{"a Softmax of the batch", ``, `a = GlobalAveragePool (x) y = Softmax <axis = 0> (a)`, "works along the batch"},
		{"joined along the batch", ``, `y = Concat <axis = 0> (x, x)`, "works along the batch"},
		{"images in another axis", ``, `a = Transpose <perm = [1, 0, 2, 3]> (x) y = MaxPool <kernel_shape = [2, 2]> (a)`, "in axis 1"},
		{"images against channels", `int64[3] s = {1, 1, 1}`, `a = ReduceMean <axes = [1, 2, 3], keepdims = 0> (x) b = Reshape (a, s) y = Add (x, b)`, "meets another axis"},
		{"images against images", `int64[3] s = {1, 1, 32}`, `f = Flatten (x) g = Reshape (x, s) y = Add (f, g)`, "squeezed away or mixed"},
		{"torn apart", `int64[2] s = {1, 32}`, `a = Transpose <perm = [1, 0, 2, 3]> (x) y = Reshape (a, s)`, "tears images apart"},
		{"rows of images against a constant", `int64[2] s = {2, 16}, float[2,1] w = {1, 2}`, `a = Reshape (x, s) y = Add (a, w)`, `"w" float32[2,1]`},
		{"a row for each channel", `int64[2] s = {2, 16}`, `y = Reshape (x, s)`, `output "y": expected one row an image, found float32[2*batch,16]`},
		{"images against each other", ``, `f = Flatten (x) g = Transpose <perm = [1, 0]> (f) y = MatMul (f, g)`, "squeezed away or mixed"},
		{"a sum over images", ``, `f = Flatten (x) g = Transpose <perm = [1, 0]> (f) y = MatMul (g, f)`, "squeezed away or mixed"},
		{"a sum over images, by Gemm", ``, `f = Flatten (x) y = Gemm <transA = 1> (f, f)`, "squeezed away or mixed"},
		{"rows of images plus a constant", `int64[2] s = {2, 16}, float[16,1] w = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, float[2,1] c = {1, 2}`, `a = Reshape (x, s) y = Gemm (a, w, c)`, `meets "c", which is float32[2,1]`},
		{"images as weights", `float[3,2] a = {1, 2, 3, 4, 5, 6}`, `g = GlobalAveragePool (x) f = Flatten (g) y = Gemm <transB = 1> (a, f)`, `input "f" is computed from images`},
		{"torn apart by Flatten", ``, `a = Transpose <perm = [1, 0, 2, 3]> (x) y = Flatten <axis = 2> (a)`, "tears images apart"},
		{"normalised over the batch", `float[1,2,1,1] s = {1, 2}`, `a = GlobalAveragePool (x) y = LayerNormalization <axis = 0> (a, s)`, "works along the batch"},
		{"repeated", `int64[4] r = {2, 1, 1, 1}`, `y = Tile (x, r)`, "1 rows an image becomes 2 rows"},
		{"turned round", `int64[1] last = {-1}, int64[1] first = {-9223372036854775807}, int64[1] ax = {0}, int64[1] back = {-1}`, `y = Slice (x, last, first, ax, back)`, "steps by -1 along the batch"},
		{"moved along the batch", `int64[8] p = {1, 0, 0, 0, -1, 0, 0, 0}`, `y = Pad (x, p)`, "pads the batch of float32[batch,2,4,4] by 1 and -1"},
		{"cropped", `float[8] roi = {0.5, 0, 0, 0, 1, 1, 1, 1}, float[4] s = {2, 1, 1, 1}`, `y = Resize <coordinate_transformation_mode = "tf_crop_and_resize"> (x, roi, s)`, "Resize"},
		{"a body", `bool k = {1}`, `y = If (k) <then_branch = p () => (float[1,2,4,4] q) { q = Relu (x) }, else_branch = r () => (float[1,2,4,4] s) { s = Neg (x) }>`, "does not know that If"},
		{"a function", ``, `y = f.Twice (x)`, "does not know that Twice"},
		{"training", `float[2] s = {1, 1}`, `y, m, v = BatchNormalization <training_mode = 1> (x, s, s, s, s)`, "training mode"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := passtest.Parse(t, passtest.Header+fmt.Sprintf(`g (float[1,2,4,4] x) => (y) <%s> { %s }
				<domain: "f", opset_import: ["" : 17]> Twice (v) => (w) { w = Add (v, v) }`, c.inits, c.graph))
			_, err := passes.Run(m, []passes.Pass{convert.SymbolicBatch}, nil)
			var unsuitable *passes.UnsuitableError
			if !errors.As(err, &unsuitable) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("found %v, expected %q\n%s", err, c.want, passtest.Print(t, m))
			}
		})
	}
}

// TestSymbolicBatchDeclares: inputs and outputs have the symbol, types inside
// are the new ones, and a second run finds nothing to do.
func TestSymbolicBatchDeclares(t *testing.T) {
	m := passtest.Parse(t, passtest.Header+`g (float[1,batch,4,4] x, float[1,3] other, float[5] free) => (float[1,N] y, float[1,3] z, float[5] w)
		<int64[2] s = {1, -1}, float[1,batch,4,4] a> { a = Relu (x) y = Reshape (a, s) z = Neg (other) w = Abs (free) }`)
	if changed := passtest.Apply(t, m, convert.SymbolicBatch); changed != 3 {
		t.Errorf("%d edits, expected 3: two inputs and a Reshape", changed)
	}
	for name, want := range map[string]string{"x": "batch_1 batch 4 4", "other": "batch_1 3", "free": "5", "a": "batch_1 batch 4 4", "z": "batch_1 3", "w": "5"} {
		dims, _ := m.Graph.Value(name).Shape()
		var got []string
		for _, d := range dims {
			if d.Symbol != "" {
				got = append(got, d.Symbol)
			} else {
				got = append(got, fmt.Sprint(d.N))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s is declared %v, expected %s", name, got, want)
		}
	}
	before := passtest.Print(t, m)
	if changed := passtest.Apply(t, m, convert.SymbolicBatch); changed != 0 || passtest.Print(t, m) != before {
		t.Errorf("the second run made %d edits:\n%s", changed, passtest.Print(t, m))
	}
}
