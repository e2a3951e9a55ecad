package grad

import "github.com/bottlenet/bnc/compiler/ir"

// Kinds of optimisers.
const (
	SGD   = "sgd"
	Adam  = "adam"
	AdamW = "adamw"
)

// Optimizer says how gradients change the weights. Its updates are PyTorch's.
type Optimizer struct {
	Kind        string
	Momentum    float64 // SGD
	Nesterov    bool    // SGD
	Beta1       float64 // Adam, 0 for 0.9
	Beta2       float64 // Adam, 0 for 0.999
	Epsilon     float64 // Adam, 0 for 1e-8
	WeightDecay float64
	DecayAll    bool    // decay biases and normalisations too, not only tensors of rank 2 or more
	ClipNorm    float64 // largest norm of all gradients together, 0 for any
	EMA         float64 // decay of an average of the weights, 0 for none
}

func (o Optimizer) withDefaults() Optimizer {
	if o.Beta1 == 0 {
		o.Beta1 = 0.9
	}
	if o.Beta2 == 0 {
		o.Beta2 = 0.999
	}
	if o.Epsilon == 0 {
		o.Epsilon = 1e-8
	}
	return o
}

// slots are the tensors that the optimiser keeps beside each tensor of weights,
// by the prefix of their names.
func (o Optimizer) slots() []string {
	switch {
	case o.Kind != SGD:
		return []string{"m:", "v:"}
	case o.Momentum != 0:
		return []string{"m:"}
	}
	return nil
}

// scalars are the inputs that change from step to step, each float32 [1]: the
// learning rate, and for Adam what corrects its means' bias, 1/(1 - beta1^t) and
// 1/sqrt(1 - beta2^t).
func (o Optimizer) scalars() []string {
	if o.Kind == SGD {
		return []string{"lr"}
	}
	return []string{"lr", "correct1", "correct2"}
}

// update appends the next values of a tensor of weights w with gradient g and of
// its slots. Decay is the weight decay: a number, a tensor of w's shape, or nil.
func (o Optimizer) update(b *builder, w, g, decay *ir.Value, slots, scalars map[string]*ir.Value) (*ir.Value, map[string]*ir.Value) {
	lr, next := scalars["lr"], map[string]*ir.Value{}
	if o.Kind == AdamW { // w (1 - lr decay), apart from the gradient
		if decay != nil {
			w = b.sub(w, b.mul(b.mul(w, decay), lr))
		}
	} else if decay != nil {
		g = b.add(g, b.mul(w, decay))
	}
	if o.Kind == SGD {
		if o.Momentum != 0 {
			// m' = momentum m + g; the step is m', or Nesterov's g + momentum m'
			m := b.add(b.scale(slots["m:"], o.Momentum), g)
			next["m:"] = m
			if o.Nesterov {
				g = b.add(g, b.scale(m, o.Momentum))
			} else {
				g = m
			}
		}
		return b.sub(w, b.mul(g, lr)), next
	}
	// m' = m + (1 - beta1)(g - m), v' = beta2 v + (1 - beta2) g^2,
	// w' = w - lr correct1 m' / (sqrt(v') correct2 + eps)
	m := b.add(b.scale(slots["m:"], o.Beta1), b.scale(g, 1-o.Beta1))
	v := b.add(b.scale(slots["v:"], o.Beta2), b.scale(b.mul(g, g), 1-o.Beta2))
	next["m:"], next["v:"] = m, v
	step := b.div(m, b.plus(b.mul(b.sqrt(v), scalars["correct2"]), o.Epsilon))
	return b.sub(w, b.mul(step, b.mul(lr, scalars["correct1"]))), next
}
