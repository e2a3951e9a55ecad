package ort_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// open opens a model of runtime/testdata for the length of the test.
func open(t *testing.T, name string, opts ort.Options) *ort.Session {
	t.Helper()
	rttest.Library(t)
	s, err := ort.Open(rttest.Data(name), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func floats(shape []int64, values ...float32) *tensor.Tensor { return tensor.Of(shape, values) }

func TestRunAdds(t *testing.T) {
	s := open(t, "add.onnx", ort.Options{})
	feed := ort.Feed{"x": floats([]int64{2, 2}, 1, 2, 3, 4), "y": floats([]int64{2, 2}, 10, 20, 30, 40)}
	results, err := s.Run(t.Context(), feed)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := results.Tensor("sum")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tensor.Slice[float32](sum), []float32{11, 22, 33, 44}; !slices.Equal(got, want) {
		t.Errorf("sum = %v, want %v", got, want)
	}
	if !slices.Equal(sum.Shape, []int64{2, 2}) {
		t.Errorf("shape = %v", sum.Shape)
	}
	if _, err := results.Tensor("product"); err == nil {
		t.Error("an output that is not there was found")
	}
}

func TestRunIntoWritesInPlace(t *testing.T) {
	s := open(t, "add.onnx", ort.Options{})
	sum := floats([]int64{1, 2}, -1, -1)
	feed := ort.Feed{"x": floats([]int64{1, 2}, 1, 2), "y": floats([]int64{1, 2}, 3, 4)}
	results, err := s.RunInto(t.Context(), feed, ort.Feed{"sum": sum})
	if err != nil {
		t.Fatal(err)
	}
	if got := tensor.Slice[float32](sum); !slices.Equal(got, []float32{4, 6}) {
		t.Errorf("sum = %v", got)
	}
	if results[0].Tensor != sum {
		t.Error("the result is not the tensor that was given")
	}
	if _, err := s.RunInto(t.Context(), feed, ort.Feed{"sum": floats([]int64{1, 1}, 0)}); err == nil {
		t.Error("an output tensor of a wrong shape was taken")
	}
}

func TestRunFromBytes(t *testing.T) {
	rttest.Library(t)
	data, err := os.ReadFile(rttest.Data("add.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ort.OpenBytes("add", data, ort.Options{Threads: 1, Optimize: ort.OptimizeNone})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Metadata()["greeting"] != "hello" || s.Provider() != ort.CPU {
		t.Errorf("metadata %v, provider %v", s.Metadata(), s.Provider())
	}
}

// TestEveryType sends each element type through Identity: what comes back
// must be bit for bit what went in.
func TestEveryType(t *testing.T) {
	s := open(t, "identity.onnx", ort.Options{})
	for _, n := range []int64{2, 0} {
		shape := []int64{n}
		feed := ort.Feed{
			"float32": tensor.Of(shape, []float32{-1.5, float32(math.Inf(1))}[:n]),
			"float64": tensor.Of(shape, []float64{math.Pi, -0.25}[:n]),
			"int8":    tensor.Of(shape, []int8{-128, 127}[:n]),
			"int16":   tensor.Of(shape, []int16{-32768, 32767}[:n]),
			"int32":   tensor.Of(shape, []int32{math.MinInt32, math.MaxInt32}[:n]),
			"int64":   tensor.Of(shape, []int64{math.MinInt64, math.MaxInt64}[:n]),
			"uint8":   tensor.Of(shape, []uint8{0, 255}[:n]),
			"uint16":  tensor.Of(shape, []uint16{0, 65535}[:n]),
			"uint32":  tensor.Of(shape, []uint32{0, math.MaxUint32}[:n]),
			"uint64":  tensor.Of(shape, []uint64{0, math.MaxUint64}[:n]),
			"bool":    tensor.Of(shape, []bool{true, false}[:n]),
			"float16": {DType: tensor.Float16, Shape: shape, Data: []byte{0x00, 0x3c, 0xff, 0x7b}[:2*n]},
			"string":  {DType: tensor.String, Shape: shape, Strings: []string{"", "grüße"}[:n]},
		}
		results, err := s.Run(t.Context(), feed)
		if err != nil {
			t.Fatal(err)
		}
		for name, in := range feed {
			out, err := results.Tensor(name + "_out")
			if err != nil {
				t.Fatal(err)
			}
			if out.DType != in.DType || !slices.Equal(out.Shape, in.Shape) || !slices.Equal(out.Data, in.Data) || !slices.Equal(out.Strings, in.Strings) {
				t.Errorf("%s: %v %v %q came back from %v %v %q", name, out, out.Data, out.Strings, in, in.Data, in.Strings)
			}
		}
	}
}

func TestScalars(t *testing.T) {
	s := open(t, "scalar.onnx", ort.Options{})
	into := floats([]int64{}, -1)
	results, err := s.RunInto(t.Context(), ort.Feed{"x": floats([]int64{3}, 1, 2, 3)}, ort.Feed{"sum": into})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := results.Tensor("sum")
	if err != nil {
		t.Fatal(err)
	}
	if len(sum.Shape) != 0 || tensor.Slice[float32](sum)[0] != 6 || tensor.Slice[float32](into)[0] != 6 {
		t.Errorf("sum = %v %v, into %v", sum, sum.Data, into.Data)
	}

	in := open(t, "scalar_input.onnx", ort.Options{})
	results, err = in.Run(t.Context(), ort.Feed{"x": floats([]int64{}, 5), "y": floats([]int64{2}, 1, 2)})
	if err != nil {
		t.Fatal(err)
	}
	if sum, _ := results.Tensor("sum"); !slices.Equal(tensor.Slice[float32](sum), []float32{6, 7}) {
		t.Errorf("sum = %v", sum.Data)
	}

	_, err = open(t, "scalar_undeclared.onnx", ort.Options{}).Run(t.Context(), ort.Feed{"x": floats([]int64{1}, 1)})
	wantError(t, err, "scalar")
}

func TestAnyRankInput(t *testing.T) {
	s := open(t, "anyrank.onnx", ort.Options{})
	for _, shape := range [][]int64{{6}, {1, 6}} {
		results, err := s.Run(t.Context(), ort.Feed{"payload": tensor.Of(shape, make([]uint8, 6))})
		if err != nil {
			t.Fatalf("%v: %v", shape, err)
		}
		if size, _ := results.Tensor("size"); tensor.Slice[int64](size)[0] != 6 {
			t.Errorf("%v: size %v", shape, size)
		}
	}
}

func TestSequenceAndMap(t *testing.T) {
	s := open(t, "split_to_sequence.onnx", ort.Options{})
	results, err := s.Run(t.Context(), ort.Feed{"x": floats([]int64{2, 2}, 1, 2, 3, 4)})
	if err != nil {
		t.Fatal(err)
	}
	parts := results[0].Sequence
	if len(parts) != 2 || !slices.Equal(tensor.Slice[float32](parts[1].Tensor), []float32{3, 4}) {
		t.Errorf("parts = %v", parts)
	}

	z := open(t, "zipmap.onnx", ort.Options{})
	results, err = z.Run(t.Context(), ort.Feed{"scores": floats([]int64{2, 3}, .1, .7, .2, .5, .3, .2)})
	if err != nil {
		t.Fatal(err)
	}
	label, err := results.Tensor("label")
	if err != nil || !slices.Equal(label.Strings, []string{"dog", "cat"}) {
		t.Errorf("label = %v, %v", label, err)
	}
	maps := results[1].Sequence
	if len(maps) != 2 || !slices.Equal(maps[0].Keys.Strings, []string{"cat", "dog", "emu"}) ||
		!slices.Equal(tensor.Slice[float32](maps[1].Values), []float32{.5, .3, .2}) {
		t.Errorf("maps = %+v", maps)
	}
	if _, err := results.Tensor("maps"); err == nil {
		t.Error("a sequence of maps was given out as a tensor")
	}
}

func TestInitialiserIsNoInput(t *testing.T) {
	s := open(t, "ir3.onnx", ort.Options{})
	results, err := s.Run(t.Context(), ort.Feed{"x": floats([]int64{2}, 1, 2)})
	if err != nil {
		t.Fatal(err)
	}
	if y, _ := results.Tensor("y"); !slices.Equal(tensor.Slice[float32](y), []float32{11, 22}) {
		t.Errorf("y = %v", y.Data)
	}
}

func TestBadFeeds(t *testing.T) {
	s := open(t, "add.onnx", ort.Options{})
	x := floats([]int64{2, 2}, 1, 2, 3, 4)
	tests := map[string]struct {
		feed ort.Feed
		want string // what the error must name
	}{
		"missing":     {ort.Feed{"x": x}, `"y"`},
		"rank":        {ort.Feed{"x": floats([]int64{2}, 1, 2), "y": x}, "float32[2]"},
		"size":        {ort.Feed{"x": floats([]int64{1, 1}, 1), "y": x}, "float32[n 2]"},
		"type":        {ort.Feed{"x": tensor.Of([]int64{2, 2}, make([]int64, 4)), "y": x}, "int64"},
		"symbol":      {ort.Feed{"x": x, "y": floats([]int64{1, 2}, 1, 2)}, "n = 2"},
		"extra":       {ort.Feed{"x": x, "y": x, "z": x}, "x, y"},
		"cut short":   {ort.Feed{"x": {DType: tensor.Float32, Shape: []int64{2, 2}, Data: make([]byte, 4)}, "y": x}, "16 bytes"},
		"negative":    {ort.Feed{"x": {DType: tensor.Float32, Shape: []int64{-1, 2}}, "y": x}, "negative"},
		"no contents": {ort.Feed{"x": nil, "y": x}, "nothing"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := s.Run(t.Context(), test.feed)
			var bad *ort.InputError
			if !errors.As(err, &bad) {
				t.Fatalf("error %v, want an InputError", err)
			}
			wantError(t, err, test.want)
			wantError(t, err, "add.onnx")
		})
	}
}

func TestWhatTheBindingCannotCarry(t *testing.T) {
	ctx := t.Context()
	_, err := open(t, "noinput.onnx", ort.Options{}).Run(ctx, nil)
	wantError(t, err, "no inputs")

	half := &tensor.Tensor{DType: tensor.Float16, Shape: []int64{1}, Data: []byte{0, 0x3c}}
	_, err = open(t, "float16_unknown.onnx", ort.Options{}).Run(ctx, ort.Feed{"x": half, "keep": tensor.Of([]int64{1}, []bool{true})})
	wantError(t, err, "cast it to float32")

	id := open(t, "identity.onnx", ort.Options{})
	feed := ort.Feed{}
	for _, port := range id.Inputs() {
		if feed[port.Name], err = tensor.New(port.DType, 1); err != nil {
			t.Fatal(err)
		}
	}
	feed["string"].Strings[0] = "a\x00b"
	_, err = id.Run(ctx, feed)
	wantError(t, err, "NUL")
}

func TestContextStopsRun(t *testing.T) {
	s := open(t, "count.onnx", ort.Options{})
	forever := ort.Feed{"n": tensor.Of([]int64{1}, []int64{math.MaxInt64})}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Run(ctx, forever); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v, want the deadline's", err)
	}
	if _, err := s.Run(ctx, forever); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a run that begins after the deadline gives %v", err)
	}
	results, err := s.Run(t.Context(), ort.Feed{"n": tensor.Of([]int64{1}, []int64{7})})
	if err != nil {
		t.Fatalf("the session does not run after it was stopped: %v", err)
	}
	if count, _ := results.Tensor("count"); tensor.Slice[float32](count)[0] != 7 {
		t.Errorf("count = %v", count.Data)
	}
}

// TestConcurrentRuns hammers one session from many goroutines, with a Close
// in the middle: every run gives its own sum or ErrClosed.
func TestConcurrentRuns(t *testing.T) {
	s := open(t, "add.onnx", ort.Options{})
	const goroutines, runs = 8, 200
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range runs {
				a := float32(g*runs + i)
				results, err := s.Run(t.Context(), ort.Feed{"x": floats([]int64{1, 2}, a, 1), "y": floats([]int64{1, 2}, 1, a)})
				if errors.Is(err, ort.ErrClosed) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if sum, _ := results.Tensor("sum"); !slices.Equal(tensor.Slice[float32](sum), []float32{a + 1, a + 1}) {
					t.Errorf("sum = %v, want %v twice", tensor.Slice[float32](sum), a+1)
				}
				if g == 0 && i == runs/2 {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if _, err := s.Run(t.Context(), ort.Feed{"x": floats([]int64{1, 2}, 0, 0), "y": floats([]int64{1, 2}, 0, 0)}); !errors.Is(err, ort.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestProviders(t *testing.T) {
	rttest.Library(t)
	report := ort.Inspect()
	if report.LoadError != nil || report.Version == "" || report.Library.Path == "" {
		t.Fatalf("report %+v", report)
	}
	for _, status := range report.Providers {
		if status.Provider == ort.CPU && status.Error != nil {
			t.Errorf("the CPU provider: %v", status.Error)
		}
		if status.Provider == ort.TensorRT && status.Error == nil {
			t.Skip("this ONNX Runtime has TensorRT: the fallback cannot be shown")
		}
	}
	_, err := ort.Open(rttest.Data("add.onnx"), ort.Options{Providers: []ort.Provider{ort.TensorRT}})
	wantError(t, err, "this ONNX Runtime has no TensorRT")
	var missing *ort.ProviderError
	if !errors.As(err, &missing) || !missing.Missing {
		t.Errorf("%v is no ProviderError of a missing provider", err)
	}

	s := open(t, "add.onnx", ort.Options{Providers: []ort.Provider{ort.TensorRT, ort.CPU}})
	if s.Provider() != ort.CPU || len(s.Skipped()) != 1 {
		t.Errorf("provider %s, skipped %v", s.Provider(), s.Skipped())
	}
}

func TestParseProviders(t *testing.T) {
	got, err := ort.ParseProviders("tensorrt, cpu")
	if err != nil || !slices.Equal(got, []ort.Provider{ort.TensorRT, ort.CPU}) {
		t.Errorf("%v, %v", got, err)
	}
	_, err = ort.ParseProviders("cpu,npu")
	wantError(t, err, "npu")
}

func TestOpenFailures(t *testing.T) {
	rttest.Library(t)
	_, err := ort.Open(rttest.Data("absent.onnx"), ort.Options{})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	text := filepath.Join(t.TempDir(), "notes.onnx")
	if err := os.WriteFile(text, []byte("this is not a model at all"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = ort.Open(text, ort.Options{})
	wantError(t, err, text)
}

func TestMissingPluginNamesPlaces(t *testing.T) {
	rttest.Library(t)
	t.Setenv("BNC_OPS_LIB", filepath.Join(t.TempDir(), "libbnc_ops.so"))
	_, err := ort.Open(rttest.Data("graph-static", "mobile.onnx"), ort.Options{})
	wantError(t, err, os.Getenv("BNC_OPS_LIB"))
	if report := ort.Inspect(); report.PluginError == nil {
		t.Error("Inspect found an op library that is not there")
	}
}

func TestProfileIsWritten(t *testing.T) {
	rttest.Library(t)
	prefix := filepath.Join(t.TempDir(), "profile")
	s, err := ort.Open(rttest.Data("add.onnx"), ort.Options{Profile: prefix})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(prefix + "*.json")
	if err != nil || len(files) != 1 {
		t.Errorf("profiles %v, %v", files, err)
	}
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", part)
	}
	if !strings.Contains(err.Error(), part) {
		t.Errorf("error %q does not say %q", err, part)
	}
}
