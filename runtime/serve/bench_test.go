package serve_test

import (
	"cmp"
	"context"
	"os"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// benchmarked is the bundle that benchmarks run, and a payload of it.
// BNC_BENCH_BUNDLE names another one than the small network of the tests.
func benchmarked(b *testing.B) (dir string, payload []byte) {
	b.Helper()
	rttest.Plugin(b)
	dir = cmp.Or(os.Getenv("BNC_BENCH_BUNDLE"), rttest.Data("graph-static"))
	pair, err := bundle.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	mobile, err := pair.OpenMobile(ort.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer mobile.Close()
	in := mobile.Session().Inputs()[0]
	shape, _ := ort.Resolve(in, nil)
	shape[0] = 1
	x, err := tensor.New(in.DType, shape...)
	if err != nil {
		b.Fatal(err)
	}
	for i := range tensor.Slice[float32](x) {
		tensor.Slice[float32](x)[i] = float32(i*i%251)/125 - 1
	}
	crossing, _, err := mobile.Run(b.Context(), ort.Feed{in.Name: x})
	if err != nil {
		b.Fatal(err)
	}
	return dir, crossing[bundle.PayloadName].Data
}

// BenchmarkBare is the measure for BenchmarkInfer: the cloud half in a loop.
func BenchmarkBare(b *testing.B) {
	dir, payload := benchmarked(b)
	pair, err := bundle.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	cloud, err := pair.OpenCloud(ort.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer cloud.Close()
	for b.Loop() {
		if _, err := cloud.Run(b.Context(), ort.Feed{bundle.PayloadName: vector(payload...)}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInfer asks from so many goroutines a core at once.
func BenchmarkInfer(b *testing.B) {
	dir, payload := benchmarked(b)
	for _, x := range []struct {
		name    string
		opts    serve.Options
		clients int
	}{
		{"one client a core", serve.Options{MaxBatch: 1}, 1},
		{"batch 1", serve.Options{MaxBatch: 1}, 8},
		{"batch 1, two instances", serve.Options{MaxBatch: 1, Instances: 2}, 8},
		{"batch 8", serve.Options{MaxBatch: 8}, 8},
		{"batch 8, two instances", serve.Options{MaxBatch: 8, Instances: 2}, 8},
	} {
		b.Run(x.name, func(b *testing.B) {
			r := serve.NewRepository(x.opts)
			if err := r.Load("net", dir); err != nil {
				b.Fatal(err)
			}
			defer r.Close(context.Background())
			b.SetParallelism(x.clients)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := r.Infer(b.Context(), request("net", payload)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
