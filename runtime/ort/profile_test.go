package ort_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestReadProfile: every run has its nodes, and no file or several are refused.
func TestReadProfile(t *testing.T) {
	rttest.Library(t)
	prefix := filepath.Join(t.TempDir(), "profile")
	s, err := ort.Open(rttest.Data("add.onnx"), ort.Options{Profile: prefix})
	if err != nil {
		t.Fatal(err)
	}
	x := tensor.Of([]int64{1, 2}, []float32{1, 2})
	for range 3 {
		if _, err := s.Run(context.Background(), ort.Feed{"x": x, "y": x}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	runs, err := ort.ReadProfile(prefix)
	if err != nil || len(runs) != 3 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	for _, nodes := range runs {
		if len(nodes) != 1 || nodes[0].Op != "Add" || nodes[0].Took < 0 {
			t.Errorf("%+v", nodes)
		}
	}
	if _, err := ort.ReadProfile(prefix + "-other"); err == nil {
		t.Error("a profile that is not there was read")
	}
}
