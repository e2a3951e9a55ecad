//go:build cgo

package oracle

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// gradCase is a forward model with numbers for its inputs and what ONNX Runtime
// computed with the gradient graphs that package grad made of it.
type gradCase struct {
	name    string
	outputs []string // of the forward model
	runs    []gradRun
	question
}

// gradRun is one gradient graph's run.
type gradRun struct {
	layout  grad.Layout
	outputs []*tensor.Tensor // of the forward model
	grads   []*tensor.Tensor // in the order of Wrt
}

// question is a case as testdata/torch_oracle.py and oracle_slopes.py read it.
type question struct {
	Model     string           `json:"model"`
	Feeds     map[string]array `json:"feeds"`
	Seeds     map[string]array `json:"seeds"`
	Values    map[string]array `json:"values"`
	Wrt       []string         `json:"wrt"`
	BatchNorm bool             `json:"batch_norm"`
	Dir       string           `json:"dir"`
}

// array is a file of raw elements.
type array struct {
	File  string  `json:"file"`
	DType string  `json:"dtype"`
	Shape []int64 `json:"shape"`
}

// runGradient differentiates m, whose shapes are all numbers, with respect to
// wrt, and runs the result in every layout with the given inputs and random
// gradients of the outputs. With batchNorm, batch normalisation has the batch's
// own statistics. Files go to dir.
func runGradient(name, dir string, m *ir.Model, batchNorm bool, feeds ort.Feed, wrt []string, rng *rand.Rand) (*gradCase, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	c := &gradCase{name: name, question: question{
		Model: filepath.Join(dir, "forward.onnx"), Dir: dir, Wrt: wrt, BatchNorm: batchNorm,
		Feeds: map[string]array{}, Seeds: map[string]array{}, Values: map[string]array{},
	}}
	if err := onnx.Save(context.Background(), c.Model, m, onnx.SaveOptions{}); err != nil {
		return nil, err
	}
	for _, p := range m.Graph.Outputs() {
		c.outputs = append(c.outputs, p.Value.Name())
	}
	all := maps.Clone(feeds)
	for name, x := range feeds {
		c.Feeds[name] = file(dir, name, x)
	}
	for _, layout := range []grad.Layout{grad.NCHW, grad.CHWN, grad.Auto} {
		if err := c.run(m.Clone(), layout, all, rng); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, layout, err)
		}
	}
	return c, nil
}

// run turns m into its gradient graph and runs it. It adds the gradients of the
// outputs to feeds, unless they are there.
func (c *gradCase) run(m *ir.Model, layout grad.Layout, feeds ort.Feed, rng *rand.Rand) error {
	var coded []string // what the codec makes, for the oracle to take as given
	for _, n := range m.Graph.Nodes() {
		if strings.HasSuffix(n.Op, "RoundTrip") {
			coded = append(coded, n.Output(0).Name())
			m.Graph.AddOutput(n.Output(0), nil)
		}
	}
	if err := grad.VJP(m, c.Wrt, c.BatchNorm, layout); err != nil {
		return err
	}
	if err := m.Verify(); err != nil {
		return err
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		return err
	}
	s, err := ort.OpenBytes(c.name, data, ort.Options{Threads: 1}) // more only cost, at these sizes
	if err != nil {
		return err
	}
	defer s.Close()
	for _, p := range s.Inputs() {
		if of, ok := strings.CutPrefix(p.Name, "dy."); ok && feeds[p.Name] == nil {
			feeds[p.Name] = oracletest.Normal(rng, p.Sizes()...)
			c.Seeds[of] = file(c.Dir, p.Name, feeds[p.Name])
		}
	}
	out, err := s.Run(context.Background(), feeds)
	if err != nil {
		return err
	}
	r := gradRun{layout: layout}
	for _, v := range out[:len(c.outputs)] {
		r.outputs = append(r.outputs, v.Tensor)
	}
	for _, v := range coded {
		y, err := out.Tensor(v)
		if err != nil {
			return err
		}
		c.Values[v] = file(c.Dir, v, y)
	}
	for _, v := range c.Wrt {
		d, err := out.Tensor("d." + v)
		if err != nil {
			return err
		}
		r.grads = append(r.grads, d)
	}
	c.runs = append(c.runs, r)
	return nil
}

// file writes a tensor's elements. That it failed, the oracle will tell.
func file(dir, name string, t *tensor.Tensor) array {
	path := filepath.Join(dir, strings.ReplaceAll(name, "/", "_")+".bin")
	_ = os.WriteFile(path, t.Data, 0o666)
	return array{path, t.DType.String(), append([]int64{}, t.Shape...)}
}

// floatsOf reads raw float64 elements.
func floatsOf(t *testing.T, path string) []float64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float64, len(b)/8)
	if _, err := binary.Decode(b, binary.LittleEndian, v); err != nil {
		t.Fatal(err)
	}
	return v
}

// askTorch asks testdata/torch_oracle.py once for all cases, whose answers are in
// their folders afterwards, and returns those cases that PyTorch could solve.
func askTorch(t *testing.T, cases []*gradCase) []*gradCase {
	t.Helper()
	var questions []question
	for _, c := range cases {
		questions = append(questions, c.question)
	}
	var answers []struct {
		Shapes [][]int64
		Error  string
	}
	rttest.AskTorch(t, "torch_oracle.py", questions, &answers)
	var good []*gradCase
	for i, a := range answers {
		c := cases[i]
		if a.Error != "" {
			t.Errorf("%s: PyTorch: %s", c.name, a.Error)
			continue
		}
		for _, r := range c.runs {
			for j, g := range r.grads {
				if !slices.Equal(g.Shape, a.Shapes[j]) {
					t.Errorf("%s: %s: the gradient of %s has shape %v, expected %v", c.name, r.layout, c.Wrt[j], g.Shape, a.Shapes[j])
				}
			}
		}
		good = append(good, c)
	}
	return good
}
