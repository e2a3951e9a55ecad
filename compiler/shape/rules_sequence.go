package shape

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// element returns the type of an element of input i, a sequence or optional.
func (c *call) element(i int) Type {
	if e := c.arg(i).Elem; e != nil {
		return *e
	}
	return Type{}
}

func sequenceConstruct(c *call) ([]Type, error) {
	elem := c.arg(0)
	for i := range c.in {
		elem = merge(elem, c.arg(i))
	}
	elem.Content, elem.reals = nil, nil
	return one(sequenceOf(&elem))
}

func sequenceEmpty(c *call) ([]Type, error) {
	elem := Unranked(ir.DType(c.int("dtype", int64(ir.Float32))))
	return one(sequenceOf(&elem))
}

func sequenceAt(c *call) ([]Type, error) { return one(c.element(0)) }

func sequenceInsert(c *call) ([]Type, error) {
	elem := merge(c.element(0), c.arg(1))
	elem.Content, elem.reals = nil, nil
	if c.element(0).Kind == Unknown {
		elem = Type{}
	}
	return one(sequenceOf(&elem))
}

func scalarInt64(*call) ([]Type, error) { return one(TensorOf(ir.Int64)) }

func scalarBool(*call) ([]Type, error) { return one(TensorOf(ir.Bool)) }

// splitToSequence: parts along axis, of size 1 where no sizes are given; with
// keepdims 0 the axis is dropped then.
func splitToSequence(c *call) ([]Type, error) {
	x := c.arg(0)
	elem := Unranked(x.DType)
	if x.Ranked {
		axis, err := c.axis("axis", c.int("axis", 0), len(x.Dims), false)
		if err != nil {
			return nil, err
		}
		dims := slices.Clone(x.Dims)
		switch {
		case c.has(1):
			dims[axis] = Dim{}
			if sizes, ok := c.arg(1).Ints(); ok && len(sizes) > 0 && slices.Min(sizes) == slices.Max(sizes) {
				if n, isConst := x.Dims[axis].Int(); len(c.arg(1).Dims) == 1 || isConst && sizes[0] > 0 && n%sizes[0] == 0 {
					dims[axis] = Const(sizes[0])
				}
			}
		case c.int("keepdims", 1) == 0:
			dims = slices.Delete(dims, axis, axis+1)
		default:
			dims[axis] = Const(1)
		}
		elem = TensorOf(x.DType, dims...)
	}
	return one(sequenceOf(&elem))
}

// concatFromSequence joins along an axis, or with new_axis stacks.
func concatFromSequence(c *call) ([]Type, error) {
	elem := c.element(0)
	if !elem.Ranked {
		return one(Unranked(elem.DType))
	}
	stack := c.int("new_axis", 0) != 0
	rank := len(elem.Dims)
	if stack {
		rank++
	}
	axis, err := c.axis("axis", c.int("axis", 0), rank, false)
	if err != nil {
		return nil, err
	}
	dims := slices.Clone(elem.Dims)
	if stack {
		dims = slices.Insert(dims, axis, Dim{})
	} else {
		dims[axis] = Dim{}
	}
	return one(TensorOf(elem.DType, dims...))
}

func optional(c *call) ([]Type, error) {
	elem := c.arg(0)
	if a := c.attr("type"); a != nil && elem.Kind == Unknown {
		elem = c.protoType(a.Proto.GetTp())
	}
	return one(Type{Kind: Optional, Elem: &elem})
}

// optionalGetElement takes plain values too, from operator set 18 on.
func optionalGetElement(c *call) ([]Type, error) {
	if c.arg(0).Kind == Optional {
		return one(c.element(0))
	}
	return one(c.arg(0))
}
