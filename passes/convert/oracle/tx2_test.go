//go:build cgo

package oracle

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// newerModels writes small models with operators newer than operator set 13 before
// their tensor cut.
func newerModels(t *testing.T) (takes, refuses []newerModel) {
	t.Helper()
	var models struct{ Takes, Refuses []newerModel }
	rttest.AskOracle(t, "oracle_tx2_models.py", map[string]string{"dir": t.TempDir()}, &models)
	if len(models.Takes) == 0 || len(models.Refuses) == 0 {
		t.Fatal("no models")
	}
	return models.Takes, models.Refuses
}

type newerModel struct {
	Name, Path string
	Op         string // that cannot be converted
}

// load reads the file.
func (n newerModel) load(t *testing.T) *ir.Model {
	t.Helper()
	m, err := onnx.Load(n.Path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// forTX2 makes a split one for the target.
func forTX2(s *split.Settings) { s.Target, s.CodecAt = convert.TX2, bottleneck.CodecOnDeviceHost }

// TestTX2Lowering converts operators of newer operator sets and compares what
// the mobile half computes, in operator set 13, with the source model.
func TestTX2Lowering(t *testing.T) {
	takes, _ := newerModels(t)
	var jobs []map[string]string
	for _, m := range takes {
		dir := filepath.Join(t.TempDir(), "b")
		oracletest.Save(t, dir, oracletest.Split(t, m.load(t), oracletest.Bottleneck{After: "cut", Channels: 3, Stride: 2, Change: forTX2}))
		jobs = append(jobs, map[string]string{
			"name": m.Name, "model": m.Path, "mobile": filepath.Join(dir, "mobile.onnx"), "tensor": "cut",
		})
	}
	rttest.Oracle(t, "oracle_tx2.py", jobs, 2*len(jobs))
}

// TestTX2Refuses demands an error that names node and operator where an operator has
// no equal in operator set 13, or TensorRT 8 does not parse it.
func TestTX2Refuses(t *testing.T) {
	_, refuses := newerModels(t)
	for _, m := range refuses {
		b := oracletest.Bottleneck{After: "cut", Channels: 1, Change: forTX2}
		_, err := oracletest.TrySplit(t, m.load(t), b)
		if refused := (*passes.UnsuitableError)(nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), `"new"`) || !strings.Contains(err.Error(), m.Op) {
			t.Errorf("%s: %v, expected node \"new\" (%s) to be refused", m.Name, err, m.Op)
		}
		// The model is good for other targets.
		b.Change = nil
		oracletest.Split(t, m.load(t), b)
	}
}

// TestTX2OnOldRuntime runs mobile halves in the ONNX Runtime of a Jetson TX2 and
// in today's: the same tile but for features on the edge of a quantiser step,
// since the two versions sum in other orders.
func TestTX2OnOldRuntime(t *testing.T) {
	old := rttest.OldLibrary(t)
	ops := rttest.Plugin(t)
	current := ort.FindLibrary().Path
	driver := buildDriver(t)
	resnet, err := models.Build("resnet18", models.Options{Classes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	networks := map[string]*ir.Model{"resnet18": resnet}
	takes, _ := newerModels(t)
	for _, m := range takes {
		networks[m.Name] = m.load(t)
	}
	for name, m := range networks {
		after := "cut"
		if name == "resnet18" {
			after = "rb1"
		}
		dir := filepath.Join(t.TempDir(), "b")
		parts := oracletest.Split(t, m, oracletest.Bottleneck{After: after, Channels: 3, Stride: 1, Change: forTX2})
		oracletest.Save(t, dir, parts)
		mobile := filepath.Join(dir, "mobile.onnx")
		for _, n := range parts.Mobile.Graph.Nodes() {
			if n.Domain != "" {
				t.Errorf("%s: %s is of domain %q", name, n.Label(), n.Domain)
			}
		}
		var input string
		var x *tensor.Tensor
		for input, x = range randomImages(m)[0] {
		}
		was, is := driver.tile(t, old, ops, mobile, input, x), driver.tile(t, current, ops, mobile, input, x)
		if len(was) != len(is) {
			t.Fatalf("%s: %d and %d pixels", name, len(was), len(is))
		}
		differ, values := 0, map[byte]bool{}
		for i := range is {
			values[is[i]] = true
			if was[i] != is[i] {
				differ++
			}
			if d := int(was[i]) - int(is[i]); d < -1 || d > 1 {
				t.Fatalf("%s: pixel %d is %d on 1.11, %d on %s", name, i, was[i], is[i], ort.Version)
			}
		}
		// Sums differ by about 1e-6 of the range, a quantiser step is 1/255 of it:
		// one pixel in some thousands. The small models' tiles have 576.
		if allowed := 1 + len(is)/1000; differ > allowed || len(values) < 16 {
			t.Errorf("%s: %d of %d pixels differ, %d are allowed; %d tile values", name, differ, len(is), allowed, len(values))
		} else if differ > 0 {
			t.Logf("%s: %d of %d pixels differ by one step", name, differ, len(is))
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
	csrc := rttest.Source("ops", "bench", "csrc")
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
