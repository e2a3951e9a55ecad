package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// tritonModel is what testdata/triton_repository.py says of a model's folder.
type tritonModel struct {
	Name, Backend string
	MaxBatch      int `json:"max_batch"`
	DelayUS       int `json:"delay_us"`
	Ragged        []string
	Inputs        []string
	Instances     [][]any
	Plugins       []string
	Parameters    map[string]string
	Problems      []string
	Warmups       []int
	Batches       []struct {
		Answers [][][]float64 // by request and output
		Error   string
	}
}

// tritonJob is a model's folder and batches of requests.
type tritonJob struct {
	Dir     string                      `json:"dir"`
	Batches [][]map[string]tritonTensor `json:"batches"`
}

// askTriton loads repositories as Triton does.
func askTriton(t *testing.T, jobs ...tritonJob) []tritonModel {
	t.Helper()
	var answer struct{ Models []tritonModel }
	python := cached(t, "BNC_PYTRITON_PYTHON", "pytriton/bin/python", "make deps-oracle")
	askPython(t, python, "triton_repository.py", map[string]any{"models": jobs}, &answer)
	if len(answer.Models) != len(jobs) {
		t.Fatalf("%d answers for %d models", len(answer.Models), len(jobs))
	}
	for i, m := range answer.Models {
		if len(m.Problems) > 0 {
			t.Errorf("%s: the backend would refuse it: %s", jobs[i].Dir, strings.Join(m.Problems, "; "))
		}
	}
	return answer.Models
}

// tritonTensor is an input of a request.
type tritonTensor struct {
	DType string  `json:"dtype"` // numpy's name
	Shape []int64 `json:"shape"`
	Data  []byte  `json:"data"`
}

func asRequest(feed ort.Feed) map[string]tritonTensor {
	request := map[string]tritonTensor{}
	for name, t := range feed {
		request[name] = tritonTensor{t.DType.String(), t.Shape, t.Data}
	}
	return request
}

// oneImage is a request with one image where the server joins requests: payload
// [1 L].
func oneImage(payload []byte) map[string]tritonTensor {
	return asRequest(ort.Feed{"payload": tensor.Of([]int64{1, int64(len(payload))}, payload)})
}

// exportPair makes a pair of a ResNet-20 for 32x32 images, cut at rb3.
func exportPair(t *testing.T, name string, flags ...string) (dir, source string) {
	t.Helper()
	folder := t.TempDir()
	source = filepath.Join(folder, "resnet20.onnx")
	mustBnc(t, "models", "resnet20", "--classes", "10", "--input", "3x32x32", "-o", source)
	dir = filepath.Join(folder, name)
	mustBnc(t, append([]string{"split", source, "--after", "rb3", "-o", dir}, flags...)...)
	return dir, source
}

// cloudOf loads a pair's cloud half and returns its first output of what crosses.
func cloudOf(t *testing.T, dir string) func(crossing ort.Feed) []float64 {
	t.Helper()
	b, err := bundle.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	cloud, err := b.OpenCloud(ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cloud.Close() })
	return func(crossing ort.Feed) []float64 {
		t.Helper()
		results, err := cloud.Run(context.Background(), crossing)
		if err != nil {
			t.Fatal(err)
		}
		values, err := results[0].Tensor.Floats()
		if err != nil {
			t.Fatal(err)
		}
		return values
	}
}

// records makes payloads of one image for a pair: a grey tile, whose record is
// short, a noisy one, whose length takes two bytes, and n that are noisy in part.
func records(t *testing.T, dir string, n int) [][]byte {
	t.Helper()
	meta := pairMeta(t, dir)
	part := meta.Crossing()[0].Part
	coder, err := ops.Record{part}.Coder()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 8))
	var list [][]byte
	for i := range n + 2 {
		tile := make([]byte, part.Height*part.Width)
		for at := range tile {
			switch {
			case i == 0:
				tile[at] = 128
			case i == 1 || at/part.Width < 2*i:
				tile[at] = byte(r.IntN(256))
			}
		}
		var limits []float32
		if part.Dynamic {
			limits = []float32{0, 1 + r.Float32()}
		}
		payload, _, err := coder.Encode([][]byte{tile}, [][]float32{limits})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, payload)
	}
	if len(list[0]) > 127 || len(list[1]) < 130 {
		t.Fatalf("records of %d and %d bytes, expected length prefixes of one and two bytes", len(list[0]), len(list[1]))
	}
	return list
}

// pairMeta reads a pair's metadata.
func pairMeta(t *testing.T, dir string) bundle.Meta {
	t.Helper()
	b, err := bundle.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b.Meta
}

func payloadTensor(b []byte) *tensor.Tensor { return tensor.Of([]int64{int64(len(b))}, b) }

func payloadFeed(b []byte) ort.Feed { return ort.Feed{bundle.PayloadName: payloadTensor(b)} }

// close5 compares two computations of the same graph in different batch sizes:
// float32 sums in another order, values of the size of 10.
func close5(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d numbers, expected %d", what, len(got), len(want))
		return
	}
	for i := range want {
		if d := got[i] - want[i]; d > 1e-4 || d < -1e-4 || d != d {
			t.Errorf("%s: number %d is %g, expected %g", what, i, got[i], want[i])
			return
		}
	}
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
