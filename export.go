package bnc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

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
type TritonOptions struct {
	Repository string         `json:"output"`               // folder of the repository; needed
	MaxBatch   int            `json:"max_batch,omitempty"`  // images that are run at once at most, 1 for no batching; 8
	MaxDelay   *time.Duration `json:"max_delay,omitempty"`  // how long a request waits for others to join it; 2 ms
	Instances  int            `json:"instances,omitempty"`  // copies of the model that run at the same time; 1
	Kind       string         `json:"kind,omitempty"`       // where the model runs, cpu or gpu; cpu
	MountedAt  string         `json:"mounted_at,omitempty"` // where the server will see the repository; /models
	Plugin     string         `json:"plugin,omitempty"`     // the op library's path on the server; "" puts it into the models' folders
	Reporter   Reporter       `json:"-"`
}

// TritonResult is what ExportTriton wrote.
type TritonResult struct {
	Repository string           `json:"repository"`
	Models     []triton.Summary `json:"models"`
}

// tritonKinds are the values of TritonOptions.Kind.
var tritonKinds = map[string]triton.Kind{"": triton.CPU, "cpu": triton.CPU, "gpu": triton.GPU}

// check finds options that cannot be.
func (o TritonOptions) check() error {
	if o.Repository == "" {
		return usage("output", "is missing: the folder of the model repository")
	}
	if o.MaxBatch < 0 || o.Instances < 0 {
		return usage("max_batch", "%d, option instances %d: expected 1 or more", o.MaxBatch, o.Instances)
	}
	if o.MaxDelay != nil && *o.MaxDelay < 0 {
		return usage("max_delay", "%v: expected 0 or more", *o.MaxDelay)
	}
	if _, known := tritonKinds[o.Kind]; !known {
		return usage("kind", "%q: expected cpu or gpu", o.Kind)
	}
	return nil
}

// ExportTriton writes the cloud halves of the bundles, and the whole models, at paths as a
// model repository for Triton: none where one of them cannot be. Folders of an earlier
// export are replaced, each at once; everything else in the repository stays.
func ExportTriton(ctx context.Context, paths []string, o TritonOptions) (*TritonResult, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, usage("", "expected at least one bundle or model")
	}
	repository, err := filepath.Abs(o.Repository)
	if err != nil {
		return nil, err
	}
	byName := map[string]string{}
	var models []*triton.Model
	for _, from := range paths {
		m, notices, err := o.prepare(ctx, from)
		if err != nil {
			return nil, err
		}
		name := m.Config.Name
		if other, twice := byName[name]; twice {
			return nil, usage("", "%s and %s would both become model %s: rename one", other, from, name)
		}
		byName[name] = from
		if err := triton.Replaceable(filepath.Join(repository, name)); err != nil {
			return nil, err
		}
		for _, n := range notices {
			progress{o.Reporter}.notice("%s: %s", from, n)
		}
		models = append(models, m)
	}
	if err := os.MkdirAll(repository, 0o777); err != nil {
		return nil, err
	}
	result := &TritonResult{Repository: o.Repository}
	for _, m := range models {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := m.Install(repository); err != nil {
			return nil, err
		}
		result.Models = append(result.Models, m.Config.Summary(o.Repository))
	}
	return result, nil
}

// prepare makes a model of a bundle's cloud half, or of a whole model.
func (o TritonOptions) prepare(ctx context.Context, from string) (*triton.Model, []string, error) {
	file := from
	if bundle.IsBundle(from) {
		if _, err := bundle.Open(from); err != nil {
			return nil, nil, err
		}
		file = filepath.Join(from, bundle.CloudFile)
	} else if stat, err := os.Stat(from); err != nil {
		return nil, nil, err
	} else if stat.IsDir() {
		return nil, nil, unusable("%s is no bundle: it has not both %s and %s", from, bundle.MobileFile, bundle.CloudFile)
	}
	head, err := model.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	m, err := onnx.Load(file)
	if err != nil {
		return nil, nil, err
	}
	decode := decoder(m)
	seen, err := convert.ForRequests(m, decode, o.MaxBatch != 1)
	if err != nil {
		return nil, nil, unusable("%s: %w", file, err)
	}
	e := &triton.Model{
		Config: triton.Config{
			Name: bundle.Name(from), MaxDelay: 2 * time.Millisecond, Instances: cmp.Or(o.Instances, 1), Kind: tritonKinds[o.Kind], Parameters: triton.Parameters(head.Metadata),
		},
		Files: map[string]func(string) error{
			triton.Version + "/" + triton.ModelFile: func(to string) error { return onnx.Save(ctx, to, m, onnx.SaveOptions{}) },
		},
	}
	if o.MaxDelay != nil {
		e.Config.MaxDelay = *o.MaxDelay
	}
	if seen.Joined {
		e.Config.MaxBatch = cmp.Or(o.MaxBatch, 8)
	}
	if e.Config.Inputs, err = tritonPorts(seen.Inputs); err == nil {
		e.Config.Outputs, err = tritonPorts(seen.Outputs)
	}
	if err != nil {
		return nil, nil, unusable("%s: %w", file, err)
	}
	if seen.Guarded {
		payload := decode.Input(0).Name()
		e.Config.Lengths = []triton.Lengths{{Name: convert.PayloadLengths, Of: payload}, {Name: convert.PayloadEnds, Of: payload, Accumulated: true}}
	}
	if m.Opset(ops.Domain) != 0 {
		if err := o.addPlugin(e); err != nil {
			return nil, nil, err
		}
	}
	var payload []byte
	if decode != nil {
		if payload, err = greyPayload(head); err != nil {
			return nil, nil, err
		}
	}
	if open := e.Warm(payload); open != nil {
		seen.Notices = append(seen.Notices, fmt.Sprintf("no warm-up: input %s has dimensions %v", open.Name, open.Dims))
	}
	return e, seen.Notices, nil
}

// tritonPorts are inputs or outputs in Triton's terms.
func tritonPorts(ports []convert.Port) (out []triton.Port, err error) {
	for _, p := range ports {
		t := triton.Port{Name: p.Name, DType: tensor.DType(p.DType), Dims: p.Dims, Ragged: p.Ragged}
		if !triton.Supports(t.DType) {
			return nil, fmt.Errorf("%s is %v: Triton takes tensors of numbers, bool or strings", p.Name, p.DType)
		}
		if len(t.Dims) == 0 {
			t.Dims = []int64{1} // how Triton spells a scalar
		}
		out = append(out, t)
	}
	return out, nil
}

// addPlugin puts the op library into the folder of a model that needs it, where the
// server does not have it.
func (o TritonOptions) addPlugin(m *triton.Model) error {
	m.Config.Plugin = o.Plugin
	if o.Plugin != "" {
		return nil
	}
	found := ort.FindPlugin()
	if found.Path == "" {
		return fmt.Errorf("bnc's op library %s was not found (tried %s): run make build, or say with option plugin where the server has it",
			ops.PluginFile, strings.Join(found.Tried, ", "))
	}
	m.Files[triton.PluginFile] = triton.CopyOf(found.Path)
	m.Config.Plugin = path.Join(cmp.Or(o.MountedAt, "/models"), m.Config.Name, triton.PluginFile)
	return nil
}

// decoder returns the node that takes the payload apart, nil where the graph has none.
func decoder(m *ir.Model) *ir.Node {
	for _, n := range m.Graph.Nodes() {
		if ofCodec(n, func(o ops.Operators) string { return o.Decode }) {
			return n
		}
	}
	return nil
}

// greyPayload returns the record of a mid-grey tile.
func greyPayload(head *model.Model) ([]byte, error) {
	meta, err := bundle.ParseMeta(head.Metadata)
	if err != nil {
		return nil, err
	}
	return meta.GreyPayload()
}

// ExportJob returns the text that lets a scheduler, search.Slurm or search.Kubernetes, run
// the candidates of the search in dir, which all machines must see under that name.
func ExportJob(scheduler, dir string, o search.JobOptions) ([]byte, error) {
	text, err := search.Dir(dir).Job(scheduler, o)
	if wrong := (*search.JobError)(nil); err != nil && !errors.As(err, &wrong) {
		return nil, unusable("%w; bnc search plan writes it", err)
	}
	return text, err
}
