// Package passes changes models. A pass is a plain value with a name and a
// function; a recipe is a literal list of passes that anyone can read; [RunContext]
// applies a recipe and verifies the model after every pass.
//
// Passes never touch files and never run a model: what they need to know from
// running one (statistics of activations) comes in as numbers.
package passes

import (
	"context"
	"fmt"
	"time"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/compiler/shape"
	"google.golang.org/protobuf/proto"
)

// Pass is one change to a model.
type Pass struct {
	Name string
	Doc  string
	// Interface declares that inputs or outputs of the model may change. Without it
	// their names, types and order stay, and so does which inputs have a default.
	Interface bool
	// Run edits the model and returns how many edits it made.
	Run func(*ir.Model) (int, error)
}

// Report says what one pass of a recipe did.
type Report struct {
	Name    string  `json:"name"`
	Changed int     `json:"changed"` // number of edits
	Millis  float64 `json:"ms"`
}

// Dumper receives the model after each pass; index counts from 1.
type Dumper func(index int, pass string, m *ir.Model) error

// Run is RunContext without a context.
func Run(m *ir.Model, recipe []Pass, dump Dumper) ([]Report, error) {
	return RunContext(context.Background(), m, recipe, dump)
}

// RunContext applies the recipe to m in order, as far as ctx lasts. After each pass it
// verifies m; a pass that leaves it broken, or with another interface than it declares,
// is a bug of the pass, and the panic says which one.
func RunContext(ctx context.Context, m *ir.Model, recipe []Pass, dump Dumper) ([]Report, error) {
	var reports []Report
	for i, p := range recipe {
		if err := context.Cause(ctx); err != nil {
			return reports, err
		}
		start := time.Now()
		before := interfaceOf(m)
		changed, err := p.Run(m)
		if err != nil {
			return reports, fmt.Errorf("pass %s: %w", p.Name, err)
		}
		if err := verify(m, p, before); err != nil {
			panic(fmt.Sprintf("BUG: pass %s left a broken model: %v", p.Name, err))
		}
		reports = append(reports, Report{p.Name, changed, float64(time.Since(start).Microseconds()) / 1000})
		if dump != nil {
			if err := dump(i+1, p.Name, m); err != nil {
				return reports, err
			}
		}
	}
	return reports, nil
}

// verify checks m after pass p, which found the interface before.
func verify(m *ir.Model, p Pass, before []port) error {
	if err := m.Verify(); err != nil {
		return err
	}
	if err := shape.CheckUses(m); err != nil {
		return err
	}
	if p.Interface {
		return nil
	}
	after := interfaceOf(m)
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
