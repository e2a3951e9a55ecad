package main

import (
	"cmp"
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
)

// bestOf runs a model on an input and returns where an output is largest.
func bestOf(t *testing.T, model, input, output string) int {
	t.Helper()
	r := open(t, model)
	f, err := feed.New(r.Inputs(), feed.Always(r.Meta().Preprocess))
	if err != nil {
		t.Fatal(err)
	}
	item, err := data.ReadItem(input)
	if err != nil {
		t.Fatal(err)
	}
	x, err := f.One(item)
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.Run(context.Background(), ort.Feed{f.Input(): x})
	if err != nil {
		t.Fatal(err)
	}
	y, err := out.Outputs.Tensor(output)
	if err != nil {
		t.Fatal(err)
	}
	values := oracletest.Floats(t, y)
	return slices.Index(values, slices.Max(values))
}

// TestRunScores: of a box and probabilities bnc run shows the classes of the latter, here
// and with a server, wherever the box leaves; --scores names another output.
func TestRunScores(t *testing.T) {
	plugin(t)
	net := stripedNet(t, 17, "float[batch,4] box, float[batch,4] y, float[batch,4] again", "q = Identity (r)",
		"b0 = Slice (f, zero, four, one) box = Neg (b0) sharp = Exp (s) y = Softmax (sharp) other = Neg (s) again = Softmax (other)")
	dir := t.TempDir()
	picture := stripeFolder(t, dir, 1, false, nil)[0]
	shown := map[string]int{"": bestOf(t, net, picture, "y")}
	for _, name := range []string{"box", "y", "again"} {
		shown[name] = bestOf(t, net, picture, name)
	}
	if shown["y"] == shown["box"] || shown["y"] == shown["again"] {
		t.Fatalf("the outputs tell the same: %v", shown)
	}
	subjects := []string{net}
	for name, flags := range map[string]string{
		"early": "--after sharp --plain", // box and again leave from the mobile half
		"late":  "--after r --plain",
		"coded": "--after r --c 6 --s 1 --quality 100 --calib " + stripes(t, 48, 8),
	} {
		subjects = append(subjects, filepath.Join(dir, name))
		mustBnc(t, slices.Concat([]string{"split", net, "-o", filepath.Join(dir, name)}, strings.Fields(flags))...)
	}
	s := serveHere(t, subjects...)
	for _, subject := range subjects {
		for name, want := range shown {
			if strings.HasSuffix(subject, "coded") { // its features are not quite the same
				want = bestOf(t, subject, picture, cmp.Or(name, "y"))
			}
			args := []string{subject, picture}
			if name != "" {
				args = append(args, "--scores", name)
			}
			for _, where := range [][]string{nil, {"--cloud", "http://" + s.HTTP, "--fallback=false"}} {
				got := cloudRuns(t, slices.Concat(args, where)...)
				if len(got) != 1 || len(got[0].Top) != 3 || got[0].Top[0].Class != want {
					t.Errorf("%s %v %v: %+v, the largest number of the output is %d", filepath.Base(subject), args[2:], where, got, want)
				}
			}
		}
		for _, where := range [][]string{nil, {"--cloud", "http://" + s.HTTP}} {
			if _, said, code := tryBnc(t, slices.Concat([]string{"run", subject, picture, "--scores", "nix"}, where)...); code != exitUnusable || !strings.Contains(said, `output "nix"`) {
				t.Errorf("%s: exit code %d: %s", subject, code, said)
			}
		}
	}
}

// TestEmbeddingsAreNoScores: vectors of length 1 are taught and judged as vectors; as classes
// they are neither trained nor judged, and bnc run shows no classes of them.
func TestEmbeddingsAreNoScores(t *testing.T) {
	plugin(t)
	net := several(t, "float[batch,4] emb", "n = ReduceL2 <axes = [1]> (s) emb = Div (s, n)")
	set := stripes(t, 32, 16)
	pair := splitAt(t, net, "--c", "2", "--s", "1")
	for _, args := range [][]string{
		{"train", net, "--data", set, "-o", filepath.Join(t.TempDir(), "o.onnx")},
		{"train", pair, "--data", set, "--scores", "emb"},
		{"train", pair, "--data", set, "--distill", "--task", "classify", "--scores", "emb"},
		{"eval", net, "--data", set, "--task", "classify"},
		{"eval", pair, "--data", set, "--task", "classify", "--scores", "emb"},
	} {
		if _, said, code := tryBnc(t, args...); code != exitUnusable || !strings.Contains(said, "embeddings") || !strings.Contains(said, `"emb"`) {
			t.Errorf("bnc %v: exit code %d: %s", args, code, said)
		}
	}
	picture := stripeFolder(t, t.TempDir(), 1, false, nil)[0]
	for _, subject := range []string{net, pair} {
		if out := mustBnc(t, "run", subject, picture); !strings.Contains(out, "emb float32[1 4]") {
			t.Errorf("bnc run: %s", out)
		}
		if _, said, code := tryBnc(t, "run", subject, picture, "--scores", "emb", "--task", "classify"); code != exitUnusable || !strings.Contains(said, "embeddings") {
			t.Errorf("bnc run --scores: exit code %d: %s", code, said)
		}
	}
	r := trained(t, append([]string{pair, "--data", set, "--distill"}, few...)...)
	got := evaluated(t, pair, "--data", set, "--teacher", net)
	if r.Task != "embed" || r.Top1 != nil || r.Primary.Name != "neighbour_top1" || *r.Labelled != r.Primary.Value || r.Outputs[1].Measure != "cosine" {
		t.Errorf("%+v", r)
	}
	// One value differs where the halves are compared in other batches.
	if got.Task != "embed" || got.Top1 != nil || math.Abs(got.Primary.Value-r.Primary.Value) > 1.0/16+1e-9 || math.Abs(*got.Agreement-*r.Agreement) > 1e-3 {
		t.Errorf("bnc eval says %+v, bnc train %+v", got, r)
	}
}
