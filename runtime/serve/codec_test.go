package serve_test

import (
	"testing"

	"github.com/bottlenet/bnc/internal/rawcodec"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/serve"
)

func init() { bundle.Register(bundle.Codec{Codec: rawcodec.Codec()}) }

// TestServesASecondCodec, and what its clients send.
func TestServesASecondCodec(t *testing.T) {
	dir := rawcodec.Bundle(t, "host-dynamic")
	r, _ := open(t, serve.Options{})
	if err := r.Load("raw", dir); err != nil {
		t.Fatal(err)
	}
	m, err := r.ModelMetadata(t.Context(), "raw", "")
	if err != nil {
		t.Fatal(err)
	}
	if p := m.Properties; p["codec"] != "raw" || p["tile"] != "16x16" || p["key"] != "" || p["quality"] != "" {
		t.Errorf("properties %v", p)
	}
	result := throughClient(t, r, dir)
	if record := 2 + 8 + 16*16; result.PayloadBytes != record {
		t.Errorf("%d bytes crossed, a record has %d", result.PayloadBytes, record)
	}
	_, err = r.Infer(t.Context(), request("raw", []byte{2, 1, 1}))
	refused(t, err, oip.Invalid, "takes at least 264")
}

// TestServesTwoTensors that cross as they are.
func TestServesTwoTensors(t *testing.T) {
	r, _ := open(t, serve.Options{})
	load(t, r, "two", "two")
	if result := throughClient(t, r, rttest.Data("two")); result.PayloadBytes != (4*8*8+3)*4 {
		t.Errorf("%d bytes crossed", result.PayloadBytes)
	}
}

// throughClient computes an image with a bundle's mobile half and the server, and with
// the bundle in this process: the outputs must be the same.
func throughClient(t *testing.T, r *serve.Repository, dir string) client.Result {
	t.Helper()
	c, err := client.Open(t.Context(), client.Options{Bundles: []string{dir}, Remote: r, Session: ort.Options{Threads: 1}, Probe: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	here, err := bundle.OpenRunner(dir, ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	feed := ort.Feed{"input": picture(1)}
	got, err := c.Run(t.Context(), feed)
	if err != nil {
		t.Fatal(err)
	}
	want, err := here.Run(t.Context(), feed)
	if err != nil {
		t.Fatal(err)
	}
	if got.Where != bundle.WhereSplit || len(got.Outputs) != len(want.Outputs) {
		t.Fatalf("%s: %d outputs, expected %d", got.Where, len(got.Outputs), len(want.Outputs))
	}
	for i, out := range want.Outputs {
		// Sessions of other threads may sum in another order: a few units in the last place.
		if d := apart(got.Outputs[i].Tensor, out.Tensor); got.Outputs[i].Name != out.Name || d > 1e-5 {
			t.Errorf("%s is %g apart from %s", got.Outputs[i].Name, d, out.Name)
		}
	}
	return got
}
