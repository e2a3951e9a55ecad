package serve_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// ever is longer than any test: what waits so long waits for something else.
const ever = time.Hour

// TestBatchIsJoined: requests of 1, 2 and 1 images wait for each other until
// they fill a batch, and each gets its own answer.
func TestBatchIsJoined(t *testing.T) {
	for _, dir := range []string{"graph-dynamic", "host-static"} {
		r, w := open(t, serve.Options{MaxBatch: 4, MaxDelay: ever})
		load(t, r, "net", dir)
		want := samples(t, dir, 4)
		var all sync.WaitGroup
		for _, part := range [][]sample{want[:1], want[1:3], want[3:]} {
			all.Go(func() {
				got, err := r.Infer(t.Context(), request("net", payloads(part)...))
				if err != nil || !near(got, part...) {
					t.Errorf("%v, %v", got, err)
				}
			})
		}
		all.Wait()
		if !slices.Equal(w.batches, []int{4}) {
			t.Errorf("runs of %v images, expected one of 4", w.batches)
		}
	}
}

// TestDelayEnds: a batch that nobody fills is run when its time has come.
func TestDelayEnds(t *testing.T) {
	const delay = 20 * time.Millisecond
	r, _ := open(t, serve.Options{MaxBatch: 4, MaxDelay: delay})
	load(t, r, "net", "graph-static")
	want := samples(t, "graph-static", 1)
	got, err := r.Infer(t.Context(), request("net", want[0].payload))
	if err != nil || !near(got, want[0]) {
		t.Fatalf("%v, %v", got, err)
	}
	if queue := got.Params[oip.ParamQueue].(float64); queue < 20 {
		t.Errorf("waited %v ms, expected %v", queue, delay)
	}
}

// TestLongRequest: a request of more images than a run takes is computed in
// several.
func TestLongRequest(t *testing.T) {
	r, w := open(t, serve.Options{MaxBatch: 4})
	load(t, r, "net", "graph-dynamic")
	want := samples(t, "graph-dynamic", 10)
	got, err := r.Infer(t.Context(), request("net", payloads(want)...))
	if err != nil || !near(got, want...) {
		t.Errorf("%v, %v", got, err)
	}
	if !slices.Equal(w.batches, []int{4, 4, 2}) {
		t.Errorf("runs of %v images", w.batches)
	}
}

// TestDamagedAmongGood: only the guilty request fails.
func TestDamagedAmongGood(t *testing.T) {
	for _, dir := range []string{"graph-static", "host-static"} {
		r, w := open(t, serve.Options{MaxBatch: 4, MaxDelay: ever})
		load(t, r, "net", dir)
		want := samples(t, dir, 3)
		var all sync.WaitGroup
		for _, one := range want {
			all.Go(func() {
				got, err := r.Infer(t.Context(), request("net", one.payload))
				if err != nil || !near(got, one) {
					t.Errorf("%s: %v, %v", dir, got, err)
				}
			})
		}
		_, err := r.Infer(t.Context(), request("net", append([]byte{40}, make([]byte, 40)...)))
		refused(t, err, oip.Invalid, "payload")
		all.Wait()
		if !slices.Equal(w.batches, []int{4, 1, 1, 1, 1}) {
			t.Errorf("%s: runs of %v images", dir, w.batches)
		}
	}
}

// TestIndivisible: a model whose declared shapes promise a row an image, and
// that gives another number, is not joined any more.
func TestIndivisible(t *testing.T) {
	r, w := open(t, serve.Options{MaxBatch: 2, MaxDelay: ever})
	load(t, r, "sum", "one_row.onnx")
	infer := func(x float32) {
		got, err := r.Infer(t.Context(), ask("sum", "x", tensor.Of([]int64{1, 2}, []float32{x, 2 * x})))
		if err != nil || !slices.Equal(tensor.Slice[float32](got.Outputs[0].Value), []float32{x, 2 * x}) {
			t.Errorf("%v, %v", got, err)
		}
	}
	var both sync.WaitGroup
	both.Go(func() { infer(1) })
	both.Go(func() { infer(2) })
	both.Wait()
	infer(3)
	if !slices.Equal(w.batches, []int{2, 1, 1, 1}) {
		t.Errorf("runs of %v images", w.batches)
	}
	_, err := r.Infer(t.Context(), ask("sum", "x", tensor.Of([]int64{3, 2}, make([]float32, 6))))
	refused(t, err, oip.Invalid, "one image a request")
}

// TestOverload: a full queue refuses at once, and those who wait are answered.
func TestOverload(t *testing.T) {
	r, w := open(t, serve.Options{MaxBatch: 4, MaxDelay: ever, Queue: 3})
	load(t, r, "net", "graph-static")
	want := samples(t, "graph-static", 1)
	var waiting sync.WaitGroup
	for range 3 {
		waiting.Go(func() {
			got, err := r.Infer(t.Context(), request("net", want[0].payload))
			if err != nil || !near(got, want[0]) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	w.until(t, "full queue", func() bool { return w.waiting["net"] == 3 })
	_, err := r.Infer(t.Context(), request("net", want[0].payload))
	refused(t, err, oip.Overloaded, "net", "3")
	r.Remove("net") // which waits for no fourth
	waiting.Wait()
}

// TestDeadlineInQueue: a request whose time runs out while it waits is dropped
// without being computed.
func TestDeadlineInQueue(t *testing.T) {
	r, w := open(t, serve.Options{MaxBatch: 2, MaxDelay: ever})
	load(t, r, "net", "graph-static")
	want := samples(t, "graph-static", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := r.Infer(ctx, request("net", want[0].payload))
	refused(t, err, oip.Deadline, "net")
	_, err = r.Infer(ctx, request("net", want[0].payload))
	refused(t, err, oip.Deadline)
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = r.Infer(ctx, request("net", want[0].payload))
	refused(t, err, oip.Canceled)
	if len(w.batches) != 0 || w.waiting["net"] != 0 {
		t.Errorf("runs of %v images, %d waiting", w.batches, w.waiting["net"])
	}
}

// slowly asks the slow model for x after so many rounds.
func slowly(x float32, rounds int64) *oip.Request {
	return &oip.Request{Model: "slow", Inputs: []oip.Tensor{
		{Name: "x", Value: tensor.Of([]int64{1, 1}, []float32{x})},
		{Name: "rounds", Value: tensor.Of([]int64{1, 1}, []int64{rounds})},
	}}
}

// endless is more rounds than a test can wait for.
const endless = 1 << 50

// TestRunForNobodyIsStopped: when all requests of a run have gone, the run ends
// too, and the next one gets its place.
func TestRunForNobodyIsStopped(t *testing.T) {
	for _, n := range []int{1, 2} {
		r, w := open(t, serve.Options{MaxBatch: n, MaxDelay: ever})
		load(t, r, "slow", "slow.onnx")
		var gone sync.WaitGroup
		ctx, leave := context.WithCancel(t.Context())
		for range n {
			gone.Go(func() {
				_, err := r.Infer(ctx, slowly(1, endless))
				refused(t, err, oip.Canceled)
			})
		}
		w.until(t, "run", func() bool { return slices.Equal(w.batches, []int{n}) })
		leave()
		gone.Wait()
		var after sync.WaitGroup
		for i := range n {
			after.Go(func() {
				got, err := r.Infer(t.Context(), slowly(float32(i), 1))
				if err != nil || tensor.Slice[float32](got.Outputs[0].Value)[0] != float32(i) {
					t.Errorf("%v, %v", got, err)
				}
			})
		}
		after.Wait()
	}
}

// TestOneLeavesTheOtherStays: who gives up does not take the others of the
// batch along, and does not wait for them.
func TestOneLeavesTheOtherStays(t *testing.T) {
	r, w := open(t, serve.Options{MaxBatch: 2, MaxDelay: ever})
	load(t, r, "slow", "slow.onnx")
	ctx, leave := context.WithCancel(t.Context())
	stays, end := context.WithCancel(t.Context())
	var leaver, stayer sync.WaitGroup
	leaver.Go(func() {
		_, err := r.Infer(ctx, slowly(1, endless))
		refused(t, err, oip.Canceled)
	})
	stayer.Go(func() {
		_, err := r.Infer(stays, slowly(2, 1))
		refused(t, err, oip.Canceled)
	})
	w.until(t, "run", func() bool { return slices.Equal(w.batches, []int{2}) })
	leave()
	leaver.Wait()
	if stays.Err() != nil || len(w.causes) != 1 {
		t.Errorf("causes %v: the other one should still be computed", w.causes)
	}
	end()
	stayer.Wait()
}

// TestDrain: Close answers what waits, at once, and refuses what comes.
func TestDrain(t *testing.T) {
	r, w := open(t, serve.Options{MaxBatch: 8, MaxDelay: ever})
	load(t, r, "net", "graph-static")
	want := samples(t, "graph-static", 3)
	var waiting sync.WaitGroup
	for _, one := range want {
		waiting.Go(func() {
			got, err := r.Infer(t.Context(), request("net", one.payload))
			if err != nil || !near(got, one) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	w.until(t, "3 waiting", func() bool { return w.waiting["net"] == 3 })
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	waiting.Wait()
	_, err := r.Infer(t.Context(), request("net", want[0].payload))
	refused(t, err, oip.Unavailable)
	refused(t, r.Ready(t.Context()), oip.Unavailable)
	if err := r.Live(t.Context()); err != nil {
		t.Error(err)
	}
	if err := r.Load("net", rttest.Data("graph-static")); oip.CauseOf(err) != oip.Unavailable {
		t.Errorf("loaded after Close: %v", err)
	}
	if err := r.Watch(t.Context(), t.TempDir()); oip.CauseOf(err) != oip.Unavailable {
		t.Errorf("watching after Close: %v", err)
	}
}

// TestDrainEnds: Close stops what takes longer than it may.
func TestDrainEnds(t *testing.T) {
	r, w := open(t, serve.Options{MaxBatch: 1})
	load(t, r, "slow", "slow.onnx")
	var stopped sync.WaitGroup
	for range 2 { // one is computed, one waits
		stopped.Go(func() {
			_, err := r.Infer(t.Context(), slowly(1, endless))
			refused(t, err, oip.Unavailable)
		})
	}
	w.until(t, "run and one waiting", func() bool { return len(w.batches) == 1 && w.waiting["slow"] == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := r.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	stopped.Wait()
}

// TestHammer asks several models from many goroutines, with requests of several
// sizes, damaged ones and ones that give up, while the models are replaced:
// every request gets its own right answer, or its own fault.
func TestHammer(t *testing.T) {
	// One pair with the codec in three places: payload and answers are the same.
	versions := []string{"graph-static", "device-host-static", "host-static"}
	for _, instances := range []int{1, 3} {
		r, w := open(t, serve.Options{MaxBatch: 4, Instances: instances})
		load(t, r, "a", versions[0])
		load(t, r, "b", versions[1])
		want := samples(t, versions[0], 6)
		pair := oip.Params{oip.ParamPair: strings.Repeat("33", 32)}

		var clients, replacer sync.WaitGroup
		done := make(chan struct{})
		replacer.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				if err := r.Load([]string{"a", "b"}[i%2], rttest.Data(versions[i%3])); err != nil {
					t.Error(err)
				}
			}
		})
		for client := range 24 {
			rnd := rand.New(rand.NewPCG(1, uint64(client)))
			clients.Go(func() {
				for range 40 {
					from := rnd.IntN(len(want))
					part := want[from : from+1+rnd.IntN(len(want)-from)]
					q := request([]string{"a", "b"}[rnd.IntN(2)], payloads(part)...)
					q.Params = pair
					switch rnd.IntN(8) {
					case 0: // damaged
						q.Inputs[0].Value = vector(slices.Concat(q.Inputs[0].Value.Data, []byte{40}, make([]byte, 40))...)
						_, err := r.Infer(t.Context(), q)
						refused(t, err, oip.Invalid, "payload")
					case 1: // hurried
						ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rnd.IntN(int(time.Millisecond))))
						got, err := r.Infer(ctx, q)
						cancel()
						if err != nil {
							refused(t, err, oip.Deadline)
						} else if !near(got, part...) {
							t.Errorf("wrong answer %v", got)
						}
						clear(q.Inputs[0].Value.Data) // it is ours again
					default:
						got, err := r.Infer(t.Context(), q)
						if err != nil || !near(got, part...) {
							t.Errorf("wrong answer %v, %v", got, err)
						}
					}
				}
			})
		}
		clients.Wait()
		close(done)
		replacer.Wait()
		if len(w.causes) != 24*40 || slices.Max(w.batches) != 4 {
			t.Errorf("%d requests, runs of up to %d images", len(w.causes), slices.Max(w.batches))
		}
	}
}
