package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/survey"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// quickCorpus is the tenth of the corpus that make test runs; make corpus runs
// all of it.
var quickCorpus = []string{"resnet18_bn", "squeezenet1_1", "mobilenetv2_tf"}

// manyInputs are the models whose bottlenecks are tried on 100 inputs, the
// others on 4.
var manyInputs = []string{"resnet18_bn", "mobilenet_v2"}

func corpusFiles(t *testing.T) []string {
	var files []string
	if cache, err := os.UserCacheDir(); err == nil {
		exported, _ := filepath.Glob(filepath.Join(cache, "bnc", "corpus", "*.onnx"))
		files = append(files, exported...)
	}
	shared, _ := filepath.Glob("../../../shared/models/imagenet/*.onnx")
	files = append(files, shared...)
	if dir := os.Getenv("BNC_CORPUS_DIR"); dir != "" { // models of one's own
		files, _ = filepath.Glob(filepath.Join(dir, "*.onnx"))
		return files
	}
	if os.Getenv("BNC_CORPUS") != "full" {
		files = slices.DeleteFunc(files, func(f string) bool { return !slices.Contains(quickCorpus, stem(f)) })
	}
	if len(files) == 0 {
		t.Skip("no exported models in the cache: make deps-oracle needs Debian's python3-torchvision for them")
	}
	return files
}

func stem(path string) string { return strings.TrimSuffix(filepath.Base(path), ".onnx") }

// tryBnc runs the command line in this process and returns what it printed.
func tryBnc(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(context.Background(), args, &out, &err)
	return out.String(), err.String(), code
}

func mustBnc(t *testing.T, args ...string) string {
	t.Helper()
	out, stderr, code := tryBnc(t, args...)
	if code != exitDone {
		t.Fatalf("bnc %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return out
}

// spread picks n cuts over the whole depth, all where there are fewer.
func spread[T any](cuts []T, n int) []T {
	if len(cuts) <= n {
		return cuts
	}
	var out []T
	for i := range n {
		out = append(out, cuts[i*(len(cuts)-1)/(n-1)])
	}
	return out
}

// TestCorpus splits well-known networks and compares the pair with the whole
// model (plain) and with the joined network (bottleneck), both in ONNX Runtime.
func TestCorpus(t *testing.T) {
	for _, file := range corpusFiles(t) {
		t.Run(stem(file), func(t *testing.T) {
			cuts := inspected(t, file).Cuts
			if len(cuts) < 8 {
				t.Errorf("only %d cuts", len(cuts))
			}
			whole := open(t, file)
			for _, c := range spread(cuts, 8) {
				t.Run(c.ID+"/plain", func(t *testing.T) {
					dir := filepath.Join(t.TempDir(), "pair")
					mustBnc(t, "split", file, "--after", c.ID, "--plain", "-o", dir)
					compare(t, open(t, dir), whole, 1, 1, true)
				})
			}
			bottleneck := slices.DeleteFunc(slices.Clone(cuts), func(c survey.Cut) bool { return !c.Bottleneck })
			for i, c := range spread(bottleneck, 6) {
				channels, stride := []int{1, 3, 5}[i%3], []int{1, 2}[i%2]
				t.Run(fmt.Sprintf("%s/c%d-s%d", c.ID, channels, stride), func(t *testing.T) {
					if fmt.Sprint(c.Shape[2]) == "1" { // a float64, as it comes out of JSON
						stride = 1
					}
					dir := filepath.Join(t.TempDir(), "pair")
					args := []string{"split", file, "--after", c.ID, "--c", fmt.Sprint(channels), "--s", fmt.Sprint(stride), "-o", dir}
					inputs, wanted := 100, 99
					if !slices.Contains(manyInputs, stem(file)) || i > 1 {
						// Calibrated on random inputs: an untrained bottleneck may
						// leave a softmax saturated, and the outputs the same.
						args = append(args, "--calib", randomSet(t, whole.Inputs()[0]))
						inputs, wanted = 4, 4
					}
					mustBnc(t, args...)
					compare(t, open(t, dir), open(t, filepath.Join(dir, "bottlenet.onnx")), inputs, wanted, false)
				})
			}
		})
	}
}

func open(t *testing.T, path string) *bundle.Runner {
	t.Helper()
	r, err := bundle.OpenRunner(path, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// compare feeds random inputs to both and demands that the outputs agree on at
// least wanted of them: to 1e-3 of the difference that two inputs make in the
// reference's outputs, so that a pair that ignores its input fails. Telling says
// that integer outputs have to differ between inputs too: 8-bit probabilities
// of an untrained bottleneck may not.
func compare(t *testing.T, got, want *bundle.Runner, inputs, wanted int, telling bool) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	other := runOn(t, want, randomInput(t, r, want.Inputs()[0]))
	agreed := 0
	for i := range inputs {
		feed := randomInput(t, r, want.Inputs()[0])
		y, z := runOn(t, want, feed), runOn(t, got, feed)
		if message := differ(y, z, other, telling); message == "" {
			agreed++
		} else {
			t.Logf("input %d: %s", i, message)
		}
	}
	if agreed < wanted {
		t.Errorf("%d of %d inputs agree, expected %d", agreed, inputs, wanted)
	} else if inputs > 4 {
		t.Logf("%d of %d inputs agree", agreed, inputs)
	}
}

func runOn(t *testing.T, r *bundle.Runner, feed ort.Feed) ort.Results {
	t.Helper()
	out, err := r.Run(context.Background(), feed)
	if err != nil {
		t.Fatal(err)
	}
	return out.Outputs
}

// randomInput draws an input: normal floats, or uniform pixels.
func randomInput(t *testing.T, r *rand.Rand, p model.Port) ort.Feed {
	t.Helper()
	shape := p.Sizes()
	for i, n := range shape {
		if n < 0 {
			shape[i] = 1
		}
	}
	n, err := tensor.Elements(shape)
	if err != nil {
		t.Fatal(err)
	}
	switch p.DType {
	case tensor.Float32:
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return ort.Feed{p.Name: tensor.Of(shape, v)}
	case tensor.Uint8:
		v := make([]uint8, n)
		for i := range v {
			v[i] = uint8(r.UintN(256))
		}
		return ort.Feed{p.Name: tensor.Of(shape, v)}
	}
	t.Fatalf("input %v", p)
	return nil
}

// randomSet writes random inputs as a folder of .npy arrays.
func randomSet(t *testing.T, p model.Port) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 8 {
		x := randomInput(t, r, p)[p.Name]
		order := map[tensor.DType]string{tensor.Float32: "<f4", tensor.Uint8: "|u1"}[x.DType]
		shape := strings.Trim(strings.ReplaceAll(fmt.Sprint(x.Shape), " ", ", "), "[]")
		head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s,), }", order, shape)
		head += strings.Repeat(" ", 63-(10+len(head))%64) + "\n" // NumPy's format 1.0
		file := append([]byte("\x93NUMPY\x01\x00"), byte(len(head)), byte(len(head)>>8))
		file = append(append(file, head...), x.Data...)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.npy", i)), file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// differ compares the outputs that both have. For integers, at most one element
// in a hundred may be one step off.
func differ(want, got, other ort.Results, telling bool) string {
	compared := 0
	for _, w := range want {
		g, ok := got.Find(w.Name)
		if !ok {
			if w.Name == "payload_bytes" { // the joined network's own
				continue
			}
			return fmt.Sprintf("output %q is missing", w.Name)
		}
		o, _ := other.Find(w.Name)
		if w.Tensor == nil || g.Tensor == nil || !slices.Equal(w.Tensor.Shape, g.Tensor.Shape) {
			return fmt.Sprintf("output %q: %v and %v", w.Name, w.Tensor, g.Tensor)
		}
		compared++
		a, errA := w.Tensor.Floats()
		b, errB := g.Tensor.Floats()
		c, errC := o.Tensor.Floats()
		if errA != nil || errB != nil || errC != nil {
			return fmt.Sprintf("output %q is no tensor of numbers", w.Name)
		}
		largest, spread, off := 0.0, 0.0, 0
		for i := range a {
			d := math.Abs(a[i] - b[i])
			if math.IsNaN(d) {
				return fmt.Sprintf("output %q holds NaN", w.Name)
			}
			largest, spread = max(largest, d), max(spread, math.Abs(a[i]-c[i]))
			if d > 0 {
				off++
			}
		}
		switch {
		case spread == 0 && (telling || w.Tensor.DType.IsFloat()):
			return fmt.Sprintf("output %q is the same for two inputs", w.Name)
		case !w.Tensor.DType.IsFloat():
			if largest > 1 || off*100 > len(a) {
				return fmt.Sprintf("output %q: %d of %d integers differ, by up to %g", w.Name, off, len(a), largest)
			}
		case largest > 1e-3*spread:
			return fmt.Sprintf("output %q: largest error %.3g, two inputs differ by %.3g", w.Name, largest, spread)
		}
	}
	if compared == 0 {
		return "no outputs in common"
	}
	return ""
}
