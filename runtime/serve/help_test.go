package serve_test

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// patience is when a test that waits for something gives up.
const patience = time.Minute

// witness is an Observer and a log handler that tests can wait for.
type witness struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every event
	waiting map[string]int
	batches []int
	causes  []string
	log     []string // "MESSAGE key=value ..."
}

func newWitness() *witness {
	return &witness{changed: make(chan struct{}), waiting: map[string]int{}}
}

func (w *witness) note(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *witness) Request(model, cause string, queue, compute, total time.Duration, payloadBytes int) {
	w.note(func() { w.causes = append(w.causes, cause) })
}
func (w *witness) Batch(model string, images int) {
	w.note(func() { w.batches = append(w.batches, images) })
}
func (w *witness) Queue(model string, waiting int) {
	w.note(func() { w.waiting[model] = waiting })
}

// Write takes the lines of a slog.TextHandler.
func (w *witness) Write(line []byte) (int, error) {
	w.note(func() { w.log = append(w.log, strings.TrimSpace(string(line))) })
	return len(line), nil
}

// until waits for a condition on what was seen.
func (w *witness) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.After(patience)
	for {
		w.mu.Lock()
		ok, changed := holds(), w.changed
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("no %s; log:\n%s", what, strings.Join(w.log, "\n"))
		}
	}
}

// logged waits for the n-th log line that holds all the words.
func (w *witness) logged(t *testing.T, n int, words ...string) {
	t.Helper()
	w.until(t, strings.Join(words, " ... "), func() bool {
		k := 0
		for _, line := range w.log {
			if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
				k++
			}
		}
		return k >= n
	})
}

// open returns a repository and what it tells. It is closed with the test,
// which must not leave requests behind.
func open(t testing.TB, opts serve.Options) (*serve.Repository, *witness) {
	t.Helper()
	rttest.Plugin(t)
	w := newWitness()
	opts.Observe = w
	opts.Log = slog.New(slog.NewTextHandler(w, nil))
	opts.Session.Threads = 1
	r := serve.NewRepository(opts)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return r, w
}

func load(t testing.TB, r *serve.Repository, name, data string) {
	t.Helper()
	if err := r.Load(name, rttest.Data(data)); err != nil {
		t.Fatal(err)
	}
}

// sample is an image's payload and what the network says of it.
type sample struct {
	payload []byte
	logits  []float32
}

// samples makes n different images, their payloads by the bundle's mobile half
// and their logits by its cloud half, one image at a time.
func samples(t testing.TB, dir string, n int) []sample {
	t.Helper()
	rttest.Plugin(t)
	b, err := bundle.Open(rttest.Data(dir))
	if err != nil {
		t.Fatal(err)
	}
	mobile, err := b.OpenMobile(ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer mobile.Close()
	cloud, err := b.OpenCloud(ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer cloud.Close()
	var list []sample
	for i := range n {
		crossing, _, err := mobile.Run(t.Context(), ort.Feed{"input": picture(i)})
		if err != nil {
			t.Fatal(err)
		}
		out, err := cloud.Run(t.Context(), crossing)
		if err != nil {
			t.Fatal(err)
		}
		logits, err := out.Tensor("logits")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, sample{crossing[bundle.PayloadName].Data, tensor.Slice[float32](logits)})
	}
	if bytes.Equal(list[0].payload, list[n-1].payload) && n > 1 {
		t.Fatal("the images do not differ")
	}
	return list
}

// picture returns a prepared image [1 3 32 32], another one for each i.
func picture(i int) *tensor.Tensor {
	values := make([]float32, 3*32*32)
	for k := range values {
		values[k] = float32(math.Sin(float64(k*(i+3))/97 + float64(i)))
	}
	return tensor.Of([]int64{1, 3, 32, 32}, values)
}

func vector[T tensor.Element](values ...T) *tensor.Tensor {
	return tensor.Of([]int64{int64(len(values))}, values)
}

// request is one for a payload.
func request(model string, payload ...[]byte) *oip.Request {
	return ask(model, "payload", vector(slices.Concat(payload...)...))
}

func ask(model, input string, value *tensor.Tensor) *oip.Request {
	return &oip.Request{Model: model, Inputs: []oip.Tensor{{Name: input, Value: value}}}
}

// near tells whether logits are those of the samples. Runs of several images may
// sum in another order than runs of one: a few units in the last place of sums
// of some 40 products of about 1.
func near(got *oip.Response, want ...sample) bool {
	t := got.Output("logits")
	if t == nil || t.DType != tensor.Float32 || !slices.Equal(t.Shape, []int64{int64(len(want)), 5}) {
		return false
	}
	for i, x := range tensor.Slice[float32](t) {
		if math.Abs(float64(x-want[i/5].logits[i%5])) > 1e-5 {
			return false
		}
	}
	return true
}

// refused checks an error's cause and that its message names what matters.
func refused(t *testing.T, err error, cause oip.Cause, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, expected %v", cause)
		return
	}
	if oip.CauseOf(err) != cause {
		t.Errorf("%v: %v, expected %v", oip.CauseOf(err), err, cause)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
	if strings.Contains(err.Error(), rttest.Data()) {
		t.Errorf("%q names a path of the server", err)
	}
}
