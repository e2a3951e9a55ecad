package triton

import (
	"cmp"
	"context"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
)

// Options say how models become a model repository.
type Options struct {
	Repository string         `json:"output"`               // folder of the repository; needed
	MaxBatch   int            `json:"max_batch,omitempty"`  // images that are run at once at most, 1 for no batching; 0 for 8
	MaxDelay   *time.Duration `json:"max_delay,omitempty"`  // how long a request waits for others to join it; nil for 2 ms
	Instances  int            `json:"instances,omitempty"`  // copies of the model that run at the same time; 0 for 1
	Kind       string         `json:"kind,omitempty"`       // where the model runs, cpu or gpu; "" for cpu
	MountedAt  string         `json:"mounted_at,omitempty"` // where the server will see the repository; "" for /models
	Plugin     string         `json:"plugin,omitempty"`     // the op library's path on the server; "" puts it into the models' folders
}

// Result is what Export wrote.
type Result struct {
	Repository string    `json:"repository"`
	Models     []Summary `json:"models"`
	Notices    []string  `json:"-"` // what of the models a person should know
}

// kinds are the values of Options.Kind.
var kinds = map[string]Kind{"": CPU, "cpu": CPU, "gpu": GPU}

// check finds options that cannot be.
func (o Options) check() error {
	if o.Repository == "" {
		return fault.Usage("output", "is missing: the folder of the model repository")
	}
	if o.MaxBatch < 0 || o.Instances < 0 {
		return fault.Usage("max_batch", "%d, option instances %d: expected 1 or more", o.MaxBatch, o.Instances)
	}
	if o.MaxDelay != nil && *o.MaxDelay < 0 {
		return fault.Usage("max_delay", "%v: expected 0 or more", *o.MaxDelay)
	}
	if _, known := kinds[o.Kind]; !known {
		return fault.Usage("kind", "%q: expected cpu or gpu", o.Kind)
	}
	return nil
}

// Model begins a model of that name, whose requests may be joined or not.
func (o Options) Model(name string, joined bool) *Model {
	m := &Model{Config: Config{Name: name, MaxDelay: 2 * time.Millisecond, Instances: cmp.Or(o.Instances, 1), Kind: kinds[o.Kind]}, Files: map[string]func(string) error{}}
	if o.MaxDelay != nil {
		m.Config.MaxDelay = *o.MaxDelay
	}
	if joined {
		m.Config.MaxBatch = cmp.Or(o.MaxBatch, 8)
	}
	return m
}

// AddPlugin lets a model use the op library: where the server has it, or a copy of file.
func (o Options) AddPlugin(m *Model, file string) {
	m.Config.Plugin = o.Plugin
	if o.Plugin == "" {
		m.Files[PluginFile] = copyOf(file)
		m.Config.Plugin = path.Join(cmp.Or(o.MountedAt, "/models"), m.Config.Name, PluginFile)
	}
}

// Export writes what make makes of the bundles and models at paths: none where one of
// them cannot be. Folders of an earlier export are replaced, each at once; everything else
// in the repository stays.
func (o Options) Export(ctx context.Context, paths []string, make func(path string) (*Model, error)) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fault.Usage("", "expected at least one bundle or model")
	}
	repository, err := filepath.Abs(o.Repository)
	if err != nil {
		return nil, err
	}
	byName, result := map[string]string{}, &Result{Repository: o.Repository}
	var models []*Model
	for _, from := range paths {
		m, err := make(from)
		if err != nil {
			return nil, err
		}
		name := m.Config.Name
		if other, twice := byName[name]; twice {
			return nil, fault.Usage("", "%s and %s would both become model %s: rename one", other, from, name)
		}
		byName[name] = from
		if err := replaceable(filepath.Join(repository, name)); err != nil {
			return nil, err
		}
		for _, n := range m.Notices {
			result.Notices = append(result.Notices, from+": "+n)
		}
		models = append(models, m)
	}
	if err := os.MkdirAll(repository, 0o777); err != nil {
		return nil, err
	}
	for _, m := range models {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := m.install(repository); err != nil {
			return nil, err
		}
		result.Models = append(result.Models, m.Config.summary(o.Repository))
	}
	return result, nil
}
