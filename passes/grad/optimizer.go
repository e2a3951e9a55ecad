package grad

import (
	"math"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// Kinds of optimisers.
const (
	SGD   = "sgd"
	Adam  = "adam"
	AdamW = "adamw"
	// AdamRelative is Adam with a learning rate for each weight: a share of what it was at first,
	// the root mean square of all its elements. Networks whose batch normalisation is folded have
	// weights of very different sizes, of which no one rate suits all (Shazeer and Stern, Adafactor,
	// 2018, "relative step size").
	AdamRelative = "adam-relative"
)

// Optimizers are the kinds of optimisers.
func Optimizers() []string { return []string{SGD, Adam, AdamW, AdamRelative} }

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
// its slots. Decay is the weight decay, and size what rates are relative to: a number, a tensor of
// w's shape, or nil.
func (o Optimizer) update(b *builder, w, g, decay, size *ir.Value, slots, scalars map[string]*ir.Value) (*ir.Value, map[string]*ir.Value) {
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
	if size != nil {
		step = b.mul(step, size)
	}
	return b.sub(w, b.mul(step, b.mul(lr, scalars["correct1"]))), next
}

// leastSize is that of a weight of next to nothing, for relative rates, as Adafactor has it: what
// begins with zeros stays near them.
const leastSize = 1e-3

// sizeOf is the root mean square of a weight's elements.
func sizeOf(values []float32) float64 {
	sum := 0.0
	for _, v := range values {
		sum += float64(v) * float64(v)
	}
	return max(math.Sqrt(sum/float64(len(values))), leastSize)
}

// sizes returns what rates of a tensor of state are relative to, nil where they are absolute.
func (o Optimizer) sizes(b *builder, t Tensor, weights []Param, initial []float32) *ir.Value {
	if o.Kind != AdamRelative {
		return nil
	}
	all := make([]float32, len(initial))
	for _, w := range weights {
		if w.State != t.Name {
			continue
		}
		end := w.Offset + ir.Elements(w.Dims)
		size := float32(sizeOf(initial[w.Offset:end]))
		for i := w.Offset; i < end; i++ {
			all[i] = size
		}
	}
	if slices.Max(all) == slices.Min(all) {
		return b.scalar(float64(all[0]))
	}
	return b.floats(all, t.Dims...)
}
