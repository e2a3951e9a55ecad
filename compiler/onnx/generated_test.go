package onnx

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
)

// generatedModels is the number of random models: with 400 of them every branch
// of reader and writer is taken some ten times.
const generatedModels = 400

// TestGeneratedModels loads and saves random models: nothing is lost, whether
// the constants are in the file, beside it, or in a clone. That the generator
// makes what it should is checked too.
func TestGeneratedModels(t *testing.T) {
	dir := t.TempDir()
	seen := map[string]int{}
	for seed := range uint64(generatedModels) {
		pb := generate(seed)
		count(seen, pb)
		original, err := marshal.Marshal(pb)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "model.onnx")
		if err := os.WriteFile(path, original, 0o644); err != nil {
			t.Fatal(err)
		}
		m, err := Load(path)
		if err != nil {
			t.Fatalf("model %d: %v\n%v", seed, err, pb)
		}
		outside := filepath.Join(dir, "outside.onnx")
		if err := Save(t.Context(), outside, m, SaveOptions{External: true}); err != nil {
			t.Fatal(err)
		}
		back, err := Load(outside)
		if err != nil {
			t.Fatalf("model %d, external data: %v", seed, err)
		}
		for name, m := range map[string]*ir.Model{"loaded": m, "cloned": m.Clone(), "from external data": back} {
			got, err := Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(normal(t, got), original) {
				t.Errorf("model %d, %s: the bytes differ", seed, name)
			}
		}
	}
	for _, what := range []string{"node", "body", "function", "sparse", "input that is an initializer", "output",
		"value_info", "raw", "typed", "strings", "large", "training", "unknown field"} {
		if seen[what] < 10 {
			t.Errorf("only %d times in all models: %s", seen[what], what)
		}
	}
}

// count notes what is in m.
func count(seen map[string]int, m *onnxpb.ModelProto) {
	var graph func(g *onnxpb.GraphProto, bodies int)
	graph = func(g *onnxpb.GraphProto, bodies int) {
		seen["body"] += bodies
		seen["node"] += len(g.Node)
		seen["sparse"] += len(g.SparseInitializer)
		seen["output"] += len(g.Output)
		seen["value_info"] += len(g.ValueInfo)
		inputs := map[string]bool{}
		for _, v := range g.Input {
			inputs[v.GetName()] = true
		}
		for _, t := range g.Initializer {
			if inputs[t.GetName()] {
				seen["input that is an initializer"]++
			}
			switch {
			case len(t.RawData) > inlineLimit:
				seen["large"]++
			case t.RawData != nil:
				seen["raw"]++
			case len(t.StringData) > 0:
				seen["strings"]++
			default:
				seen["typed"]++
			}
			seen["unknown field"] += len(t.ProtoReflect().GetUnknown())
		}
		for _, n := range g.Node {
			for _, a := range n.Attribute {
				for _, b := range a.Graphs {
					graph(b, 1)
				}
				if a.G != nil {
					graph(a.G, 1)
				}
			}
		}
	}
	graph(m.Graph, 0)
	seen["function"] += len(m.Functions)
	seen["training"] += len(m.TrainingInfo)
}

// TestUnsortedNodes shuffles the nodes of random models: they come back in an
// order in which every value is defined before it is read, and all of them.
func TestUnsortedNodes(t *testing.T) {
	moved := 0
	for seed := range uint64(generatedModels) {
		pb := generate(seed)
		r := rand.New(rand.NewPCG(seed, 2))
		nodes := pb.Graph.Node
		r.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		shuffled, err := marshal.Marshal(pb)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Parse(shuffled) // which verifies the order
		if err != nil {
			t.Fatalf("model %d: %v", seed, err)
		}
		got, err := Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(unordered(t, got), unordered(t, shuffled)) {
			t.Errorf("model %d: more than the order of nodes differs", seed)
		}
		if !bytes.Equal(normal(t, got), shuffled) {
			moved++
		}
	}
	if moved < 10 {
		t.Errorf("only %d models had nodes to move", moved)
	}
}

// TestSaveOverItsSource saves a model over the file that its constants are still
// in, then over the external data they are in.
func TestSaveOverItsSource(t *testing.T) {
	original, err := marshal.Marshal(everything())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, original, 0o644); err != nil {
		t.Fatal(err)
	}
	for i, external := range []bool{false, true, true, false} {
		m, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := Save(t.Context(), path, m, SaveOptions{External: external}); err != nil {
			t.Fatal(err)
		}
		again, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, m := range map[string]*ir.Model{"before": m, "after": again} {
			got, err := Marshal(m)
			if err != nil || !bytes.Equal(normal(t, got), original) {
				t.Errorf("%s save %d: the bytes differ (%v)", name, i, err)
			}
		}
		data, err := ExternalFiles(path)
		if want := map[bool]string{true: fmt.Sprint([]string{path + ".data"}), false: "[]"}[external]; err != nil || fmt.Sprint(data) != want {
			t.Errorf("save %d: external files %v (%v), expected %v", i, data, err, want)
		}
	}
}
