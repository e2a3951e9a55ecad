package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
)

// emitted is a bundle for testdata/oracle_emitted.py.
type emitted struct {
	Name    string `json:"name"`
	Model   string `json:"model"`
	Dir     string `json:"dir"`
	Plain   bool   `json:"plain"`
	CodecAt string `json:"codec_at"`
	TX2     bool   `json:"tx2"`
	FP16    bool   `json:"fp16"`
}

// splitVariants splits a model with each set of flags, CALIB standing for a
// folder of random inputs.
func splitVariants(t *testing.T, model string, variants ...string) []emitted {
	t.Helper()
	var jobs []emitted
	for i, v := range variants {
		dir := filepath.Join(t.TempDir(), fmt.Sprint(i))
		flags := strings.Fields(v)
		if at := slices.Index(flags, "CALIB"); at >= 0 {
			flags[at] = randomSet(t, open(t, model).Inputs()[0])
		}
		mustBnc(t, append([]string{"split", model, "-o", dir}, flags...)...)
		job := emitted{Name: stem(model) + " " + v, Model: model, Dir: dir, CodecAt: "graph"}
		for j, f := range flags {
			switch f {
			case "--plain":
				job.Plain = true
			case "--fp16":
				job.FP16 = true
			case "--codec-at":
				job.CodecAt = flags[j+1]
			case "--target":
				job.TX2, job.CodecAt = true, "device-host"
			}
		}
		jobs = append(jobs, job)
	}
	return jobs
}

// checksPerBundle is what testdata/oracle_emitted.py checks at least: three
// files, their domains and imports, and what they compute. A plain pair has two.
const checksPerBundle = 7

// TestEmittedFiles asks onnx's checker and Python's onnxruntime what they think
// of the files of every kind of split.
func TestEmittedFiles(t *testing.T) {
	model := filepath.Join(t.TempDir(), "resnet18.onnx")
	mustBnc(t, "models", "resnet18", "--input", "3x64x64", "-o", model)
	plugin(t)
	jobs := splitVariants(t, model,
		"--after rb1 --c 1 --s 2",
		"--after rb2 --c 5 --s 2 --codec-at device-host",
		"--after rb2 --c 5 --s 2 --codec-at host",
		"--after rb3 --c 3 --s 1 --range static --calib CALIB",
		"--after rb3 --c 3 --s 3 --codec-at host --calib CALIB",
		"--after rb4 --c full --s 4 --bits 3",
		"--after rb4 --c full --s 1 --restore-width 8",
		"--after rb5 --c 8 --s 2 --fp16",
		"--after rb5 --c 8 --s 2 --fp16 --calib CALIB --codec-at device-host",
		"--after rb1 --c 3 --s 2 --target tx2",
		"--after rb6 --c 2 --s 2 --target tx2 --calib CALIB --fp16",
		"--after rb4 --c 6 --s 1 --codec transform",
		"--after rb6 --c 2 --s 2 --codec transform --target tx2 --variable-rate --calib CALIB --fp16",
		"--after rb7 --plain",
		"--after rb2 --plain --external-data",
	)
	oracle(t, "oracle_emitted.py", jobs, len(jobs)*checksPerBundle)
}

// TestEmittedFromExports does the same for files that other programs wrote: with
// operator set 17, IR version 3, integer inputs.
func TestEmittedFromExports(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/models/imagenet/*.onnx")
	if cache, err := os.UserCacheDir(); err == nil {
		for _, name := range []string{"resnet50_opset17", "mobilenet_v2", "light_resnet50"} {
			file := filepath.Join(cache, "bnc", "corpus", name+".onnx")
			if _, err := os.Stat(file); err == nil {
				files = append(files, file)
			} else {
				t.Logf("without %s: make corpus exports it", name)
			}
		}
	}
	if len(files) == 0 {
		t.Skip("no exported models: make corpus, or ../shared/models/imagenet beside the repository")
	}
	plugin(t)
	for _, file := range files {
		t.Run(stem(file), func(t *testing.T) {
			variants := []string{
				"--after rb3 --c 3 --s 2",
				"--after rb2 --c 2 --s 2 --codec-at host --calib CALIB --fp16",
				"--after rb1 --plain",
			}
			if m, err := onnx.Load(file); err != nil {
				t.Fatal(err)
			} else if m.Graph.Feeds()[0].DType().IsFloat() { // TensorRT 8 has no uint8
				variants = append(variants, "--after rb1 --c 2 --target tx2")
			}
			jobs := splitVariants(t, file, variants...)
			oracle(t, "oracle_emitted.py", jobs, len(jobs)*checksPerBundle)
		})
	}
}
