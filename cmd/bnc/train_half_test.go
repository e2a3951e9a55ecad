package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
)

// halfStripeNets writes stripeNet with weights rounded to float16: in float32, in
// float16 as a whole, and as float16 converters write it, between casts. The cut of
// the last one is the Cast back to float32.
func halfStripeNets(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, form := range []string{"single", "whole", "between casts"} {
		m, err := onnx.Load(stripeNet(t))
		if err != nil {
			t.Fatal(err)
		}
		g := m.Graph
		for _, v := range g.Inits() {
			f, err := v.Init().Floats()
			if err != nil {
				t.Fatal(err)
			}
			half, err := ir.FloatsAs(ir.Float16, f, v.Init().Dims()...)
			if err != nil {
				t.Fatal(err)
			}
			if form == "single" {
				if f, err = half.Floats(); err != nil {
					t.Fatal(err)
				}
				half = ir.Float32s(f, v.Init().Dims()...)
			}
			g.SetInit(v, half)
		}
		x, y := g.Value("x"), g.Value("y")
		to := func(d ir.DType) *ir.Attr { return ir.IntAttr("to", int64(d)) }
		switch form {
		case "whole":
			for _, v := range []*ir.Value{x, y} {
				dims, _ := v.Shape()
				g.SetType(v, ir.TensorType(ir.Float16, dims))
			}
		case "between casts":
			conv := x.Uses()[0].Node
			conv.SetInput(0, g.Op1("x.half", "Cast", []*ir.Value{x}, nil, to(ir.Float16)))
			// r becomes the Cast of what was r, and what reads it reads float16 again.
			r := g.Value("r")
			relu := r.Producer()
			half := g.Temp("r.half", nil)
			relu.SetOutput(0, half)
			g.NewNode("", "Cast", []*ir.Value{half}, []*ir.Value{r}, to(ir.Float32))
			back := g.Op1("r.back", "Cast", []*ir.Value{r}, nil, to(ir.Float16))
			for _, u := range r.Uses() {
				if u.Node != back.Producer() {
					u.Node.SetInput(u.Index, back)
				}
			}
			gemm := y.Producer()
			scores := g.Temp("y.half", nil)
			gemm.SetOutput(0, scores)
			g.NewNode("", "Cast", []*ir.Value{scores}, []*ir.Value{y}, to(ir.Float32))
			if err := g.Sort(); err != nil {
				t.Fatal(err)
			}
		}
		files[form] = filepath.Join(t.TempDir(), strings.ReplaceAll(form, " ", "-")+".onnx")
		if err := onnx.Save(t.Context(), files[form], m, onnx.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// declaredTypes tells the element types of a file's inputs, outputs and initializers.
func declaredTypes(t *testing.T, path string) string {
	t.Helper()
	m, err := onnx.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, ports := range [][]ir.Port{m.Graph.Inputs(), m.Graph.Outputs()} {
		for _, p := range ports {
			all = append(all, fmt.Sprint(p.Name(), " ", p.Value.DType()))
		}
	}
	inits := map[string]string{}
	for _, v := range m.Graph.Inits() {
		if d := v.Init().DType(); d.IsFloat() {
			inits[v.Name()] = d.String()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(inits)) {
		all = append(all, name+" "+inits[name])
	}
	return strings.Join(all, "\n")
}

// TestTrainHalfModel: a float16 network learns as the float32 network of the same
// weights does, which is compared with PyTorch elsewhere, and is written in its own
// types, rounded once at the end.
func TestTrainHalfModel(t *testing.T) {
	nets, set := halfStripeNets(t), stripes(t, 96, 40)
	weights := map[string]map[string][]float32{}
	for form, path := range nets {
		out := filepath.Join(t.TempDir(), "trained.onnx")
		r := trained(t, slices.Concat([]string{path, "--data", set, "--keep-last", "-o", out}, few)...)
		if got, want := declaredTypes(t, out), declaredTypes(t, path); got != want {
			t.Errorf("%s: written as\n%s\nread as\n%s", form, got, want)
		}
		// What is written runs in ONNX Runtime. Rounding may turn one of 40 images.
		if again := evaluated(t, out, "--data", set); *again.Top1 < *r.Top1-1.5/40 || *again.Top1 > *r.Top1+1.5/40 {
			t.Errorf("%s: bnc eval says %v, bnc train %v", form, *again.Top1, *r.Top1)
		}
		m, err := onnx.Load(out)
		if err != nil {
			t.Fatal(err)
		}
		weights[form] = map[string][]float32{}
		for _, v := range m.Graph.Inits() {
			if weights[form][v.Name()], err = v.Init().Floats(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for form, all := range weights {
		if form == "single" {
			continue
		}
		for name, want := range weights["single"] {
			half, err := ir.FloatsAs(ir.Float16, want, int64(len(want)))
			if err != nil {
				t.Fatal(err)
			}
			if want, err = half.Floats(); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(all[name], want) {
				t.Errorf("%s: %s is %v, in float32 it became %v", form, name, all[name][:1], want[:1])
			}
		}
	}
}

// TestTrainHalfBundle trains the bottlenecks of float16 networks, with what is around
// them or alone.
func TestTrainHalfBundle(t *testing.T) {
	plugin(t)
	set := stripes(t, 64, 24)
	for form, path := range halfStripeNets(t) {
		start := splitAt(t, path, "--c", "2", "--s", "2", "--calib", set)
		for _, flags := range []string{"--freeze backbone", "--freeze backbone --distill", "--freeze mobile", "--freeze cloud --distill --lr 0.002", "--freeze none"} {
			dir := copyOf(t, start)
			r := trained(t, slices.Concat([]string{dir, "--data", set, "--keep-last"}, strings.Fields(flags), few)...)
			if first, last := r.Epochs[0].Loss, r.Epochs[len(r.Epochs)-1].Loss; !(last < first) {
				t.Errorf("%s, %s: the loss goes from %v to %v", form, flags, first, last)
			}
			if len(changed(initsOf(t, filepath.Join(start, "bottlenet.onnx")), initsOf(t, filepath.Join(dir, "bottlenet.onnx")))) == 0 {
				t.Errorf("%s, %s: nothing changed", form, flags)
			}
			for _, part := range []string{"mobile.onnx", "cloud.onnx", "bottlenet.onnx"} {
				if got, want := declaredTypes(t, filepath.Join(dir, part)), declaredTypes(t, filepath.Join(start, part)); got != want {
					t.Errorf("%s, %s: %s is written as\n%s\nbefore it was\n%s", form, flags, part, got, want)
				}
			}
			if again := evaluated(t, dir, "--data", set); again.N != 24 {
				t.Errorf("%s, %s: %d images judged", form, flags, again.N)
			}
		}
	}
}
