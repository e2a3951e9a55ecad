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
	args:  "triton|slurm|k8s ...",
	short: "Write a model repository for Triton, or a search as a job",
	long: `
Examples:
  bnc export triton resnet50-rb1-c1-s2 -o repository
  bnc export slurm found --cpus 8 --time 12:00:00 -o search.sbatch
  bnc export k8s found --image registry/bnc:1 --claim shared -o search.yaml`,
	setup: func(*pflag.FlagSet) func(context.Context, streams, []string) error {
		return func(_ context.Context, _ streams, args []string) error {
			return usagef("expected what to export to, then bundles: bnc export triton BUNDLE... -o REPO, bnc export slurm DIR or bnc export k8s DIR; found %s", argumentsText(args))
		}
	},
	subs: []command{exportTritonCommand, exportSlurmCommand, exportK8sCommand},
}

var exportTritonCommand = command{
	name:  "triton",
	args:  "BUNDLE|MODEL... -o REPO [FLAGS]",
	short: "Write cloud halves as a model repository for Triton",
	long: `
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

Examples:
  bnc export triton resnet50-rb1-c1-s2 -o repository
  docker run -v $PWD/repository:/models nvcr.io/nvidia/tritonserver:TAG \
      tritonserver --model-repository=/models
  bnc export triton net-rb1 net-rb4 -o repo --mounted-at /mnt/models --max-batch 16
  bnc export triton net-rb1 -o repo --plugin /opt/bnc/libbnc_ops.so --kind gpu`,
	setup: setupExportTriton,
}

// sharedFolder is what both kinds of jobs want.
const sharedFolder = `
The candidates of a plan of bnc search, as one job for each. DIR must be seen by all
machines under the name that is given here, as must be the model and the images under
those that the plan was made with`

var exportSlurmCommand = command{
	name:  search.Slurm,
	args:  "DIR [-o FILE] [FLAGS]",
	short: "Write a search as an array job for Slurm",
	long: sharedFolder + `.

Example:
  bnc export slurm found --cpus 8 --time 12:00:00 -o search.sbatch`,
	setup: func(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
		var o search.JobOptions
		fs.StringVar(&o.Partition, "partition", "", "the partition")
		fs.StringVar(&o.Limit, "time", "", "time limit of a task, such as 12:00:00")
		return setupJob(fs, search.Slurm, &o)
	},
}

var exportK8sCommand = command{
	name:  search.Kubernetes,
	args:  "DIR --image IMAGE --claim CLAIM [-o FILE] [FLAGS]",
	short: "Write a search as an Indexed Job for Kubernetes",
	long: sharedFolder + `,
all of them relative to the shared volume.

Example:
  bnc export k8s found --image registry/bnc:1 --claim shared -o search.yaml`,
	setup: func(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
		var o search.JobOptions
		o.Attempts = new(6)
		fs.StringVar(&o.Image, "image", "", "container image that holds bnc")
		fs.StringVar(&o.Claim, "claim", "", "persistent volume claim that holds model, images and the search's folder")
		fs.StringVar(&o.At, "volume-at", "/work", "where the volume is mounted; names in the plan are relative to it")
		fs.IntVar(o.Attempts, "attempts", *o.Attempts, "times that a failing candidate is tried again")
		return setupJob(fs, search.Kubernetes, &o)
	},
}

func setupExportTriton(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o bnc.TritonOptions
	o.MaxDelay = new(2 * time.Millisecond)
	fs.StringVarP(&o.Repository, "output", "o", "", "folder of the model repository")
	fs.IntVar(&o.MaxBatch, "max-batch", 8, "most images that are run at once; 1 for no batching")
	fs.DurationVar(o.MaxDelay, "max-delay", *o.MaxDelay, "how long a request waits for others to join it")
	fs.IntVar(&o.Instances, "instances", 1, "copies of the model that run at the same time")
	fs.StringVar(&o.Kind, "kind", "cpu", "where the model runs: cpu, gpu")
	fs.StringVar(&o.MountedAt, "mounted-at", "/models", "where the server will see REPO")
	fs.StringVar(&o.Plugin, "plugin", "", "the op library's path on the server, if it is there already")
	asJSON := fs.Bool("json", false, "print one JSON document")
	return func(ctx context.Context, s streams, args []string) error {
		if len(args) == 0 {
			return usagef("expected at least one bundle or model after %q", "triton")
		}
		if err := noStdout(o.Repository, "a folder"); err != nil {
			return err
		}
		if err := notZero(fs, "1 or more", "max-batch", "instances"); err != nil {
			return err
		}
		result, err := bnc.ExportTriton(ctx, args, o)
		if err != nil {
			return err
		}
		for _, line := range result.Notices {
			s.notice("%s", line)
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

// setupJob declares the flags of both kinds of jobs and returns what writes one.
func setupJob(fs *pflag.FlagSet, scheduler string, o *search.JobOptions) func(context.Context, streams, []string) error {
	fs.StringVar(&o.Name, "name", "bnc-search", "name of the job")
	fs.StringVar(&o.Program, "bnc", "bnc", "the program as the machines that run it find it")
	fs.IntVar(&o.CPUs, "cpus", 0, "cores of a task (default: the scheduler's)")
	fs.StringVar(&o.Memory, "memory", "", "memory of a task, in the scheduler's notation, such as 4G or 4Gi")
	fs.IntVar(&o.Parallel, "parallel", 0, "tasks at a time (default: the number of cuts; those of one cut wait for one another)")
	out := fs.StringP("output", "o", standardOutput, "file of the job, - for standard output")
	asJSON := fs.Bool("json", false, "print the file's name as one JSON document")
	return func(_ context.Context, s streams, args []string) error {
		dir, err := oneArg(args, "folder of a search")
		if err != nil {
			return err
		}
		said, err := s.beside(*out, *asJSON)
		if err != nil {
			return err
		}
		text, err := bnc.ExportJob(scheduler, dir, *o)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(*out), 0o777); err != nil {
			return err
		}
		if err := s.writeFile(*out, text); err != nil || *out == standardOutput {
			return err
		}
		if *asJSON {
			return printJSON(said.out, map[string]string{"file": *out})
		}
		fmt.Fprintln(said.out, *out)
		return nil
	}
}
