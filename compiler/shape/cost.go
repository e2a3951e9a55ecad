package shape

import "github.com/bottlenet/bnc/compiler/ir"

// cost returns the multiply-accumulate operations of a call, given the types of
// its outputs.
type cost func(c *call, outs []Type) Dim

// MACs returns the multiply-accumulate operations of n for one image, 0 for
// operators that are not made of them. The batch, which is the leading dimension
// of the model's first input, counts as 1, whether it is symbolic or a number.
// It is false where another size that matters is symbolic or not known, or the
// operator is not. A call of
// a function costs what its nodes do; nodes in bodies have their own costs, those
// of one iteration.
func (i *Info) MACs(n *ir.Node) (int64, bool) {
	d, charged := i.costs[n]
	if !charged {
		return 0, true
	}
	macs, ok := i.AtBatch1(d)
	batch, isConst := i.batch.Int()
	if dims := i.types[n.Output(0)].Dims; isConst && batch > 0 && len(dims) > 0 && dims[0].Is(batch) {
		macs /= batch
	}
	return macs, ok
}

// AtBatch1 returns d with a symbolic batch counting as 1, and false where
// another size in it is symbolic or not known.
func (i *Info) AtBatch1(d Dim) (int64, bool) {
	return d.Eval(func(a *Atom) (int64, bool) { return 1, i.batch.atom() != nil && i.batch.atom().key == a.key })
}

// Batch returns the model's batch size: the leading dimension of its first
// input of rank 2 or more. It is unknown where there is none.
func (i *Info) Batch() Dim { return i.batch }
