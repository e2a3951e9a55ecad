package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/internal/rttest"
	"google.golang.org/protobuf/proto"
)

// small are networks of tasks, with constant weights.
var small = map[string]string{
	// As a YOLO of 32 x 32 without anchors: 4 + 2 values for each of 16 + 4 + 1 cells.
	"detector": `<ir_version: 8, opset_import: ["" : 17]>
	net (float[1,3,32,32] image) => (float[1,6,21] boxes) {
		s8 = Constant <value = int64[4] {6, 3, 8, 8}> ()
		s2 = Constant <value = int64[4] {6, 6, 2, 2}> ()
		flat = Constant <value = int64[3] {1, 6, -1}> ()
		w8 = ConstantOfShape <value = float[1] {0.01}> (s8)
		w2 = ConstantOfShape <value = float[1] {0.1}> (s2)
		p3 = Conv <strides = [8, 8]> (image, w8)
		p4 = Conv <strides = [2, 2]> (p3, w2)
		p5 = Conv <strides = [2, 2]> (p4, w2)
		f3 = Reshape (p3, flat)
		f4 = Reshape (p4, flat)
		f5 = Reshape (p5, flat)
		all = Concat <axis = 2> (f3, f4, f5)
		boxes = Sigmoid (all)
	}`,
	// With a skip from before its only pooling.
	"segmenter": `<ir_version: 8, opset_import: ["" : 17]>
	net (float[1,3,32,32] image) => (float[1,1,32,32] mask) <float[4] twice = {1, 1, 2, 2}> {
		s = Constant <value = int64[4] {4, 3, 1, 1}> ()
		w = ConstantOfShape <value = float[1] {0.2}> (s)
		last = Constant <value = int64[4] {1, 8, 1, 1}> ()
		v = ConstantOfShape <value = float[1] {0.1}> (last)
		first = Conv (image, w)
		skip = Relu (first)
		half = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (skip)
		deep = Exp (half)
		up = Resize <mode = "nearest"> (deep, , twice)
		joined = Concat <axis = 1> (up, skip)
		logits = Conv (joined, v)
		mask = Sigmoid (logits)
	}`,
	// 0 / 0.
	"nothing": `<ir_version: 8, opset_import: ["" : 17]>
	net (float[1,3,32,32] image) => (float[1,1,32,32] mask) <float zero = {0}> {
		mean = ReduceMean <axes = [1]> (image)
		none = Mul (mean, zero)
		wrong = Div (none, zero)
		mask = Sigmoid (wrong)
	}`,
}

// TestBadTasks: what is wrong with detectors, segmenters, what judges them and where they
// are to be divided is told by where it is, what was expected, and what there is.
func TestBadTasks(t *testing.T) {
	rttest.Plugin(t)
	dir := t.TempDir()
	write := func(name string, content any) string {
		text, isText := content.(string)
		if !isText {
			b, err := json.Marshal(content)
			if err != nil {
				t.Fatal(err)
			}
			text = string(b)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	images := filepath.Join(dir, "images")
	if err := os.Mkdir(images, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		file, err := os.Create(filepath.Join(images, fmt.Sprintf("%d.png", i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(file, image.NewRGBA(image.Rect(0, 0, 40, 30))); err != nil {
			t.Fatal(err)
		}
		file.Close()
	}
	picture := filepath.Join(images, "0.png")
	masked := func(name string, width int, class uint8) string { // pictures of 40 x 30 with masks
		set := filepath.Join(dir, name)
		for folder, picture := range map[string]image.Image{
			"images": image.NewRGBA(image.Rect(0, 0, 40, 30)), "masks": &image.Gray{Pix: bytes.Repeat([]byte{class}, width*30), Stride: width, Rect: image.Rect(0, 0, width, 30)},
		} {
			if err := os.MkdirAll(filepath.Join(set, folder), 0o755); err != nil {
				t.Fatal(err)
			}
			file, err := os.Create(filepath.Join(set, folder, "0.png"))
			if err != nil {
				t.Fatal(err)
			}
			if err := png.Encode(file, picture); err != nil {
				t.Fatal(err)
			}
			file.Close()
		}
		return set
	}
	coco := func(file string, width int, category string, of int) any {
		type object = map[string]any
		var pictures []object
		for i := range 2 {
			pictures = append(pictures, object{"id": i, "file_name": fmt.Sprintf(file, i), "width": width, "height": 30})
		}
		return object{
			"images": pictures, "categories": []object{{"id": 1, "name": category}},
			"annotations": []object{{"id": 1, "image_id": of, "category_id": 1, "bbox": []int{1, 2, 10, 10}, "area": 100, "iscrowd": 0}},
		}
	}
	models := map[string]string{}
	for name, text := range small {
		models[name] = fromText(t, text, nil)
	}
	said := func(name string, metadata ...string) string { // a model with metadata of its own
		return fromText(t, small[name], func(m *onnxpb.ModelProto) {
			for i := 0; i < len(metadata); i += 2 {
				m.MetadataProps = append(m.MetadataProps, &onnxpb.StringStringEntryProto{Key: proto.String(metadata[i]), Value: proto.String(metadata[i+1])})
			}
		})
	}
	detector, segmenter := models["detector"], models["segmenter"]
	evaluate := func(model string, args ...string) []string {
		return append([]string{"eval", model, "--data", images}, args...)
	}
	many := make([]string, 200)
	for i := range many {
		many[i] = fmt.Sprintf("tensor%d", i)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"a decoder that does not fit":        {[]string{"run", detector, picture, "--decoder", "ssd"}, exitUnusable, []string{"decoder ssd", "boxes float32[1 6 21]", "expected two outputs", "yolo would"}},
		"a decoder of a mask":                {[]string{"run", segmenter, picture, "--decoder", "yolo"}, exitUnusable, []string{"decoder yolo", "mask float32[1 1 32 32]"}},
		"a decoder that there is none of":    {[]string{"run", detector, picture, "--decoder", "yulo"}, exitUsage, []string{`--decoder "yulo"`, "yolo", "a JSON file"}},
		"a decoder's file that is none":      {[]string{"run", detector, picture, "--decoder", write("list.json", "[1]")}, exitUnusable, []string{"list.json", "expected a JSON object"}},
		"a decoder's field":                  {[]string{"run", detector, picture, "--decoder", write("field.json", `{"name": 7}`)}, exitUnusable, []string{"name: expected a string, found JSON's number"}},
		"a decoder beside another task":      {[]string{"run", segmenter, picture, "--decoder", "yolo", "--task", "segment"}, exitUsage, []string{"--decoder", "task segment"}},
		"a bundle of a decoder that is none": {[]string{"split", segmenter, "--after", "logits", "--task", "detect", "-o", filepath.Join(dir, "b")}, exitUnusable, []string{"no decoder fits", "mask float32[1 1 32 32]", "a file that describes it"}},
		"a task that there is none of":       {[]string{"run", detector, picture, "--task", "detects"}, exitUsage, []string{`--task "detects"`, "detect, segment"}},

		"annotations of other images":      {evaluate(detector, "--annotations", write("other.json", coco("x%d.png", 40, "a", 0))), exitUnusable, []string{"--annotations", "0.png is none of the 2 images", "x0.png"}},
		"annotations of another size":      {evaluate(detector, "--labels", write("labels.txt", "a\nb\n"), "--annotations", write("size.json", coco("%d.png", 41, "a", 0))), exitUnusable, []string{"0.png is 40 x 30, and 41 x 30 in", "size.json"}},
		"annotations of no image":          {evaluate(detector, "--annotations", write("image.json", coco("%d.png", 40, "a", 7))), exitUnusable, []string{"image.json", "annotation 0", "no image of the id 7"}},
		"annotations of other things":      {evaluate(detector, "--labels", write("labels.txt", "a\nb\n"), "--annotations", write("things.json", coco("%d.png", 40, "gizmo", 0))), exitUnusable, []string{"things.json", `"gizmo"`, "among the labels"}},
		"annotations that are none":        {evaluate(detector, "--annotations", write("none.json", "[]")), exitUnusable, []string{"none.json", `"annotations": [...]`}},
		"annotations that are cut off":     {evaluate(detector, "--annotations", write("half.json", `{"images": [{"id":`)), exitUnusable, []string{"half.json", "image 0", "unexpected EOF"}},
		"annotations of what has no boxes": {evaluate(segmenter, "--annotations", write("mask.json", coco("%d.png", 40, "a", 0))), exitUsage, []string{"--annotations", "task segment"}},

		"masks of another size":   {[]string{"eval", segmenter, "--data", masked("narrow", 39, 1)}, exitUnusable, []string{"0.png", "the mask is 39x30 pixels, the picture 40x30"}},
		"masks of another class":  {[]string{"eval", segmenter, "--data", masked("classes", 40, 9)}, exitUnusable, []string{"0.png", "class 9", "2 classes"}},
		"masks without any class": {[]string{"eval", segmenter, "--json", "--data", masked("ignored", 40, 255)}, exitDone, nil},

		"tensors that do not separate":   {[]string{"split", segmenter, "--plain", "--after", "half,up", "-o", filepath.Join(dir, "b")}, exitUnusable, []string{`no cut at "half,up"`, "besides", "skip"}},
		"a tensor that there is none of": {[]string{"split", segmenter, "--plain", "--after", "skip,dep", "-o", filepath.Join(dir, "b")}, exitUnusable, []string{`"dep"`, "no tensor or cut of that name"}},
		"a tensor that is an output":     {[]string{"split", segmenter, "--plain", "--after", "skip,mask", "-o", filepath.Join(dir, "b")}, exitUnusable, []string{`"mask"`, "output of the model"}},
		"200 tensors that there are not": {[]string{"split", segmenter, "--plain", "--after", strings.Join(many, ","), "-o", filepath.Join(dir, "b")}, exitUnusable, []string{`"tensor0"`, "no tensor or cut of that name"}},
		"frontiers of 200 tensors":       {[]string{"inspect", segmenter, "--tensors", "200"}, exitUsage, []string{"--tensors 200: expected 2 to"}},
		"more sizes than tensors":        {[]string{"split", segmenter, "--after", "skip,deep", "--c", "1,2,3", "-o", filepath.Join(dir, "b")}, exitUsage, []string{"--c", "3", "2"}},

		"a task of metadata that is none":       {[]string{"run", said("detector", "bnc.task", `"detects"`), picture}, exitUnusable, []string{`task "detects"`, "expected one of detect"}},
		"a task of metadata that is no JSON":    {[]string{"run", said("detector", "bnc.task", "detect"), picture}, exitUnusable, []string{"metadata bnc.task", "expected JSON"}},
		"a decoder of metadata that is no JSON": {[]string{"run", said("detector", "bnc.decoder", "{"), picture}, exitUnusable, []string{"metadata bnc.decoder", "expected JSON"}},
		"a decoder of metadata that is a list":  {[]string{"run", said("detector", "bnc.decoder", "[1]"), picture}, exitUnusable, []string{"decoder", "expected an object, found JSON's array"}},
		"a decoder of metadata, eval":           {evaluate(said("detector", "bnc.decoder", `{"name": "ssd"}`)), exitUnusable, []string{"decoder ssd", "yolo would"}},
		"labels of metadata":                    {[]string{"run", said("detector", "bnc.labels", "7"), picture}, exitUnusable, []string{"metadata bnc.labels", "expected a list, found JSON's number"}},

		"NaN, judged": {evaluate(models["nothing"], "--teacher", models["nothing"]), exitUnusable, []string{"output mask", "0.png", "NaN"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, stderr, code := tryBnc(t, c.args...)
			if code != c.code {
				t.Errorf("exit code %d, expected %d", code, c.code)
			}
			for _, words := range c.says {
				if !strings.Contains(stderr, words) {
					t.Errorf("%s\ndoes not say %q", stderr, words)
				}
			}
			if strings.Contains(stderr, "panic") || strings.Contains(stderr, "option ") {
				t.Error(stderr)
			}
		})
	}
	out := mustBnc(t, "run", models["nothing"], picture)
	if !strings.Contains(out, "NaN") || !strings.Contains(out, "no element is finite") {
		t.Errorf("a mask of NaN is told as\n%s", out)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "b*")); left != nil {
		t.Errorf("a refused split left %v", left)
	}
}
