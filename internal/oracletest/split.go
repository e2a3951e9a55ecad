package oracletest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Bottleneck says where a model is split and how: see bnc split.
type Bottleneck struct {
	After            string // a cut's name, or those of several tensors with commas between them
	Plain            bool   // none: the cut tensor itself crosses
	Channels, Stride int64  // 0 channels: all of them
	// Images, one each, are what it is calibrated on, nil for not; its range is static
	// then.
	Images []ort.Feed
	// Change what is split by default: 8 bits, quality 20, the codec in both graphs.
	Change func(*split.Settings)
}

// Split divides a copy of m.
func Split(t testing.TB, m *ir.Model, b Bottleneck) *split.Bundle {
	t.Helper()
	parts, err := TrySplit(t, m, b)
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

// TrySplit is Split for what may be refused.
func TrySplit(t testing.TB, m *ir.Model, b Bottleneck) (*split.Bundle, error) {
	t.Helper()
	a, at, err := analyse(t, m, b.After)
	if err != nil {
		return nil, err
	}
	if b.Plain {
		parts, _, err := split.Split(t.Context(), a, at, split.Settings{Plain: true}, nil)
		return parts, err
	}
	geometries, err := bottleneck.Geometries(at, []int64{b.Channels}, []int64{b.Stride})
	if err != nil {
		return nil, err
	}
	s := split.Settings{
		Tensors: split.Bottlenecks(geometries, bottleneck.Quantiser{Bits: 8, Dynamic: b.Images == nil}, bottleneck.JPEG(20)), CodecAt: bottleneck.CodecInGraph,
	}
	if b.Change != nil {
		b.Change(&s)
	}
	if b.Images != nil {
		calibrate(t, m, b, s.Tensors)
	}
	parts, _, err := split.Split(t.Context(), a, at, s, nil)
	return parts, err
}

// Save writes a bundle's files into a folder, without their metadata.
func Save(t testing.TB, dir string, parts *split.Bundle) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, m := range parts.Parts() {
		if err := onnx.Save(t.Context(), filepath.Join(dir, name+".onnx"), m, onnx.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// calibrate runs what is before the cut and fits the bottlenecks' units to it.
func calibrate(t testing.TB, m *ir.Model, b Bottleneck, tensors []split.Tensor) {
	t.Helper()
	before := Split(t, m, Bottleneck{After: b.After, Plain: true})
	session := Open(t, before.Mobile, ort.Options{})
	var all []*bottleneck.Calibration
	for _, x := range tensors {
		all = append(all, bottleneck.NewCalibration(x.Geometry))
	}
	for _, image := range b.Images {
		out, err := session.Run(t.Context(), image)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range all {
			if err := c.Add(tensor.Slice[float32](out[i].Tensor)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, c := range all {
		units, err := c.Units(false)
		if err != nil {
			t.Fatal(err)
		}
		tensors[i].Units, tensors[i].Lo, tensors[i].Hi = units, units.Lo, units.Hi
	}
}

func analyse(t testing.TB, m *ir.Model, after string) (*cut.Analysis, *cut.Cut, error) {
	t.Helper()
	m = m.Clone()
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := cut.Find(m, info)
	at, err := split.CutAt(a, strings.Split(after, ","))
	return a, at, err
}
