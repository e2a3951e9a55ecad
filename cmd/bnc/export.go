package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/runtime/search"
	"github.com/bottlenet/bnc/runtime/triton"
	"github.com/spf13/pflag"
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

func setupExport(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o bnc.TritonOptions
	var job search.JobOptions
	delay, attempts := 2*time.Millisecond, 6
	o.MaxDelay, job.Attempts = &delay, &attempts
	fs.StringVarP(&o.Repository, "output", "o", "", "folder of the model repository, or file of the job (default: stdout)")
	fs.IntVar(&o.MaxBatch, "max-batch", 8, "most images that are run at once; 1 for no batching")
	fs.DurationVar(&delay, "max-delay", delay, "how long a request waits for others to join it")
	fs.IntVar(&o.Instances, "instances", 1, "copies of the model that run at the same time")
	fs.StringVar(&o.Kind, "kind", "cpu", "where the model runs: cpu, gpu")
	fs.StringVar(&o.MountedAt, "mounted-at", "/models", "where the server will see REPO")
	fs.StringVar(&o.Plugin, "plugin", "", "the op library's path on the server, if it is there already")
	fs.StringVar(&job.Name, "name", "bnc-search", "slurm, k8s: name of the job")
	fs.StringVar(&job.Program, "bnc", "bnc", "slurm, k8s: the program as the machines that run it find it")
	fs.IntVar(&job.CPUs, "cpus", 0, "slurm, k8s: cores of a task (default: the scheduler's)")
	fs.StringVar(&job.Memory, "memory", "", "slurm, k8s: memory of a task, in the scheduler's notation, such as 4G or 4Gi")
	fs.IntVar(&job.Parallel, "parallel", 0, "slurm, k8s: tasks at a time (default: the number of cuts; those of one cut wait for one another)")
	fs.StringVar(&job.Partition, "partition", "", "slurm: partition")
	fs.StringVar(&job.Limit, "time", "", "slurm: time limit of a task, such as 12:00:00")
	fs.StringVar(&job.Image, "image", "", "k8s: container image that holds bnc")
	fs.StringVar(&job.Claim, "claim", "", "k8s: persistent volume claim that holds model, images and the search's folder")
	fs.StringVar(&job.At, "volume-at", "/work", "k8s: where the volume is mounted; names in the plan are relative to it")
	fs.IntVar(&attempts, "attempts", attempts, "k8s: times that a failing candidate is tried again")
	asJSON := fs.Bool("json", false, "print one JSON document")
	return func(ctx context.Context, s streams, args []string) error {
		if len(args) > 0 && slices.Contains([]string{search.Slurm, search.Kubernetes}, args[0]) {
			return exportJob(s, args[0], args[1:], o.Repository, job)
		}
		if len(args) == 0 || args[0] != "triton" {
			return usagef("expected what to export to, then bundles: bnc export triton BUNDLE... -o REPO, bnc export slurm DIR or bnc export k8s DIR; found %s", argumentsText(args))
		}
		if len(args) == 1 {
			return usagef("expected at least one bundle or model after %q", args[0])
		}
		if err := noStdout(o.Repository, "a folder"); err != nil {
			return err
		}
		if err := notZero(fs, "1 or more", "max-batch", "instances"); err != nil {
			return err
		}
		r := newReporter(s.err)
		defer r.done()
		o.Reporter = r
		result, err := bnc.ExportTriton(ctx, args[1:], o)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(s.out, result)
		}
		for _, m := range result.Models {
			fmt.Fprintln(s.out, exportText(m))
		}
		return nil
	}
}

// exportText describes an exported model for people.
func exportText(m triton.Summary) string {
	words := []string{m.Path}
	for _, p := range slices.Concat(m.Inputs, m.Outputs) {
		words = append(words, fmt.Sprintf("  %-9s %s %v", p.Name, p.DType, p.Shape))
	}
	if m.MaxBatch > 0 {
		words = append(words, fmt.Sprintf("  batches of up to %d", m.MaxBatch))
	}
	if m.Plugin != "" {
		words = append(words, "  op library "+m.Plugin)
	}
	return strings.Join(words, "\n")
}

// exportJob writes the job of a search for a scheduler, to a file or to stdout.
func exportJob(s streams, scheduler string, args []string, out string, o search.JobOptions) error {
	dir, err := oneArg(args, "folder of a search")
	if err != nil {
		return err
	}
	text, err := bnc.ExportJob(scheduler, dir, o)
	if err != nil {
		return err
	}
	if out == "" || out == standardOutput {
		return s.writeFile(standardOutput, text)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o777); err != nil {
		return err
	}
	if err := s.writeFile(out, text); err != nil {
		return err
	}
	fmt.Fprintln(s.out, out)
	return nil
}
