package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/runtime/triton"
)

// exported is a model for Triton, not yet written.
type exported struct {
	triton.Model
	notices []string
}

// prepareExport makes a model of a bundle's cloud half, or of a whole model.
func prepareExport(ctx context.Context, path string, o exportOptions) (*exported, error) {
	file, name := path, bundle.Name(path)
	if bundle.IsBundle(path) {
		if _, err := bundle.Open(path); err != nil {
			return nil, openError(err)
		}
		file = filepath.Join(path, bundle.CloudFile)
	} else if stat, err := os.Stat(path); err != nil {
		return nil, err
	} else if stat.IsDir() {
		return nil, unusablef("%s is no bundle: it has not both %s and %s", path, bundle.MobileFile, bundle.CloudFile)
	}
	m, err := onnx.Load(file)
	if err != nil {
		return nil, err
	}
	e := &exported{Model: triton.Model{Config: triton.Config{
		Name: name, MaxDelay: o.maxDelay, Instances: o.instances, Kind: o.kind, Parameters: exportParameters(m),
	}}}
	if err := e.describe(m, o); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	e.Files = map[string]func(string) error{
		triton.Version + "/" + triton.ModelFile: func(to string) error { return onnx.Save(ctx, to, m, onnx.SaveOptions{}) },
	}
	if err := e.addPlugin(m, o); err != nil {
		return nil, err
	}
	return e, e.addWarmup(m)
}

// describe fills in inputs, outputs and batching, and edits m where Triton asks
// for more than the graph says.
func (e *exported) describe(m *ir.Model, o exportOptions) error {
	decode := decoder(m)
	if decode != nil {
		// The file leaves the payload's rank open. The backend would take that for
		// a scalar, and refuses ragged inputs that are not declared as [-1].
		m.Graph.SetType(decode.Input(0), ir.TensorType(ir.Uint8, []ir.Dim{ir.Sym("payload_bytes")}))
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return unusableError{err}
	}
	if err := e.batching(m, info, decode, o); err != nil {
		return err
	}
	c := &e.Config
	for _, v := range m.Graph.Feeds() {
		ragged := decode != nil && v == decode.Input(0) && c.MaxBatch > 0
		port, err := exportPort(v, info, c.MaxBatch > 0 && !ragged)
		if err != nil {
			return unusablef("input %w", err)
		}
		port.Ragged = ragged
		c.Inputs = append(c.Inputs, port)
	}
	for _, p := range m.Graph.Outputs() {
		port, err := exportPort(p.Value, info, c.MaxBatch > 0)
		if err != nil {
			return unusablef("output %w", err)
		}
		c.Outputs = append(c.Outputs, port)
		// The backend compares the configuration with what the file declares.
		declare(m.Graph, p.Value, info.Of(p.Value))
	}
	if decode == nil || c.MaxBatch == 0 {
		return nil
	}
	payload := decode.Input(0).Name()
	c.Lengths = []triton.Lengths{{Name: lengthsInput, Of: payload}, {Name: endsInput, Of: payload, Accumulated: true}}
	_, err = passes.Run(m, []passes.Pass{{
		Name:      "guard-payload",
		Doc:       "refuse batches in which a request brings anything but one record",
		Interface: true,
		Run:       func(m *ir.Model) (int, error) { return 1, guardPayload(m, decode) },
	}}, nil)
	return err
}

// batching decides whether the server may join requests: every output must have
// as many rows as the inputs have images.
func (e *exported) batching(m *ir.Model, info *shape.Info, decode *ir.Node, o exportOptions) error {
	if o.maxBatch == 1 {
		return nil
	}
	var values []*ir.Value
	if decode != nil {
		values = append(values, decode.Output(0))
	} else {
		values = m.Graph.Feeds()
	}
	for _, p := range m.Graph.Outputs() {
		values = append(values, p.Value)
	}
	var rows shape.Dim
	for i, v := range values {
		dims, _ := info.Dims(v)
		if len(dims) < 2 { // Triton's dims, which leave the batch out, must not be empty
			e.notices = append(e.notices, fmt.Sprintf("no batching: %s is %v, without dimensions for images and what belongs to one", v.Name(), info.Of(v)))
			return nil
		}
		if _, fixed := dims[0].Int(); i == 0 {
			rows = dims[0]
			if fixed || !rows.Known() {
				e.notices = append(e.notices, fmt.Sprintf("no batching: the first dimension of %s is %v in the file", v.Name(), rows))
				return nil
			}
		} else if !dims[0].Equal(rows) {
			e.notices = append(e.notices, fmt.Sprintf("no batching: the first dimension of %s is %v, that of %s is %v",
				v.Name(), dims[0], values[0].Name(), rows))
			return nil
		}
	}
	e.Config.MaxBatch = o.maxBatch
	return nil
}

// exportPort describes an input or output, without its first dimension where
// batched.
func exportPort(v *ir.Value, info *shape.Info, batched bool) (triton.Port, error) {
	t := info.Of(v)
	p := triton.Port{Name: v.Name(), DType: tensor.DType(t.DType)}
	if t.Kind != shape.Tensor || !triton.Supports(p.DType) {
		return p, fmt.Errorf("%s is %v: Triton takes tensors of numbers, bool or strings", v.Name(), t)
	}
	if !t.Ranked {
		return p, fmt.Errorf("%s has no known shape: Triton needs at least its rank; declare it in the model", v.Name())
	}
	for _, d := range t.Dims {
		n, ok := d.Int()
		if !ok {
			n = -1
		}
		p.Dims = append(p.Dims, n)
	}
	if batched {
		p.Dims = p.Dims[1:]
	}
	if len(p.Dims) == 0 {
		p.Dims = []int64{1} // how Triton spells a scalar
	}
	return p, nil
}

// declare writes what inference knows of an output's dimensions into the graph.
func declare(g *ir.Graph, v *ir.Value, t shape.Type) {
	dims := make([]ir.Dim, len(t.Dims))
	for i, d := range t.Dims {
		dims[i] = ir.UnknownDim
		if n, ok := d.Int(); ok {
			dims[i] = ir.Dim{N: n}
		} else if s, ok := d.Symbol(); ok {
			dims[i] = ir.Sym(s)
		}
	}
	g.SetType(v, ir.TensorType(t.DType, dims))
}

// addPlugin puts the op library into the folder where the graph needs it and the
// server does not have it.
func (e *exported) addPlugin(m *ir.Model, o exportOptions) error {
	if m.Opset(ops.Domain) == 0 {
		return nil
	}
	e.Config.Plugin = o.plugin
	if o.plugin != "" {
		return nil
	}
	found := ort.FindPlugin()
	if found.Path == "" {
		return fmt.Errorf("bnc's op library %s was not found (tried %s): run make build, or say with --plugin where the server has it",
			ops.PluginFile, strings.Join(found.Tried, ", "))
	}
	e.Files[triton.PluginFile] = func(to string) error { return copyFile(to, found.Path) }
	e.Config.Plugin = path.Join(o.mountedAt, e.Config.Name, triton.PluginFile)
	return nil
}

// addWarmup adds runs of one image and of a full batch.
func (e *exported) addWarmup(m *ir.Model) error {
	c := &e.Config
	var inputs []triton.SampleInput
	for _, p := range c.Inputs {
		in := triton.SampleInput{Name: p.Name, DType: p.DType, Dims: slices.Clone(p.Dims)}
		if decode := decoder(m); decode != nil {
			payload, err := greyPayload(m)
			if err != nil {
				return err
			}
			in.File, in.Dims = p.Name, []int64{int64(len(payload))}
			e.Files[triton.WarmupDir+"/"+in.File] = triton.Bytes(payload)
		} else if c.MaxBatch == 0 && len(in.Dims) > 0 && in.Dims[0] < 0 {
			in.Dims[0] = 1
		}
		if slices.Contains(in.Dims, -1) {
			e.notices = append(e.notices, fmt.Sprintf("no warm-up: input %s has dimensions %v", p.Name, p.Dims))
			return nil
		}
		inputs = append(inputs, in)
	}
	c.Warmup = []triton.Sample{{Name: "one image", Batch: 1, Inputs: inputs}}
	if c.MaxBatch > 1 {
		c.Warmup = append(c.Warmup, triton.Sample{Name: "full batch", Batch: c.MaxBatch, Inputs: inputs})
	}
	return nil
}

// greyPayload returns the record of a mid-grey tile.
func greyPayload(m *ir.Model) ([]byte, error) {
	props := map[string]string{}
	for _, p := range m.Proto.MetadataProps {
		props[p.GetKey()] = p.GetValue()
	}
	meta, err := bundle.ParseMeta(props)
	if err != nil {
		return nil, err
	}
	g := ops.Geometry{Height: meta.Tile[0], Width: meta.Tile[1], Quality: meta.Quality, Dynamic: meta.Dynamic()}
	var limits []float32
	if g.Dynamic {
		limits = []float32{0, 1}
	}
	tile := make([]byte, g.Height*g.Width)
	for i := range tile {
		tile[i] = 128
	}
	payload, _, err := ops.Encode(g, tile, limits)
	return payload, err
}

// exportParameters returns a file's bnc metadata as Triton's custom parameters:
// bnc.pair becomes bnc_pair, JSON strings become plain ones. Lists of classes and
// outputs stay in the file.
func exportParameters(m *ir.Model) map[string]string {
	parameters := map[string]string{}
	for _, p := range m.Proto.MetadataProps {
		key, ours := strings.CutPrefix(p.GetKey(), "bnc.")
		if !ours || key == "labels" || key == "outputs" {
			continue
		}
		value := p.GetValue()
		var text string
		if json.Unmarshal([]byte(value), &text) == nil {
			value = text
		}
		parameters["bnc_"+key] = value
	}
	return parameters
}
