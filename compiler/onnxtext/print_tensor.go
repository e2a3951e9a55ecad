package onnxtext

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
)

// tensor prints type, name if there is one, separator and elements.
func (p *printer) tensor(t *ir.Tensor, tensorName, separator string) {
	p.elemType(t.Proto.GetDataType())
	if dims := t.Dims(); len(dims) > 0 {
		p.print("[")
		p.each(len(dims), ", ", func(i int) { p.print(strconv.FormatInt(dims[i], 10)) })
		p.print("]")
	}
	if tensorName != "" {
		p.print(" ", name(tensorName))
	}
	p.print(separator, "{")
	if p.max > 0 && t.Len() > p.max {
		p.print("# left out: ", strconv.FormatInt(t.Len(), 10), " elements")
		p.line()
	} else if t.DType() == ir.String {
		p.each(len(t.Proto.StringData), ", ", func(i int) { p.print(quote(string(t.Proto.StringData[i]))) })
	} else if err := p.elements(t); err != nil {
		p.fail(fmt.Errorf("tensor %q: %w", tensorName, err))
	}
	p.print("}")
}

// elements prints the packed elements of t.
func (p *printer) elements(t *ir.Tensor) error {
	b, err := t.Bytes()
	if err != nil {
		return err
	}
	write, ok := elementWriters[onnxpb.TensorProto_DataType(t.DType())]
	if !ok {
		write = bitWriters[max(t.DType().Bits(), 8)]
	}
	size := int(max(t.DType().Bits(), 8) / 8)
	if isComplex(t.DType()) {
		size /= 2
	}
	text := make([]byte, 0, 32)
	p.each(len(b)/size, ", ", func(i int) {
		text = write(text[:0], b[i*size:])
		p.w.Write(text)
	})
	return nil
}

// An elementWriter appends the text of the little-endian element at the start
// of b.
type elementWriter func(text, b []byte) []byte

// elementWriters are those of types whose value is not just their bits.
var elementWriters = map[onnxpb.TensorProto_DataType]elementWriter{
	onnxpb.TensorProto_FLOAT:      float32Text,
	onnxpb.TensorProto_COMPLEX64:  float32Text,
	onnxpb.TensorProto_DOUBLE:     float64Text,
	onnxpb.TensorProto_COMPLEX128: float64Text,
	onnxpb.TensorProto_INT8: func(text, b []byte) []byte {
		return strconv.AppendInt(text, int64(int8(b[0])), 10)
	},
	onnxpb.TensorProto_INT16: func(text, b []byte) []byte {
		return strconv.AppendInt(text, int64(int16(binary.LittleEndian.Uint16(b))), 10)
	},
	onnxpb.TensorProto_INT32: func(text, b []byte) []byte {
		return strconv.AppendInt(text, int64(int32(binary.LittleEndian.Uint32(b))), 10)
	},
	onnxpb.TensorProto_INT64: func(text, b []byte) []byte {
		return strconv.AppendInt(text, int64(binary.LittleEndian.Uint64(b)), 10)
	},
}

// bitWriters are those of the other types, by width: unsigned integers, bool,
// the bits of floating-point types, packed bytes of narrower types.
var bitWriters = map[int64]elementWriter{
	8: func(text, b []byte) []byte { return strconv.AppendUint(text, uint64(b[0]), 10) },
	16: func(text, b []byte) []byte {
		return strconv.AppendUint(text, uint64(binary.LittleEndian.Uint16(b)), 10)
	},
	32: func(text, b []byte) []byte {
		return strconv.AppendUint(text, uint64(binary.LittleEndian.Uint32(b)), 10)
	},
	64: func(text, b []byte) []byte { return strconv.AppendUint(text, binary.LittleEndian.Uint64(b), 10) },
}

func float32Text(text, b []byte) []byte {
	v := math.Float32frombits(binary.LittleEndian.Uint32(b))
	return append(text, formatFloat(float64(v), 32)...)
}

func float64Text(text, b []byte) []byte {
	return append(text, formatFloat(math.Float64frombits(binary.LittleEndian.Uint64(b)), 64)...)
}

// formatFloat returns the shortest text that parseFloat reads as v.
func formatFloat(v float64, bits int) string {
	switch {
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	case math.IsNaN(v) && math.Signbit(v):
		return "-nan"
	case math.IsNaN(v):
		return "nan"
	}
	return strconv.FormatFloat(v, 'g', -1, bits)
}
