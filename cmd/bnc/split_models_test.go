package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
)

// oddNet writes a network for striped pictures in an operator set, with nodes between its
// cut r [batch,6,5,5] and another cut q of the same size.
func oddNet(t *testing.T, opset int, nodes string) string {
	t.Helper()
	return stripedNet(t, opset, "float[batch,4] y", nodes, "y = Identity (s)")
}

// TestSplitOddModels: what is written runs in ONNX Runtime.
func TestSplitOddModels(t *testing.T) {
	plugin(t)
	picture := stripeFolder(t, t.TempDir(), 1, false, nil)[0]
	const (
		norm  = "n = LayerNormalization <axis = -1> (r, g, o) q = Relu (n)"
		stats = "n, m, i = LayerNormalization <axis = -1> (r, g, o) c = Mul (n, i) q = Relu (c)"
		loop  = `q = Loop (three, yes, r) <body = step (int64 at, bool on, float[batch,6,5,5] h) => (bool on2, float[batch,6,5,5] h2) {
			on2 = Identity (on) payload = Relu (h) range = Neg (payload) tile = Neg (range) payload_bytes = Relu (tile) h2 = Identity (payload_bytes) }>`
	)
	for _, c := range []struct{ name, net, flags string }{
		{"newer operators in float16 for a TX2", oddNet(t, 17, norm), "--after q --target tx2 --fp16"},
		{"statistics of a normalisation in float16, behind the cut", oddNet(t, 17, stats), "--after r --fp16"},
		{"statistics of a normalisation in float16, before the cut", oddNet(t, 17, stats), "--after q --fp16"},
		{"names of the interface in a body, behind the cut", oddNet(t, 17, loop), "--after r"},
		{"names of the interface in a body, before the cut", oddNet(t, 17, loop), "--after q"},
		{"names of the interface in a body, codec on the host", oddNet(t, 17, loop), "--after q --codec-at host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "b")
			mustBnc(t, append(strings.Fields("split "+c.net+" --c 2 --s 1 -o "+dir), strings.Fields(c.flags)...)...)
			mustBnc(t, "run", dir, picture)
			mustBnc(t, "inspect", filepath.Join(dir, "cloud.onnx"))
		})
	}
	four := fromText(t, `<ir_version: 8, opset_import: ["" : 17]> net (float[4,1,12,12] x) => (float[4,6] y) <`+initsFor("6,1,3,3 w 0 0.5")+`> {
		a = Conv (x, w) r = Relu (a) p = GlobalAveragePool (r) y = Flatten (p) }`, nil)
	branch := oddNet(t, 14, `q = If (yes) <then_branch = one () => (float[batch,6,5,5] u) { u = HardSwish (r) }, else_branch = two () => (float[batch,6,5,5] u2) { u2 = Relu (r) }>`)
	labels := filepath.Join(t.TempDir(), "labels.txt")
	write(t, labels, []byte("one\ntwo"))
	for _, c := range []struct{ name, args, says string }{
		{"an old operator set", oddNet(t, 6, "q = Relu (r)") + " --after r", "operator set 7 or newer, found 6"},
		{"a body that TensorRT is not known to read", branch + " --after q --target tx2", "bodies"},
		{"a batch of four", four + " --after r --calib " + filepath.Dir(picture), "--input x=1,..."},
		{"too few labels", oddNet(t, 17, "q = Relu (r)") + " --after r --labels " + labels, "2 names"},
	} {
		dir := filepath.Join(t.TempDir(), "b")
		_, stderr, code := tryBnc(t, append(strings.Fields("split "+c.args), "-o", dir)...)
		if _, err := os.Stat(dir); code != exitUnusable || !strings.Contains(stderr, c.says) || err == nil {
			t.Errorf("%s: exit code %d, written %v: %s", c.name, code, err == nil, stderr)
		}
	}
	mustBnc(t, "split", four, "--after", "r", "--calib", filepath.Dir(picture), "--input", "x=1,1,12,12", "-o", filepath.Join(t.TempDir(), "b"))
}

// TestSplitHalfModel: a model that is float16 already, for a TX2.
func TestSplitHalfModel(t *testing.T) {
	plugin(t)
	net := fromText(t, `<ir_version: 8, opset_import: ["" : 20]>
	net (float[batch,1,12,12] x) => (float[batch,6] y) <`+initsFor("6,1,3,3 w 0 0.5")+`> {
		h = Cast <to = 10> (x) k = Cast <to = 10> (w)
		a = Conv <strides = [2,2]> (h, k) q = Gelu (a) p = GlobalAveragePool (q) f = Flatten (p) y = Cast <to = 1> (f)
	}`, nil)
	dir := filepath.Join(t.TempDir(), "b")
	mustBnc(t, "split", net, "--after", "q", "--c", "2", "--s", "1", "--target", "tx2", "-o", dir)
	m, err := onnx.Load(filepath.Join(dir, "mobile.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range m.Graph.Inits() {
		if strings.HasPrefix(v.Name(), "bnc.tx2.") && v.Init().DType() != ir.Float16 {
			t.Errorf("%s is %v", v.Name(), v.Init().DType())
		}
	}
	mustBnc(t, "run", dir, stripeFolder(t, t.TempDir(), 1, false, nil)[0])
}

// TestSplitHalfOutputs: outputs of 16 bits, of as many rows as there are records.
func TestSplitHalfOutputs(t *testing.T) {
	plugin(t)
	net := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,1,12,12] x) => (float16[batch,6] y) <`+initsFor("6,1,3,3 w 0 0.5")+`> {
		a = Conv <strides = [2,2]> (x, w) r = Relu (a) p = GlobalAveragePool (r) f = Flatten (p) y = Cast <to = 10> (f)
	}`, nil)
	for _, flags := range []string{"", "--codec-at host"} {
		dir := splitAt(t, net, append([]string{"--c", "2", "--s", "1"}, strings.Fields(flags)...)...)
		likeJoined(t, dir, stripes(t, 8, 8), 1e-3) // float16 has 11 bits
	}
}

// TestSplitKeepsFiles: nothing of the user's goes with a bundle that is replaced.
func TestSplitKeepsFiles(t *testing.T) {
	model := smallModel(t)
	root := t.TempDir()
	dir := filepath.Join(root, "bundle")
	mustBnc(t, "split", model, "--after", "rb1", "-o", dir)
	joined := filepath.Join(dir, "bottlenet.onnx")
	for _, c := range []struct{ name, file, args, says string }{
		{"a backup", "cloud.onnx.backup", model + " --after rb2", "cloud.onnx.backup"},
		{"data of nothing", "cloud.data", model + " --after rb2", "cloud.data"},
		{"an old half", "mobile.old.onnx", model + " --after rb2", "mobile.old.onnx"},
		{"the model itself", "", joined + " --after rb2 --plain", "the model"},
		{"a dependency file in it", "", model + " --after rb2 --depfile " + filepath.Join(dir, "d.d"), "--depfile"},
		{"a dependency file nowhere", "", model + " --after rb2 --depfile " + filepath.Join(root, "no", "d.d"), "--depfile"},
		{"a dump in it", "", model + " --after rb2 --dump " + filepath.Join(dir, "passes"), "--dump"},
	} {
		file := filepath.Join(dir, c.file)
		if c.file != "" {
			write(t, file, []byte("mine"))
		}
		before := tree(t, root)
		_, stderr, code := tryBnc(t, append(strings.Fields("split "+c.args), "-o", dir)...)
		if code == exitDone || !strings.Contains(stderr, c.says) || !sameTree(before, tree(t, root)) {
			t.Errorf("%s: exit code %d: %s", c.name, code, stderr)
		}
		if c.file != "" {
			os.Remove(file)
		}
	}
	link := filepath.Join(root, "current")
	if err := os.Symlink("bundle", link); err != nil {
		t.Fatal(err)
	}
	before := tree(t, root)
	if _, stderr, code := tryBnc(t, "split", joined, "--after", "rb2", "--plain", "-o", link); code != exitUsage || !sameTree(before, tree(t, root)) {
		t.Errorf("a bundle by a link, with the model in it: exit code %d: %s", code, stderr)
	}
	mustBnc(t, "split", model, "--after", "rb3", "-o", link)
	if to, err := os.Readlink(link); err != nil || to != "bundle" || metaOf(t, dir).Cut != "rb3" {
		t.Errorf("the link leads to %q (%v), the bundle is of %s", to, err, metaOf(t, dir).Cut)
	}
}
