package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
)

// TestTrainExitCodes: wrong usage is 2, what cannot be used 3; nothing is written.
func TestTrainExitCodes(t *testing.T) {
	plugin(t)
	net, set := stripeNet(t), stripes(t, 32, 8)
	dir, plain := splitAt(t, net), splitAt(t, net, "--plain")
	out := filepath.Join(t.TempDir(), "o.onnx")
	sigmoid := fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,1,12,12] x) => (float[batch,4] y) <`+initsFor("4,1,3,3 w 0 1")+`> {
		a = Conv (x, w)
		p = GlobalAveragePool (a)
		f = Flatten (p)
		y = Sigmoid (f)
	}`, nil)
	other := splitAt(t, net)
	write(t, filepath.Join(other, "notes.txt"), []byte("mine"))
	before := tree(t, dir)
	for _, c := range []struct {
		args    string
		code    int
		message string
	}{
		{"", 2, "one bundle or model"},
		{"NET NET --data SET", 2, "2 arguments"},
		{"BUNDLE", 2, "--data"},
		{"NET --data SET", 2, "-o FILE"},
		{"NET --data SET -o OUT --freeze backbone", 2, "--freeze backbone has a meaning for bundles only"},
		{"NET --data SET -o OUT --naive", 2, "bundles only"},
		{"NET --data SET -o OUT --no-calib", 2, "bundles only"},
		{"NET --data SET -o OUT --range static", 2, "bundles only"},
		{"NET --data SET -o OUT --distill", 2, "--teacher"},
		{"NET --data SET -o OUT --teacher NET", 2, "--distill"},
		{"BUNDLE/cloud.onnx --data SET -o OUT", 3, "give the folder"},
		{"BUNDLE/bottlenet.onnx --data SET", 2, "give the folder"},
		{"BUNDLE --data SET --freeze head", 2, "none, backbone, before, mobile, cloud"},
		{"BUNDLE --data SET --loss hinge", 2, "cross-entropy"},
		{"BUNDLE --data SET --loss distill", 2, "--loss"},
		{"BUNDLE --data SET --optimizer lion", 2, "adamw"},
		{"BUNDLE --data SET --schedule linear", 2, "cosine"},
		{"BUNDLE --data SET --range wide", 2, "dynamic"},
		{"BUNDLE --data SET --layout nhwc", 2, "chwn"},
		{"BUNDLE --data SET --flip maybe", 2, "--flip"},
		{"BUNDLE --data SET --statistics some", 2, "running"},
		{"BUNDLE --data SET --epochs 0", 2, "--epochs"},
		{"BUNDLE --data SET --epochs x", 2, "epochs"},
		{"BUNDLE --data SET --batch 0", 2, "--batch"},
		{"BUNDLE --data SET --batch -4", 2, "--batch"},
		{"BUNDLE --data SET --lr 0", 2, "--lr"},
		{"BUNDLE --data SET --lr -1", 2, "--lr"},
		{"BUNDLE --data SET --lr NaN", 2, "--lr"},
		{"BUNDLE --data SET --lr Inf", 2, "--lr"},
		{"BUNDLE --data SET --momentum 1", 2, "--momentum"},
		{"BUNDLE --data SET --weight-decay -1", 2, "--weight-decay"},
		{"BUNDLE --data SET --clip-norm -1", 2, "--clip-norm"},
		{"BUNDLE --data SET --ema 1", 2, "--ema"},
		{"BUNDLE --data SET --label-smoothing 1", 2, "--label-smoothing"},
		{"BUNDLE --data SET --val-split 1", 2, "--val-split"},
		{"BUNDLE --data SET --temperature 0", 2, "--temperature"},
		{"BUNDLE --data SET --warmup NaN", 2, "--warmup"},
		{"BUNDLE --data SET --patience -1", 2, "--patience"},
		{"BUNDLE --data SET --checkpoint-every -1s", 2, "--checkpoint-every"},
		{"BUNDLE --data SET --random-resized-crop 2,1", 2, "--random-resized-crop"},
		{"BUNDLE --data SET --random-resized-crop 0.5", 2, "--random-resized-crop"},
		{"BUNDLE --data SET --nesterov --momentum 0", 2, "--momentum"},
		{"BUNDLE --data SET --temperature Inf", 2, "--temperature"},
		{"BUNDLE --data SET --random-crop -2", 2, "--random-crop"},
		{"OTHER --data SET", 2, "notes.txt"},
		{"BUNDLE --data SET -o OTHER", 2, "notes.txt"},
		{"NET --data SET -o OTHER", 2, "is a folder"},
		{"BUNDLE --data SET -o NET", 2, "is no bundle"},
		{"BUNDLE --data SET --labels nowhere.txt", 3, "nowhere.txt"},
		{"BUNDLE --data SET --temperature 2", 2, "--distill"},
		{"BUNDLE --data SET --epochs 0 --quality 5 --resume", 2, "--resume"},
		{"PLAIN --data SET", 2, "nothing to train"},
		{"BUNDLE --data nowhere", 3, "nowhere"},
		{"nowhere --data SET", 3, "nowhere"},
		{"nowhere.onnx --data SET -o OUT", 3, "nowhere.onnx"},
		{"SIGMOID --data SET -o OUT", 3, "Sigmoid"},
		{"BUNDLE --data SET --batch 64", 3, "less than one batch"},
		{"BUNDLE --data SET --val nowhere", 3, "nowhere"},
		{"BUNDLE --data SET --crop 30x30", 3, "crop"},
	} {
		line := strings.NewReplacer("BUNDLE", dir, "PLAIN", plain, "OTHER", other, "NET", net, "SIGMOID", sigmoid, "SET", set, "OUT", out).Replace(c.args)
		stdout, stderr, code := tryBnc(t, append([]string{"train"}, strings.Fields(line)...)...)
		if code != c.code || !strings.Contains(stderr, c.message) || stdout != "" {
			t.Errorf("bnc train %s: exit code %d, expected %d with %q\nstdout: %s\nstderr: %s", c.args, code, c.code, c.message, stdout, stderr)
		}
	}
	if _, err := os.Stat(out); err == nil || !sameTree(before, tree(t, dir)) {
		t.Errorf("a failed command wrote the model (%v) or the bundle", err)
	}
	for _, d := range []string{filepath.Dir(dir), filepath.Dir(out)} {
		if left, err := filepath.Glob(filepath.Join(d, "*.train")); err != nil || len(left) > 0 {
			t.Errorf("failed commands left %v (%v)", left, err)
		}
	}
}

// TestTrainJSON holds the document of the command contract, the log and the
// training's folder.
func TestTrainJSON(t *testing.T) {
	plugin(t)
	net, set := stripeNet(t), stripes(t, 32, 8)
	flat := t.TempDir()
	stripeFolder(t, flat, 40, false, nil)
	out := filepath.Join(t.TempDir(), "o.onnx")
	dir := splitAt(t, net)
	for _, c := range []struct {
		args  []string
		dest  string
		nulls string
	}{
		{[]string{net, "--data", set, "-o", out}, out, "agreement payload_bytes"},
		{[]string{dir, "--data", set}, dir, "agreement"},
		{[]string{dir, "--data", flat, "--distill", "--teacher", net}, dir, "top1"},
		{[]string{dir, "--data", flat, "--distill", "--teacher", net, "--val-split", "0"}, dir, "agreement payload_bytes primary start top1"},
		{[]string{net, "--data", set, "-o", out, "--distill", "--teacher", net}, out, "payload_bytes"},
	} {
		d := document(t, slices.Concat([]string{"train"}, c.args, few)...)
		hasKeys(t, "train", d, "agreement epochs images images_per_second kept_epoch payload_bytes primary start task top1")
		epochs := d["epochs"].([]any)
		if len(epochs) != 2 {
			t.Fatalf("%v", epochs)
		}
		for i, e := range epochs {
			e := e.(map[string]any)
			hasKeys(t, "epoch", e, "agreement epoch loss lr payload_bytes primary seconds top1 train_top1")
			if e["epoch"] != float64(i+1) || e["loss"].(float64) <= 0 || e["seconds"].(float64) <= 0 {
				t.Errorf("%v: epoch %v", c.args, e)
			}
			for _, name := range []string{"top1", "agreement", "payload_bytes"} {
				null := slices.Contains(strings.Fields(c.nulls), name)
				if (e[name] == nil) != null || (d[name] == nil) != null {
					t.Errorf("%v: %s is %v and %v", c.args, name, e[name], d[name])
				}
			}
		}
		if n := d["images"].(float64); n != 32 && n != 34 && n != 40 { // the 40 of flat: 15% judge, or none
			t.Errorf("%v: %v images", c.args, n)
		}
		if null := slices.Contains(strings.Fields(c.nulls), "start"); (d["start"] == nil) != null {
			t.Errorf("%v: start is %v", c.args, d["start"])
		}
		if d["images_per_second"].(float64) <= 0 {
			t.Errorf("%v: %v images a second", c.args, d["images_per_second"])
		}
		folder := strings.TrimSuffix(c.dest, ".onnx") + ".train"
		files := tree(t, folder)
		if !slices.Equal(names(files), []string{".", "curves.html", "log.jsonl"}) {
			t.Errorf("%v: the folder has %v", c.args, names(files))
		}
		checkLog(t, files["log.jsonl"], epochs)
		if page := files["curves.html"]; !strings.Contains(page, "<svg") || !strings.Contains(page, "</html>") {
			t.Errorf("%v: the page of curves:\n%.500s", c.args, page)
		}
	}
}

// checkLog demands lines of steps in order, and the epochs as they were told.
func checkLog(t *testing.T, log string, epochs []any) {
	t.Helper()
	step, done := 0, 0
	for line := range strings.Lines(log) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if _, isStep := l["step"]; !isStep {
			if asJSON(t, l) != asJSON(t, epochs[done]) {
				t.Errorf("the log has the epoch %v, the document %v", l, epochs[done])
			}
			done++
			continue
		}
		hasKeys(t, "step", l, "epoch loss lr norm step")
		if step++; l["step"] != float64(step) || l["epoch"] != float64(done+1) {
			t.Errorf("step %d in epoch %d is %v", step, done+1, l)
		}
	}
	if done != len(epochs) || step == 0 {
		t.Errorf("%d epochs and %d steps in the log", done, step)
	}
}

// TestTrainSameBytes trains twice, by threads that do things in other orders.
func TestTrainSameBytes(t *testing.T) {
	plugin(t)
	net, set := stripeNet(t), stripes(t, 48, 16)
	start := splitAt(t, net, "--c", "2", "--s", "2")
	a, b, c := copyOf(t, start), copyOf(t, start), copyOf(t, start)
	mustBnc(t, slices.Concat([]string{"train", a, "--data", set}, few)...)
	mustBnc(t, slices.Concat([]string{"train", b, "--data", set}, few)...)
	mustBnc(t, slices.Concat([]string{"train", c, "--data", set}, few, []string{"--seed", "4"})...)
	if x, y := trainedFiles(t, a), trainedFiles(t, b); !sameTree(x, y) {
		t.Errorf("the same training gives other %v", different(x, y))
	}
	if sameTree(tree(t, a), tree(t, c)) {
		t.Error("another seed gives the same")
	}
}

// TestTrainDiverges: a learning rate that is far too large ends with a message,
// and the bundle stays what it was.
func TestTrainDiverges(t *testing.T) {
	plugin(t)
	net, set := stripeNet(t), stripes(t, 128, 16)
	dir := splitAt(t, net)
	before := tree(t, dir)
	unjudged := t.TempDir()
	if err := os.CopyFS(unjudged, os.DirFS(set)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"images-idx3", "labels-idx1"} {
		if err := os.Rename(filepath.Join(unjudged, "train-"+name+"-ubyte"), filepath.Join(unjudged, name+"-ubyte")); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(unjudged, "t10k-"+name+"-ubyte")); err != nil {
			t.Fatal(err)
		}
	}
	for _, flags := range [][]string{{set, "--lr", "1e6"}, {set, "--lr", "1e30"}, {unjudged, "--val-split", "0", "--lr", "1e6", "--epochs", "1"}} {
		said, code := trainOn(t, dir, flags[0], append(flags[1:], "--warmup", "0")...)
		if code != exitFailed || !strings.Contains(said, "learning rate halved") || !strings.Contains(said, "a smaller --lr") || !sameTree(before, tree(t, dir)) {
			t.Errorf("%v: exit code %d: %s", flags[1:], code, said)
		}
	}
}

// TestTrainDeadBottleneck: a reduction of zeros gives every image the same tile.
func TestTrainDeadBottleneck(t *testing.T) {
	plugin(t)
	net, set := stripeNet(t), stripes(t, 32, 16)
	dir := splitAt(t, net, "--c", "2", "--s", "1")
	joined := filepath.Join(dir, "bottlenet.onnx")
	m, err := onnx.Load(joined)
	if err != nil {
		t.Fatal(err)
	}
	weight := m.Graph.Value("bnc.reduce.channel.weight")
	m.Graph.SetInit(weight, ir.Float32s(make([]float32, weight.Init().Len()), weight.Init().Dims()...))
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	write(t, joined, b)
	said, code := trainOn(t, dir, set, "--no-calib", "--freeze", "mobile")
	if code != exitDone || !strings.Contains(said, "the bottleneck is dead") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if said, code := trainOn(t, splitAt(t, net, "--c", "2", "--s", "1"), set); code != exitDone || strings.Contains(said, "dead") {
		t.Errorf("calibrated: exit code %d: %s", code, said)
	}
}
