package passes

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// Property is what a pass can rely on.
type Property struct {
	Name string // as in "the model has no dead code"
	// Check returns where a model lacks the property, nil where it has it.
	Check func(*ir.Model) error
}

// NoFormalInputs is ensured by convert.Initializers. Files of IR 3 list their
// initializers among the inputs, and have no others.
var NoFormalInputs = &Property{
	Name: "initializers are listed as inputs only where callers may override them",
	Check: func(m *ir.Model) error {
		if v := m.IRVersion(); v < 4 {
			return fmt.Errorf("the IR version is %d", v)
		}
		return nil
	},
}

// Requirement is a property that a pass needs.
type Requirement struct {
	*Property
	Reason string // what would go wrong without it
}

// CheckOrder returns the first requirement of a pass that neither given properties
// nor the passes before it provide.
func CheckOrder(recipe []Pass, given ...*Property) error {
	held := slices.Clone(given)
	for _, p := range recipe {
		for _, r := range p.Requires {
			if !slices.Contains(held, r.Property) {
				return fmt.Errorf("pass %s requires that %s (%s), which no pass before it ensures", p.Name, r.Name, r.Reason)
			}
		}
		held = p.keep(held)
	}
	return nil
}

// keep returns the properties that hold after p where held do before it.
func (p Pass) keep(held []*Property) []*Property {
	held = slices.DeleteFunc(slices.Clone(held), func(q *Property) bool { return slices.Contains(p.Breaks, q) })
	for _, q := range p.Ensures {
		if !slices.Contains(held, q) {
			held = append(held, q)
		}
	}
	return held
}

// holding returns which of the properties that the recipe mentions m has.
func holding(m *ir.Model, recipe []Pass) []*Property {
	var mentioned, held []*Property
	for _, p := range recipe {
		for _, r := range p.Requires {
			mentioned = append(mentioned, r.Property)
		}
	}
	for _, q := range mentioned {
		if !slices.Contains(held, q) && q.Check(m) == nil {
			held = append(held, q)
		}
	}
	return held
}
