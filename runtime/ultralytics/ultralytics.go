// Package ultralytics reads what ONNX files say of themselves that Ultralytics' YOLO
// exports and those of YOLOv5 have written: keys of metadata_props whose values are Python
// literals (export_onnx of ultralytics/engine/exporter.py, export.py of YOLOv5).
//
//	said, ok := ultralytics.Read(model.Metadata)
//	said.Preprocess.Fit, said.Labels, said.Task
package ultralytics

import (
	"slices"
	"strings"

	"github.com/bottlenet/bnc/runtime/imagein"
)

// Said is what a file says.
type Said struct {
	// Preprocess is how images become its input. The crop is 0 where the file does not
	// say its images' size.
	Preprocess imagein.Preprocess
	Labels     []string // of the classes, "" for those without a name; nil for none
	Task       string   // what the outputs are, a name of runtime/task; "" where the file does not tell
}

// tasks are what Ultralytics' own come to: those that find things, with masks, landmarks
// or an angle, give boxes first of all.
var tasks = map[string]string{"detect": "detect", "segment": "detect", "pose": "detect", "obb": "detect", "classify": "classify"}

// maxText bounds a value that is read, bytes; names of ten thousand classes are smaller.
const maxText = 1 << 20

// Read returns what a file's metadata say. It is not ok where they are not those of
// such a file: no labels of classes, or neither a task that is known nor a stride. Single
// values that cannot be read are as if they were not there.
func Read(props map[string]string) (said Said, ok bool) {
	said.Labels = names(value(props, "names"))
	stride, _ := value(props, "stride").(int64)
	said.Task = tasks[props["task"]]
	old := props["task"] == "" && stride > 0 // of YOLOv5
	if said.Labels == nil || said.Task == "" && !old {
		return Said{}, false
	}
	p := &said.Preprocess
	*p = imagein.Preprocess{Color: imagein.RGB, Fit: imagein.FitLetterbox, Orient: true, Scale: 1.0 / 255}
	p.Crop = size(value(props, "imgsz"))
	channels := 3
	if n, _ := value(props, "channels").(int64); n == 1 {
		p.Color, channels = imagein.Gray, 1
	}
	p.Mean, p.Std = make([]float64, channels), slices.Repeat([]float64{1}, channels)
	switch {
	case said.Task == "classify": // classify_transforms: the short side, and the centre
		p.Fit, p.Resize = "", min(p.Crop[0], p.Crop[1])
	case strings.Contains(strings.ToLower(props["description"]), "rtdetr"):
		p.Fit = imagein.FitStretch
	}
	return said, true
}

// value is a literal, nil where there is none.
func value(props map[string]string, key string) any {
	text := props[key]
	if len(text) > maxText {
		return nil
	}
	v, err := literal(text)
	if err != nil {
		return nil
	}
	return v
}

// names are the labels of a dict by numbers, or of a list.
func names(v any) []string {
	var labels []string
	switch v := v.(type) {
	case []entry:
		for _, e := range v {
			k, whole := e.key.(int64)
			name, text := e.value.(string)
			if !whole || !text || k < 0 || k >= int64(len(v))*2 { // some may be missing
				return nil
			}
			for int64(len(labels)) <= k {
				labels = append(labels, "")
			}
			labels[k] = name
		}
	case []any:
		for _, name := range v {
			text, ok := name.(string)
			if !ok {
				return nil
			}
			labels = append(labels, text)
		}
	}
	return labels
}

// size is a height and a width, or one number for both.
func size(v any) (crop [2]int) {
	const most = 1 << 14
	list, ok := v.([]any)
	if !ok {
		list = []any{v, v}
	}
	if len(list) != len(crop) {
		return crop
	}
	for i, side := range list {
		n, ok := side.(int64)
		if !ok || n < 1 || n > most {
			return [2]int{}
		}
		crop[i] = int(n)
	}
	return crop
}
