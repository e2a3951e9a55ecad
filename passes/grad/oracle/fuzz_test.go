//go:build cgo

package oracle

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// FuzzGradRules differentiates small models and compares with ONNX Runtime: the
// gradient graph has to load in every layout, its outputs have to be those of the
// model as it was, at its own operator set, and its gradients have to be central
// differences of that model's outputs. A model that ONNX Runtime refuses says
// nothing.
//
// The text is a model in ONNX's syntax, as findings are kept in testdata/fuzz, or
// else chooses a row of gradRows, which draws one. Seed decides what is drawn, and
// the numbers. The first letter of an input's name says where its numbers lie.
func FuzzGradRules(f *testing.F) {
	for _, name := range slices.Sorted(maps.Keys(gradRows)) {
		f.Add(name, uint64(1))
	}
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		m, fault, err := tryGradient(text, seed)
		if err != nil {
			t.Skip(err)
		}
		if fault != nil {
			var text strings.Builder
			if err := onnxtext.Print(&text, m); err != nil {
				t.Error(err)
			}
			t.Errorf("%v\n%s", fault, text.String())
		}
	})
}

// tryGradient returns the model that text and seed stand for, and what is wrong
// with its gradients, or why nothing can be said.
func tryGradient(text string, seed uint64) (m *ir.Model, fault, skip error) {
	rng := rand.New(rand.NewPCG(seed, 1))
	m, err := onnxtext.Parse(text)
	if err != nil {
		row := gradRows[text]
		if row == nil {
			h := fnv.New64()
			h.Write([]byte(text))
			names := slices.Sorted(maps.Keys(gradRows))
			row = gradRows[names[h.Sum64()%uint64(len(names))]]
		}
		if m, err = row(&sketch{rng}).model(); err != nil {
			return nil, err, nil
		}
	}
	d := &differences{rng: rng, feeds: ort.Feed{}, steps: map[string]float64{}, seeds: map[string][]float64{}}
	fault, skip = d.compare(m)
	return m, fault, skip
}

// ranges are where numbers are drawn, by the first letter of an input's name:
// positive, within the domain of arcs, above it, where nothing is rounded across an
// integer or a half. Others are on both sides of 0.
var ranges = map[byte][2]float64{'p': {0.4, 2.4}, 'u': {-0.9, 0.9}, 'v': {1.2, 3.2}, 'w': {0.55, 0.95}}

// differences are central differences of a model's outputs.
type differences struct {
	rng   *rand.Rand
	feeds ort.Feed
	steps map[string]float64 // how far each input is moved: so little that no two of its elements change their order
	seeds map[string][]float64
	s     *ort.Session
}

// draw gives an input numbers that are all different, nearly evenly spaced, in
// random order: no maximum is nearly as large as another.
func (d *differences) draw(v *ir.Value) error {
	dims, ok := v.Shape()
	sizes := make([]int64, len(dims))
	for i, n := range dims {
		sizes[i], ok = n.N, ok && n.Symbol == ""
	}
	n, err := tensor.Elements(sizes)
	if err != nil || !ok || n > 1<<12 {
		return fmt.Errorf("input %q has no fixed, small shape", v.Name())
	}
	switch v.DType() {
	case ir.Bool:
		x := make([]bool, n)
		for i := range x {
			x[i] = d.rng.IntN(2) == 0
		}
		d.feeds[v.Name()] = tensor.Of(sizes, x)
	case ir.Float32:
		span, ok := ranges[v.Name()[0]]
		if !ok {
			span = [2]float64{-2, 2}
		}
		apart := (span[1] - span[0]) / float64(max(n, 16))
		x, offset := make([]float32, n), d.rng.Float64()
		for i, at := range d.rng.Perm(max(n, 16))[:n] {
			x[i] = float32(span[0] + apart*(float64(at)+(offset*7+d.rng.Float64())/8)) // not quite: sums would be equal
		}
		d.feeds[v.Name()], d.steps[v.Name()] = tensor.Of(sizes, x), apart/8
	default:
		return fmt.Errorf("input %q is neither float32 nor bool", v.Name())
	}
	return nil
}

// compare returns what is wrong with the gradients of m. An error says that there
// is nothing to compare with.
func (d *differences) compare(m *ir.Model) (fault, skip error) {
	for _, v := range m.Graph.Feeds() {
		if err := d.draw(v); err != nil {
			return nil, err
		}
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		return nil, err
	}
	if d.s, err = ort.OpenBytes("forward", data, ort.Options{Threads: 1}); err != nil {
		return nil, err
	}
	defer d.s.Close()
	first, err := d.s.Run(context.Background(), d.feeds)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(d.feeds)
	for _, o := range first {
		y := o.Tensor
		if y == nil || y.Len() == 0 {
			return nil, fmt.Errorf("output %q holds nothing", o.Name)
		}
		if y.DType != tensor.Float32 {
			continue
		}
		dy := oracletest.Normal(d.rng, y.Shape...)
		all["dy."+o.Name] = dy
		d.seeds[o.Name], _ = dy.Floats()
		values, _ := y.Floats()
		for _, x := range values {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return nil, fmt.Errorf("output %q is not finite", o.Name)
			}
		}
	}
	if len(d.seeds) == 0 {
		return nil, errors.New("no output is float32")
	}
	wrt, total := slices.Sorted(maps.Keys(d.steps)), 0.0
	for _, dy := range d.seeds {
		for _, v := range dy {
			total += math.Abs(v)
		}
	}
	var grads [][]float64
	for _, layout := range []grad.Layout{grad.NCHW, grad.CHWN, grad.Auto} {
		found, err := gradients(m.Clone(), wrt, layout, all, first)
		for _, reason := range mayRefuse {
			if err != nil && strings.Contains(err.Error(), reason) {
				return nil, err
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", layout, err), nil
		}
		if grads == nil {
			grads = found
			continue
		}
		for i := range found {
			// The layouts add the same products up in other orders; they may cancel.
			if apart, length := oracletest.Distance(found[i], grads[i]); !(apart <= 1e-4*length+4e-6*total) {
				return fmt.Errorf("%s: the gradient of %s differs from that in %s by %.3g of %.3g", layout, wrt[i], grad.NCHW, apart, length), nil
			}
		}
	}
	for i, name := range wrt {
		if err := d.slope(name, grads[i]); err != nil {
			return err, nil
		}
	}
	return nil, nil
}

// gradients makes m a gradient graph and runs it; its outputs have to be those of
// the model, as first has them.
func gradients(m *ir.Model, wrt []string, layout grad.Layout, feeds ort.Feed, first ort.Results) ([][]float64, error) {
	if _, err := passes.Run(m, []passes.Pass{convert.Upgrade(17)}, nil); err != nil {
		return nil, err
	}
	if err := grad.VJP(m, wrt, false, layout); err != nil {
		return nil, err
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		return nil, err
	}
	s, err := ort.OpenBytes("gradient", data, ort.Options{Threads: 1})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	out, err := s.Run(context.Background(), feeds)
	if err != nil {
		return nil, err
	}
	for i, o := range first {
		y := out[i].Tensor
		if !slices.Equal(y.Shape, o.Tensor.Shape) {
			return nil, fmt.Errorf("output %q is %v in the gradient graph, %v in the model", o.Name, y, o.Tensor)
		}
		a, err := y.Floats()
		if err != nil {
			continue // positions, truth
		}
		b, _ := o.Tensor.Floats()
		// A convolution in another layout adds up in another order.
		if apart, length := oracletest.Distance(a, b); !(apart <= 1e-5*length+1e-6) {
			return nil, fmt.Errorf("output %q differs from the model's by %.3g of %.3g", o.Name, apart, length)
		}
	}
	var grads [][]float64
	for i, name := range wrt {
		g, err := out.Tensor("d." + name)
		if err != nil {
			return nil, err
		}
		if !slices.Equal(g.Shape, feeds[name].Shape) {
			return nil, fmt.Errorf("the gradient of %s has shape %v, expected %v", name, g.Shape, feeds[name].Shape)
		}
		values, err := g.Floats()
		if err != nil {
			return nil, err
		}
		grads = append(grads, values)
		for _, x := range values {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return nil, fmt.Errorf("the gradient of %s, number %d, is not finite", name, i)
			}
		}
	}
	return grads, nil
}

// slope compares a gradient along random corners of a cube with differences in both
// directions. Between them there may be kinks, fewer the smaller the steps are.
func (d *differences) slope(name string, g []float64) error {
	length := 0.0
	for _, v := range g {
		length += v * v
	}
	length = math.Sqrt(length)
	corner, along := make([]float32, len(g)), 0.0
	for i := range corner {
		corner[i] = float32(2*d.rng.IntN(2) - 1)
		along += g[i] * float64(corner[i])
	}
	var fault error
	steepest := math.Inf(1)
	for _, smaller := range []float64{1, 4, 16, 64} {
		step := d.steps[name] / smaller
		down, up, noise, err := d.sides(name, corner, step)
		if err != nil {
			return err
		}
		before, now := steepest, max(math.Abs(up), math.Abs(down))
		if steepest = now; now > 2*before {
			return nil // a jump nearby: of a rounding, for example
		}
		if smaller > 1 && noise > 0.05*max(length, now) {
			break // anything would be within the noise
		}
		// 1%: a difference errs by the second derivative times the step, less than
		// 0.02 here; a rule that is wrong is so by tens of percents.
		bound := 0.01*length + noise
		if along >= min(up, down)-bound && along <= max(up, down)+bound {
			return nil
		}
		if math.Abs(up-down) > 4*bound {
			fault = nil // a kink: only smaller steps can tell
			continue
		}
		fault = fmt.Errorf("along a direction of %s the gradient is %.6g, differences are %.6g forward and %.6g backward (length %.3g, noise %.3g)", name, along, up, down, length, noise)
	}
	return fault
}

// sides returns the differences of the sum of dy y backward and forward along a
// corner, and how far rounding to float32 can make them wrong.
func (d *differences) sides(name string, corner []float32, step float64) (down, up, noise float64, err error) {
	x := d.feeds[name]
	var at [3]float64
	for k := range at {
		moved := slices.Clone(tensor.Slice[float32](x))
		for i := range moved {
			moved[i] += float32(step) * float32(k-1) * corner[i]
		}
		feeds := maps.Clone(d.feeds)
		feeds[name] = tensor.Of(x.Shape, moved)
		out, err := d.s.Run(context.Background(), feeds)
		if err != nil {
			return 0, 0, 0, err
		}
		for _, o := range out {
			values, _ := o.Tensor.Floats()
			for i, dy := range d.seeds[o.Name] {
				at[k] += dy * values[i]
				noise += dy * dy * values[i] * values[i]
			}
		}
	}
	// Each output is rounded to float32, 6e-8 of it, on a way of some roundings more.
	return (at[1] - at[0]) / step, (at[2] - at[1]) / step, math.Sqrt(noise) * 1e-6 / step, nil
}
