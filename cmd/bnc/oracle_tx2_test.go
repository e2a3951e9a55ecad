package main

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// newerModels writes small models with operators newer than operator set 13.
func newerModels(t *testing.T) (takes, refuses []newerModel) {
	t.Helper()
	var models struct{ Takes, Refuses []newerModel }
	askOracle(t, "oracle_tx2_models.py", map[string]string{"dir": t.TempDir()}, &models)
	if len(models.Takes) == 0 || len(models.Refuses) == 0 {
		t.Fatal("no models")
	}
	return models.Takes, models.Refuses
}

type newerModel struct {
	Name, Path string
	Op         string // that cannot be converted
}

// TestTX2Lowering converts operators of newer operator sets and compares what
// the mobile half computes, in operator set 13, with the source model.
func TestTX2Lowering(t *testing.T) {
	takes, _ := newerModels(t)
	var jobs []map[string]string
	for _, m := range takes {
		dir := filepath.Join(t.TempDir(), "b")
		mustBnc(t, "split", m.Path, "--after", "cut", "--c", "3", "--s", "2", "--target", "tx2", "-o", dir)
		jobs = append(jobs, map[string]string{
			"name": m.Name, "model": m.Path, "mobile": filepath.Join(dir, "mobile.onnx"), "tensor": "cut",
		})
	}
	oracle(t, "oracle_tx2.py", jobs, 2*len(jobs))
}

// TestTX2Refuses demands exit code 3 and the node's name and operator where an
// operator has no equal in operator set 13, or TensorRT 8 does not parse it.
func TestTX2Refuses(t *testing.T) {
	_, refuses := newerModels(t)
	for _, m := range refuses {
		dir := filepath.Join(t.TempDir(), "b")
		_, stderr, code := tryBnc(t, "split", m.Path, "--after", "cut", "--target", "tx2", "-o", dir)
		if code != exitUnusable || !strings.Contains(stderr, `"new"`) || !strings.Contains(stderr, m.Op) {
			t.Errorf("%s: exit code %d, expected %d and node \"new\" (%s)\n%s", m.Name, code, exitUnusable, m.Op, stderr)
		}
		// The model is good for other targets.
		mustBnc(t, "split", m.Path, "--after", "cut", "-o", dir)
	}
}

// TestTX2OnOldRuntime runs mobile halves in the ONNX Runtime of a Jetson TX2 and
// in today's: the same tile but for features on the edge of a quantiser step,
// since the two versions sum in other orders.
func TestTX2OnOldRuntime(t *testing.T) {
	old := cached(t, "BNC_ORT_OLD_LIB", "onnxruntime-1.11.0/libonnxruntime.so", "make deps-oracle")
	current := ort.FindLibrary().Path
	if current == "" {
		t.Skipf("no ONNX Runtime %s: make deps", ort.Version)
	}
	ops := plugin(t)
	driver := buildDriver(t)
	models, _ := newerModels(t)
	net := filepath.Join(t.TempDir(), "resnet18.onnx")
	mustBnc(t, "models", "resnet18", "-o", net)
	for _, m := range append(models, newerModel{Path: net}) {
		path, cut := m.Path, "cut"
		if path == net {
			cut = "rb1"
		}
		dir := filepath.Join(t.TempDir(), "b")
		mustBnc(t, "split", path, "--after", cut, "--c", "3", "--s", "1", "--target", "tx2", "-o", dir)
		mobile := filepath.Join(dir, "mobile.onnx")
		lowered, err := onnx.Load(mobile)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range lowered.Graph.Nodes() {
			if n.Domain != "" {
				t.Errorf("%s: %s is of domain %q", stem(path), n.Label(), n.Domain)
			}
		}
		input := open(t, path).Inputs()[0]
		x := randomInput(t, rand.New(rand.NewPCG(7, 8)), input)[input.Name]
		was, is := driver.tile(t, old, ops, mobile, input.Name, x), driver.tile(t, current, ops, mobile, input.Name, x)
		if len(was) != len(is) {
			t.Fatalf("%s: %d and %d pixels", stem(path), len(was), len(is))
		}
		differ, values := 0, map[byte]bool{}
		for i := range is {
			values[is[i]] = true
			if was[i] != is[i] {
				differ++
			}
			if d := int(was[i]) - int(is[i]); d < -1 || d > 1 {
				t.Fatalf("%s: pixel %d is %d on 1.11, %d on %s", stem(path), i, was[i], is[i], ort.Version)
			}
		}
		// Sums differ by about 1e-6 of the range, a quantiser step is 1/255 of it:
		// one pixel in some thousands. The small models' tiles have 576.
		if allowed := 1 + len(is)/1000; differ > allowed || len(values) < 16 {
			t.Errorf("%s: %d of %d pixels differ, %d are allowed; %d tile values", stem(path), differ, len(is), allowed, len(values))
		} else if differ > 0 {
			t.Logf("%s: %d of %d pixels differ by one step", stem(path), differ, len(is))
		}
	}
}

// driver is a C program that runs a model in the ONNX Runtime it is told.
type driver struct{ program string }

// buildDriver builds ops' driver for the interface of ONNX Runtime 1.11, which
// the Go binding is too new for.
func buildDriver(t *testing.T) driver {
	t.Helper()
	headers, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Fatal(err)
	}
	d := driver{filepath.Join(t.TempDir(), "runop")}
	csrc := filepath.Join("..", "..", "ops", "bench", "csrc")
	cc := strings.Fields(cmp.Or(os.Getenv("CC"), "cc"))
	args := append(cc[1:], "-O1", "-isystem", strings.TrimSpace(string(headers)), "-o", d.program,
		filepath.Join(csrc, "runop.c"), filepath.Join(csrc, "cli.c"), filepath.Join(csrc, "rawort.c"), "-ldl")
	if out, err := exec.Command(cc[0], args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return d
}

// tile returns the output of that name for a float32 input.
func (d driver) tile(t *testing.T, library, ops, model, name string, x *tensor.Tensor) []byte {
	t.Helper()
	data := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(data, x.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	shape := strings.Trim(strings.ReplaceAll(fmt.Sprint(x.Shape), " ", ","), "[]")
	const float = 1 // TensorProto.FLOAT
	c := exec.Command(d.program, library, ops, model, "tile", fmt.Sprintf("%s:%d:%s:%s", name, float, shape, data))
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s on %s: %v\n%s", model, library, err, stderr.Bytes())
	}
	_, pixels, _ := bytes.Cut(out, []byte("\n")) // after the line with name, type, shape and size
	return pixels
}
