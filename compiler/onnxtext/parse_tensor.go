package onnxtext

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"google.golang.org/protobuf/proto"
)

// tensor reads the elements of a tensor of type t, which must have a shape of
// numbers, or the place of its data in another file.
func (p *parser) tensor(name string, t *onnxpb.TypeProto) *onnxpb.TensorProto {
	out := &onnxpb.TensorProto{}
	if name != "" {
		out.Name = proto.String(name)
	}
	if t.GetTensorType().GetShape() == nil {
		p.fail("no elements, since the type before is no tensor of a known shape")
		return out
	}
	out.DataType = proto.Int32(t.GetTensorType().GetElemType())
	for _, d := range t.GetTensorType().GetShape().Dim {
		n, ok := d.Value.(*onnxpb.TensorShapeProto_Dimension_DimValue)
		if !ok {
			p.fail("no elements, since a dimension before is no number")
			return out
		}
		out.Dims = append(out.Dims, n.DimValue)
	}
	if p.at("[") {
		out.DataLocation = onnxpb.TensorProto_EXTERNAL.Enum()
		out.ExternalData = p.entries()
		return out
	}
	start, found := p.tok, int64(0)
	p.list("{", "}", func() {
		p.element(out)
		found++
	})
	if want := elements(out); want >= 0 && found != want { // the decoder refuses bad dimensions
		p.failAt(start, fmt.Sprintf("%d elements", want), strconv.FormatInt(found, 10))
	}
	return out
}

// elements returns how many elements t is written with: two a complex number,
// and packed bytes where they are narrower. It is negative where the dimensions
// are not usable.
func elements(t *onnxpb.TensorProto) int64 {
	tensor := ir.Tensor{Proto: t}
	n, bits := tensor.Len(), tensor.DType().Bits()
	switch {
	case n < 0:
		return n
	case isComplex(tensor.DType()):
		return 2 * n
	case bits > 0 && bits < 8:
		return tensor.Size()
	}
	return n
}

func isComplex(d ir.DType) bool {
	return d == ir.DType(onnxpb.TensorProto_COMPLEX64) || d == ir.DType(onnxpb.TensorProto_COMPLEX128)
}

// element reads one element into the field where the format keeps its type.
func (p *parser) element(t *onnxpb.TensorProto) {
	switch dt := onnxpb.TensorProto_DataType(t.GetDataType()); dt {
	case onnxpb.TensorProto_STRING:
		t.StringData = append(t.StringData, []byte(p.string()))
	case onnxpb.TensorProto_FLOAT, onnxpb.TensorProto_COMPLEX64:
		t.FloatData = append(t.FloatData, float32(p.float(32)))
	case onnxpb.TensorProto_DOUBLE, onnxpb.TensorProto_COMPLEX128:
		t.DoubleData = append(t.DoubleData, p.float(64))
	case onnxpb.TensorProto_INT64:
		t.Int64Data = append(t.Int64Data, p.int(math.MinInt64, math.MaxInt64))
	case onnxpb.TensorProto_UINT32:
		t.Uint64Data = append(t.Uint64Data, p.uint(math.MaxUint32))
	case onnxpb.TensorProto_UINT64:
		t.Uint64Data = append(t.Uint64Data, p.uint(math.MaxUint64))
	default:
		r := int32Range(dt)
		t.Int32Data = append(t.Int32Data, int32(p.int(r[0], r[1])))
	}
}

// int32Range returns what an entry of int32_data can be: the values of an
// integer type, the bits of a floating-point type, or a byte, read with or
// without a sign, of narrower elements.
func int32Range(t onnxpb.TensorProto_DataType) [2]int64 {
	switch t {
	case onnxpb.TensorProto_BOOL:
		return [2]int64{0, 1}
	case onnxpb.TensorProto_INT8:
		return [2]int64{math.MinInt8, math.MaxInt8}
	case onnxpb.TensorProto_INT16:
		return [2]int64{math.MinInt16, math.MaxInt16}
	case onnxpb.TensorProto_INT32:
		return [2]int64{math.MinInt32, math.MaxInt32}
	}
	if bits := ir.DType(t).Bits(); bits >= 8 {
		return [2]int64{0, 1<<bits - 1}
	}
	return [2]int64{math.MinInt8, math.MaxUint8}
}

// parseFloat reads a number as the syntax writes it. Of a nan the sign counts.
func parseFloat(s string, bits int) (float64, error) {
	if word, negative := strings.CutPrefix(s, "-"); negative && strings.EqualFold(word, "nan") {
		return math.Copysign(math.NaN(), -1), nil
	}
	return strconv.ParseFloat(s, bits)
}
