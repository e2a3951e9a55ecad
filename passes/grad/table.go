package grad

import (
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// key names an operator; the domain of ai.onnx is "".
type key struct{ domain, op string }

// rule is a row of the table: how gradients pass back through an operator, or
// why they do not.
type rule struct {
	// vjp contributes to the gradients of the node's inputs.
	vjp func(c *call) error
	// reason says why the operator is not differentiable.
	reason string
	// ignores says why inputs get no gradient, by index, or by [every]. Where vjp
	// gives none and nothing is said here, the node is refused.
	ignores map[int]string
	// outputs is set where vjp reads the gradients of all outputs; otherwise only
	// the first output's may be asked for.
	outputs bool
}

// every input, in rule.ignores.
const every = -1

// rules has a row for every operator that gradients pass through, and one for
// those they cannot. Operators whose outputs hold no floating-point numbers need
// no row.
var rules = join(elementwiseRules, trigonometryRules, constantRules, binaryRules, shapeRules, reduceRules, linearRules, poolRules, normRules, quantiserRules, barriers)

// ruleOf returns the row of n's operator.
func ruleOf(n *ir.Node) (rule, bool) {
	op := n.Op
	if n.Domain == shape.CodecDomain { // those of all codecs share rows
		op = shape.Of(n).Name
	}
	r, ok := rules[key{n.Domain, op}]
	return r, ok
}

// join makes one table of several, whose keys are OP or DOMAIN:OP.
func join(tables ...map[string]rule) map[key]rule {
	all := map[key]rule{}
	for _, t := range tables {
		for name, r := range t {
			k := key{"", name}
			if domain, op, ok := strings.Cut(name, ":"); ok {
				k = key{domain, op}
			}
			if _, twice := all[k]; twice {
				panic("BUG: two gradient rules for " + name)
			}
			all[k] = r
		}
	}
	return all
}
