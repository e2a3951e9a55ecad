package train

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
)

// slopeTrainer is a trainer of runtime/testdata/training_step.onnx: the mean of
// an image times the weight is to be its label. The weight begins with w.
func slopeTrainer(t *testing.T, w float32) *Trainer {
	t.Helper()
	rttest.Library(t)
	session, err := ort.Open(rttest.Data("training_step.onnx"), ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	tr, err := NewTrainer(session, nil, map[string][]float32{"w:": {w}})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// npy writes an array of float32.
func npy(t *testing.T, path string, dims []int, values []float32) {
	t.Helper()
	shape := ""
	for _, d := range dims {
		shape += fmt.Sprintf("%d,", d)
	}
	head := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }\n", shape)
	b := append([]byte("\x93NUMPY\x01\x00"), binary.LittleEndian.AppendUint16(nil, uint16(len(head)))...)
	b = append(b, head...)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// slopes opens a loader, in order, of images of 2x2 that are all the same number,
// with whole numbers for labels.
func slopes(t *testing.T, s *ort.Session, numbers, labels []float32, shuffle bool) *feed.Loader {
	t.Helper()
	dir := t.TempDir()
	var pixels []float32
	for _, v := range numbers {
		pixels = append(pixels, v, v, v, v)
	}
	npy(t, filepath.Join(dir, "images.npy"), []int{len(numbers), 1, 2, 2}, pixels)
	npy(t, filepath.Join(dir, "labels.npy"), []int{len(labels)}, labels)
	set, err := data.Open(dir, data.Train)
	if err != nil {
		t.Fatal(err)
	}
	f, err := feed.New(s.Inputs()[:1], feed.Always(nil))
	if err != nil {
		t.Fatal(err)
	}
	l, err := feed.NewLoader(f, set, feed.LoaderOptions{Batch: 4, Labels: true, Shuffle: shuffle})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestStep compares steps with the same arithmetic in float64.
func TestStep(t *testing.T) {
	tr := slopeTrainer(t, 0.5)
	numbers, labels := []float32{1, 2, -1, 0.5}, []float32{2, 4, 1, 0}
	l := slopes(t, tr.session, numbers, labels, false)
	if tr.Batch() != 4 || !tr.Labelled() {
		t.Fatalf("batch %d, labelled %v", tr.Batch(), tr.Labelled())
	}
	w, m, average := 0.5, 0.0, 0.5
	for k := range 5 {
		e := l.Epoch(t.Context(), k, 0)
		b, err := e.Next()
		if err != nil {
			t.Fatal(err)
		}
		lr := 0.1 / float64(k+1)
		got, err := tr.Step(t.Context(), b, lr)
		e.Close()
		if err != nil {
			t.Fatal(err)
		}
		loss, gradient, hits := 0.0, 0.0, 0
		for i := range numbers {
			d := w*float64(numbers[i]) - float64(labels[i])
			loss += d * d / 4
			gradient += 2 * d * float64(numbers[i]) / 4
			if math.Abs(d) < 0.5 {
				hits++
			}
		}
		w -= lr * gradient
		average += (w - average) / 2
		n := float64(k + 1)
		m += 1 / (1 - math.Pow(0.9, n)) / math.Sqrt(1-math.Pow(0.99, n))
		// float32 has 6e-8; a dozen operations of numbers about 1, corrections up to 100.
		off := func(got, want float64) bool { return math.Abs(got-want) > 2e-6*max(1, math.Abs(want)) }
		if off(got.Loss, loss) || off(got.Norm, math.Abs(gradient)) || got.Hits != hits || got.Bytes != 17.5 {
			t.Errorf("step %d: %+v, expected loss %v, norm %v, %d hits, 17.5 bytes", k, got, loss, math.Abs(gradient), hits)
		}
		state := func(name string) float64 { return float64(floatsOf(tr, name)[0]) }
		if off(state("w:"), w) || off(state("m:w:"), m) || off(state("e:w:"), average) {
			t.Errorf("step %d: weight %v, moment %v, average %v; expected %v, %v, %v", k, state("w:"), state("m:w:"), state("e:w:"), w, m, average)
		}
	}
	if tr.Steps() != 5 {
		t.Errorf("%d steps", tr.Steps())
	}
	// What is evaluated and kept is the average.
	if w, p := tr.Weights()["w:"], tr.Params()["slope"]; !bytes.Equal(w.Data, tr.state["e:w:"].Data) || float64(p[0]) != float64(floatsOf(tr, "e:w:")[0]) {
		t.Errorf("weights %v, parameters %v", w, p)
	}
}

// TestStepThatIsNoNumber leaves the state as it was.
func TestStepThatIsNoNumber(t *testing.T) {
	tr := slopeTrainer(t, 1)
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), math.MaxFloat32} {
		l := slopes(t, tr.session, []float32{1, bad, 1, 1}, []float32{1, 1, 1, 1}, false)
		e := l.Epoch(t.Context(), 0, 0)
		b, err := e.Next()
		if err != nil {
			t.Fatal(err)
		}
		r, err := tr.Step(t.Context(), b, 0.1)
		e.Close()
		if err != nil || r.Finite() {
			t.Errorf("%v in an image: %+v, %v", bad, r, err)
		}
		if tr.Steps() != 0 || floatsOf(tr, "w:")[0] != 1 {
			t.Errorf("%v in an image: %d steps, weight %v", bad, tr.Steps(), floatsOf(tr, "w:"))
		}
	}
}

// floatsOf returns a tensor of the state.
func floatsOf(t *Trainer, name string) []float32 {
	values := make([]float32, t.state[name].Len())
	if _, err := binary.Decode(t.state[name].Data, binary.LittleEndian, values); err != nil {
		panic(err)
	}
	return values
}
