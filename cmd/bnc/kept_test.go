package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
)

// inKept copies testdata/kept, what an older bnc made (its make.sh), into a folder of
// the test's own and works there: what it holds names files relative to itself.
func inKept(t *testing.T) {
	t.Helper()
	plugin(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../testdata/kept")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
}

// TestKeptSays: of what an older bnc made, every command says what that bnc said.
func TestKeptSays(t *testing.T) {
	inKept(t)
	list, err := os.Open("commands.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	said := map[string]bool{}
	for lines := bufio.NewScanner(list); lines.Scan(); {
		name, args, _ := strings.Cut(lines.Text(), " ")
		said[name+".json"] = true
		t.Run(name, func(t *testing.T) {
			got := document(t, strings.Fields(args)...)
			b, err := os.ReadFile(filepath.Join("said", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var want map[string]any
			if err := json.Unmarshal(b, &want); err != nil {
				t.Fatal(err)
			}
			// Another processor sums in another order, which moves a score in its sixth
			// digit, and may tip a value between two levels of the quantiser over: float16
			// holds three digits, and of a whole set an image of 40 or half a byte may change.
			within := 1e-4
			switch {
			case strings.HasSuffix(name, "fp16"):
				within = 0.02
			case strings.HasPrefix(name, "eval"):
				within = 1.0 / 40
			}
			for _, difference := range kept(name, want, got, within) {
				t.Error(difference)
			}
		})
	}
	for name := range tree(t, "said") {
		if strings.HasSuffix(name, ".json") && !said[name] {
			t.Errorf("no command says %s", name)
		}
	}
	mustBnc(t, strings.Fields("report --profile device.json --cloud-profile server.json --results found/results.json --eval trained=said/eval-sweep.json --model trained.onnx -o page.html --markdown page.md")...)
	got, err := os.ReadFile("page.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("said/report.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the report is\n%s\nand was\n%s", got, want)
	}
}

// kept lists where got lacks what want has, or has another value: numbers may differ
// by within times their size, and at least by within. Times are left out.
func kept(where string, want, got any, within float64) (differences []string) {
	switch want := want.(type) {
	case map[string]any:
		got, _ := got.(map[string]any)
		for name, value := range want {
			differences = append(differences, kept(where+"."+name, value, got[name], within)...)
		}
	case []any:
		got, _ := got.([]any)
		if len(got) != len(want) {
			return []string{fmt.Sprintf("%s has %d elements, had %d", where, len(got), len(want))}
		}
		for i := range want {
			differences = append(differences, kept(fmt.Sprintf("%s[%d]", where, i), want[i], got[i], within)...)
		}
	case float64:
		if got, ok := got.(float64); !ok || math.Abs(got-want) > within*max(1, math.Abs(want)) {
			return []string{fmt.Sprintf("%s is %v, was %v", where, got, want)}
		}
	default:
		if !reflect.DeepEqual(got, want) {
			return []string{fmt.Sprintf("%s is %v, was %v", where, got, want)}
		}
	}
	return differences
}

// TestKeptPairs: what is split anew, without calibration, belongs together with what an
// older bnc split.
func TestKeptPairs(t *testing.T) {
	inKept(t)
	for name, flags := range map[string]string{
		"dynamic":     "--after q --c 2 --s 2",
		"device-host": "--after q --c 4 --s 1 --codec-at device-host --range dynamic",
		"plain":       "--after r --plain",
	} {
		mustBnc(t, strings.Fields("split stripes.onnx -o new-"+name+" "+flags)...)
		then, now := modelMeta(t, filepath.Join("bundles", name, "cloud.onnx")), modelMeta(t, filepath.Join("new-"+name, "cloud.onnx"))
		if then.Pair != now.Pair {
			t.Errorf("%s: pair %s, was %s", name, now.Pair, then.Pair)
		}
	}
}

// TestKeptTraining goes on from an older bnc's checkpoint: what comes out is the older
// bnc's training in one go, and that of today, bit for bit. On a processor that
// computes the steps before the kill otherwise, all losses are near.
func TestKeptTraining(t *testing.T) {
	inKept(t)
	args := func(dir string, more ...string) []string {
		return slices.Concat([]string{"train", dir, "--data", "set"}, long, more)
	}
	before, err := os.ReadFile("training/begun.train/log.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	old := trainedFiles(t, "training/whole")
	if err := os.CopyFS("today", os.DirFS("training/begun")); err != nil {
		t.Fatal(err)
	}
	mustBnc(t, args("today")...)
	mustBnc(t, args("training/begun", "--resume")...)
	today, resumed := trainedFiles(t, "today"), trainedFiles(t, "training/begun")
	for _, files := range []map[string]string{old, today, resumed} {
		withoutRecord(t, files)
	}
	if strings.HasPrefix(today["log"], timings.ReplaceAllString(string(before), "")) {
		for what, want := range map[string]map[string]string{"in one go today": today, "in one go then": old} {
			if !sameTree(resumed, want) {
				t.Errorf("other than %s: %v", what, different(resumed, want))
			}
		}
		return
	}
	got, want := losses(t, "training/begun"), losses(t, "training/whole")
	if len(got) != len(want) || len(want) == 0 {
		t.Fatalf("%d losses, were %d", len(got), len(want))
	}
	for i := range want {
		// A value in a thousand on the other side of two levels moves a loss near 1 by less.
		if math.Abs(got[i]-want[i]) > 0.05 {
			t.Errorf("losses %v, were %v", got, want)
		}
	}
}

// withoutRecord drops from a bundle's files the metadata that an older bnc wrote otherwise:
// the codec by its name alone, and no record of the bottleneck.
func withoutRecord(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if filepath.Ext(name) != ".onnx" {
			continue
		}
		var m onnxpb.ModelProto
		if err := proto.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		m.MetadataProps = slices.DeleteFunc(m.MetadataProps, func(p *onnxpb.StringStringEntryProto) bool {
			return p.GetKey() == "bnc.codec" || p.GetKey() == "bnc.bottleneck"
		})
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&m)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(b)
	}
}

// TestKeptSearch goes on with an older bnc's search that was killed in a training, by
// the same command, and does one that was only planned: the results are that bnc's.
func TestKeptSearch(t *testing.T) {
	inKept(t)
	const killed = "--cuts r,q --c 1,3 --s 1,2 --epochs 2 --batch 16 --flip off --seed 5 --max-loss 5 --margin 15 --checkpoint-every 1ns --threads 1"
	finished := tree(t, "begun/candidates")
	mustBnc(t, strings.Fields("search trained.onnx --data set -o begun "+killed)...)
	for name, text := range tree(t, "begun/candidates") {
		if was := finished[name]; strings.Contains(was, `"trained"`) && was != text {
			t.Errorf("%s was finished and is done again", name)
		}
	}
	sameResultsFile(t, "begun/results.json", "found/results.json")

	const flags = `--cuts q,r --c 2,full --s 2 --epochs 1 --batch 8 --distill --freeze backbone --lr 0.02 --optimizer adam --flip off --random-crop 1 --temperature 2
		--resize 12 --mean 0.4 --std 0.3 --quality 30 --bits 7 --codec-at device-host --restore-width 2 --limit 64 --val-limit 32 --max-loss 60 --margin 100 --seed 2 --threads 1`
	if err := os.Rename("planned/results.json", "planned.json"); err != nil {
		t.Fatal(err)
	}
	before := tree(t, "planned")["plan.json"]
	mustBnc(t, strings.Fields("search plan trained.onnx --data set -o planned "+flags)...)
	if tree(t, "planned")["plan.json"] != before {
		t.Error("the plan is written anew")
	}
	for i := range 4 {
		mustBnc(t, "search", "run", "-o", "planned", "--threads", "1", "--index", fmt.Sprint(i))
	}
	mustBnc(t, "search", "collect", "-o", "planned")
	sameResultsFile(t, "planned/results.json", "planned.json")

	_, stderr, code := tryBnc(t, strings.Fields("search plan trained.onnx --data set -o planned "+strings.Replace(flags, "--bits 7", "--bits 6", 1))...)
	if code != exitUsage || !strings.Contains(stderr, "holds another search") {
		t.Errorf("another plan: exit code %d, %s", code, stderr)
	}
}

// sameResultsFile compares the results of two searches but for times and for what the
// plan told its trainers. On another processor an image of 40 more or less may be right,
// and a byte more or less be sent.
func sameResultsFile(t *testing.T, gotFile, wantFile string) {
	t.Helper()
	read := func(file string) map[string]any {
		var doc map[string]any
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(spent.ReplaceAllString(string(b), `"$1": 0`)), &doc); err != nil {
			t.Fatal(err)
		}
		delete(doc, "settings")
		return doc
	}
	for _, difference := range kept(wantFile, read(wantFile), read(gotFile), 1.0/40) {
		t.Error(difference)
	}
}
