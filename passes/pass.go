// Package passes changes models. A pass is a plain value with a name and a
// function; a recipe is a literal list of passes that anyone can read; [Run]
// applies a recipe and verifies the model after every pass.
//
// Passes never touch files and never run a model: what they need to know from
// running one (statistics of activations) comes in as numbers.
package passes

import (
	"fmt"
	"time"

	"github.com/bottlenet/bnc/compiler/ir"
)

// Pass is one change to a model.
type Pass struct {
	Name string
	Doc  string
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

// Run applies the recipe to m in order. After each pass it verifies m; a pass
// that leaves it broken is a bug of the pass, and the panic says which one.
func Run(m *ir.Model, recipe []Pass, dump Dumper) ([]Report, error) {
	var reports []Report
	for i, p := range recipe {
		start := time.Now()
		changed, err := p.Run(m)
		if err != nil {
			return reports, fmt.Errorf("pass %s: %w", p.Name, err)
		}
		if err := m.Verify(); err != nil {
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
