package ir

// Emitter appends nodes of the default domain in the form that the model's
// operator set version asks for. Names of all it adds start with Prefix.
type Emitter struct {
	Graph  *Graph
	Opset  int64
	Prefix string
}

// Op adds a node with one output, which it returns.
func (e Emitter) Op(name, op string, inputs []*Value, attrs ...*Attr) *Value {
	return e.Graph.Op1(e.Prefix+name, op, inputs, nil, attrs...)
}

// Unary adds a node that reads x alone.
func (e Emitter) Unary(name, op string, x *Value) *Value {
	return e.Op(name, op, []*Value{x})
}

// Binary adds a node that reads x and y.
func (e Emitter) Binary(name, op string, x, y *Value) *Value {
	return e.Op(name, op, []*Value{x, y})
}

// Float adds a float32 constant of rank 0.
func (e Emitter) Float(name string, v float32) *Value {
	return e.Graph.Const(e.Prefix+name, Float32s([]float32{v}))
}

// Floats adds a float32 constant of the given dims.
func (e Emitter) Floats(name string, v []float32, dims ...int64) *Value {
	return e.Graph.Const(e.Prefix+name, Float32s(v, dims...))
}

// Ints adds an int64 constant of rank 1.
func (e Emitter) Ints(name string, v ...int64) *Value {
	return e.Graph.Const(e.Prefix+name, Int64s(v...))
}

// Cast converts x to d.
func (e Emitter) Cast(name string, x *Value, d DType) *Value {
	return e.Op(name, "Cast", []*Value{x}, IntAttr("to", int64(d)))
}

// Reshape gives x the dims, in which 0 keeps a dimension of x.
func (e Emitter) Reshape(name string, x *Value, dims ...int64) *Value {
	return e.Binary(name, "Reshape", x, e.Ints(name+".shape", dims...))
}

// Transpose permutes the axes of x.
func (e Emitter) Transpose(name string, x *Value, perm ...int64) *Value {
	return e.Op(name, "Transpose", []*Value{x}, IntsAttr("perm", perm...))
}

// Clip bounds x; the bounds became inputs with opset 11.
func (e Emitter) Clip(name string, x *Value, lo, hi float32) *Value {
	if e.Opset < 11 {
		return e.Op(name, "Clip", []*Value{x}, FloatAttr("min", lo), FloatAttr("max", hi))
	}
	return e.Op(name, "Clip", []*Value{x, e.Float(name+".min", lo), e.Float(name+".max", hi)})
}

// Slice takes elements start to end of one axis; the bounds became inputs with
// opset 10.
func (e Emitter) Slice(name string, x *Value, axis, start, end int64) *Value {
	if e.Opset < 10 {
		return e.Op(name, "Slice", []*Value{x}, IntsAttr("axes", axis), IntsAttr("starts", start), IntsAttr("ends", end))
	}
	return e.Op(name, "Slice", []*Value{x, e.Ints(name+".start", start), e.Ints(name+".end", end), e.Ints(name+".axis", axis)})
}
