package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/triton"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

var exportCommand = command{
	name:  "export",
	args:  "triton BUNDLE|MODEL... -o REPO | slurm DIR [-o FILE] | k8s DIR --image IMAGE --claim CLAIM [-o FILE]",
	short: "Write a model repository for Triton, or a search as a job",
	long: `
triton: cloud halves as a model repository.

Each bundle's cloud half, or each whole model, becomes the folder REPO/NAME, NAME
being that of the bundle's folder or the model's file. A folder of that name which
an earlier export wrote is replaced, at once; everything else in REPO stays.

Cloud halves that begin with the codec need bnc's op library in the server. It is
put into the model's folder, and the configuration names it as the server will
see it: --mounted-at says where REPO will lie there. With --plugin the server has
the library already and none is copied.

With --max-batch 2 or more the server joins requests into batches, and a request
brings one image: payload [1, L]. With --max-batch 1 each request is run on its
own and brings any number of images: payload [L]. bnc run asks the server.

slurm, k8s: the candidates of a plan of bnc search as an array job or an Indexed
Job. DIR must be seen by all machines under the name that is given here, as must
be the model and the images under those that the plan was made with; for k8s, all
of them relative to the shared volume.

Examples:
  bnc export triton resnet50-rb1-c1-s2 -o repository
  docker run -v $PWD/repository:/models nvcr.io/nvidia/tritonserver:TAG \
      tritonserver --model-repository=/models
  bnc export triton net-rb1 net-rb4 -o repo --mounted-at /mnt/models --max-batch 16
  bnc export triton net-rb1 -o repo --plugin /opt/bnc/libbnc_ops.so --kind gpu
  bnc export slurm found --cpus 8 --time 12:00:00 -o search.sbatch
  bnc export k8s found --image registry/bnc:1 --claim shared -o search.yaml`,
	setup: setupExport,
	subs: []command{
		verb(setupExport, "triton", "BUNDLE|MODEL... -o REPO [FLAGS]", "Write cloud halves as a model repository for Triton", `
Example:
  bnc export triton net-rb1 net-rb4 -o repo --mounted-at /mnt/models --max-batch 16`,
			having("output", "max-batch", "max-delay", "instances", "kind", "mounted-at", "plugin", "json")),
		verb(setupExport, "slurm", "DIR [-o FILE] [FLAGS]", "Write a search as an array job for Slurm", `
Example:
  bnc export slurm found --cpus 8 --time 12:00:00 -o search.sbatch`, having("output", "name", "bnc", "cpus", "memory", "parallel", "partition", "time", "json")),
		verb(setupExport, "k8s", "DIR --image IMAGE --claim CLAIM [-o FILE] [FLAGS]", "Write a search as an Indexed Job for Kubernetes", `
Example:
  bnc export k8s found --image registry/bnc:1 --claim shared -o search.yaml`,
			having("output", "name", "bnc", "cpus", "memory", "parallel", "image", "claim", "volume-at", "attempts", "json")),
	},
}

type exportOptions struct {
	repository string
	maxBatch   int
	maxDelay   time.Duration
	instances  int
	mountedAt  string
	plugin     string
	kind       triton.Kind
	job        jobOptions
}

func setupExport(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o exportOptions
	kinds := map[string]triton.Kind{"cpu": triton.CPU, "gpu": triton.GPU}
	fs.StringVarP(&o.repository, "output", "o", "", "folder of the model repository, or file of the job (default: stdout)")
	fs.IntVar(&o.maxBatch, "max-batch", 8, "most images that are run at once; 1 for no batching")
	fs.DurationVar(&o.maxDelay, "max-delay", 2*time.Millisecond, "how long a request waits for others to join it")
	fs.IntVar(&o.instances, "instances", 1, "copies of the model that run at the same time")
	kind := fs.String("kind", "cpu", "where the model runs: cpu, gpu")
	fs.StringVar(&o.mountedAt, "mounted-at", "/models", "where the server will see REPO")
	fs.StringVar(&o.plugin, "plugin", "", "the op library's path on the server, if it is there already")
	o.job.declare(fs)
	asJSON := fs.Bool("json", false, "print one JSON document")
	return func(ctx context.Context, s streams, args []string) error {
		if len(args) > 0 && jobTemplates[args[0]] != nil {
			return exportJob(s, args[0], args[1:], o.repository, o.job)
		}
		if len(args) == 0 || args[0] != "triton" {
			return usagef("expected what to export to, then bundles: bnc export triton BUNDLE... -o REPO, bnc export slurm DIR or bnc export k8s DIR; found %s", argumentsText(args))
		}
		if len(args) == 1 {
			return usagef("expected at least one bundle or model after %q", args[0])
		}
		if o.repository == "" {
			return usagef("-o is missing: the folder of the model repository")
		}
		if err := noStdout(o.repository, "a folder"); err != nil {
			return err
		}
		if o.maxBatch < 1 || o.instances < 1 || o.maxDelay < 0 {
			return usagef("--max-batch %d, --instances %d, --max-delay %v: expected 1 or more, 1 or more, 0 or more", o.maxBatch, o.instances, o.maxDelay)
		}
		var ok bool
		if o.kind, ok = kinds[*kind]; !ok {
			return usagef("--kind %q: expected cpu or gpu", *kind)
		}
		rows, err := exportTriton(ctx, s, args[1:], o)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(s.out, map[string]any{"repository": o.repository, "models": rows})
		}
		for _, r := range rows {
			fmt.Fprintln(s.out, r)
		}
		return nil
	}
}

// exportTriton writes the models at paths, none where one of them cannot be
// exported.
func exportTriton(ctx context.Context, s streams, paths []string, o exportOptions) ([]exportRow, error) {
	repository, err := filepath.Abs(o.repository)
	if err != nil {
		return nil, err
	}
	byName := map[string]string{}
	var models []*exported
	for _, path := range paths {
		e, err := prepareExport(ctx, path, o)
		if err != nil {
			return nil, err
		}
		if other, twice := byName[e.Config.Name]; twice {
			return nil, usagef("%s and %s would both become model %s: rename one", other, path, e.Config.Name)
		}
		byName[e.Config.Name] = path
		if err := replaceable(filepath.Join(repository, e.Config.Name)); err != nil {
			return nil, err
		}
		for _, n := range e.notices {
			s.notice("%s: %s", path, n)
		}
		models = append(models, e)
	}
	if err := os.MkdirAll(repository, 0o777); err != nil {
		return nil, err
	}
	var rows []exportRow
	for _, e := range models {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := install(repository, e.Model); err != nil {
			return nil, err
		}
		rows = append(rows, e.row(o.repository))
	}
	return rows, nil
}

// exportRow is what bnc export reports about a model.
type exportRow struct {
	Name     string         `json:"name"`
	Path     string         `json:"path"`
	MaxBatch int            `json:"max_batch"` // 0 for no batching
	Inputs   []exportedPort `json:"inputs"`
	Outputs  []exportedPort `json:"outputs"`
	Plugin   string         `json:"plugin"` // where the server must see the op library, "" for none
}

// exportedPort is an input or output as a request has it, the batch included.
type exportedPort struct {
	Name  string  `json:"name"`
	DType string  `json:"dtype"`
	Shape []int64 `json:"shape"`
}

// row describes the model below the repository.
func (e *exported) row(repository string) exportRow {
	c := e.Config
	ports := func(list []triton.Port) []exportedPort {
		rows := []exportedPort{}
		for _, p := range list {
			row := exportedPort{p.Name, p.DType.String(), p.Dims}
			if c.MaxBatch > 0 {
				row.Shape = append([]int64{-1}, p.Dims...)
			}
			if p.Ragged {
				row.Shape[0] = 1
			}
			rows = append(rows, row)
		}
		return rows
	}
	return exportRow{c.Name, filepath.Join(repository, c.Name), c.MaxBatch, ports(c.Inputs), ports(c.Outputs), c.Plugin}
}

// String is the row as text.
func (r exportRow) String() string {
	words := []string{r.Path}
	for _, p := range slices.Concat(r.Inputs, r.Outputs) {
		words = append(words, fmt.Sprintf("  %-9s %s %v", p.Name, p.DType, p.Shape))
	}
	if r.MaxBatch > 0 {
		words = append(words, fmt.Sprintf("  batches of up to %d", r.MaxBatch))
	}
	if r.Plugin != "" {
		words = append(words, "  op library "+r.Plugin)
	}
	return strings.Join(words, "\n")
}

// copyFile copies a file's contents.
func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o666)
}

// replaceable checks that dir is not there or of an earlier export.
func replaceable(dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := triton.Exported(dir); err != nil {
		return usagef("%s exists and is no export of bnc's; it is not replaced: choose another -o or remove it (%w)", dir, err)
	}
	return nil
}

// install writes m into a folder of its own, which then changes places with the
// one of the repository.
func install(repository string, m triton.Model) error {
	d, err := files.CreateDir(filepath.Join(repository, m.Config.Name), besideRepository(repository))
	if err != nil {
		return err
	}
	defer d.Discard()
	if err := m.Write(d.Temp); err != nil {
		return err
	}
	return d.Commit()
}

// besideRepository returns where to put a model together. A server that polls
// takes every folder of its repository for a model, so that is the folder above,
// unless it is another file system or cannot be written.
func besideRepository(repository string) string {
	above := filepath.Dir(repository)
	var here, there unix.Stat_t
	if unix.Stat(repository, &here) != nil || unix.Stat(above, &there) != nil || here.Dev != there.Dev ||
		unix.Access(above, unix.W_OK) != nil {
		return repository
	}
	return above
}
