package bnc

import (
	"path/filepath"
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
