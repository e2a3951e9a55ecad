package shape_test

import (
	"math"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/compiler/shape"
)

// behaviour is what ONNX Runtime does with random numbers, two images [3,4,5], through
// an operator alone, and with their magnitudes.
type behaviour struct {
	Repeats         bool    // a second run gives the same
	Least           float64 // of the results
	LeastOfPositive float64 `json:"least_of_positive"`
	LargestOf200    float64 `json:"largest_of_200"` // of the results of numbers from -200 to 200
	// Elementwise: the same elements in another order give the same results in that
	// order. It is nil where the output has another shape.
	Elementwise *bool
	// Apart: the images one by one give the same. It is nil where the output has no batch
	// in front.
	Apart *bool
}

// looksElementwise are operators that are not, and look so on the tensors of this test.
var looksElementwise = map[string]string{
	"CastLike":           "the second input gives the type only",
	"Dropout":            "in inference",
	"Split":              "one part is the whole",
	"Squeeze":            "no axis is 1",
	"TensorScatter":      "all is replaced",
	"Optional":           "a tensor is the content",
	"OptionalGetElement": "a tensor is the content",
}

// TestFactsAgreeWithRuns runs every operator that takes such tensors and compares what
// it does with what its row states.
func TestFactsAgreeWithRuns(t *testing.T) {
	type question struct {
		Op       string   `json:"op"`
		Versions []int64  `json:"versions"`
		Roles    []string `json:"roles"`
	}
	names := map[shape.Role]string{
		shape.Data: "Data", shape.Operand: "Operand", shape.Setting: "Setting", shape.Weight: "Weight", shape.Kernel: "Kernel",
		shape.Statistic: "Statistic", shape.Number: "Number",
	}
	var questions []question
	var rows []*shape.Op
	for _, op := range shape.Ops() {
		if op.Domain != "" || op.In.Max == 0 {
			continue
		}
		q := question{Op: op.Name, Versions: []int64{9}} // the last one of those that were taken back
		for _, v := range op.Since {
			q.Versions = slices.Insert(q.Versions, 0, v)
		}
		count := op.In.Min
		if op.In.Max < 0 {
			count = 2
		}
		for i := range count {
			q.Roles = append(q.Roles, names[op.Role(i)])
		}
		questions, rows = append(questions, q), append(rows, op)
	}
	var found []*behaviour
	python(t, oraclePython(t), []string{"testdata/facts.py", "run"}, questions, &found)
	ran, apart := 0, 0
	for i, b := range found {
		op := rows[i]
		if b == nil {
			if op.Class == shape.Elementwise && !slices.Contains([]string{"StringConcat", "RegexFullMatch", "Mod"}, op.Name) || op.Class == shape.Activation {
				t.Errorf("%s does not run", op.Name)
			}
			continue
		}
		ran++
		is := op.Elementwise() || looksElementwise[op.Name] != ""
		if b.Elementwise != nil && is != *b.Elementwise {
			t.Errorf("%s: its row says that it is element-wise: %v, it is: %v", op.Name, is, *b.Elementwise)
		}
		if op.Elementwise() && (looksElementwise[op.Name] != "" || b.Elementwise == nil) {
			t.Errorf("%s: its row says that it is element-wise, and this test that it looks so or gives another shape", op.Name)
		}
		switch op.Batch {
		case shape.BatchAligned, shape.BatchFirst, shape.BatchLeading, shape.BatchInOrder:
			if b.Apart == nil {
				t.Logf("%s: no batch in its output", op.Name)
			} else if apart++; !*b.Apart {
				t.Errorf("%s treats images one by one, its row says; together they give something else", op.Name)
			}
		}
		if chance := op.Depends == shape.OnChance; chance == b.Repeats {
			t.Errorf("%s: its row says that it draws random numbers: %v, a second run gives the same: %v", op.Name, chance, b.Repeats)
		}
		if op.Magnitude != shape.Widens && b.LargestOf200 > 65504 {
			t.Errorf("%s makes %v of 200 and less, which float16 has not; its row does not say so", op.Name, b.LargestOf200)
		}
		if op.Sign == shape.NonNegative && b.Least < 0 {
			t.Errorf("%s never gives negative numbers, its row says; it gave %v", op.Name, b.Least)
		}
		if op.Sign == shape.SignOfInputs && b.LeastOfPositive < 0 {
			t.Errorf("%s gives no negative numbers of others, its row says; it gave %v", op.Name, b.LeastOfPositive)
		}
	}
	t.Logf("%d of %d operators ran, %d of them with a batch", ran, len(found), apart)
	if ran < 100 || apart < 90 { // nothing that ran would agree with everything
		t.Errorf("expected 100 operators or more that run, and 90 with a batch, found %d and %d", ran, apart)
	}
}

// TestFactsAgreeWithSchemas compares rows with ONNX's schemas: types that float16 needs,
// types of numbers and settings, defaults of axes.
func TestFactsAgreeWithSchemas(t *testing.T) {
	var schemas map[string][]struct {
		Since  int64
		Gives  []string
		Output string // its type, or the name of one
		Inputs []string
		Axis   *int64
	}
	python(t, oraclePython(t), []string{"testdata/facts.py", "schemas"}, nil, &schemas)
	halves, axes := 0, 0
	for _, op := range shape.Ops() {
		versions := schemas[op.Name]
		if op.Domain != "" || versions == nil {
			continue
		}
		for _, s := range versions {
			half := slices.Contains(s.Gives, "tensor(float16)")
			next := int64(math.MaxInt64)
			for _, other := range versions {
				if other.Since > s.Since {
					next = min(next, other.Since)
				}
			}
			if op.Half > 0 && next > max(7, int64(op.Half)) {
				halves++
				if !half {
					t.Errorf("%s takes float16 since version %d, its row says; version %d gives %v", op.Name, op.Half, s.Since, s.Gives)
				}
				for i, kind := range s.Inputs[:min(len(s.Inputs), len(op.Inputs))] {
					role, same := op.Role(i), kind == s.Output
					if role == shape.Setting && same || (role == shape.Data || role == shape.Operand) && !same {
						t.Errorf("%s: input %d of version %d is %q beside an output %q: no %v", op.Name, i, s.Since, kind, s.Output, role)
					}
				}
			}
			if op.Batch == shape.BatchAcross && s.Axis != nil {
				axes++
				if *s.Axis != op.Axis {
					t.Errorf("%s: attribute axis of version %d is %d by default, its row says %d", op.Name, s.Since, *s.Axis, op.Axis)
				}
			}
		}
	}
	if halves < 100 || axes < 10 {
		t.Errorf("expected 100 versions with float16 and 10 with axes, found %d and %d", halves, axes)
	}
}
