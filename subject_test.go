package bnc

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/passes/output"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/model"
)

// TestTaskIsRecorded: a guess is told by the command that makes it, is in each file of a
// bundle and of a trained model, and what reads those guesses no more.
func TestTaskIsRecorded(t *testing.T) {
	source, dir := small(t), filepath.Join(t.TempDir(), "b")
	tells := func(what string, expected bool, do func(Reporter) error) {
		t.Helper()
		var s spoken
		if err := do(&s); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if told := strings.Contains(strings.Join(s.lines, "\n"), "task classify"); told != expected {
			t.Errorf("%s: %q, expected the task %v", what, s.lines, expected)
		}
	}
	tells("split", true, func(r Reporter) error {
		_, err := Split(t.Context(), source, SplitOptions{After: "rb3", Out: dir, Reporter: r})
		return err
	})
	tells("split with option task", false, func(r Reporter) error {
		_, err := Split(t.Context(), source, SplitOptions{After: "rb3", Out: dir, Reporter: r, TaskOptions: TaskOptions{Task: "classify"}})
		return err
	})
	recorded := func(path string) {
		t.Helper()
		head, err := model.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		meta, err := bundle.ParseMeta(head.Metadata)
		if err != nil || meta.Task != "classify" || head.Metadata["bnc.task"] != `"classify"` || meta.Decoder != nil {
			t.Errorf("%s: task %q, decoder %s, %v", path, meta.Task, meta.Decoder, err)
		}
	}
	for _, part := range output.Parts {
		recorded(filepath.Join(dir, part+".onnx"))
	}
	photos := pictures(t, 8)
	tells("eval", false, func(r Reporter) error {
		_, err := Eval(t.Context(), dir, EvalOptions{Data: photos, Reporter: r})
		return err
	})
	t.Run("multiply-adds on the device", func(t *testing.T) { deviceMultiplies(t, source, dir, photos) })
	tells("eval of the model", true, func(r Reporter) error {
		_, err := Eval(t.Context(), source, EvalOptions{Data: photos, Teacher: dir, Reporter: r})
		return err
	})
	tells("train", false, func(r Reporter) error {
		_, err := Train(t.Context(), dir, TrainOptions{Data: photos, Distill: true, Epochs: 1, Batch: 4, Reporter: r})
		return err
	})
	for _, part := range output.Parts {
		recorded(filepath.Join(dir, part+".onnx"))
	}
	trained := filepath.Join(t.TempDir(), "trained.onnx")
	tells("train a model", true, func(r Reporter) error {
		_, err := Train(t.Context(), source, TrainOptions{Data: photos, Distill: true, Teacher: source, Epochs: 1, Batch: 4, Output: trained, Reporter: r})
		return err
	})
	recorded(trained)
	for name, do := range map[string]func(TaskOptions) error{
		"split": func(o TaskOptions) error {
			_, err := Split(t.Context(), source, SplitOptions{After: "rb3", Out: dir, TaskOptions: o})
			return err
		},
		"eval": func(o TaskOptions) error {
			_, err := Eval(t.Context(), dir, EvalOptions{Data: photos, TaskOptions: o})
			return err
		},
		"train": func(o TaskOptions) error {
			_, err := Train(t.Context(), dir, TrainOptions{Data: photos, Distill: true, TaskOptions: o})
			return err
		},
		"run": func(o TaskOptions) error {
			_, err := Run(t.Context(), dir, []string{photos}, RunOptions{TaskOptions: o})
			return err
		},
	} {
		if err := do(TaskOptions{Task: "walk"}); KindOf(err) != Usage || !strings.Contains(err.Error(), "classify") {
			t.Errorf("%s: %v, expected the tasks that there are", name, err)
		}
	}
}

// deviceMultiplies: on the device there is what is before the cut, after rb3 of a ResNet-20,
// and a reduction of 16 channels of 28 x 28 to 1 of 14 x 14; nothing where images are sent.
func deviceMultiplies(t *testing.T, source, dir, photos string) {
	m, err := Inspect(t.Context(), source, InspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := int64(16*28*28 + 9*14*14)
	for _, c := range m.Cuts {
		if slices.Contains(c.Aliases, "rb3") || c.ID == "rb3" {
			want += *c.MACsBefore
		}
	}
	r, err := Eval(t.Context(), dir, EvalOptions{Data: photos})
	if err != nil || r.DeviceMACs == nil || *r.DeviceMACs != want {
		t.Errorf("%+v, %v: expected %d multiply-adds", r, err, want)
	}
	if p := r.PayloadBytes; float64(p.Max) < p.P95 || p.P95 < p.Mean/2 {
		t.Errorf("%+v", p)
	}
	if r, err = Eval(t.Context(), source, EvalOptions{Data: photos, Teacher: source, InputCodec: "png"}); err != nil || r.DeviceMACs == nil || *r.DeviceMACs != 0 {
		t.Errorf("%+v, %v: expected none", r, err)
	}
	if r, err = Eval(t.Context(), source, EvalOptions{Data: photos, Teacher: source}); err != nil || r.DeviceMACs != nil {
		t.Errorf("%+v, %v: expected it not known", r, err)
	}
	if _, err = Eval(t.Context(), source, EvalOptions{Data: photos, Annotations: "boxes.json"}); KindOf(err) != Usage {
		t.Errorf("annotations of classes: %v", err)
	}
}
