package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var stripeNames = []string{"east", "north", "south", "west"}

// trainOn trains and returns what was said on stderr.
func trainOn(t *testing.T, subject, set string, more ...string) (said string, code int) {
	t.Helper()
	args := slices.Concat([]string{"train", subject, "--data", set}, few, more)
	out, said, code := tryBnc(t, args...)
	if code != exitDone && out != "" {
		t.Errorf("%v: stdout %q", args, out)
	}
	return said, code
}

// TestTrainLeavesOut images that cannot be read, of both sets, and says so.
func TestTrainLeavesOut(t *testing.T) {
	plugin(t)
	net := stripeNet(t)
	for _, subject := range []string{"model", "bundle"} {
		set := t.TempDir()
		files := stripeFolder(t, filepath.Join(set, "train"), 48, false, stripeNames)
		judged := stripeFolder(t, filepath.Join(set, "val"), 16, false, stripeNames)
		torn := []string{files[0], files[21], judged[3]}
		for _, f := range torn {
			write(t, f, []byte("\x89PNG\r\n\x1a\ntorn"))
		}
		args, path := []string{"-o", filepath.Join(t.TempDir(), "o.onnx")}, net
		if subject == "bundle" {
			args, path = nil, splitAt(t, net, "--c", "2", "--s", "2")
		}
		said, code := trainOn(t, path, set, args...)
		if code != exitDone {
			t.Errorf("%s: exit code %d: %s", subject, code, said)
		}
		for _, f := range torn {
			if n := strings.Count(said, f); n != 1 {
				t.Errorf("%s: %s is named %d times:\n%s", subject, f, n, said)
			}
		}
		if strings.Count(said, "left out") != len(torn) {
			t.Errorf("%s: %s", subject, said)
		}
		for _, f := range slices.Concat(files, judged) {
			write(t, f, []byte("\x89PNG\r\n\x1a\ntorn"))
		}
		if said, code := trainOn(t, path, set, args...); code != exitUnusable || !strings.Contains(said, ".png") {
			t.Errorf("%s: all torn: exit code %d: %s", subject, code, said)
		}
	}
	// More than half, but not the first ones.
	set := t.TempDir()
	for _, f := range stripeFolder(t, set, 48, false, stripeNames)[2:] {
		write(t, f, []byte("\x89PNG\r\n\x1a\ntorn"))
	}
	if said, code := trainOn(t, net, set, "-o", filepath.Join(t.TempDir(), "o.onnx")); code != exitUnusable || !strings.Contains(said, ".png") {
		t.Errorf("most torn: exit code %d: %s", code, said)
	}
}

// TestTrainClasses compares the numbers of classes before any work.
func TestTrainClasses(t *testing.T) {
	plugin(t)
	net, set := stripeNet(t), stripes(t, 48, 16)
	out := filepath.Join(t.TempDir(), "o.onnx")
	labels := func(prefix string, last byte) string {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(set)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, prefix+"labels-idx1-ubyte")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)-1] = last
		write(t, path, b)
		return dir
	}
	for what, set := range map[string]string{"training": labels("train-", 6), "judging": labels("t10k-", 6)} {
		if said, code := trainOn(t, net, set, "-o", out); code != exitUnusable || !strings.Contains(said, "7 classes") || !strings.Contains(said, "4 wide") {
			t.Errorf("a label 6 for %s: exit code %d: %s", what, code, said)
		}
	}
	folder := t.TempDir()
	stripeFolder(t, folder, 48, false, stripeNames)
	if err := os.MkdirAll(filepath.Join(folder, "nowhere"), 0o755); err != nil {
		t.Fatal(err)
	}
	if said, code := trainOn(t, net, folder, "-o", out); code != exitUnusable || !strings.Contains(said, "5 classes") {
		t.Errorf("an empty class too many: exit code %d: %s", code, said)
	}
	if err := os.RemoveAll(filepath.Join(folder, "north")); err != nil {
		t.Fatal(err)
	}
	said, code := trainOn(t, net, folder, "-o", out)
	if code != exitDone || !strings.Contains(said, `class "nowhere" has no images`) {
		t.Errorf("an empty class: exit code %d: %s", code, said)
	}
	// The classes' names are the model's labels from then on.
	if meta := modelMeta(t, out); strings.Join(meta.Labels, " ") != "east nowhere south west" || meta.Preprocess == nil {
		t.Errorf("labels %v, preprocess %+v", meta.Labels, meta.Preprocess)
	}
	flat := t.TempDir()
	stripeFolder(t, flat, 48, false, nil)
	if said, code := trainOn(t, net, flat, "-o", out); code != exitUnusable || !strings.Contains(said, "--distill") {
		t.Errorf("without labels: exit code %d: %s", code, said)
	}
	if said, code := trainOn(t, net, filepath.Join(flat, "none"), "-o", out); code != exitUnusable || !strings.Contains(said, "none") {
		t.Errorf("no data: exit code %d: %s", code, said)
	}
	cut := labels("train-", 1)
	images := filepath.Join(cut, "train-images-idx3-ubyte")
	b, err := os.ReadFile(images)
	if err != nil {
		t.Fatal(err)
	}
	write(t, images, b[:len(b)-7])
	if said, code := trainOn(t, net, cut, "-o", out); code != exitUnusable || !strings.Contains(said, "train-images") {
		t.Errorf("a file that is cut off: exit code %d: %s", code, said)
	}
	binary.BigEndian.PutUint32(b[4:], 12) // fewer images than labels
	write(t, images, b[:16+12*stripeSize*stripeSize])
	if said, code := trainOn(t, net, cut, "-o", out); code != exitUnusable || !strings.Contains(said, "48 labels for the 12 images") {
		t.Errorf("more labels than images: exit code %d: %s", code, said)
	}
}

// TestTrainColours converts: grey pictures for a model of colours and the other
// way around.
func TestTrainColours(t *testing.T) {
	grey, colour := stripeNet(t), fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,3,12,12] x) => (float[batch,4] y) <`+initsFor("6,3,3,3 w1 0 0.4; 4,6 w3 0 0.4")+`> {
		a = Conv <strides = [2,2], pads = [1,1,1,1]> (x, w1)
		r = Relu (a)
		p = GlobalAveragePool (r)
		f = Flatten (p)
		y = Gemm <transB = 1> (f, w3)
	}`, nil)
	for _, c := range []struct {
		net    string
		colour bool
		means  int
	}{{grey, true, 1}, {colour, false, 3}, {colour, true, 3}} {
		set, out := t.TempDir(), filepath.Join(t.TempDir(), "o.onnx")
		stripeFolder(t, set, 48, c.colour, stripeNames)
		if said, code := trainOn(t, c.net, set, "-o", out); code != exitDone {
			t.Errorf("%+v: exit code %d: %s", c, code, said)
			continue
		}
		if p := modelMeta(t, out).Preprocess; p == nil || len(p.Mean) != c.means {
			t.Errorf("%+v: preprocess %+v", c, p)
		}
		if r := evaluated(t, out, "--data", set); r.N != 48 {
			t.Errorf("%+v: %+v", c, r)
		}
	}
}

// TestTrainSizes: images are resized where some have another size than the input, not
// only where the first one has.
func TestTrainSizes(t *testing.T) {
	plugin(t)
	set := t.TempDir()
	stripeFolder(t, set, 8, false, nil)
	for i := range 8 {
		var b bytes.Buffer
		if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 10+i, 9))); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(set, fmt.Sprintf("z%d.png", i)), b.Bytes())
	}
	dir := splitAt(t, stripeNet(t), "--c", "2", "--s", "2")
	_, stderr, code := tryBnc(t, "train", dir, "--data", set, "--distill", "--freeze", "backbone", "--epochs", "1", "--batch", "4")
	if p := metaOf(t, dir).Preprocess; code != exitDone || strings.Contains(stderr, "left out") || p == nil || p.Resize == 0 {
		t.Errorf("exit code %d, preprocess %+v: %s", code, p, stderr)
	}
}

// TestTrainTensorsKeepPreprocess: what is known of images stays known where tensors are
// trained on.
func TestTrainTensorsKeepPreprocess(t *testing.T) {
	plugin(t)
	set := stripes(t, 32, 8)
	dir := splitAt(t, stripeNet(t), "--c", "2", "--s", "2", "--calib", set, "--mean", "0.3", "--std", "0.2")
	before := metaOf(t, dir).Preprocess
	header := "{'descr': '<f4', 'fortran_order': False, 'shape': (32, 1, 12, 12), }"
	file := filepath.Join(t.TempDir(), "x.npy")
	write(t, file, slices.Concat([]byte("\x93NUMPY\x01\x00"), []byte{byte(len(header)), 0}, []byte(header), make([]byte, 4*32*stripeSize*stripeSize)))
	trained(t, dir, "--data", file, "--distill", "--freeze", "backbone", "--epochs", "1", "--batch", "8")
	if after := metaOf(t, dir).Preprocess; before == nil || asJSON(t, after) != asJSON(t, before) {
		t.Errorf("preprocess %+v, before %+v", after, before)
	}
}
