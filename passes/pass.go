// Package passes changes models. A pass is a plain value with a name and a
// function; a recipe is a literal list of passes that anyone can read; [RunContext]
// applies a recipe and verifies the model around every pass. The passes themselves
// are in the packages below this one.
//
// Passes never touch files and never run a model: what they need to know from
// running one (statistics of activations) comes in as numbers.
package passes

import (
	"context"
	"fmt"
	"time"

	"github.com/bottlenet/bnc/compiler/ir"
)

// Pass is one change to a model.
type Pass struct {
	Name string
	// Requires is what must hold of the model before Run.
	Requires []Requirement
	// Ensures is what holds after Run, and Breaks what may hold no longer.
	Ensures, Breaks []*Property
	// Interface declares that inputs or outputs of the model may change. Without it
	// their names, types and order stay, and so does which inputs have a default.
	Interface bool
	// Retypes declares that the element types of values may change. Without it what
	// is known of a value's type stays true.
	Retypes bool
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

// RunContext applies the recipe to m in order, as far as ctx lasts. A model that is
// none as it comes is an [UnsuitableError]. A recipe whose order breaks a
// requirement is refused before its first pass. After each pass the model is
// verified: its edges and names, its operators, types and interface, and the
// properties that hold by what the passes so far declare. A pass that leaves less
// than that is a [BugError].
func RunContext(ctx context.Context, m *ir.Model, recipe []Pass, dump Dumper) ([]Report, error) {
	held := holding(m, recipe)
	if err := CheckOrder(recipe, held...); err != nil {
		return nil, &BugError{err}
	}
	v, err := newVerifier(m, held)
	if err != nil {
		return nil, err
	}
	var reports []Report
	for i, p := range recipe {
		if err := context.Cause(ctx); err != nil {
			return reports, err
		}
		start := time.Now()
		changed, err := p.Run(m)
		if err != nil {
			return reports, fmt.Errorf("pass %s: %w", p.Name, err)
		}
		if err := v.after(p, changed); err != nil {
			return reports, &BugError{fmt.Errorf("pass %s left a broken model: %w", p.Name, err)}
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
