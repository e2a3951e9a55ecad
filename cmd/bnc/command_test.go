package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// everyCommand calls do with every command that has a help, its parents first.
func everyCommand(do func(c *cobra.Command)) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		do(c)
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(newRoot(streams{}))
}

// TestHelp: every command has examples and --json, says what its exit codes are and which
// variables it reads, and shows its flags with their defaults.
func TestHelp(t *testing.T) {
	everyCommand(func(c *cobra.Command) {
		path := strings.Fields(c.CommandPath())[1:]
		if c.Name() == "help" {
			return
		}
		out := mustBnc(t, append(slices.Clone(path), "--help")...)
		if !strings.Contains(out, "EXIT STATUS\n  0    done") || len(path) > 0 && !strings.Contains(out, "ENVIRONMENT\n") || strings.Contains(out, "(default [])") || strings.Contains(out, "(default )") {
			t.Errorf("%s\nexpected exit status, environment and no empty default", out)
		}
		if len(path) > 0 && !c.Hidden && (!strings.Contains(out, "\nExamples:\n") || !strings.Contains(out, "  "+c.CommandPath())) {
			t.Errorf("%s\nexpected examples", out)
		}
		if !c.HasSubCommands() && !c.Hidden && c.Name() != "completion" && !strings.Contains(out, "--json") {
			t.Errorf("%s\nexpected --json", out)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if len(path) > 0 && strings.Count(out, "--"+f.Name+" ")+strings.Count(out, "--"+f.Name+"[=") < 1 {
				t.Errorf("%s --help lacks --%s", c.CommandPath(), f.Name)
			}
		})
		if again := mustBnc(t, append([]string{"help"}, path...)...); again != out {
			t.Errorf("bnc help %v differs from its --help", path)
		}
	})
	if out := mustBnc(t, "split", "--help"); !strings.Contains(out, "(default 8)") || !strings.Contains(out, `(default "graph")`) || !strings.Contains(out, "\nBottleneck:\n") || !strings.Contains(out, "\nImages:\n") {
		t.Errorf("%s\nexpected defaults and groups", out)
	}
	if out := mustBnc(t, "run", "--help"); !strings.Contains(out, tokenVariable) {
		t.Errorf("%s\nexpected %s", out, tokenVariable)
	}
}

// TestTablesOfFlags: whatever a table says of flags and commands, there is such a one.
func TestTablesOfFlags(t *testing.T) {
	known := map[string]bool{}
	everyCommand(func(c *cobra.Command) {
		path := strings.TrimPrefix(c.CommandPath(), "bnc ")
		known[path] = true
		c.Flags().VisitAll(func(f *pflag.Flag) { known["--"+f.Name], known["--"+path+" "+f.Name] = true, true })
		c.InheritedFlags().VisitAll(func(f *pflag.Flag) { known["--"+f.Name] = true })
	})
	var used []string
	for _, g := range groups {
		for _, name := range g.flags {
			used = append(used, "--"+name)
		}
	}
	for name := range fileFlags {
		used = append(used, "--"+name)
	}
	for name := range valueFlags {
		used = append(used, "--"+name)
	}
	for path := range arguments {
		used = append(used, path)
	}
	for name := range numberBounds {
		used = append(used, "--"+name)
	}
	for _, name := range used {
		if !known[name] {
			t.Errorf("a table names %s, which there is not", name)
		}
	}
}

// TestSubCommands: what stands below a command has its own flags only, wherever they are.
func TestSubCommands(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args, says string
		code       int
	}{
		{"search run --index 0 -o " + dir, "plan.json", exitUnusable},
		{"search -o " + dir + " run --index 0", "plan.json", exitUnusable},
		{"search run -o " + dir + " --epochs 3", "search run: unknown flag: --epochs; see bnc search run --help", exitUsage},
		{"search collect -o " + dir + " --partal", "did you mean --partial?", exitUsage},
		{"export slurm x --max-batch 3", "unknown flag: --max-batch", exitUsage},
		{"help search plam", `no command "plam"; did you mean "plan"?`, exitUsage},
		{"help nosuch", `no command "nosuch"; see bnc --help`, exitUsage},
		{"nosuch --help", `no command "nosuch"`, exitUsage},
		{"--quiet splt", `did you mean "split"?`, exitUsage},
		{"--nosuch", "unknown flag: --nosuch; see bnc --help", exitUsage},
		{"split --qualty 3", "unknown flag: --qualty; did you mean --quality?; see bnc split --help", exitUsage},
		{"split --xyzzy", "unknown flag: --xyzzy; see bnc split --help", exitUsage},
		{"completion tcsh", "bash, zsh, fish or powershell", exitUsage},
	} {
		out, stderr, code := tryBnc(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stderr, c.says) || out != "" {
			t.Errorf("bnc %s: exit code %d, %s%s\nexpected %d and %q", c.args, code, out, stderr, c.code, c.says)
		}
	}
}

// TestVariables: BNC_FLAG is the value of a flag that is not given, a flag wins, and a
// wrong value names the variable.
func TestVariables(t *testing.T) {
	model, out := smallModel(t), filepath.Join(t.TempDir(), "b")
	split := func(args ...string) map[string]any {
		return document(t, append([]string{"split", model, "-o", out}, args...)...)
	}
	t.Setenv("BNC_AFTER", "rb2")
	t.Setenv("BNC_C", "3")
	t.Setenv("BNC_RESTORE_WIDTH", "") // as if it were not there
	reduced := func(d map[string]any) float64 { return d["reduced_shape"].([]any)[1].(float64) }
	if d := split(); d["cut"] != "rb2" || reduced(d) != 3 {
		t.Errorf("%v: expected rb2 with 3 channels", d)
	}
	if d := split("--after", "rb1", "--c", "2"); d["cut"] != "rb1" || reduced(d) != 2 {
		t.Errorf("%v: expected rb1 with 2 channels", d)
	}
	t.Setenv("BNC_C", "")
	for _, c := range []struct{ name, value, says string }{
		{"BNC_BITS", "x", `variable BNC_BITS: --bits "x": expected a whole number`},
		{"BNC_BITS", "9", "variable BNC_BITS: --bits 9: expected 2 to 8"},
		{"BNC_RESIZE", "-1", "--resize -1: expected 0 to 16384 (--resize is from the variable BNC_RESIZE)"},
		{"BNC_CODEC_AT", "moon", "expected one of graph, device-host, host (--codec-at is from the variable BNC_CODEC_AT)"},
		{"BNC_CALIB", t.TempDir(), "(--calib is from the variable BNC_CALIB)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(c.name, c.value)
			_, stderr, code := tryBnc(t, "split", model, "-o", out)
			if code != exitUsage && code != exitUnusable || !strings.Contains(stderr, c.says) {
				t.Errorf("exit code %d, %s\nexpected %q", code, stderr, c.says)
			}
		})
	}
}

// TestQuiet: notices and progress go, errors and results stay.
func TestQuiet(t *testing.T) {
	model, out := smallModel(t), filepath.Join(t.TempDir(), "b")
	stdout, stderr, code := tryBnc(t, "split", model, "--after", "rb1", "-o", out)
	if code != exitDone || !strings.Contains(stderr, "predicts noise") {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	for _, args := range [][]string{{"split", "--quiet"}, {"--quiet", "split"}} {
		quiet, stderr, code := tryBnc(t, append(args, model, "--after", "rb1", "-o", out)...)
		if code != exitDone || stderr != "" || quiet != stdout {
			t.Errorf("%v: exit code %d, %s%s", args, code, quiet, stderr)
		}
	}
	if _, stderr, code := tryBnc(t, "split", "--quiet", model, "--after", "rb99", "-o", out); code != exitUnusable || !strings.Contains(stderr, "rb9") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// TestVersion: the text is one line, the document tells what bnc runs with.
func TestVersion(t *testing.T) {
	library := plugin(t)
	if text := mustBnc(t, "version"); text != "bnc "+version+"\n" || mustBnc(t, "--version") != text {
		t.Errorf("%q", text)
	}
	d := document(t, "version")
	ort, ops := d["onnxruntime"].(map[string]any), d["plugin"].(map[string]any)
	if d["version"] != version || ort["version"] == "" || ort["path"] == "" || ops["path"] != library || !strings.HasPrefix(d["go"].(string), "go1.") {
		t.Errorf("%v", d)
	}
	hasKeys(t, "version", d, "commit go onnxruntime platform plugin version")
}

// TestCompletion: what a shell is told at several places of a command line.
func TestCompletion(t *testing.T) {
	model := smallModel(t)
	for _, c := range []struct {
		args  []string
		wants []string
		not   string
	}{
		{[]string{"s"}, []string{"split", "search", "select", "serve"}, "man"},
		{[]string{"m"}, []string{"models"}, "man"},
		{[]string{"search", ""}, []string{"plan", "run", "collect"}, "split"},
		{[]string{"help", "search", ""}, []string{"plan", "run", "collect"}, "split"},
		{[]string{"models", "resnet2"}, []string{"resnet20"}, "split"},
		{[]string{"split", model, "--after", "rb"}, []string{"rb1", "rb9"}, "models"},
		{[]string{"split", model, "--after", ""}, []string{"rb1", "cut1"}, "models"},
		{[]string{"split", "--codec-at", ""}, []string{"graph", "device-host", "host"}, "jpeg"},
		{[]string{"split", "--target", ""}, []string{"default", "tx2"}, "latency"},
		{[]string{"select", "--target", ""}, []string{"latency", "energy"}, "tx2"},
		{[]string{"split", ""}, []string{"onnx", ":8"}, "split"},     // files of that ending
		{[]string{"split", "--calib", ""}, []string{":16"}, "split"}, // folders
		{[]string{"split", "--qua"}, []string{"--quality"}, "--bits"},
		{[]string{"completion", ""}, []string{"bash", "zsh", "fish", "powershell"}, "split"},
	} {
		out := mustBnc(t, append([]string{cobra.ShellCompRequestCmd}, c.args...)...)
		var got []string
		for line := range strings.Lines(out) {
			name, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, name)
		}
		for _, want := range c.wants {
			if !slices.Contains(got, want) {
				t.Errorf("%q: %q, expected %s", c.args, got, want)
			}
		}
		if slices.Contains(got, c.not) {
			t.Errorf("%q: %q, expected no %s", c.args, got, c.not)
		}
	}
}

// TestCompletionScripts: what is written for a shell is its language, where it is there to
// say so.
func TestCompletionScripts(t *testing.T) {
	for shell := range shells {
		out := mustBnc(t, "completion", shell)
		if !strings.Contains(out, cobra.ShellCompRequestCmd) {
			t.Errorf("%s: the script does not ask bnc", shell)
		}
		path, err := exec.LookPath(shell)
		if err != nil || shell == "powershell" {
			continue
		}
		file := filepath.Join(t.TempDir(), shell)
		write(t, file, []byte(out))
		if said, err := exec.Command(path, "-n", file).CombinedOutput(); err != nil {
			t.Errorf("%s -n: %v\n%s", shell, err, said)
		}
	}
}

// TestManualPages: a page for every command, with its flags, examples, exit codes and
// variables; the same bytes each time.
func TestManualPages(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "0")
	dir, again := filepath.Join(t.TempDir(), "man"), t.TempDir()
	mustBnc(t, "man", dir)
	mustBnc(t, "man", again)
	pages := tree(t, dir)
	if !sameTree(pages, tree(t, again)) {
		t.Error("two runs differ")
	}
	everyCommand(func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" {
			return
		}
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		for _, want := range []string{".SH NAME", ".SH EXIT STATUS", ".SH ENVIRONMENT", "BNC_OPS_LIB", "--quiet"} {
			if !strings.Contains(strings.ReplaceAll(pages[name], `\-`, "-"), want) {
				t.Errorf("%s lacks %s", name, want)
			}
		}
	})
	if page := pages["bnc-split.1"]; !strings.Contains(page, ".SH EXAMPLE") || !strings.Contains(page, "--calib photos/") && !strings.Contains(page, `\-\-calib photos/`) {
		t.Errorf("%s\nexpected examples", page)
	}
	if _, err := os.Stat(filepath.Join(dir, "bnc-man.1")); err == nil {
		t.Error("a hidden command has a page")
	}
}
