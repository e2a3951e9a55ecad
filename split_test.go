package bnc

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/passes/output"
)

// small writes a ResNet-20 and returns its path.
func small(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "net.onnx")
	if _, err := WriteModel(t.Context(), "resnet20", ModelOptions{Out: path}); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSplit: the zero values of the options are the defaults, the result says what was
// written, and a bundle that is there is replaced.
func TestSplit(t *testing.T) {
	model, out := small(t), filepath.Join(t.TempDir(), "b")
	r, err := Split(t.Context(), model, SplitOptions{After: "rb3", Out: out})
	if err != nil {
		t.Fatal(err)
	}
	if r.Cut != "rb3" || r.Tile[0] != [2]int64{14, 14} || !reflect.DeepEqual(r.ReducedShape[0], []any{"batch", int64(1), int64(14), int64(14)}) || r.Quality != 20 {
		t.Errorf("%+v: expected rb3 of one channel, its stride 2", r)
	}
	r, err = Split(t.Context(), model, SplitOptions{After: "rb3", Channels: []Channels{Full}, Stride: []int{1}, Out: out})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r.ReducedShape, r.CutShape) {
		t.Errorf("%v crosses, the cut tensor is %v", r.ReducedShape, r.CutShape)
	}
	for _, f := range r.Files {
		if st, err := os.Stat(filepath.Join(out, f.Name)); err != nil || st.Size() != f.Bytes {
			t.Errorf("%s has not %d bytes: %v", f.Name, f.Bytes, err)
		}
	}
	if len(r.Files) != len(output.Parts) {
		t.Errorf("files %v", r.Files)
	}
}

// TestSplitErrors: an error tells its kind and the option, by its name in JSON.
func TestSplitErrors(t *testing.T) {
	model := small(t)
	for _, c := range []struct {
		o      SplitOptions
		kind   Kind
		option string
	}{
		{SplitOptions{}, Usage, ""},
		{SplitOptions{After: "rb1", Bits: 9}, Usage, "bits"},
		{SplitOptions{After: "rb1", Channels: []Channels{-3}}, Usage, "c"},
		{SplitOptions{After: "rb1", Target: TargetTX2, CodecAt: CodecInGraph}, Usage, "target"},
		{SplitOptions{After: "rb1", Plain: true, RestoreWidth: 8}, Usage, "restore_width"},
		{SplitOptions{After: "rb1", Depfile: t.TempDir()}, Usage, ""},
		{SplitOptions{After: "rb99"}, Data, ""},
		{SplitOptions{After: "rb1", Channels: []Channels{17}}, Data, ""},
	} {
		out := filepath.Join(t.TempDir(), "b")
		c.o.Out = out
		_, err := Split(t.Context(), model, c.o)
		var usage *UsageError
		if errors.As(err, &usage); KindOf(err) != c.kind || c.option != "" && (usage == nil || usage.Option != c.option || !strings.HasPrefix(err.Error(), "option "+c.option+" ")) {
			t.Errorf("%+v: %v, expected kind %d of option %q", c.o, err, c.kind, c.option)
		}
		if _, err := os.Lstat(out); err == nil {
			t.Errorf("%+v left a bundle", c.o)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Split(ctx, model, SplitOptions{After: "rb1", Out: filepath.Join(t.TempDir(), "b")}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestSplitOptionsJSON: options are the same after they were written, and what is not
// given is not written.
func TestSplitOptionsJSON(t *testing.T) {
	if b, err := json.Marshal(SplitOptions{After: "rb1"}); err != nil || string(b) != `{"after":"rb1"}` {
		t.Errorf("%s %v", b, err)
	}
	for _, o := range []SplitOptions{{After: "a b", Channels: []Channels{Full}, FP16: true}, {After: "rb1", Channels: []Channels{3}, Stride: []int{2}, Input: map[string][]int64{"x": {1, 3, 8, 8}}, ImageOptions: ImageOptions{Labels: "names"}}} {
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var again SplitOptions
		if err := json.Unmarshal(b, &again); err != nil || !reflect.DeepEqual(o, again) {
			t.Errorf("%s: %+v, %v", b, again, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"c":0}`), new(SplitOptions)); err == nil {
		t.Error("c of 0 was read")
	}
}
