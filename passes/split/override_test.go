package split_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/internal/passtest"
	"github.com/bottlenet/bnc/passes/opt"
	"github.com/bottlenet/bnc/passes/split"
)

// defaults is a network whose weights, normalisation, shape and scale a caller
// may override, as exporters write it with keep_initializers_as_inputs; unused is
// read by nothing.
const defaults = `<ir_version: 8, opset_import: ["" : 17]>
g (float[2,2,4,4] x, float[2,2,1,1] w = {1, 0, 0, 1}, float[2] s = {1, 2}, float[2] b = {0, 1}, float[2] m = {0, 0}, float[2] v = {1, 1},
	int64[4] shape = {2, 1, 8, 4}, float[2] k = {3, 4}, float[1,2,4,4] shift = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, float[2] unused = {5, 6})
	=> (float[A,B,C,D] y, float[2,1] z) <int64[2] column = {2, 1}> {
	c = Conv <kernel_shape = [1,1]> (x, w)
	n = BatchNormalization (c, s, b, m, v)
	p = Identity (shift)
	a = Add (n, p)
	r = Relu (a)
	h = Neg (r)
	y = Reshape (h, shape)
	f = Reshape (k, column)
	z = Mul (f, f)
}`

// TestDefaultsCanBeOverridden: after every pass, and in both halves of a split,
// what a caller gives for a default counts as in the model itself (ONNX Runtime).
func TestDefaultsCanBeOverridden(t *testing.T) {
	// 11 bits of float16 in values below 16, a few of them added.
	const half = 16 * 8.0 / 2048
	dir := t.TempDir()
	save := func(name string, m *ir.Model) string {
		b, err := onnx.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".onnx")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	type request struct {
		Whole     string   `json:"whole"`
		Chain     []string `json:"chain"`
		name      string
		tolerance float64
	}
	whole := save("whole", passtest.Parse(t, defaults))
	var requests []request
	for _, p := range []passes.Pass{
		convert.Initializers, bottleneck.ReserveNames(1), opt.FoldConstants, opt.Identities(), opt.FoldBatchNorm, opt.CommonSubexpressions,
		opt.DeadCode, convert.HalfPrecision, convert.Upgrade(18), opt.DropUnusedDomains,
	} {
		m := passtest.Parse(t, defaults)
		passtest.Apply(t, m, p)
		r := request{whole, []string{save(p.Name, m)}, p.Name, 0}
		if p.Name == convert.HalfPrecision.Name {
			r.tolerance = half
		}
		requests = append(requests, r)
	}
	m := passtest.Parse(t, defaults)
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := cut.Find(m, info)
	c, err := a.Resolve("r")
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := split.Split(t.Context(), a, c, split.Settings{Plain: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	requests = append(requests, request{whole, []string{save("mobile", b.Mobile), save("cloud", b.Cloud)}, "split", 0})
	var answers []struct {
		Overridable        [2][]string
		Difference, Effect float64
	}
	oracle(t, "testdata/override.py", requests, &answers)
	for i, r := range requests {
		got := answers[i]
		want := got.Overridable[0]
		if r.name == "split" { // neither half has a use for it
			want = slices.DeleteFunc(slices.Clone(want), func(s string) bool { return s == "unused" })
		}
		if len(want) < 7 || !slices.Equal(want, got.Overridable[1]) {
			t.Errorf("%s: a caller may override %v, before %v", r.name, got.Overridable[1], want)
		}
		if got.Difference > r.tolerance || got.Effect < 1 {
			t.Errorf("%s: overridden, outputs differ by %g, expected at most %g; overriding makes a difference of %g", r.name, got.Difference, r.tolerance, got.Effect)
		}
	}
}

// oracle runs a script with ONNX Runtime on a request and decodes what it prints.
func oracle(t *testing.T, script string, request, result any) {
	t.Helper()
	path := os.Getenv("BNC_ORACLE_PYTHON")
	if cache, err := os.UserCacheDir(); path == "" && err == nil {
		path = filepath.Join(cache, "bnc", "oracle", "bin", "python")
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("no Python with onnxruntime at BNC_ORACLE_PYTHON or in the cache folder; `make deps-oracle` brings it")
	}
	in, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(script); err != nil { // read here so that go test runs again when it changes
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	cmd := exec.Command(path, script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, log.Bytes())
	}
	if err := json.Unmarshal(out.Bytes(), result); err != nil {
		t.Fatal(err)
	}
}
