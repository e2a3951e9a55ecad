package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestExportTritonBatches: requests that Triton joins get the answers that they
// get alone, whatever the lengths of their payloads.
func TestExportTritonBatches(t *testing.T) {
	for _, c := range []struct{ split, train string }{
		{"--c 4", ""}, {"--codec-at device-host --c 4 --fp16", ""}, {"--c 4 --codec transform", ""},
		{"--c 4 --codec transform --codec-at device-host", "--distill --epochs 1 --batch 4 --flip off --range dynamic --data " + pictures(t, 12)},
	} {
		dir, _ := exportPair(t, "pair", strings.Fields(c.split)...)
		if c.train != "" {
			mustBnc(t, append([]string{"train", dir}, strings.Fields(c.train)...)...)
		}
		repo := filepath.Join(t.TempDir(), "repo")
		mustBnc(t, "export", "triton", dir, "-o", repo, "--max-batch", "6", "--max-delay", "2500us", "--instances", "3")
		list := records(t, dir, 4)
		batches := [][]map[string]tritonTensor{nil, {oneImage(list[1])}, {oneImage(list[1]), oneImage(list[0]), oneImage(list[1])}}
		for _, r := range list {
			batches[0] = append(batches[0], oneImage(r))
		}
		m := askTriton(t, tritonJob{filepath.Join(repo, "pair"), batches})[0]
		if m.Name != "pair" || m.Backend != "onnxruntime" || m.MaxBatch != 6 || m.DelayUS != 2500 ||
			len(m.Ragged) != 1 || m.Ragged[0] != "payload" || len(m.Inputs) != 1 {
			t.Errorf("configuration %+v", m)
		}
		if len(m.Instances) != 1 || m.Instances[0][0] != 3.0 || m.Instances[0][1] != "KIND_CPU" {
			t.Errorf("instances %v", m.Instances)
		}
		if len(m.Plugins) != 1 || m.Plugins[0] != "/models/pair/libbnc_ops.so" {
			t.Errorf("plugins %v", m.Plugins)
		}
		meta := pairMeta(t, dir)
		if m.Parameters["bnc_pair"] != meta.Pair || m.Parameters["bnc_cut"] != meta.Cut {
			t.Errorf("parameters %v", m.Parameters)
		}
		if len(m.Warmups) != 2 || m.Warmups[0] != 1 || m.Warmups[1] != 6 {
			t.Errorf("warm-up runs of %v images, expected 1 and 6", m.Warmups)
		}
		cloud := cloudOf(t, dir)
		want := [][][]byte{list, {list[1]}, {list[1], list[0], list[1]}}
		for i, batch := range m.Batches {
			if batch.Error != "" || len(batch.Answers) != len(want[i]) {
				t.Fatalf("batch %d: %d answers, error %s", i, len(batch.Answers), batch.Error)
			}
			for k, record := range want[i] {
				close5(t, "an answer", batch.Answers[k][0], cloud(payloadFeed(record)))
			}
		}
	}
}

// TestExportTritonForeignAnswers: a request that brings anything but one record
// would shift the rows of everybody behind it; the batch is refused instead.
func TestExportTritonForeignAnswers(t *testing.T) {
	dir, _ := exportPair(t, "pair", "--c", "4")
	repo := filepath.Join(t.TempDir(), "repo")
	mustBnc(t, "export", "triton", dir, "-o", repo)
	list := records(t, dir, 1)
	a, b, c := list[0], list[1], list[2]
	batches := [][]map[string]tritonTensor{
		{oneImage(join(a, b)), oneImage(c)},                        // two and one
		{oneImage(join(a, b))},                                     // two alone
		{oneImage(join(a, b)), oneImage(c), oneImage(nil)},         // three records of three requests
		{oneImage(join(a, b[:9])), oneImage(b[9:])},                // two of two, divided elsewhere
		{oneImage(a[:5]), oneImage(join(a[5:], b))},                // likewise
		{oneImage(nil), oneImage(a)},                               // none and one
		{oneImage(b[:len(b)-1]), oneImage(a)},                      // cut short
		{oneImage(append(bytes.Clone(a), 0)), oneImage(b)},         // a byte too many
		{oneImage(a), oneImage(append([]byte{1}, b[1:]...))},       // a wrong length
		{oneImage([]byte{255, 255, 255, 255, 15, 0}), oneImage(b)}, // a length of 4 GB
	}
	good := []map[string]tritonTensor{oneImage(a), oneImage(b), oneImage(c)}
	m := askTriton(t, tritonJob{filepath.Join(repo, "pair"), append(batches, good)})[0]
	for i, batch := range m.Batches[:len(batches)] {
		if batch.Error == "" {
			t.Errorf("batch %d was answered", i)
		}
	}
	if last := m.Batches[len(batches)]; last.Error != "" || len(last.Answers) != 3 {
		t.Errorf("the good batch: %s", last.Error)
	}
	if !strings.Contains(m.Batches[1].Error, "one_record_a_request") {
		t.Errorf("the error does not say what is wrong: %s", m.Batches[1].Error)
	}
}

// TestExportTritonForms: the other forms of bundles, whole models, and
// --max-batch 1.
func TestExportTritonForms(t *testing.T) {
	host, source := exportPair(t, "host", "--codec-at", "host", "--c", "4")
	coded, _ := exportPair(t, "coded", "--codec-at", "host", "--c", "4", "--codec", "transform")
	plain, _ := exportPair(t, "plain", "--plain")
	graph, _ := exportPair(t, "graph", "--c", "4")
	repo := filepath.Join(t.TempDir(), "repo")
	single := filepath.Join(t.TempDir(), "single")
	mustBnc(t, "export", "triton", host, coded, plain, source, "-o", repo, "--kind", "gpu")
	mustBnc(t, "export", "triton", graph, "-o", single, "--max-batch", "1", "--plugin", "/opt/bnc/ops.so")

	list := records(t, graph, 1)
	both := join(list[0], list[1])
	r := rand.New(rand.NewPCG(1, 2))
	image := batchOf(2, 3)["x"]
	cut := make([]float32, 2*16*32*32)
	for i := range cut {
		cut[i] = r.Float32()
	}
	features := tensor.Of([]int64{2, 16, 32, 32}, cut)
	tiles := func(dir string, payload []byte) ort.Feed {
		feed, err := bundle.Tiles(pairMeta(t, dir), payloadTensor(payload))
		if err != nil {
			t.Fatal(err)
		}
		return feed
	}
	anothers := join(records(t, coded, 1)...)
	name := pairMeta(t, plain).Tensor
	models := askTriton(t,
		tritonJob{filepath.Join(repo, "host"), [][]map[string]tritonTensor{{asRequest(tiles(host, both))}}},
		tritonJob{filepath.Join(repo, "plain"), [][]map[string]tritonTensor{{asRequest(ort.Feed{name: features})}}},
		tritonJob{filepath.Join(repo, "resnet20"), [][]map[string]tritonTensor{{asRequest(ort.Feed{"input": image})}}},
		tritonJob{filepath.Join(single, "graph"), [][]map[string]tritonTensor{{asRequest(ort.Feed{"payload": payloadTensor(both)})}}},
		tritonJob{filepath.Join(repo, "coded"), [][]map[string]tritonTensor{{asRequest(tiles(coded, anothers))}}},
	)
	want := [][]float64{
		cloudOf(t, host)(payloadFeed(both)),
		cloudOf(t, plain)(ort.Feed{name: features}),
		nil,
		cloudOf(t, graph)(payloadFeed(both)),
		cloudOf(t, coded)(payloadFeed(anothers)),
	}
	whole := open(t, source)
	result := runOn(t, whole, ort.Feed{"input": image})
	var err error
	if want[2], err = result[0].Tensor.Floats(); err != nil {
		t.Fatal(err)
	}
	for i, m := range models {
		if m.Batches[0].Error != "" {
			t.Fatalf("%s: %s", m.Name, m.Batches[0].Error)
		}
		close5(t, m.Name, m.Batches[0].Answers[0][0], want[i])
		plugins, batch, kind := 0, 8, "KIND_GPU"
		if m.Name == "graph" {
			plugins, batch, kind = 1, 0, "KIND_CPU"
		}
		if len(m.Plugins) != plugins || m.MaxBatch != batch || m.Instances[0][1] != kind || len(m.Ragged) != 0 {
			t.Errorf("%s: plugins %v, batch %d, instances %v, ragged %v", m.Name, m.Plugins, m.MaxBatch, m.Instances, m.Ragged)
		}
		if len(m.Warmups) == 0 {
			t.Errorf("%s: no warm-up", m.Name)
		}
	}
	if models[3].Plugins[0] != "/opt/bnc/ops.so" {
		t.Errorf("plugin %v", models[3].Plugins)
	}
	if _, err := os.Stat(filepath.Join(single, "graph", "libbnc_ops.so")); err == nil {
		t.Error("--plugin copied the library")
	}
}
