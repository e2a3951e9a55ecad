package onnxtext

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/models"
	"google.golang.org/protobuf/proto"
)

// onnxPython returns a Python with onnx.
func onnxPython(t *testing.T) string {
	t.Helper()
	if python := os.Getenv("BNC_ORACLE_PYTHON"); python != "" {
		return python
	}
	if cache, err := os.UserCacheDir(); err == nil {
		if python := filepath.Join(cache, "bnc", "oracle", "bin", "python"); exec.Command(python, "-c", "").Run() == nil {
			return python
		}
	}
	t.Skip("no Python with onnx: run make deps-oracle or set BNC_ORACLE_PYTHON")
	return ""
}

func run(t *testing.T, python string, args ...string) string {
	t.Helper()
	out, err := exec.Command(python, args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%v: %v\n%s", args, err, exit.Stderr)
		}
		t.Fatal(err)
	}
	return string(out)
}

// reference reads texts with onnx.parser and returns its models, nil where it
// takes the text for wrong.
func reference(t *testing.T, texts []string) []*onnxpb.ModelProto {
	t.Helper()
	dir := t.TempDir()
	for i, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d.txt", i)), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	run(t, onnxPython(t), filepath.Join("testdata", "reference.py"), dir)
	out := make([]*onnxpb.ModelProto, len(texts))
	for i := range texts {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%04d.onnx", i)))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out[i] = &onnxpb.ModelProto{}
		if err := proto.Unmarshal(b, out[i]); err != nil {
			t.Fatal(err)
		}
		normalise(t, out[i].ProtoReflect())
	}
	return out
}

// TestReferenceReadsTheSame compares every field with what onnx.parser reads.
func TestReferenceReadsTheSame(t *testing.T) {
	var names, sources []string
	for _, folder := range []string{"canonical", "syntax"} {
		for name, src := range texts(t, folder) {
			names, sources = append(names, name), append(sources, src)
		}
	}
	for i, want := range reference(t, sources) {
		got, err := parseModel(sources[i])
		if err != nil {
			t.Errorf("%s: %v", names[i], err)
			continue
		}
		if want == nil {
			t.Errorf("%s: onnx.parser refuses it", names[i])
			continue
		}
		normalise(t, got.ProtoReflect())
		if !proto.Equal(got, want) {
			t.Errorf("%s: read\n%v\nonnx.parser reads\n%v", names[i], got, want)
		}
	}
}

// TestReferenceReadsWhatIsPrinted prints the models that ONNX's own tests use,
// one or more of every operator, and a network, and reads the text with
// onnx.parser and with Parse.
func TestReferenceReadsWhatIsPrinted(t *testing.T) {
	python := onnxPython(t)
	root := strings.TrimSpace(run(t, python, "-c", "import onnx.backend.test as t; print(t.__path__[0])"))
	files, err := filepath.Glob(filepath.Join(root, "data", "*", "*", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 1000 {
		t.Fatalf("%d models below %s, expected 1000 or more", len(files), root)
	}

	resnet, err := models.Build("resnet20", models.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	names, sources, want := []string{"resnet20"}, []string{mustPrint(t, resnet)}, []*onnxpb.ModelProto{message(t, resnet)}
	for _, f := range files {
		m, err := onnx.Load(f)
		if err != nil {
			t.Fatal(err)
		}
		text := mustPrint(t, m)
		again := mustParse(t, text)
		pb := message(t, m)
		if got := message(t, again); !proto.Equal(got, pb) {
			t.Errorf("%s: what was printed is another model:\n%.2000s", f, text)
			continue
		}
		names, sources, want = append(names, f), append(sources, text), append(want, pb)
	}
	for i, got := range reference(t, sources) {
		if got == nil {
			t.Errorf("%s: onnx.parser refuses\n%.2000s", names[i], sources[i])
			continue
		}
		if !proto.Equal(got, want[i]) {
			t.Errorf("%s: onnx.parser reads another model from\n%.2000s", names[i], sources[i])
		}
	}
	t.Logf("%d models", len(names))
}
