package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/compiler/survey"
)

// inspected returns what bnc inspect says of a model, as a document.
func inspected(t *testing.T, args ...string) bnc.InspectResult {
	t.Helper()
	var r bnc.InspectResult
	if err := json.Unmarshal([]byte(mustBnc(t, append([]string{"inspect", "--json"}, args...)...)), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestInspectConstants: weights count wherever the file keeps them, a Clip's bounds and a
// BatchNormalization's statistics do not.
func TestInspectConstants(t *testing.T) {
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
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
	}`, nil)
	r := inspected(t, path)
	if want := int64(3*2 + 3 + 3*3); r.Params != want {
		t.Errorf("%d parameters, expected %d", r.Params, want)
	}
	for _, c := range r.Cuts {
		if want := map[string]int64{"c": 6}[c.Tensor]; c.Tensor == "c" && c.ParamsBefore != want || c.Tensor != "c" && c.ParamsBefore != 9 {
			t.Errorf("%d parameters before %s, expected 6 before c and 9 before the others", c.ParamsBefore, c.Tensor)
		}
	}
}

// TestInspectOpenSizes: multiply-adds that open sizes or unknown operators decide are not
// known, rather than 0, and the text says which flag tells them.
func TestInspectOpenSizes(t *testing.T) {
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,H,W] x) => (float[N,3] y) <`+initsFor("3,2,1,1 w 0 1;3,3 v 0 1")+`> {
		c = Conv (x, w) p = GlobalAveragePool (c) f = Flatten (p) y = MatMul (f, v) }`, nil)
	r := inspected(t, path)
	if r.MACs != nil || len(r.Cuts) != 3 || r.Cuts[0].MACsBefore != nil || r.Cuts[0].Bytes != nil {
		t.Errorf("%+v: expected unknown multiply-adds and bytes", r)
	}
	text := mustBnc(t, "inspect", path)
	if !strings.Contains(text, "? multiply-adds") || !strings.Contains(text, "--input x=1x2xHxW") {
		t.Errorf("%s\nexpected unknown multiply-adds and the flag that tells them", text)
	}
	const conv, whole = 3 * 2 * 5 * 7, 3*2*5*7 + 3*3
	r = inspected(t, path, "--input", "x=1x2x5x7")
	if r.MACs == nil || *r.MACs != whole || r.Cuts[0].MACsBefore == nil || *r.Cuts[0].MACsBefore != conv {
		t.Errorf("%+v: expected %d multiply-adds, %d of them before the first cut", r, whole, conv)
	}
	if text := mustBnc(t, "inspect", path, "--input", "x=1x2x5x7"); strings.Contains(text, "?") {
		t.Errorf("%s\nexpected that everything is known", text)
	}
	for body, known := range map[string]bool{"Relu (r)": true, "Conv (r, w)": false} {
		r = inspected(t, fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
		net (float[1,2,4,4] x) => (float[1,2,4,4] y) <`+initsFor("2,2,1,1 w 0 1")+`> {
			r = Conv (x, w) m = ReduceMax <keepdims = 0> (r) k = Cast <to = 9> (m)
			y = If (k) <then_branch = p () => (float[1,2,4,4] t) { t = `+body+` }, else_branch = q () => (float[1,2,4,4] u) { u = Neg (r) }> }`, nil))
		if (r.MACs != nil) != known || known && *r.MACs != 2*2*4*4 || len(r.Cuts) != 1 || r.Cuts[0].MACsBefore == nil {
			t.Errorf("%s in one of two branches: %+v, expected known multiply-adds: %v, and known ones before the cut", body, r, known)
		}
	}
	r = inspected(t, fromText(t, `<ir_version: 8, opset_import: ["" : 17, "other" : 1]>
	net (float[1,2] x) => (float[1,3] y) <float[1,2] a, `+initsFor("2,3 w 0 1")+`> { a = other.Op (x) r = Relu (a) y = MatMul (r, w) }`, nil))
	if r.MACs != nil || len(r.Cuts) != 2 || r.Cuts[1].MACsBefore != nil {
		t.Errorf("%+v: expected unknown multiply-adds behind an unknown operator", r)
	}
}

// TestInspectReasons: where there is no cut each tensor has a reason, a cut that takes no
// bottleneck has one, and outputs that stay on the device are named.
func TestInspectReasons(t *testing.T) {
	const oneTensor = "a division needs one tensor that everything after it depends on"
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,4,4] x) => (float[N,2,4,4] y) { r = Relu (x) n = Neg (r) y = Sub (x, n) }`, nil)
	r := inspected(t, path)
	want := []survey.NoCut{
		{Tensor: "r", Why: oneTensor, Crossing: []string{"r", "x"}}, {Tensor: "n", Why: oneTensor, Crossing: []string{"n", "x"}},
		{Tensor: "y", Why: "it is an output of the model"},
	}
	if len(r.Cuts) != 0 || !reflect.DeepEqual(r.NoCuts, want) {
		t.Errorf("%+v\nexpected no cuts, for the reasons %+v", r, want)
	}
	if text := mustBnc(t, "inspect", path); strings.Count(text, oneTensor+"; these would cross: ") != 2 {
		t.Errorf("%s\nexpected two tensors that something goes around", text)
	}

	path = fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,4,4] x) => (float[N,2,4,4] box, float[N,2] scores) {
		a = MaxPool <kernel_shape = [1,1]> (x) box = Exp (a) p = GlobalAveragePool (a) f = Flatten (p) scores = Softmax (f) }`, nil)
	r = inspected(t, path)
	var got []string
	for _, c := range r.Cuts {
		got = append(got, strings.Join(append([]string{c.Tensor, c.Why}, c.Stays...), "|"))
	}
	if want := []string{"a|", "p||box", "f|it has rank 2, not 4|box"}; !reflect.DeepEqual(got, want) {
		t.Errorf("cuts %q, expected %q", got, want)
	}
	text := mustBnc(t, "inspect", path)
	if !strings.Contains(text, "plain: it has rank 2, not 4; branch: what makes box stays") || strings.Count(text, "branch: ") != 2 {
		t.Errorf("%s\nexpected the reason and two branches", text)
	}
}
