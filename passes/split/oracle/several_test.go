//go:build cgo

package oracle

import (
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestSeveralTensors splits a network with skip connections at two tensors, of which one
// is computed from the other, and which both tell shapes that are read behind them.
func TestSeveralTensors(t *testing.T) {
	const text = `<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,3,H,W] x) => (float[N,3,H,W] y, float[N,3,H,W] early) <float[3,3,1,1] w = {1,-2,0.5, 0.3,1,1, -1,0.2,0.7}, float[4] scales = {1,1,2,2}, float[0] roi = {}> {
		early = Neg (x)
		a = Conv (x, w)
		p = MaxPool <kernel_shape = [2,2], strides = [2,2]> (a)
		b = Sigmoid (p)
		c = Conv (b, w)
		dims = Shape (a)
		u = Resize <mode = "nearest"> (c, roi, , dims)
		s = Add (u, a)
		y = Tanh (s)
	}`
	m, err := onnxtext.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, names := range []string{"a b", "a c", "b a"} {
		same := m.Clone()
		info, err := shape.Infer(same, shape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a := cut.Find(same, info)
		var at []*ir.Value
		for _, name := range strings.Fields(names) {
			at = append(at, same.Graph.Value(name))
		}
		c, err := a.Of(at...)
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := split.Split(t.Context(), a, c, split.Settings{Plain: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range strings.Fields(names) {
			if out, in := b.Mobile.Graph.Outputs()[i].Value.Name(), b.Cloud.Graph.Feeds()[i].Name(); out != name || in != name {
				t.Errorf("%s: tensor %d leaves as %s and arrives as %s", names, i, out, in)
			}
		}
		agree(t, m, pair(t, b), whole(t, m), 4, 6)
	}
}

// TestInputCrosses splits a network that adds its input at its end, as denoisers do: the
// input is one of the tensors that cross.
func TestInputCrosses(t *testing.T) {
	m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,3,H,W] x) => (float[N,3,H,W] y) <float[3,3,1,1] w = {1,-2,0.5, 0.3,1,1, -1,0.2,0.7}> {
		a = Conv (x, w)
		b = Relu (a)
		c = Conv (b, w)
		y = Sub (x, c)
	}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []string{"b,x", "x,a"} {
		agree(t, m, pair(t, oracletest.Split(t, m, oracletest.Bottleneck{After: after, Plain: true})), whole(t, m), 4, 6)
	}
}

// TestLateInput splits a network whose second input joins behind the cut: the cloud half
// takes it as it is, after what crosses.
func TestLateInput(t *testing.T) {
	m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,3] late, float[N,3,8,8] x) => (float[N,3] y) <float[3,3,1,1] w = {1,-2,0.5, 0.3,1,1, -1,0.2,0.7}> {
		a = Conv (x, w)
		b = Relu (a)
		c = Conv (b, w)
		p = GlobalAveragePool (c)
		f = Flatten (p)
		v = Sigmoid (late)
		s = Add (f, v)
		y = Tanh (s)
	}`)
	if err != nil {
		t.Fatal(err)
	}
	bothWays(t, m, "b")
	b := oracletest.Split(t, m, oracletest.Bottleneck{After: "f", Plain: true})
	agree(t, m, pair(t, b), whole(t, m))
	if in := b.Cloud.Graph.Feeds(); len(in) != 2 || in[0].Name() != "f" || in[1].Name() != "late" || len(b.Mobile.Graph.Feeds()) != 1 {
		t.Errorf("the cloud half takes %d inputs, the first %s; the mobile half %d", len(in), in[0].Name(), len(b.Mobile.Graph.Feeds()))
	}
}

// TestOtherLayout splits where what crosses is read in another layout, and where both sides
// compute the same of what crosses.
func TestOtherLayout(t *testing.T) {
	m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["" : 17]>
	net (float[N,4,4,3] x) => (float[N,48] y) <float[3,3,1,1] w = {1,-2,0.5, 0.3,1,1, -1,0.2,0.7}, int64[3] sizes = {0, 16, 3}, int64[2] flat = {0, 48}> {
		h = Sigmoid (x)
		q = Reshape (h, sizes)
		p = Transpose <perm = [0,3,1,2]> (h)
		r = Tanh (p)
		c = Conv (r, w)
		d = Conv (c, w)
		e = Add (d, r)
		f = Reshape (e, flat)
		g = Exp (q)
		i = Reshape (g, flat)
		y = Mul (f, i)
	}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []string{"c,q", "d,q", "q"} { // q takes no bottleneck
		agree(t, m, pair(t, oracletest.Split(t, m, oracletest.Bottleneck{After: after, Plain: true})), whole(t, m))
	}
	for _, after := range []string{"p", "p,c", "p,d"} {
		bothWays(t, m, after)
	}
}

// TestSeveralBottlenecks puts bottlenecks at the three tensors of a U-Net's encoder's end:
// the pair computes what its joined network does, whose bytes are the record's own, and at
// a codec of nearly no loss and with nothing reduced what the model itself does.
func TestSeveralBottlenecks(t *testing.T) {
	rttest.Plugin(t)
	m := oracletest.UNet(t, 32)
	agree(t, m, pair(t, oracletest.Split(t, m, oracletest.Bottleneck{After: oracletest.UNetTensors, Plain: true})), whole(t, m))
	var images []ort.Feed
	for i := range uint64(8) {
		images = append(images, ort.Feed{"image": oracletest.Noise(tensor.Float32, i, 1, 3, 32, 32)})
	}
	for name, c := range map[string]oracletest.Bottleneck{
		"one size":   {Channels: 2, Stride: 2},
		"calibrated": {Channels: 3, Stride: 1, Images: images},
		"each its own": {Channels: 1, Stride: 1, Change: func(s *split.Settings) {
			for i := range s.Tensors {
				g := &s.Tensors[i].Geometry
				g.Reduced, g.Stride, g.Width = []int64{3, 5, 16}[i], []int64{2, 1, 1}[i], []int64{0, 2, 0}[i]
				g.Full = i == 2
			}
		}},
	} {
		c.After = oracletest.UNetTensors
		b := oracletest.Split(t, m, c)
		joined := whole(t, b.Bottlenet)
		mobile, both := whole(t, b.Mobile), pair(t, b)
		agree(t, m, both, joined)
		x := ort.Feed{"image": oracletest.Noise(tensor.Float32, 77, 3, 3, 32, 32)}
		sent, err := mobile(x)
		if err != nil {
			t.Fatal(name, err)
		}
		told, err := joined(x)
		if err != nil {
			t.Fatal(name, err)
		}
		sizes, err := bundle.RecordSizes(sent["payload"].Data)
		if err != nil || len(sizes) != 3 {
			t.Fatalf("%s: %d records of 3 images, %v", name, len(sizes), err)
		}
		for i, n := range tensor.Slice[int64](told["payload_bytes"]) {
			if int(n) != sizes[i] {
				t.Errorf("%s: image %d takes %d bytes, the joined network tells %d", name, i, sizes[i], n)
			}
		}
	}
	exact := oracletest.Split(t, m, oracletest.Bottleneck{After: oracletest.UNetTensors, Stride: 1, Images: images, Change: func(s *split.Settings) {
		for i := range s.Tensors {
			s.Tensors[i].Codec = bottleneck.JPEG(100)
		}
	}})
	x := ort.Feed{"image": images[3]["image"]}
	got, err := pair(t, exact)(x)
	if err != nil {
		t.Fatal(err)
	}
	want := oracletest.Compute(t, m, x)
	// A step of 8 bits is 0.4% of a tensor's range; JPEG at quality 100 adds as much.
	if d := oracletest.Far(got["mask"], want[0].Tensor); !(d < 0.02) {
		t.Errorf("with nothing reduced the mask is off by %g", d)
	}
}
