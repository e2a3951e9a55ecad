package survey

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/internal/fault"
)

// known returns what is known of a model that is given as text. Fix holds shapes of inputs.
func known(t *testing.T, text string, fix map[string][]int64) *Model {
	t.Helper()
	m, err := onnxtext.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := onnx.Save(t.Context(), path, m, onnx.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	a, err := Open(t.Context(), path, fix)
	if err != nil {
		t.Fatal(err)
	}
	return Of(path, a)
}

// TestConstants: weights count wherever the file keeps them, a Clip's bounds and a
// BatchNormalization's statistics do not.
func TestConstants(t *testing.T) {
	text := `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,4,4] x) => (float[N,3] y) {
		w = Constant <value = float[3,2,1,1] {1, 2, 3, 4, 5, 6}> ()
		g = Constant <value_floats = [1.0, 2.0, 3.0]> ()
		m = Constant <value = float[3] {0, 0, 0}> ()
		six = Constant <value = float {6}> ()
		c = Conv (x, w)
		n = BatchNormalization (c, g, g, m, m)
		r = Clip (n, , six)
		p = GlobalAveragePool (r)
		shape = Constant <value_ints = [0, -1]> ()
		f = Reshape (p, shape)
		v = Constant <value = float[3,3] {1, 2, 3, 4, 5, 6, 7, 8, 9}> ()
		y = MatMul (f, v)
	}`
	r := known(t, text, nil)
	if want := int64(3*2 + 3 + 3*3); r.Params != want {
		t.Errorf("%d parameters, expected %d", r.Params, want)
	}
	for _, c := range r.Cuts {
		if want := map[string]int64{"c": 6}[c.Tensor]; c.Tensor == "c" && c.ParamsBefore != want || c.Tensor != "c" && c.ParamsBefore != 9 {
			t.Errorf("%d parameters before %s, expected 6 before c and 9 before the others", c.ParamsBefore, c.Tensor)
		}
	}
}

// TestOpenSizes: multiply-adds that open sizes or unknown operators decide are not
// known, rather than 0, and Open says what would tell them.
func TestOpenSizes(t *testing.T) {
	text := `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,H,W] x) => (float[N,3] y) <float[3,2,1,1] w = {1, 2, 3, 4, 5, 6}, float[3,3] v = {1, 2, 3, 4, 5, 6, 7, 8, 9}> {
		c = Conv (x, w) p = GlobalAveragePool (c) f = Flatten (p) y = MatMul (f, v) }`
	r := known(t, text, nil)
	if r.MACs != nil || len(r.Cuts) != 3 || r.Cuts[0].MACsBefore != nil || r.Cuts[0].Bytes != nil {
		t.Errorf("%+v: expected unknown multiply-adds and bytes", r)
	}
	if open := r.Inputs[0].Open(); open != "1x2xHxW" {
		t.Errorf("open sizes %q, expected those of x but its batch", open)
	}
	const conv, whole = 3 * 2 * 5 * 7, 3*2*5*7 + 3*3
	r = known(t, text, map[string][]int64{"x": {1, 2, 5, 7}})
	if r.MACs == nil || *r.MACs != whole || r.Cuts[0].MACsBefore == nil || *r.Cuts[0].MACsBefore != conv {
		t.Errorf("%+v: expected %d multiply-adds, %d of them before the first cut", r, whole, conv)
	}
	if open := r.Inputs[0].Open(); open != "" {
		t.Errorf("open sizes %q, expected none", open)
	}
	for body, sure := range map[string]bool{"Relu (r)": true, "Conv (r, w)": false} {
		r = known(t, `<ir_version: 8, opset_import: ["" : 17]>
		net (float[1,2,4,4] x) => (float[1,2,4,4] y) <float[2,2,1,1] w = {1, 2, 3, 4}> {
			r = Conv (x, w) m = ReduceMax <keepdims = 0> (r) k = Cast <to = 9> (m)
			y = If (k) <then_branch = p () => (float[1,2,4,4] t) { t = `+body+` }, else_branch = q () => (float[1,2,4,4] u) { u = Neg (r) }> }`, nil)
		if (r.MACs != nil) != sure || sure && *r.MACs != 2*2*4*4 || len(r.Cuts) != 1 || r.Cuts[0].MACsBefore == nil {
			t.Errorf("%s in one of two branches: %+v, expected known multiply-adds: %v, and known ones before the cut", body, r, sure)
		}
	}
	r = known(t, `<ir_version: 8, opset_import: ["" : 17, "other" : 1]>
	net (float[1,2] x) => (float[1,3] y) <float[1,2] a, float[2,3] w = {1, 2, 3, 4, 5, 6}> { a = other.Op (x) r = Relu (a) y = MatMul (r, w) }`, nil)
	if r.MACs != nil || len(r.Cuts) != 2 || r.Cuts[1].MACsBefore != nil {
		t.Errorf("%+v: expected unknown multiply-adds behind an unknown operator", r)
	}
}

// TestReasons: where there is no cut each tensor has a reason, a cut that takes no
// bottleneck has one, and outputs that stay on the device are named.
func TestReasons(t *testing.T) {
	const oneTensor = "a division needs one tensor that everything after it depends on"
	text := `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,4,4] x) => (float[N,2,4,4] y) { r = Relu (x) n = Neg (r) y = Sub (x, n) }`
	r := known(t, text, nil)
	want := []NoCut{
		{Tensor: "r", Why: oneTensor, Crossing: []string{"r", "x"}}, {Tensor: "n", Why: oneTensor, Crossing: []string{"n", "x"}},
		{Tensor: "y", Why: "it is an output of the model"},
	}
	if len(r.Cuts) != 0 || !reflect.DeepEqual(r.NoCuts, want) {
		t.Errorf("%+v\nexpected no cuts, for the reasons %+v", r, want)
	}

	text = `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,4,4] x) => (float[N,2,4,4] box, float[N,2] scores) {
		a = MaxPool <kernel_shape = [1,1]> (x) box = Exp (a) p = GlobalAveragePool (a) f = Flatten (p) scores = Softmax (f) }`
	r = known(t, text, nil)
	var got []string
	for _, c := range r.Cuts {
		got = append(got, strings.Join(append([]string{c.Tensor, c.Why}, c.Stays...), "|"))
	}
	if want := []string{"a|", "p||box", "f|it has rank 2, not 4|box"}; !reflect.DeepEqual(got, want) {
		t.Errorf("cuts %q, expected %q", got, want)
	}
}

// TestOpenErrors: an input that can hold nothing is told with what would help, and a
// context that is at its end ends it.
func TestOpenErrors(t *testing.T) {
	m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17]> net (float[0,2,0,4] x) => (float[0,2,0,4] y) { y = Relu (x) }`)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := onnx.Save(t.Context(), path, m, onnx.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	var unknown *fault.DataError
	if _, err := Open(t.Context(), path, nil); !errors.As(err, &unknown) || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), "x=1x2xNx4") {
		t.Errorf("%v: expected the sizes that would help", err)
	}
	if _, err := Open(t.Context(), path, map[string][]int64{"x": {1, 2, 3, 4}}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, path, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v: expected the context's end", err)
	}
}
