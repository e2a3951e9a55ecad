package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/search"
)

// planned writes the plan of a search with 6 candidates at 2 cuts.
func planned(t *testing.T, dir string) {
	t.Helper()
	err := search.Dir(dir).WritePlan(&search.Plan{
		Format: search.PlanFormat, Kind: search.KindPlan, Settings: json.RawMessage("{}"), Model: "net.onnx", MaxLoss: 2,
		Candidates: search.Candidates([]search.Place{{Cut: "rb1", Tensor: "a"}, {Cut: "rb2", Tensor: "b"}}, []search.Size{{C: 1, S: 1}, {C: 2, S: 1}, {C: 4, S: 1}}, 0),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// TestExportSlurm runs the script with a program in bnc's place, as Slurm does:
// it is called with the task's index and cores, and its exit code is the script's,
// also where it is killed.
func TestExportSlurm(t *testing.T) {
	t.Chdir(t.TempDir())
	planned(t, "it's found")
	write(t, "fake bnc", []byte("#!/bin/sh\nprintf '%s|' \"$@\" >> called\ncase $SLURM_ARRAY_TASK_ID in 5) kill -KILL $$;; esac\nexit \"$SLURM_ARRAY_TASK_ID\"\n"))
	if err := os.Chmod("fake bnc", 0o755); err != nil {
		t.Fatal(err)
	}
	mustBnc(t, "export", "slurm", "it's found", "--bnc", "./fake bnc", "--cpus", "3", "--time", "1:00:00", "-o", "job/search.sbatch")
	for _, task := range []struct {
		index, cores, threads string
		code                  int
	}{
		{"0", "", "0", 0},
		{"1", "SLURM_CPUS_ON_NODE=2", "2", 1},
		{"3", "SLURM_CPUS_ON_NODE=4 SLURM_CPUS_PER_TASK=3", "3", 3},
		{"5", "SLURM_CPUS_ON_NODE=1", "1", 137},
	} {
		os.Remove("called")
		c := exec.Command("bash", "job/search.sbatch")
		c.Env = slices.Concat(os.Environ(), []string{"SLURM_ARRAY_TASK_ID=" + task.index}, strings.Fields(task.cores))
		out, err := c.CombinedOutput()
		if code := c.ProcessState.ExitCode(); code != task.code {
			t.Errorf("task %s: exit code %d, expected %d (%v)\n%s", task.index, code, task.code, err, out)
		}
		called, err := os.ReadFile("called")
		if want := "search|run|-o|it's found|--threads|" + task.threads + "|--index|" + task.index + "|"; string(called) != want {
			t.Errorf("task %s: called with %q, expected %q (%v)", task.index, called, want, err)
		}
	}
	script, err := os.ReadFile("job/search.sbatch")
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"--array=0-5%2", "--open-mode=append", "--requeue", "--cpus-per-task=3", "--time=1:00:00", "--chdir=" + here} {
		if !strings.Contains(string(script), "\n#SBATCH "+line+"\n") {
			t.Errorf("the script has no %s:\n%s", line, script)
		}
	}
	if strings.Contains(string(script), "--partition") {
		t.Error("a partition was not asked for")
	}
}

// TestExportKubernetes gives the manifest to the schemas of Kubernetes.
func TestExportKubernetes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "found")
	planned(t, dir)
	manifest := filepath.Join(t.TempDir(), "job.yaml")
	for _, more := range []string{"", "--cpus 4 --memory 4Gi --parallel 3 --attempts 2"} {
		mustBnc(t, append([]string{"export", "k8s", dir, "--image", "registry/bnc:1", "--claim", "shared", "-o", manifest}, strings.Fields(more)...)...)
		const check = `
import sys
try:
    import kubernetes_validate, yaml
except ImportError as e:
    print("missing", e); sys.exit(0)
job = yaml.safe_load(open(sys.argv[1]))
kubernetes_validate.validate(job, "1.31", strict=True)
broken = yaml.safe_load(open(sys.argv[1]))
broken["spec"]["completions"] = "six"
try:
    kubernetes_validate.validate(broken, "1.31", strict=True)
    print("a broken manifest passes")
except kubernetes_validate.ValidationError:
    s = job["spec"]
    c = s["template"]["spec"]["containers"][0]
    print(s["completions"], s["parallelism"], s["backoffLimitPerIndex"], s["completionMode"], " ".join(c["command"][5:]), c.get("resources"))
`
		out, err := exec.Command(cached(t, "BNC_ORACLE_PYTHON", "oracle/bin/python", "make deps-oracle"), "-c", check, manifest).CombinedOutput()
		got := strings.TrimSpace(string(out))
		if strings.HasPrefix(got, "missing") {
			t.Skipf("%s: make deps-oracle", got)
		}
		want := "6 2 6 Indexed --index $(JOB_COMPLETION_INDEX) None"
		if more != "" {
			want = "6 3 2 Indexed --threads 4 --index $(JOB_COMPLETION_INDEX) {'requests': {'cpu': 4, 'memory': '4Gi'}}"
		}
		if err != nil || got != want {
			t.Errorf("%q: found %q, expected %q (%v)", more, got, want, err)
		}
	}
}

func TestExportJobUsage(t *testing.T) {
	dir := t.TempDir()
	planned(t, dir)
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"slurm", exitUsage, "folder of a search"},
		{"slurm DIR/none", exitUnusable, "bnc search plan"},
		{"slurm DIR --name Big_Search", exitUsage, "--name"},
		{"slurm DIR --parallel -1", exitUsage, "--parallel"},
		{"k8s DIR", exitUsage, "--image and --claim"},
	} {
		args := strings.Fields(strings.ReplaceAll(c.args, "DIR", dir))
		if _, stderr, code := tryBnc(t, append([]string{"export"}, args...)...); code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("bnc export %s: exit code %d, %s", c.args, code, stderr)
		}
	}
}
