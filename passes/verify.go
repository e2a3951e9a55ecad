package passes

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/compiler/shape"
	"google.golang.org/protobuf/proto"
)

// Verify checks a model as [RunContext] does behind a pass: edges and names, in bodies
// and functions too, the operators with their inputs and outputs, and that types fit.
// What names the model in the [BugError].
func Verify(m *ir.Model, what string) error {
	v := &verifier{m: m}
	err := v.model()
	if err == nil {
		_, err = shape.Infer(m, shape.Options{Computed: true})
	}
	if err != nil {
		return &BugError{fmt.Errorf("%s: %w", what, err)}
	}
	return nil
}

// verifier compares a model with what it was before a pass.
type verifier struct {
	m     *ir.Model
	ports []port
	info  *shape.Info
	held  []*Property
}

// newVerifier checks the model before a recipe. Held are the properties that it has.
func newVerifier(m *ir.Model, held []*Property) (*verifier, error) {
	v := &verifier{m: m, ports: interfaceOf(m), held: held}
	if err := v.model(); err != nil {
		return nil, Unsuitable("model", "%v", err)
	}
	var err error
	v.info, err = shape.Infer(m, shape.Options{Computed: true})
	return v, err
}

// model checks what every model keeps: edges and names, in bodies and functions
// too, and that operators exist and have the inputs and outputs that they take.
func (v *verifier) model() error {
	if err := v.m.Verify(); err != nil {
		return err
	}
	return shape.CheckUses(v.m)
}

// after checks the model behind p, which tells how many edits it made.
func (v *verifier) after(p Pass, changed int) error {
	if err := v.model(); err != nil {
		return err
	}
	before := v.ports
	v.ports = interfaceOf(v.m)
	if !p.Interface {
		if err := samePorts(before, v.ports); err != nil {
			return err
		}
	}
	if changed > 0 {
		was := v.info
		var err error
		if v.info, err = shape.Infer(v.m, shape.Options{Computed: true}); err != nil {
			return err
		}
		if err := v.sameTypes(was, p.Retypes); err != nil {
			return err
		}
	}
	v.held = p.keep(v.held)
	for _, q := range v.held {
		if err := q.Check(v.m); err != nil {
			return fmt.Errorf("it declares that %s: %w", q.Name, err)
		}
	}
	return nil
}

// sameTypes checks that the values that were there before have the types they had,
// as far as both are known.
func (v *verifier) sameTypes(was *shape.Info, retypes bool) error {
	var first error
	v.m.Graph.Walk(func(n *ir.Node) {
		for _, w := range n.Outputs() {
			if w == nil || first != nil {
				continue
			}
			old, now := was.Of(w), v.info.Of(w)
			if retypes {
				now.DType = old.DType
			}
			if old.Contradicts(now) {
				first = fmt.Errorf("value %q was %v and became %v", w.Name(), old, now)
			}
		}
	})
	return first
}

func samePorts(before, after []port) error {
	for i := range max(len(before), len(after)) {
		switch {
		case i >= len(after):
			return fmt.Errorf("%v of the model is gone", before[i])
		case i >= len(before):
			return fmt.Errorf("the model got %v", after[i])
		case !before[i].equal(after[i]):
			return fmt.Errorf("%v of the model became %v", before[i], after[i])
		}
	}
	return nil
}

// port is one input or output of a model, as a caller sees it.
type port struct {
	role string // input, input with a default, output
	name string
	typ  *onnxpb.TypeProto
}

func (p port) String() string { return fmt.Sprintf("%s %q %v", p.role, p.name, p.typ) }

func (p port) equal(q port) bool {
	return p.role == q.role && p.name == q.name && proto.Equal(p.typ, q.typ)
}

// interfaceOf returns the inputs, those with a default last, and the outputs.
func interfaceOf(m *ir.Model) []port {
	var ports, defaults []port
	for _, p := range m.Graph.Inputs() {
		switch v := p.Value; {
		case v.Overridable():
			defaults = append(defaults, port{"input with a default", v.Name(), p.Info.GetType()})
		case v.Init() == nil && v.SparseInit() == nil:
			ports = append(ports, port{"input", v.Name(), p.Info.GetType()})
		}
	}
	ports = append(ports, defaults...)
	for _, p := range m.Graph.Outputs() {
		ports = append(ports, port{"output", p.Value.Name(), p.Info.GetType()})
	}
	return ports
}
