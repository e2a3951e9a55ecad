package main

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
	"google.golang.org/protobuf/proto"
)

// batchOf draws n images of 3 x 32 x 32.
func batchOf(n int64, seed uint64) ort.Feed {
	r := rand.New(rand.NewPCG(11, seed))
	v := make([]float32, n*3*32*32)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return ort.Feed{"x": tensor.Of([]int64{n, 3, 32, 32}, v)}
}

// TestRandomNodesStayOnOneSide: a copy on each side would draw other numbers.
func TestRandomNodesStayOnOneSide(t *testing.T) {
	path := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[1,3,32,32] x) => (float[1,3,32,32] y) {
		noise = RandomNormal <shape = [1,3,32,32]> ()
		a = Relu (x)
		b = Add (a, noise)
		c = Exp (b)
		y = Add (c, noise)
	}`, nil)
	if cuts := inspected(t, path).Cuts; len(cuts) != 0 {
		t.Errorf("cuts %v, though the noise goes around each", cuts)
	}
}

// TestNewerThanTheRuntime: the target brings IR and operator set down.
func TestNewerThanTheRuntime(t *testing.T) {
	path := fromText(t, imageNet, func(m *onnxpb.ModelProto) {
		m.IrVersion = proto.Int64(13)
		m.OpsetImport[0].Version = proto.Int64(21)
	})
	dir := filepath.Join(t.TempDir(), "pair")
	mustBnc(t, "split", path, "--after", "a", "--c", "3", "--target", "tx2", "-o", dir)
	m, err := onnx.Load(filepath.Join(dir, "mobile.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if m.IRVersion() > 7 || m.Opset("") > 13 {
		t.Errorf("IR %d, operator set %d", m.IRVersion(), m.Opset(""))
	}
}
