package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/bottlenet/bnc/runtime/search"
	"github.com/spf13/pflag"
)

// jobOptions are the flags of bnc export slurm and bnc export k8s.
type jobOptions struct {
	Name, Program, Memory    string
	CPUs, Parallel, Attempts int
	Partition, Limit         string // Slurm's
	Image, Claim, At         string // Kubernetes'
}

func (o *jobOptions) declare(fs *pflag.FlagSet) {
	fs.StringVar(&o.Name, "name", "bnc-search", "slurm, k8s: name of the job")
	fs.StringVar(&o.Program, "bnc", "bnc", "slurm, k8s: the program as the machines that run it find it")
	fs.IntVar(&o.CPUs, "cpus", 0, "slurm, k8s: cores of a task (default: the scheduler's)")
	fs.StringVar(&o.Memory, "memory", "", "slurm, k8s: memory of a task, in the scheduler's notation, such as 4G or 4Gi")
	fs.IntVar(&o.Parallel, "parallel", 0, "slurm, k8s: tasks at a time (default: the number of cuts; those of one cut wait for one another)")
	fs.StringVar(&o.Partition, "partition", "", "slurm: partition")
	fs.StringVar(&o.Limit, "time", "", "slurm: time limit of a task, such as 12:00:00")
	fs.StringVar(&o.Image, "image", "", "k8s: container image that holds bnc")
	fs.StringVar(&o.Claim, "claim", "", "k8s: persistent volume claim that holds model, images and the search's folder")
	fs.StringVar(&o.At, "volume-at", "/work", "k8s: where the volume is mounted; names in the plan are relative to it")
	fs.IntVar(&o.Attempts, "attempts", 6, "k8s: times that a failing candidate is tried again")
}

// job is what the templates see.
type job struct {
	jobOptions
	Dir     string // of the search, as the tasks see it
	WorkDir string // that its names are relative to
	Last    int    // index
	Tasks   int
	Width   int
}

var (
	//go:embed exportslurm.tmpl
	slurmText string
	//go:embed exportk8s.tmpl
	k8sText string

	jobTemplates = map[string]*template.Template{"slurm": jobTemplate("slurm", slurmText), "k8s": jobTemplate("k8s", k8sText)}

	// jobNames are what both schedulers, and the header of a script, take.
	jobNames   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	headerText = regexp.MustCompile(`^[^\s"'\\]*$`)
)

func jobTemplate(name, text string) *template.Template {
	return template.Must(template.New(name).Funcs(template.FuncMap{"shell": shellQuote, "json": jsonQuote}).Parse(text))
}

// shellQuote is a string as one word of a shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// jsonQuote is a string as JSON, and so as YAML.
func jsonQuote(s string) (string, error) {
	b, err := json.Marshal(s)
	return string(b), err
}

// exportJob writes the job of a search for a scheduler, to a file or to stdout.
func exportJob(s streams, scheduler string, args []string, out string, o jobOptions) error {
	dir, err := oneArg(args, "folder of a search")
	if err != nil {
		return err
	}
	if strings.ContainsAny(dir, "\r\n") {
		return usagef("%q: a folder's name may have no line breaks", dir)
	}
	if !jobNames.MatchString(o.Name) {
		return usagef("--name %q: expected at most 63 of a-z, 0-9 and -", o.Name)
	}
	for flag, value := range map[string]string{"memory": o.Memory, "partition": o.Partition, "time": o.Limit} {
		if !headerText.MatchString(value) {
			return usagef("--%s %q: expected no spaces nor quotes", flag, value)
		}
	}
	if o.CPUs < 0 || o.Parallel < 0 || o.Attempts < 0 {
		return usagef("--cpus %d, --parallel %d, --attempts %d: expected 0 or more", o.CPUs, o.Parallel, o.Attempts)
	}
	if scheduler == "k8s" && (o.Image == "" || o.Claim == "") {
		return usagef("--image and --claim are needed: the image that holds bnc, and the volume that the pods share")
	}
	p, err := search.OpenPlan(search.Dir(dir).PlanFile())
	if err != nil {
		return unusablef("%w; bnc search plan writes it", err)
	}
	j := job{jobOptions: o, Dir: dir, WorkDir: o.At, Last: len(p.Candidates) - 1, Tasks: len(p.Candidates), Width: o.Parallel}
	if j.Width == 0 {
		j.Width = len(p.Places())
	}
	if scheduler == "slurm" {
		if j.WorkDir, err = os.Getwd(); err != nil {
			return err
		}
		if !headerText.MatchString(j.WorkDir) {
			return usagef("the working directory %q has spaces or quotes in its name, which the header of a Slurm script cannot hold", j.WorkDir)
		}
	}
	var text bytes.Buffer
	if err := jobTemplates[scheduler].Execute(&text, j); err != nil {
		return err
	}
	if out == "" || out == standardOutput {
		_, err := s.out.Write(text.Bytes())
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o777); err != nil {
		return err
	}
	if err := s.writeFile(out, text.Bytes()); err != nil {
		return err
	}
	fmt.Fprintln(s.out, out)
	return nil
}
