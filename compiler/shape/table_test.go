package shape_test

import (
	"math"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/compiler/shape"
)

// schema is a version of an operator as ONNX or ONNX Runtime defines it.
type schema struct {
	Since      int64  `json:"since"`
	Deprecated bool   `json:"deprecated"`
	In         [2]int `json:"in"`
	Out        [2]int `json:"out"`
}

// TestTableAgreesWithSchemas compares versions and arities of every row with the
// schemas of ONNX Runtime; they include all versions that the onnx package has.
func TestTableAgreesWithSchemas(t *testing.T) {
	var sources map[string]map[string]map[string][]schema // source, domain, operator
	python(t, oraclePython(t), []string{"testdata/oracle.py", "schemas"}, nil, &sources)
	rows := 0
	for _, op := range shape.Ops() {
		if op.Domain == "bnc" {
			continue
		}
		rows++
		versions := sources["onnxruntime"][op.Domain][op.Name]
		if len(versions) == 0 {
			t.Errorf("%s.%s: no schema has it", op.Domain, op.Name)
			continue
		}
		var since []int64
		for _, s := range versions {
			since = append(since, s.Since)
		}
		if slices.Sort(since); !slices.Equal(since, op.Since) {
			t.Errorf("%s.%s: versions %v, ONNX Runtime has %v", op.Domain, op.Name, op.Since, since)
		}
		for _, s := range sources["onnx"][op.Domain][op.Name] {
			if !slices.Contains(op.Since, s.Since) {
				t.Errorf("%s.%s: versions %v, ONNX has %d", op.Domain, op.Name, op.Since, s.Since)
			}
		}
		checkArity(t, op, versions)
	}
	if rows < 250 { // a table that was lost would agree with everything
		t.Errorf("expected 250 rows or more, found %d", rows)
	}
}

// checkArity compares with the schemas that operator sets 7 and newer use.
func checkArity(t *testing.T, op *shape.Op, versions []schema) {
	want := schema{In: [2]int{math.MaxInt32, 0}, Out: [2]int{math.MaxInt32, 0}}
	for _, s := range versions {
		replaced := false
		for _, next := range versions {
			replaced = replaced || op.Domain == "" && next.Since > s.Since && next.Since <= 7
		}
		if replaced || s.Deprecated {
			continue
		}
		want.In = [2]int{min(want.In[0], s.In[0]), max(want.In[1], s.In[1])}
		want.Out = [2]int{min(want.Out[0], s.Out[0]), max(want.Out[1], s.Out[1])}
	}
	for _, a := range []struct {
		what string
		row  shape.Arity
		want [2]int
	}{{"inputs", op.In, want.In}, {"outputs", op.Out, want.Out}} {
		if a.want[1] == math.MaxInt32 {
			a.want[1] = -1
		}
		if a.row.Min != a.want[0] || a.row.Max != a.want[1] {
			t.Errorf("%s.%s: %v %s, the schemas have %v", op.Domain, op.Name, a.row, a.what, a.want)
		}
	}
}

func TestSinceVersion(t *testing.T) {
	for _, c := range []struct {
		op    string
		opset int64
		want  int64
		found bool
	}{
		{"Relu", 13, 13, true}, {"Relu", 12, 6, true}, {"Relu", 99, 14, true},
		{"Gelu", 13, 0, false}, {"Nonsense", 13, 0, false},
	} {
		if got, ok := shape.SinceVersion("", c.op, c.opset); got != c.want || ok != c.found {
			t.Errorf("SinceVersion(%s, %d) = %d, %v; expected %d, %v", c.op, c.opset, got, ok, c.want, c.found)
		}
	}
}
