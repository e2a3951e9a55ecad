package search

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"text/template"

	"github.com/bottlenet/bnc/internal/fault"
)

// JobOptions say how the machines of a scheduler run a search. Options of the other
// scheduler have no effect.
type JobOptions struct {
	Name     string `json:"name,omitempty"`     // of the job; bnc-search
	Program  string `json:"bnc,omitempty"`      // as the machines that run it find it; bnc
	CPUs     int    `json:"cpus,omitempty"`     // cores of a task; the scheduler's default
	Memory   string `json:"memory,omitempty"`   // of a task, in the scheduler's notation, such as 4G or 4Gi
	Parallel int    `json:"parallel,omitempty"` // tasks at a time; the number of cuts, as those of one cut wait for one another

	Partition string `json:"partition,omitempty"` // Slurm's
	Limit     string `json:"time,omitempty"`      // Slurm's time limit of a task, such as 12:00:00

	Image    string `json:"image,omitempty"`     // Kubernetes' container image that holds bnc; needed
	Claim    string `json:"claim,omitempty"`     // persistent volume claim that holds model, images and the search's folder; needed
	At       string `json:"volume_at,omitempty"` // where the volume is mounted, names in the plan are relative to it; /work
	Attempts *int   `json:"attempts,omitempty"`  // times that a failing candidate is tried again; 6
}

// job is what the templates see.
type job struct {
	JobOptions
	Dir     string // of the search, as the tasks see it
	WorkDir string // that its names are relative to
	Last    int    // index
	Tasks   int
	Width   int
}

var (
	//go:embed jobslurm.tmpl
	slurmText string
	//go:embed jobk8s.tmpl
	k8sText string

	jobTemplates = map[string]*template.Template{Slurm: jobTemplate(Slurm, slurmText), Kubernetes: jobTemplate(Kubernetes, k8sText)}

	// jobNames are what both schedulers, and the header of a script, take.
	jobNames   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	headerText = regexp.MustCompile(`^[^\s"'\\]*$`)
)

// The schedulers that jobs are written for.
const (
	Slurm      = "slurm"
	Kubernetes = "k8s"
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

// check finds options that cannot be.
func (o JobOptions) check(scheduler string) error {
	if !jobNames.MatchString(o.Name) {
		return fault.Usage("name", "%q: expected at most 63 of a-z, 0-9 and -", o.Name)
	}
	for _, text := range [][2]string{{"memory", o.Memory}, {"partition", o.Partition}, {"time", o.Limit}} {
		if !headerText.MatchString(text[1]) {
			return fault.Usage(text[0], "%q: expected no spaces nor quotes", text[1])
		}
	}
	if o.CPUs < 0 || o.Parallel < 0 || *o.Attempts < 0 {
		return fault.Usage("cpus", "%d, option parallel %d, option attempts %d: expected 0 or more", o.CPUs, o.Parallel, *o.Attempts)
	}
	if scheduler == Kubernetes && (o.Image == "" || o.Claim == "") {
		return fault.Usage("image", "and option claim are needed: the image that holds bnc, and the volume that the pods share")
	}
	return nil
}

// Job returns the text that lets a scheduler, Slurm or Kubernetes, run the candidates of
// the search in dir: a batch script with an array, or an Indexed Job. Dir is as the tasks
// see it; Slurm's are relative to the working directory. Options that cannot be are a
// fault.UsageError.
func (d Dir) Job(scheduler string, o JobOptions) ([]byte, error) {
	if strings.ContainsAny(string(d), "\r\n") {
		return nil, fault.Usage("", "%q: a folder's name may have no line breaks", string(d))
	}
	o.Name, o.Program, o.At = cmp.Or(o.Name, "bnc-search"), cmp.Or(o.Program, "bnc"), cmp.Or(o.At, "/work")
	if o.Attempts == nil {
		o.Attempts = new(6)
	}
	if err := o.check(scheduler); err != nil {
		return nil, err
	}
	p, err := OpenPlan(d.PlanFile())
	if err != nil {
		return nil, fault.Unusable("%w; bnc search plan writes it", err)
	}
	j := job{JobOptions: o, Dir: string(d), WorkDir: o.At, Last: len(p.Candidates) - 1, Tasks: len(p.Candidates), Width: o.Parallel}
	if j.Width == 0 {
		j.Width = len(p.Places())
	}
	if scheduler == Slurm {
		if j.WorkDir, err = os.Getwd(); err != nil {
			return nil, err
		}
		if !headerText.MatchString(j.WorkDir) {
			return nil, fault.Usage("", "the working directory %q has spaces or quotes in its name, which the header of a Slurm script cannot hold", j.WorkDir)
		}
	}
	var text bytes.Buffer
	err = jobTemplates[scheduler].Execute(&text, j)
	return text.Bytes(), err
}
