package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc"
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

// TestInspectText: what people read says what the document does, what is not known and the
// flag that would tell it, and the reasons.
func TestInspectText(t *testing.T) {
	open := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,H,W] x) => (float[N,3] y) <`+initsFor("3,2,1,1 w 0 1;3,3 v 0 1")+`> {
		c = Conv (x, w) p = GlobalAveragePool (c) f = Flatten (p) y = MatMul (f, v) }`, nil)
	text := mustBnc(t, "inspect", open)
	if !strings.Contains(text, "? multiply-adds") || !strings.Contains(text, "--input x=1x2xHxW") {
		t.Errorf("%s\nexpected unknown multiply-adds and the flag that tells them", text)
	}
	if text := mustBnc(t, "inspect", open, "--input", "x=1x2x5x7"); strings.Contains(text, "?") {
		t.Errorf("%s\nexpected that everything is known", text)
	}
	if r := inspected(t, open, "--input", "x=1x2x5x7"); r.MACs == nil || *r.MACs != 3*2*5*7+3*3 {
		t.Errorf("%+v", r)
	}
	none := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,4,4] x) => (float[N,2,4,4] y) { r = Relu (x) n = Neg (r) y = Sub (x, n) }`, nil)
	if text := mustBnc(t, "inspect", none); strings.Count(text, "a division needs one tensor that everything after it depends on; these would cross: ") != 2 {
		t.Errorf("%s\nexpected two tensors that something goes around", text)
	}
	branches := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,2,4,4] x) => (float[N,2,4,4] box, float[N,2] scores) {
		a = MaxPool <kernel_shape = [1,1]> (x) box = Exp (a) p = GlobalAveragePool (a) f = Flatten (p) scores = Softmax (f) }`, nil)
	text = mustBnc(t, "inspect", branches)
	if !strings.Contains(text, "plain: it has rank 2, not 4; branch: what makes box stays") || strings.Count(text, "branch: ") != 2 {
		t.Errorf("%s\nexpected the reason and two branches", text)
	}
}

// TestInspectFrontiers: cuts of several tensors are listed, in text and as JSON, split
// takes their IDs, and a number that is too large is wrong usage.
func TestInspectFrontiers(t *testing.T) {
	unet := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[1,2,8,8] x) => (float[1,2,8,8] y) <`+initsFor("2,2,1,1 w 0 1;1,2,1,1 narrow 0 1;2,1,1,1 wide 0 1")+`, float[4] scales = {1,1,2,2}, float[0] roi = {}> {
		a = Conv (x, w) n = Conv (a, narrow) p = MaxPool <kernel_shape = [2,2], strides = [2,2]> (a) c = Conv (p, narrow) d = Conv (c, wide)
		e = Conv (d, w) u = Resize <mode = "nearest"> (e, roi, scales) s = Add (u, n) y = Conv (s, w) }`, nil)
	r := inspected(t, unet, "--tensors", "4")
	if len(r.Frontiers) == 0 {
		t.Fatalf("%+v: expected frontiers", r)
	}
	last := r.Frontiers[len(r.Frontiers)-1]
	if strings.Join(last.Tensors, " ") != "n c" || *last.Bytes != 4*(8*8+4*4) || !last.Bottleneck {
		t.Errorf("the last frontier is %+v; expected n and c", last)
	}
	text := mustBnc(t, "inspect", unet, "--tensors", "4")
	if !strings.Contains(text, last.ID) || !strings.Contains(text, "FRONTIER") {
		t.Errorf("%s\nexpected a table with %s", text, last.ID)
	}
	for _, after := range []string{last.ID, "n,c", "frontier1of2"} {
		mustBnc(t, "split", unet, "--after", after, "--plain", "-o", t.TempDir()+"/pair")
	}
	if _, stderr, code := tryBnc(t, "inspect", unet, "--tensors", "200"); code != 2 || !strings.Contains(stderr, "--tensors 200: expected 2 to 16") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if _, stderr, code := tryBnc(t, "split", unet, "--after", "c,d", "--plain"); code != 3 || !strings.Contains(stderr, "besides, these would have to cross: a") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// TestInspectBundle: the files of a bundle are models, too, with every codec: what the model says
// is told from what crosses and from its bytes.
func TestInspectBundle(t *testing.T) {
	net := fromText(t, imageNet, nil)
	for _, codec := range bnc.Codecs() {
		dir := filepath.Join(t.TempDir(), codec)
		mustBnc(t, "split", net, "--after", "a", "--c", "2", "--codec", codec, "-o", dir)
		for part, want := range map[string]string{"mobile": "payload raw", "cloud": "y scores", "bottlenet": "y scores, payload_bytes raw"} {
			r := inspected(t, filepath.Join(dir, part+".onnx"))
			var outputs []string
			for _, out := range r.Outputs {
				outputs = append(outputs, out.Name+" "+out.As)
			}
			if got := strings.Join(outputs, ", "); got != want || len(r.Cuts) == 0 {
				t.Errorf("%s, %s: %s and %d cuts, expected %s", codec, part, got, len(r.Cuts), want)
			}
		}
	}
}
