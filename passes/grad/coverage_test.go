package grad

import (
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// noFloats are operators without a row: nothing they give holds floating-point
// numbers, so no gradient reaches them.
var noFloats = strings.Fields(`ConvInteger MatMulInteger QLinearConv QLinearMatMul OptionalHasElement RegexFullMatch
	SequenceLength StringConcat com.microsoft:MatMulInteger16 com.microsoft:QLinearAdd com.microsoft:QLinearAveragePool
	com.microsoft:QLinearConcat com.microsoft:QLinearConv com.microsoft:QLinearGlobalAveragePool
	com.microsoft:QLinearLeakyRelu com.microsoft:QLinearMul com.microsoft:QLinearReduceMean com.microsoft:QLinearSigmoid
	com.microsoft:QLinearSoftmax com.microsoft:QLinearWhere`)

// TestEveryOperator demands a rule or a reason for every operator that shape
// inference knows, and no row for any other.
func TestEveryOperator(t *testing.T) {
	known := map[string]bool{Domain + ":" + batchNormTrain: true}
	for _, op := range shape.Ops() {
		name := strings.TrimPrefix(op.Domain+":"+op.Name, ":")
		known[name] = true
		_, row := rules[key{op.Domain, op.Name}]
		if row == slices.Contains(noFloats, name) {
			t.Errorf("%s: expected either a rule, or a reason for having none, or a place in the list of operators without floats", name)
		}
	}
	for k, r := range rules {
		name := strings.TrimPrefix(k.domain+":"+k.op, ":")
		if !known[name] {
			t.Errorf("there is a row for %s, which shape inference does not know", name)
		}
		if (r.vjp == nil && r.ignores[every] == "") == (r.reason == "") {
			t.Errorf("%s: expected either a rule or a reason", name)
		}
	}
}

// TestNoFloats asks shape inference what the operators without a row give.
func TestNoFloats(t *testing.T) {
	for _, name := range noFloats {
		domain, op, ok := strings.Cut(name, ":")
		if !ok {
			domain, op = "", name
		}
		row := shape.Lookup(domain, op)
		if row == nil {
			t.Errorf("shape inference does not know %s", name)
			continue
		}
		m := ir.NewModel(10, 21)
		var in []*ir.Value
		for range row.In.Min {
			v := m.Graph.Temp("x", ir.TensorType(ir.Uint8, ir.Fixed(1, 1, 1, 1)))
			m.Graph.AddInput(v, nil)
			in = append(in, v)
		}
		y := m.Graph.Temp("y", nil)
		m.Graph.NewNode(domain, op, in, []*ir.Value{y}, ir.IntsAttr("kernel_shape", 1, 1)) // for those that pool
		m.SetOpset(domain, max(1, m.Opset(domain)))
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := info.Of(y).DType; d.IsFloat() || d == ir.Undefined {
			t.Errorf("%s gives %v, expected a type without fractions", name, d)
		}
	}
}
