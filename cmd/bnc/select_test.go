package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/plan"
)

// TestSelectPaper: rb1 on the paper's networks, in every form of output, and its
// improvements beside the model's.
func TestSelectPaper(t *testing.T) {
	for _, target := range []string{"latency", "energy", "weighted"} {
		var r plan.Selection
		if err := json.Unmarshal([]byte(mustBnc(t, "select", "--profile", "paper", "--target", target, "--json")), &r); err != nil {
			t.Fatal(err)
		}
		if len(r.Choices) != 3 || len(r.Table) != 48 || len(r.Baselines) != 6 || r.Choice == nil || r.Choice.Network != "3g" {
			t.Fatalf("%+v", r)
		}
		for _, c := range r.Choices {
			if c.Cut != "rb1" {
				t.Errorf("%s, %s: %s", target, c.Network, c.Cut)
			}
		}
	}
	text := mustBnc(t, "select", "--profile", "paper")
	for _, want := range []string{"52.9x (63x)", "20.8x (21x)", "8.47x (8x)", "59x (47x)", "41x (41x)", "24.8x (31x)", "345.28 (310.1)"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, "*") != (strings.HasPrefix(line, "rb1 ")) {
			t.Errorf("the mark is wrong: %s", line)
		}
	}
	if text := mustBnc(t, "select", "--profile", "paper", "--markdown"); !strings.Contains(text, "| **3.72** | **5.85** |") {
		t.Error(text)
	}
	rows, err := csv.NewReader(strings.NewReader(mustBnc(t, "select", "--profile", "paper", "--csv"))).ReadAll()
	if err != nil || len(rows) != 49 || rows[1][0] != "rb1" || rows[1][12] != "true" {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// TestSelectRefuses: wrong usage is 2, files that do not fit are 3, limits that
// nothing keeps 1, with the table.
func TestSelectRefuses(t *testing.T) {
	dir := t.TempDir()
	results := filepath.Join(dir, "search.json")
	if err := os.WriteFile(results, []byte(`{"format": 1, "kind": "search", "model": "other.onnx", "source_sha256": "ff", "candidates": []}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args    string
		code    int
		message string
	}{
		{"", 2, "--profile"},
		{"--profile paper --network 6g", 2, "known names are 3g"},
		{"--profile paper --target speed", 2, "expected one of latency"},
		{"--profile paper --target weighted --weight 2", 2, "--weight"},
		{"--profile paper --load-cloud -1", 2, "--load-cloud"},
		{"--profile paper --load-mobile NaN", 2, "--load-mobile"},
		{"--profile paper --json --csv", 2, "exclude each other"},
		{"--profile paper more", 2, "flags only"},
		{"--profile papers", 3, "expected a file of bnc profile or one of paper"},
		{"--profile paper --results " + results, 3, "results are of other.onnx"},
		{"--profile paper --results " + dir + "/none.json", 3, "none.json"},
		{"--profile " + results, 3, `expected "profile"`},
		{"--profile paper --network " + results, 2, `expected "network"`},
		{"--profile paper --target energy --network 1Mbit", 3, "no power model"},
		{"--profile paper --max-latency 2", 1, "no cut keeps the limits on 3g"},
	} {
		out, stderr, code := tryBnc(t, append([]string{"select"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stderr, c.message) || (out != "") != (c.code == exitFailed) {
			t.Errorf("select %s: code %d, %s%s; want %d and %q", c.args, code, out, stderr, c.code, c.message)
		}
	}
}
