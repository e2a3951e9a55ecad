package grad

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// updates appends the next values of the tensors of state.
type updates struct {
	*builder
	opt      Optimizer
	man      *Manifest
	names    *stateNames
	scalars  map[string]*ir.Value // inputs
	next     []*ir.Value          // in the order of the manifest's State
	averages map[string]string    // names of averages by those of the tensors of weights
}

// addScalars adds the inputs for the optimiser's scalars, float32 [1].
func (u *updates) addScalars() {
	u.scalars = map[string]*ir.Value{}
	for _, name := range u.opt.scalars() {
		v := u.g.Temp(name, ir.TensorType(ir.Float32, ir.Fixed(1)))
		u.g.AddInput(v, nil)
		u.shapes[v] = []int64{1}
		u.scalars[name] = v
		u.man.Scalars = append(u.man.Scalars, v.Name())
	}
	if u.opt.Kind != SGD {
		u.man.Beta1, u.man.Beta2 = u.opt.Beta1, u.opt.Beta2
	}
}

// update appends what becomes of weights t, which are w now, by their gradient. Decay and size
// are Optimizer.update's.
func (u *updates) update(t Tensor, w, grad, decay, size *ir.Value) {
	slots := map[string]*ir.Value{}
	for _, s := range u.opt.slots() {
		slots[s] = u.input(s, t)
	}
	after, slotsAfter := u.opt.update(u.builder, w, grad, decay, size, slots, u.scalars)
	u.record(t, after)
	for _, s := range u.opt.slots() {
		u.record(Tensor{Name: slots[s].Name(), Dims: t.Dims}, slotsAfter[s])
	}
	if u.opt.EMA > 0 {
		avg := u.input(averageState, t)
		u.averages[t.Name] = avg.Name()
		moved := u.add(avg, u.scale(u.sub(after, avg), 1-u.opt.EMA))
		u.record(Tensor{Name: avg.Name(), Dims: t.Dims, From: t.Name}, moved)
	}
}

// input adds an input for state that goes with weights t.
func (u *updates) input(prefix string, t Tensor) *ir.Value {
	v := u.g.Temp(u.names.free(prefix+t.Name), ir.TensorType(ir.Float32, ir.Fixed(t.Dims...)))
	u.g.AddInput(v, nil)
	u.shapes[v] = t.Dims
	return v
}

// record makes value the next one of t.
func (u *updates) record(t Tensor, value *ir.Value) {
	u.g.Rename(value, t.Name+next)
	u.next = append(u.next, value)
	u.man.State = append(u.man.State, t)
}

// clip scales all gradients by one factor so that their norm together is at most
// ClipNorm, and returns that norm, float32 [1].
func (o Optimizer) clip(b *builder, grads []*ir.Value) ([]*ir.Value, *ir.Value) {
	var parts []*ir.Value
	for _, g := range grads {
		axes := make([]int64, len(b.dims(g)))
		for i := range axes {
			axes[i] = int64(i)
		}
		parts = append(parts, b.reshape(b.reduce("ReduceSumSquare", g, true, axes...), 1))
	}
	norm := b.sqrt(b.sum(b.concat(0, parts...), true, 0))
	if o.ClipNorm == 0 {
		return grads, norm
	}
	factor := b.binary("Min", b.div(b.scalar(o.ClipNorm), b.plus(norm, 1e-6)), b.scalar(1))
	out := make([]*ir.Value, len(grads))
	for i, g := range grads {
		out[i] = b.mul(g, factor)
	}
	return out, norm
}

// decay returns the weight decay of a tensor of state: none for parameters of
// rank 0 and 1 (biases, normalisations) unless DecayAll.
func (o Optimizer) decay(b *builder, t Tensor, weights []Param) *ir.Value {
	if o.WeightDecay == 0 {
		return nil
	}
	decays := func(w Param) bool { return o.DecayAll || len(w.Dims) >= 2 }
	inside := slices.DeleteFunc(slices.Clone(weights), func(w Param) bool { return w.State != t.Name })
	switch {
	case !slices.ContainsFunc(inside, func(w Param) bool { return !decays(w) }):
		return b.scalar(o.WeightDecay)
	case !slices.ContainsFunc(inside, decays):
		return nil
	}
	var mask []float32
	for _, w := range inside {
		v := float32(0)
		if decays(w) {
			v = float32(o.WeightDecay)
		}
		mask = append(mask, slices.Repeat([]float32{v}, int(ir.Elements(w.Dims)))...)
	}
	return b.floats(mask, int64(len(mask)))
}
