package profile

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Inputs say what models get.
type Inputs struct {
	Images imagein.Overrides // how images are prepared
	Given  eval.FeedOptions
	Fixed  map[string][]int64 // shapes of inputs that models leave open, by name
}

// Host makes graphs, of which this package knows none.
type Host interface {
	// Weigh returns the parameters of a mobile graph, and the bytes of its files.
	Weigh(mobile string) (params, bytes int64, err error)
	// Chain returns a graph of so many nodes that do nearly nothing, on float32 [1].
	Chain(nodes int) (Graph, error)
}

// Model is a model whose cuts are measured.
type Model interface {
	Cuts() []Cut
	// UpTo writes the model, with these tensors for its outputs, into a file.
	UpTo(ctx context.Context, tensors []string, file string) error
	// Named writes the model, with a name for every node, into a file, and tells for the
	// names of nodes and of their outputs whether they are before each cut.
	Named(ctx context.Context, file string) (before map[string][]bool, err error)
	// Unit returns the two sides of a bottleneck at a cut, each in a graph of its own.
	Unit(ctx context.Context, cut int) (Unit, error)
	// Split writes a bundle that is split at a cut.
	Split(ctx context.Context, cut int, dir string) error
}

// Cut is a place where a model is cut.
type Cut struct {
	Name    string
	Tensors []string // that cross
	Bytes   *int64   // of the tensors, nil for unknown
	Params  int64    // before them
}

// Tensor is what the tensors are called together.
func (c Cut) Tensor() string { return strings.Join(c.Tensors, "+") }

// Graph is an ONNX graph in memory.
type Graph struct {
	Bytes  []byte
	Inputs []string
}

// Unit is a bottleneck's two sides.
type Unit struct {
	Mobile, Cloud Graph
	C, S          int
	Codec         string
	Params        int64 // of the mobile side
}

// All measures the models and bundles at paths, which are of one model. Open gives a model, and
// what tells its file's SHA-256.
func (p *Profiler) All(ctx context.Context, paths []string, check bool, open func(path string) (m Model, hash func() (string, error), err error)) (*Result, error) {
	for _, path := range paths { // whole models first: they tell how fast the machine is
		if bundle.IsBundle(path) {
			continue
		}
		m, hash, err := open(path)
		if err != nil {
			return nil, err
		}
		if err := p.ofModel(ctx, path, m, check); err != nil {
			return nil, err
		}
		source, err := hash()
		if err != nil {
			return nil, err
		}
		if err := p.sameSource(path, source); err != nil {
			return nil, err
		}
	}
	for _, path := range paths {
		if !bundle.IsBundle(path) {
			continue
		}
		if err := p.ofBundle(ctx, path); err != nil {
			return nil, err
		}
	}
	return p.finish()
}

// ofBundle measures a bundle's halves.
func (p *Profiler) ofBundle(ctx context.Context, dir string) error {
	p.to.Notice("%s: both halves", dir)
	entry, source, err := p.pair(ctx, dir)
	if err != nil {
		return err
	}
	if err := p.sameSource(dir, source); err != nil {
		return err
	}
	return p.putPair(dir, entry)
}

// ofModel measures the whole model at path and, by its nodes, its cuts. With check, pairs are
// run beside the entries.
func (p *Profiler) ofModel(ctx context.Context, path string, m Model, check bool) error {
	p.to.Notice("%s: the whole model", path)
	feeds, err := p.whole(ctx, path)
	if err != nil {
		return err
	}
	cuts := m.Cuts()
	if len(cuts) == 0 {
		p.note("The model has no cut that takes a bottleneck.")
		return nil
	}
	scratch, err := files.Scratch()
	if err != nil {
		return err
	}
	defer scratch.Discard()
	dir := scratch.Temp
	p.to.Notice("%s: the units at %d cuts", path, len(cuts))
	units, err := p.allUnits(ctx, m, dir, feeds)
	if err != nil {
		return err
	}
	p.to.Notice("%s: its nodes", path)
	file := filepath.Join(dir, "nodes.onnx")
	before, err := m.Named(ctx, file)
	if err != nil {
		return err
	}
	parts, err := p.nodes(ctx, file, feeds, before, len(cuts))
	if err != nil {
		return err
	}
	for i, c := range cuts {
		for _, entry := range parts[i].entries(c, units[i], p.call) {
			p.profile.Put(entry)
		}
	}
	p.note("method nodes: payload_bytes are those of a bottleneck that was not trained, the results of a search have real ones; mobile_bytes count 4 bytes a parameter.")
	for i := 0; check && i < len(cuts); i++ { // in turns with the whole model
		if err := p.check(ctx, m, i, filepath.Join(dir, "pair")); err != nil {
			return err
		}
	}
	return nil
}

// allUnits measures the units at every cut, on real activations.
func (p *Profiler) allUnits(ctx context.Context, m Model, dir string, feeds []ort.Feed) ([]units, error) {
	cuts := m.Cuts()
	var names []string
	for _, c := range cuts {
		for _, name := range c.Tensors {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	file := filepath.Join(dir, "activations.onnx")
	if err := m.UpTo(ctx, names, file); err != nil {
		return nil, err
	}
	activations, err := p.outputs(ctx, file, names, feeds)
	if err != nil {
		return nil, err
	}
	if err := p.overheads(ctx, dir); err != nil {
		return nil, err
	}
	all := make([]units, len(cuts))
	step := p.to.Phase("units", len(cuts)).Step
	for i, c := range cuts {
		u, err := m.Unit(ctx, i)
		var crossing [][]*tensor.Tensor
		for _, name := range c.Tensors {
			crossing = append(crossing, activations[name])
		}
		if err == nil {
			all[i], err = p.units(ctx, u, crossing, filepath.Join(dir, fmt.Sprintf("unit%d", i)))
		}
		if err != nil {
			return nil, fmt.Errorf("units at %s (tensor %q): %w", c.Name, c.Tensor(), err)
		}
		step(1)
	}
	return all, nil
}

// check runs a pair and sets it beside the entry of nodes that it is of.
func (p *Profiler) check(ctx context.Context, m Model, cut int, dir string) error {
	if err := m.Split(ctx, cut, dir); err != nil {
		return err
	}
	pair, _, err := p.pair(ctx, dir)
	if err != nil {
		return err
	}
	for _, e := range p.profile.Cuts {
		if e.String() == pair.String() && e.Method == plan.MethodNodes {
			p.checked = append(p.checked, Checked{Nodes: e, Pair: pair})
		}
	}
	return nil
}
