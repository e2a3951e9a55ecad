package bnc_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rawcodec"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/predict"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// What a second codec takes: a registration for what compiles and one for what runs; its
// row in C is rawcodec's.
func init() {
	bottleneck.Register(bottleneck.Coding{Name: "raw", Operator: "Raw", Parameters: []bottleneck.Parameter{{Name: "key", Bytes: true, Default: rawcodec.Key}}})
	bundle.Register(bundle.Codec{Codec: rawcodec.Codec()})
}

// TestASecondCodec splits, trains, evaluates, runs and serves with a codec that no file of
// the project names.
func TestASecondCodec(t *testing.T) {
	rttest.Library(t)
	t.Setenv("BNC_OPS_LIB", rawcodec.Plugin(t))
	t.Cleanup(exampleFolder())
	const tile, length = 16 * 16, 2 // 4 channels of 8x8; how many bytes a varint of 256 has
	x := writeInput(t, "x.npy")
	for _, at := range []string{bnc.CodecInGraph, bnc.CodecOnDeviceHost, bnc.CodecOnHost} {
		split, err := bnc.Split(t.Context(), "net.onnx", bnc.SplitOptions{After: "rb1", Channels: []bnc.Channels{4}, Stride: []int{2}, Codec: "raw", CodecAt: at, Calibrate: "set", Out: at})
		if err != nil {
			t.Fatal(at, err)
		}
		if split.Tile[0] != [2]int64{16, 16} {
			t.Fatalf("%s: a tile of %v", at, split.Tile[0])
		}
		trained, err := bnc.Train(t.Context(), at, bnc.TrainOptions{Data: "set", Epochs: 1, Batch: 8, Optimizer: "adam", LR: 0.01})
		if err != nil {
			t.Fatal(at, err)
		}
		if len(trained.Epochs) != 1 || trained.Epochs[0].TrainTop1 < 0.5 || *trained.PayloadBytes != length+tile { // a guess is right in 0.25
			t.Errorf("%s: trained %+v", at, trained)
		}
		evaluated, err := bnc.Eval(t.Context(), at, bnc.EvalOptions{Data: "set"})
		if err != nil {
			t.Fatal(at, err)
		}
		if s := evaluated.PayloadBytes; s.Mean != length+tile || s.P95 != s.Mean || evaluated.FileBytes != nil || *evaluated.Top1 != *trained.Top1 {
			t.Errorf("%s: found %+v in payloads of %+v, the training %v", at, evaluated, s, *trained.Top1)
		}
		here, served := runTwice(t, at, "set/val", "x.npy")
		right := 0
		for i, r := range here {
			same(t, at+", served, "+r.Input, served[i].Outputs, r.Outputs)
			if r.PayloadBytes != length+tile || served[i].PayloadBytes != length+tile || served[i].Where != bundle.WhereSplit {
				t.Errorf("%s: %s sent %d bytes here and %d to a server, %s", at, r.Input, r.PayloadBytes, served[i].PayloadBytes, served[i].Where)
			}
			if filepath.Base(filepath.Dir(r.Input)) == fmt.Sprint(r.Top[0].Class) {
				right++
			}
		}
		if len(here) != evaluated.N+1 || float64(right)/float64(evaluated.N) != *evaluated.Top1 {
			t.Errorf("%s: the halves are right in %d of %d images, the joined network in %v of %d", at, right, len(here)-1, *evaluated.Top1, evaluated.N)
		}
		same(t, at+", without the codec", here[evaluated.N].Outputs, uncoded(t, at, x))
	}
}

// TestWithoutAQuality: options for a quality and for a size that can be estimated are
// refused where the codec has neither.
func TestWithoutAQuality(t *testing.T) {
	rttest.Library(t)
	t.Setenv("BNC_OPS_LIB", rawcodec.Plugin(t))
	t.Cleanup(exampleFolder())
	o := bnc.SplitOptions{After: "rb1", Channels: []bnc.Channels{4}, Stride: []int{2}, Codec: "raw", Out: "b"}
	if _, err := bnc.Split(t.Context(), "net.onnx", o); err != nil {
		t.Fatal(err)
	}
	o.Quality = 20
	_, split := bnc.Split(t.Context(), "net.onnx", o)
	_, trained := bnc.Train(t.Context(), "b", bnc.TrainOptions{Data: "set", Epochs: 1, Quality: 20})
	_, evaluated := bnc.Eval(t.Context(), "b", bnc.EvalOptions{Data: "set", Quality: []int{20}})
	_, weighed := bnc.Train(t.Context(), "b", bnc.TrainOptions{Data: "set", Epochs: 1, RateWeight: 1})
	for option, err := range map[string][]error{"quality": {split, trained, evaluated}, "rate_weight": {weighed}} {
		for i, err := range err {
			var wrong *bnc.UsageError
			if !errors.As(err, &wrong) || wrong.Option != option || !strings.Contains(wrong.Message, "codec raw") {
				t.Errorf("%d: %v, expected a wrong use of option %s that names the codec", i, err, option)
			}
		}
	}
}

// uncoded computes what a bundle's joined network does with its codec cut out: the same,
// as this codec loses nothing.
func uncoded(t *testing.T, dir string, x *tensor.Tensor) ort.Results {
	t.Helper()
	m, err := onnx.Load(filepath.Join(dir, bundle.JoinedFile))
	if err != nil {
		t.Fatal(err)
	}
	codecs := 0
	for _, n := range m.Graph.Nodes() {
		if n.Op == "RawRoundTrip" && n.Domain == ops.Domain && n.Str("key", "") == string(rawcodec.Key) {
			codecs++
			if err := n.Output(0).Replace(n.Input(0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if codecs != 1 {
		t.Fatalf("%s: %d codecs", dir, codecs)
	}
	return oracletest.Compute(t, m, ort.Feed{m.Graph.Feeds()[0].Name(): x})
}

// runTwice classifies inputs with a bundle here alone, and with the rest on a server.
func runTwice(t *testing.T, dir string, inputs ...string) (here, served []*predict.Result) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	err := bnc.Serve(ctx, []string{dir}, bnc.ServeOptions{HTTP: "127.0.0.1:0", GRPC: bnc.NoAddress, Ready: func(s bnc.Serving) error {
		defer end()
		o := bnc.RunOptions{Top: 1}
		local, err := bnc.Run(ctx, dir, inputs, o)
		if err != nil {
			return err
		}
		o.Cloud = "http://" + s.HTTP
		remote, err := bnc.Run(ctx, dir, inputs, o)
		if err != nil {
			return err
		}
		here, served = local.Results, remote.Results
		return nil
	}})
	if err != nil {
		t.Fatal(dir, err)
	}
	return here, served
}

// same compares the class scores of two ways to compute one thing.
func same(t *testing.T, what string, got, want ort.Results) {
	t.Helper()
	for _, w := range want {
		if w.Name == "payload_bytes" { // of the joined network alone
			continue
		}
		g, err := got.Tensor(w.Name)
		if err != nil {
			t.Fatal(what, err)
		}
		if far := oracletest.Far(g, w.Tensor); far > 1e-5 { // sums in another order: a few units in the last place
			t.Errorf("%s: %s is %g apart", what, w.Name, far)
		}
	}
}

// writeInput writes a tensor [1,1,16,16] of normal numbers.
func writeInput(t *testing.T, path string) *tensor.Tensor {
	t.Helper()
	x := oracletest.Normal(rand.New(rand.NewPCG(1, 2)), 1, 1, 16, 16)
	header := fmt.Sprintf("%-117s\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 16, 16), }")
	if err := os.WriteFile(path, append([]byte("\x93NUMPY\x01\x00\x76\x00"+header), x.Data...), 0o666); err != nil {
		t.Fatal(err)
	}
	return x
}
