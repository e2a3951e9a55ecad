package shape

import "github.com/bottlenet/bnc/compiler/ir"

// Rules of domain ai.onnx.ml. Rows are samples: x is [N,C], and a vector is one
// sample, or with labels N of them.

// samples returns the number of rows of input 0.
func (c *call) samples() Dim {
	switch x := c.arg(0); {
	case len(x.Dims) == 0:
		return Dim{}
	case len(x.Dims) == 1:
		return Const(1)
	default:
		return x.Dims[0]
	}
}

// arrayFeatureExtractor picks columns: the last axis of input 0 at the indices
// in input 1.
func arrayFeatureExtractor(c *call) ([]Type, error) {
	x, at := c.arg(0), c.arg(1)
	if !x.Ranked {
		return one(Unranked(x.DType))
	}
	if err := c.wantMinRank(0, 1); err != nil {
		return nil, err
	}
	count := at.Elements()
	if len(x.Dims) == 1 {
		return one(TensorOf(x.DType, Const(1), count))
	}
	dims := append([]Dim(nil), x.Dims...)
	dims[len(dims)-1] = count
	return one(TensorOf(x.DType, dims...))
}

// classifier is the rule of the classifiers: a label for each sample, which are
// strings where attribute strings names them, and float32 scores, whose number
// is that of the labels.
func classifier(strings, ints string) rule {
	return func(c *call) ([]Type, error) {
		n := c.samples()
		label, classes := ir.Int64, Dim{}
		if list, ok := c.ints(ints); ok && len(list) > 0 {
			classes = Const(int64(len(list)))
		}
		if a := c.attr(strings); a != nil && len(a.Proto.Strings) > 0 {
			label, classes = ir.String, Const(int64(len(a.Proto.Strings)))
		}
		if classes.Is(1) { // a single label is binary with two scores, or one
			classes = Dim{}
		}
		return []Type{TensorOf(label, n), TensorOf(ir.Float32, n, classes)}, nil
	}
}

// regressor is the rule of the regressors: float32, so many targets a sample.
func regressor(targets string) rule {
	return func(c *call) ([]Type, error) {
		count := Const(1)
		if targets != "" {
			count = Const(c.int(targets, 1))
		}
		return one(TensorOf(ir.Float32, c.samples(), count))
	}
}

// treeEnsemble has as many columns as n_targets says, in the type of the input.
func treeEnsemble(c *call) ([]Type, error) {
	return one(TensorOf(c.arg(0).DType, c.samples(), Const(c.int("n_targets", 1))))
}

// labelEncoder maps element by element to the type its values are in.
func labelEncoder(c *call) ([]Type, error) {
	dtype := ir.Undefined
	for _, values := range []struct {
		name  string
		dtype ir.DType
	}{
		{"values_strings", ir.String}, {"values_int64s", ir.Int64}, {"values_floats", ir.Float32},
	} {
		if c.attr(values.name) != nil {
			dtype = values.dtype
		}
	}
	if t := c.tensor("values_tensor"); t != nil {
		dtype = t.DType()
	}
	if c.attr("classes_strings") != nil { // operator set 1: strings to numbers or back
		dtype = otherLabel(c.arg(0).DType)
	}
	x := c.arg(0)
	return one(Type{Kind: Tensor, DType: dtype, Ranked: x.Ranked, Dims: x.Dims})
}

// categoryMapper maps strings to numbers or back.
func categoryMapper(c *call) ([]Type, error) {
	x := c.arg(0)
	return one(Type{Kind: Tensor, DType: otherLabel(x.DType), Ranked: x.Ranked, Dims: x.Dims})
}

func otherLabel(d ir.DType) ir.DType {
	if d == ir.String {
		return ir.Int64
	}
	return ir.String
}

// featureVectorizer joins its inputs' columns.
func featureVectorizer(c *call) ([]Type, error) {
	sum := Const(0)
	list, _ := c.ints("inputdimensions")
	for _, n := range list {
		sum = sum.Add(Const(n))
	}
	if len(list) == 0 {
		sum = Dim{}
	}
	return one(TensorOf(ir.Float32, c.samples(), sum))
}

// oneHotEncoder adds an axis for the categories.
func oneHotEncoder(c *call) ([]Type, error) {
	x := c.arg(0)
	count := Dim{}
	if list, ok := c.ints("cats_int64s"); ok && len(list) > 0 {
		count = Const(int64(len(list)))
	} else if a := c.attr("cats_strings"); a != nil {
		count = Const(int64(len(a.Proto.Strings)))
	}
	if !x.Ranked {
		return one(Unranked(ir.Float32))
	}
	return one(TensorOf(ir.Float32, append(append([]Dim(nil), x.Dims...), count)...))
}

// zipMap is a map from label to score for each sample.
func zipMap(c *call) ([]Type, error) {
	score := TensorOf(ir.Float32)
	m := Type{Kind: Map, DType: ir.Int64, Elem: &score}
	if a := c.attr("classlabels_strings"); a != nil && len(a.Proto.Strings) > 0 {
		m.DType = ir.String
	}
	return one(sequenceOf(&m))
}

// castMap makes a row of a map's values.
func castMap(c *call) ([]Type, error) {
	types := map[string]ir.DType{"TO_FLOAT": ir.Float32, "TO_INT64": ir.Int64, "TO_STRING": ir.String}
	width := Dim{}
	if c.str("map_form", "DENSE") == "SPARSE" {
		width = Const(c.int("max_map", 1))
	}
	return one(TensorOf(types[c.str("cast_to", "TO_FLOAT")], Const(1), width))
}

// dictVectorizer makes a row of a map's values in the order of the vocabulary.
func dictVectorizer(c *call) ([]Type, error) {
	width := Dim{}
	if list, ok := c.ints("int64_vocabulary"); ok {
		width = Const(int64(len(list)))
	} else if a := c.attr("string_vocabulary"); a != nil {
		width = Const(int64(len(a.Proto.Strings)))
	}
	dtype := ir.Undefined
	if e := c.arg(0).Elem; e != nil {
		dtype = e.DType
	}
	return one(TensorOf(dtype, Const(1), width))
}
