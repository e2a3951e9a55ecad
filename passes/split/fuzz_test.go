package split_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/split"
)

// fuzzSeeds are small models with what loaders stumble over: bodies with
// captured values, functions, shape arithmetic, skip connections.
var fuzzSeeds = []string{
	`<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,3,8,8] x) => (float[batch,2] y)
	<float[2,3,1,1] w = {1, 2, 3, -4, 5, 6}, float[2,2] fc = {1, 2, 3, 4}, int64[1] zero = {0}, int64[1] rest = {-1}> {
		c = Conv <strides = [2,2]> (x, w)
		r = Relu (c)
		s = Add (c, r)
		a = Relu (s)
		p = GlobalAveragePool (a)
		shape = Shape (x)
		n = Gather (shape, zero)
		target = Concat <axis = 0> (n, rest)
		f = Reshape (p, target)
		y = Gemm <transB = 1> (f, fc)
	}`,
	`<ir_version: 8, opset_import: ["" : 15, "f" : 1]>
	net (float[1,2,4,4] x, bool flag) => (float[1,2,4,4] y, float[1,2,4,4] early) {
		a = Relu (x)
		early = f.Twice (a)
		b = Sigmoid (a)
		y = If (flag) <then_branch = yes () => (float[1,2,4,4] p) { p = f.Twice (b) },
			else_branch = no () => (float[1,2,4,4] q) { q = Neg (b) }>
	}
	<domain: "f", opset_import: ["" : 15]>
	Twice (v) => (w) { w = Add (v, v) }`,
}

// The analysis of a model takes memory in proportion to the file: unmarshalling
// and the graph about 100 bytes a byte (a node of two bytes becomes a struct of
// some hundred), inference and cuts as much again, once for each division.
const (
	fuzzBytesPerByte = 4096
	fuzzBytesAlways  = 16 << 20
)

// FuzzSplit takes any bytes through the whole compiler: load, infer, find the
// cuts, split at the first and the last one, save, load again. Whatever the
// bytes are, the end is a result or an error, within the bound on memory.
func FuzzSplit(f *testing.F) {
	for _, text := range fuzzSeeds {
		m, err := onnxtext.Parse(text)
		if err != nil {
			f.Fatal(err)
		}
		b, err := onnx.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		throughCompiler(t, b)
		runtime.ReadMemStats(&after)
		if got, bound := after.TotalAlloc-before.TotalAlloc, uint64(len(b))*fuzzBytesPerByte+fuzzBytesAlways; got > bound {
			t.Errorf("%d bytes of input allocated %d bytes, bound %d", len(b), got, bound)
		}
	})
}

func throughCompiler(t *testing.T, b []byte) {
	analyse := func() *cut.Analysis {
		m, err := onnx.Parse(b)
		if err != nil {
			return nil
		}
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			return nil
		}
		return cut.Find(m, info)
	}
	a := analyse()
	if a == nil || len(a.Cuts) == 0 {
		return
	}
	for _, i := range []int{0, len(a.Cuts) - 1} {
		for _, s := range fuzzSettings {
			a := analyse()
			c := &a.Cuts[i]
			if !s.Plain {
				geometries, err := bottleneck.Geometries(c, []int64{1}, []int64{0})
				if err != nil || !shape.Product(c.Tensors[0].Type.Dims[1:]).AtMost(shape.Const(1<<12)) {
					continue
				}
				s.Tensors = split.Bottlenecks(geometries, s.Tensors[0].Quantiser, s.Tensors[0].Codec)
			}
			bundle, _, err := split.Split(t.Context(), a, c, s, nil)
			var bug *passes.BugError
			if errors.As(err, &bug) {
				t.Errorf("cut %d, %+v: %v", i, s, err)
			}
			if err != nil {
				continue
			}
			for part, m := range bundle.Parts() {
				out, err := onnx.Marshal(m)
				if err != nil {
					continue // constants that cannot be read
				}
				if _, err := onnx.Parse(out); err != nil {
					t.Errorf("cut %d, %+v: the %s part does not load again: %v", i, s, part, err)
				}
			}
		}
	}
}

// fuzzSettings are what models are split with, where their cuts take it.
var fuzzSettings = []split.Settings{
	{Plain: true},
	{Tensors: split.Bottlenecks(make([]bottleneck.Geometry, 1), bottleneck.Quantiser{Bits: 8, Dynamic: true}, bottleneck.JPEG(20)), CodecAt: bottleneck.CodecInGraph},
	{Tensors: split.Bottlenecks(make([]bottleneck.Geometry, 1), bottleneck.Quantiser{Bits: 8, Hi: 1}, bottleneck.JPEG(20)), CodecAt: bottleneck.CodecOnDeviceHost, FP16: true, Target: convert.TX2},
}
