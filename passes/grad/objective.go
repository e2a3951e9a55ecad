package grad

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// Objective compares a kind of output of the network that learns with what it is to say:
// from outputs to a loss in the graph. It is registered under a name, which is a Loss's
// Kind, and nothing else asks which one it is.
type Objective interface {
	// Teachers tells who can give what is compared with.
	Teachers() (labels, teacher bool)
	// Outputs finds the outputs of a network that it compares. The Value of each keeps its
	// name; of a teacher, the outputs of the same names are compared with, where Classes
	// are the same.
	Outputs(want Want, m *ir.Model) (*Heads, error)
	// Term appends the loss of an output.
	Term(c *Comparison) (*Term, error)
}

// Comparison is an output beside what it is to say.
type Comparison struct {
	Loss               // what the options of the loss are
	Output   *ir.Value // float32, the first axis is the images'
	Teacher  *ir.Value // the teacher's, nil where labels teach
	Labels   *ir.Value // int64 [N], [N,H,W] of masks, nil where a teacher teaches
	Compared           // of an output that is compared by what it ends in
	b        *builder
	weights  *ir.Value // of positions, where they do not count alike
}

// Emit appends nodes to the graph. Their shapes are inferred.
func (c *Comparison) Emit() ir.Emitter {
	return ir.Emitter{Graph: c.b.g, Opset: c.b.opset, Prefix: c.b.prefix}
}

// Term is the loss of an output.
type Term struct {
	Loss *ir.Value // float32 [1], a mean over the images
	// Gradient is that of the loss, of the output's shape, where it is short enough to be
	// written down; nil for that which the rules give.
	Gradient *ir.Value
	// Hits is the number of images that the output says the right thing of, float32 [1];
	// nil where there is no such thing.
	Hits *ir.Value
}

// Names of objectives.
const (
	CrossEntropy = "cross-entropy" // softmax cross-entropy against labels; Distill where a teacher teaches
	Distill      = "distill"       // temperature KL divergence from the teacher's scores
	MeanSquared  = "mse"           // against the teacher's scores, or one-hot labels where there is none
)

// objectives are all that are known, by their names.
var objectives = map[string]Objective{CrossEntropy: crossEntropy{}, Distill: distill{}, MeanSquared: meanSquared{}}

// RegisterObjective makes an objective known. A program calls it before it trains.
func RegisterObjective(name string, o Objective) {
	if objectives[name] != nil {
		panic(fmt.Sprintf("BUG: two objectives %q", name))
	}
	objectives[name] = o
}

// ObjectiveOf returns the objective of a name.
func ObjectiveOf(name string) (Objective, error) {
	if o := objectives[name]; o != nil {
		return o, nil
	}
	return nil, fmt.Errorf("unknown loss %q", name)
}

// Objectives are the names of those that labels can teach, or a teacher.
func Objectives(byTeacher bool) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(objectives)) {
		labels, teacher := objectives[name].Teachers()
		if byTeacher && teacher || !byTeacher && labels {
			names = append(names, name)
		}
	}
	return names
}
