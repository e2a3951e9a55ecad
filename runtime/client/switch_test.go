package client_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// air is a server behind a link, both in the time of a bubble, in which computing itself
// takes none.
type air struct {
	oip.Service
	uplink  float64 // bit/s
	rtt     time.Duration
	compute map[string]time.Duration // of each model
}

func (a *air) Ready(ctx context.Context) error {
	time.Sleep(a.rtt)
	return a.Service.Ready(ctx)
}

func (a *air) Infer(ctx context.Context, r *oip.Request) (*oip.Response, error) {
	bits := 0
	for _, t := range r.Inputs {
		bits += 8 * len(t.Value.Data)
	}
	took := a.compute[r.Model]
	time.Sleep(a.rtt + took + time.Duration(float64(bits)/a.uplink*float64(time.Second)))
	response, err := a.Service.Infer(ctx, r)
	if err == nil {
		response.Params = oip.Params{oip.ParamQueue: 0.0, oip.ParamCompute: took.Seconds() * 1000}
	}
	return response, err
}

// drawn returns a picture of waves, of one channel.
func drawn(i int) *tensor.Tensor {
	values := make([]float32, 28*28)
	for k := range values {
		x, y := float64(k%28), float64(k/28)
		values[k] = float32(math.Sin(0.1*x*float64(i%7+1)) + math.Cos(0.07*y*float64(i%5+1)) + 0.1*float64(i%3))
	}
	return tensor.Of([]int64{1, 1, 28, 28}, values)
}

// divided is a ResNet-20 of random weights and pictures to calibrate its bottlenecks on.
type divided struct{ dir, model, set string }

func newDivided(t *testing.T) divided {
	t.Helper()
	rttest.Plugin(t)
	dir := t.TempDir()
	d := divided{dir, filepath.Join(dir, "resnet20.onnx"), filepath.Join(dir, "set.npy")}
	if _, err := bnc.WriteModel(t.Context(), "resnet20", bnc.ModelOptions{Out: d.model}); err != nil {
		t.Fatal(err)
	}
	const n = 16
	var values []float32
	for i := range n {
		values = append(values, tensor.Slice[float32](drawn(i))...)
	}
	f, err := os.Create(d.set)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := tensor.WriteNPY(f, tensor.Of([]int64{n, 1, 28, 28}, values)); err != nil {
		t.Fatal(err)
	}
	return d
}

// split writes one of the bundles into a folder: early sends much, at many rates, and leaves
// the work to the server, late sends little.
func (d divided) split(t *testing.T, name string, quality int, folder string) (dir string) {
	t.Helper()
	o := map[string]bnc.SplitOptions{
		"early": {After: "rb3", Channels: []bnc.Channels{16}, Stride: []int{1}, Codec: "transform", VariableRate: true, MaxLoss: new(100.0)},
		"late":  {After: "rb8", Channels: []bnc.Channels{1}, Stride: []int{2}, Codec: "jpeg"},
	}[name]
	o.Calibrate, o.Quality, o.Out = d.set, quality, filepath.Join(folder, name)
	if _, err := bnc.Split(t.Context(), d.model, o); err != nil {
		t.Fatal(err)
	}
	return o.Out
}

// went is how an image went.
type went struct {
	bundle         string
	quality, image int // 0 for a bundle of one rate
}

// joined are what the joined networks of the bundles, split at the qualities that images went
// by, give for them.
func (d divided) joined(t *testing.T, ways map[went]bool) map[went]ort.Results {
	t.Helper()
	type network struct {
		bundle  string
		quality int
	}
	images := map[network][]int{}
	for w := range ways {
		n := network{w.bundle, w.quality}
		images[n] = append(images[n], w.image)
	}
	outputs := map[went]ort.Results{}
	for n, images := range images {
		whole, err := ort.Open(filepath.Join(d.split(t, n.bundle, n.quality, t.TempDir()), "bottlenet.onnx"), ort.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer whole.Close()
		for _, image := range images {
			if outputs[went{n.bundle, n.quality, image}], err = whole.Run(t.Context(), ort.Feed{whole.Inputs()[0].Name: drawn(image)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return outputs
}

// TestCutsAndRatesOfRealBundles: over a link that drops and recovers the client goes from the
// early cut's best rate to a lower one, to the late cut, and back. Each image has the outputs
// and the bytes of the joined network of the bundle that it went by, at its rate.
func TestCutsAndRatesOfRealBundles(t *testing.T) {
	d := newDivided(t)
	folder := filepath.Join(d.dir, "bundles")
	for _, name := range []string{"early", "late"} {
		d.split(t, name, 0, folder)
	}
	dirs, err := bundle.Find(folder)
	if err != nil || len(dirs) != 2 {
		t.Fatalf("%s, %v: expected two bundles", dirs, err)
	}
	type sent struct {
		went
		result client.Result
	}
	var all []sent
	ways := map[went]bool{}
	synctest.Test(t, func(t *testing.T) {
		repository := serve.NewRepository(serve.Options{Session: ort.Options{Threads: 1}})
		defer func() {
			if err := repository.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		for _, dir := range dirs {
			if err := repository.Load(bundle.Name(dir), dir); err != nil {
				t.Fatal(err)
			}
		}
		server := &air{Service: repository, rtt: 10 * time.Millisecond,
			compute: map[string]time.Duration{"early": 30 * time.Millisecond, "late": 10 * time.Millisecond}}
		c, err := client.Open(t.Context(), client.Options{
			Bundles: dirs, Remote: server, Session: ort.Options{Threads: 1}, Probe: -1, Deadline: time.Minute,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}()
		c.Slow("early", 10*time.Millisecond)
		c.Slow("late", 60*time.Millisecond)
		run := func() went {
			w := went{image: len(all) % 5}
			r, err := c.Run(t.Context(), ort.Feed{c.Inputs()[0].Name: drawn(w.image)})
			if err != nil {
				t.Fatal(err)
			}
			if w.bundle = r.Model; r.Quality != nil {
				w.quality = *r.Quality
			}
			all, ways[w] = append(all, sent{w, r}), true
			return w
		}
		// The early cut takes 50 ms and 29 bytes or more, the late one 80 ms and 13: at 900 kbit/s
		// a twentieth of 50 ms has room for the 249 bytes of quality 50 and not for the next one's
		// 409, at 2 kbit/s the bytes decide.
		for _, step := range []struct {
			uplink  float64
			bundle  string
			quality int
		}{{1e8, "early", 100}, {9e5, "early", 50}, {2e3, "late", 0}, {9e5, "early", 50}, {1e8, "early", 100}} {
			server.uplink = step.uplink
			for range 30 { // until the estimate has followed
				run()
			}
			for range 10 {
				if w := run(); w.bundle != step.bundle || w.quality != step.quality {
					t.Errorf("%v bit/s: an image went by %s at %d, expected %s at %d", step.uplink, w.bundle, w.quality, step.bundle, step.quality)
				}
			}
		}
	})
	joined := d.joined(t, ways)
	for _, s := range all {
		want := joined[s.went]
		last := len(want) - 1 // the bytes that would cross
		same(t, s.result.Outputs, want[:last])
		if bytes := tensor.Slice[int64](want[last].Tensor)[0]; s.result.PayloadBytes != int(bytes) || s.result.Where != bundle.WhereSplit {
			t.Errorf("%+v: %d bytes to %s, expected %d", s.went, s.result.PayloadBytes, s.result.Where, bytes)
		}
	}
}
