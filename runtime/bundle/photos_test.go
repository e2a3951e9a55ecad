package bundle_test

import (
	"encoding/json"
	"image"
	"os"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
)

// classify runs a network whose input is raw RGB pixels on photographs, with
// Pillow and Python's onnxruntime.
const classify = `
import json, sys
import numpy as np, onnxruntime
from PIL import Image
session = onnxruntime.InferenceSession(sys.argv[1])
name = session.get_inputs()[0].name
classes = []
for path in sys.argv[2:]:
    im = Image.open(path).convert("RGB")
    w, h = im.size
    nw, nh = (256, int(256 * h / w)) if w <= h else (int(256 * w / h), 256)
    im = im.resize((nw, nh), Image.BILINEAR)
    top, left = round((nh - 224) / 2), round((nw - 224) / 2)
    x = np.asarray(im)[None, top:top + 224, left:left + 224]
    classes.append(int(session.run(None, {name: x})[0].argmax()))
print(json.dumps(classes))
`

// TestPhotosAgainstPillow classifies real photographs with a real network:
// JPEG decoding, resizing, cropping, layout, running and ranking together.
func TestPhotosAgainstPillow(t *testing.T) {
	rttest.Library(t)
	shared := filepath.Join(rttest.Data("..", "..", ".."), "shared")
	network := filepath.Join(shared, "models", "imagenet", "mobilenetv2_tf.onnx")
	photos := filepath.Join(shared, "photos", "val")
	for _, path := range []string{network, photos} {
		if _, err := os.Stat(path); err != nil {
			t.Skipf("../shared is not beside the repository: %v", err)
		}
	}
	set, err := data.Open(photos, data.Val)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Classes()) != 1001 {
		t.Errorf("%d classes, classes.txt lists 1001", len(set.Classes()))
	}
	const n, step = 50, 10
	files := []string{network}
	for i := range n {
		files = append(files, set.File(i*step))
	}
	var want []int
	if err := json.Unmarshal(rttest.Python(t, classify, files...), &want); err != nil {
		t.Fatal(err)
	}

	r, err := bundle.OpenRunner(network, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	layout, err := imagein.LayoutOf(r.Inputs()[0])
	if err != nil {
		t.Fatal(err)
	}
	p := imagein.Default(layout, image.Point{})
	f, err := feed.New(r.Inputs(), feed.Always(&p))
	if err != nil {
		t.Fatal(err)
	}
	same, right := 0, 0
	for k, class := range want {
		x, labels, err := f.Batch(set, []int{k * step})
		if err != nil {
			t.Fatal(err)
		}
		result, err := r.Run(t.Context(), ort.Feed{f.Input(): x})
		if err != nil {
			t.Fatal(err)
		}
		top, err := task.Top(result.Outputs, nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		if top[0][0].Class == class {
			same++
		}
		if top[0][0].Class == labels[0] {
			right++
		}
	}
	// Go's JPEG decoder repeats chroma samples where libjpeg interpolates them:
	// a photograph on the edge between two classes may fall to the other side.
	if same < n-3 {
		t.Errorf("%d of %d photographs get the class that they get from Pillow and onnxruntime", same, n)
	}
	// The network is right for 85% of all of them; 0.7 is three standard
	// deviations of 50 draws below that.
	if right < n*7/10 {
		t.Errorf("%d of %d photographs are classified as labelled", right, n)
	}
	t.Logf("%d of %d as Pillow, %d as labelled", same, n, right)
}
