package bnc

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/search"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/runtime/triton"
)

// TritonOptions say how models become a model repository for Triton.
type TritonOptions = triton.Options

// TritonResult is what ExportTriton wrote.
type TritonResult = triton.Result

// ExportTriton writes the cloud halves of the bundles, and the whole models, at paths as a
// model repository for Triton: none where one of them cannot be. Folders of an earlier
// export are replaced, each at once; everything else in the repository stays.
func ExportTriton(ctx context.Context, paths []string, o TritonOptions) (*TritonResult, error) {
	return o.Export(ctx, paths, func(path string) (*triton.Model, error) { return forTriton(ctx, path, o) })
}

// forTriton makes a model of a bundle's cloud half, or of a whole model.
func forTriton(ctx context.Context, path string, o TritonOptions) (*triton.Model, error) {
	file, err := bundle.CloudOf(path)
	if err != nil {
		return nil, err
	}
	head, err := model.ReadFile(file)
	if err != nil {
		return nil, err
	}
	m, err := onnx.Load(file)
	if err != nil {
		return nil, err
	}
	decode := decoder(m)
	seen, err := convert.ForRequests(m, decode, o.MaxBatch != 1)
	if err != nil {
		return nil, unusable("%s: %w", file, err)
	}
	e := o.Model(bundle.Name(path), seen.Joined)
	e.Notices, e.Config.Parameters = seen.Notices, triton.Parameters(head.Metadata)
	e.Files[triton.Version+"/"+triton.ModelFile] = func(to string) error { return onnx.Save(ctx, to, m, onnx.SaveOptions{}) }
	if e.Config.Inputs, err = tritonPorts(seen.Inputs); err == nil {
		e.Config.Outputs, err = tritonPorts(seen.Outputs)
	}
	if err != nil {
		return nil, unusable("%s: %w", file, err)
	}
	if seen.Guarded {
		payload := decode.Input(0).Name()
		e.Config.Lengths = []triton.Lengths{{Name: convert.PayloadLengths, Of: payload}, {Name: convert.PayloadEnds, Of: payload, Accumulated: true}}
	}
	if m.Opset(ops.Domain) != 0 {
		found := ort.FindPlugin()
		if found.Path == "" && o.Plugin == "" {
			return nil, fmt.Errorf("bnc's op library %s was not found (tried %s): run make build, or say with option plugin where the server has it",
				ops.PluginFile, strings.Join(found.Tried, ", "))
		}
		o.AddPlugin(e, found.Path)
	}
	var payload []byte
	if decode != nil {
		meta, err := bundle.ParseMeta(head.Metadata)
		if err != nil {
			return nil, err
		}
		if payload, err = meta.GreyPayload(); err != nil {
			return nil, err
		}
	}
	e.Warm(payload)
	return e, nil
}

// tritonPorts are inputs or outputs in Triton's terms.
func tritonPorts(ports []convert.Port) (out []triton.Port, err error) {
	for _, p := range ports {
		t, err := triton.PortOf(p.Name, tensor.DType(p.DType), p.Dims, p.Ragged)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// decoder returns the node that takes the payload apart, nil where the graph has none.
func decoder(m *ir.Model) *ir.Node {
	for _, n := range m.Graph.Nodes() {
		decodes := func(c bundle.Codec) bool { return c.Operators().Decode == n.Op }
		if n.Domain == ops.Domain && (n.Op == ops.SplitRecords || slices.ContainsFunc(bundle.Codecs(), decodes)) {
			return n
		}
	}
	return nil
}

// ExportJob returns the text that lets a scheduler, search.Slurm or search.Kubernetes, run
// the candidates of the search in dir, which all machines must see under that name.
func ExportJob(scheduler, dir string, o search.JobOptions) ([]byte, error) {
	return search.Dir(dir).Job(scheduler, o)
}
