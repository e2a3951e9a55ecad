package opt_test

import (
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/passes/internal/passtest"
	"github.com/bottlenet/bnc/passes/opt"
	"google.golang.org/protobuf/proto"
)

// TestAnnotationsKeepTheirParameters: scale and zero point of a quantisation
// annotation are constants that often nothing else reads.
func TestAnnotationsKeepTheirParameters(t *testing.T) {
	m := passtest.Parse(t, passtest.Header+`g (float[2] x) => (float[2] y)
	<float scale = {1}, float gone_scale = {2}, float unused = {3}> { a = Relu (x) dead = Neg (x) y = Abs (a) }`)
	for tensor, scale := range map[string]string{"a": "scale", "dead": "gone_scale"} {
		m.Graph.Proto.QuantizationAnnotation = append(m.Graph.Proto.QuantizationAnnotation, &onnxpb.TensorAnnotation{
			TensorName:                proto.String(tensor),
			QuantParameterTensorNames: []*onnxpb.StringStringEntryProto{{Key: proto.String("SCALE_TENSOR"), Value: proto.String(scale)}},
		})
	}
	if changed := passtest.Apply(t, m, opt.DeadCode); changed != 3 {
		t.Errorf("%d edits, expected 3: a node and two constants", changed)
	}
	if m.Graph.Value("scale") == nil || m.Graph.Value("gone_scale") != nil || m.Graph.Value("unused") != nil {
		t.Errorf("initializers left: %v", m.Graph.Inits())
	}
	if q := m.Graph.Proto.QuantizationAnnotation; len(q) != 1 || q[0].GetTensorName() != "a" {
		t.Errorf("annotations left: %v", q)
	}
	if again := passtest.Apply(t, m, opt.DeadCode); again != 0 {
		t.Errorf("the second run made %d edits", again)
	}
}
