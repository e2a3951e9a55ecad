package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Float32s returns the elements as float32: the same memory where they are that, else
// rounded. A string tensor is an error.
func (t *Tensor) Float32s() ([]float32, error) {
	if t.DType == Float32 {
		return Slice[float32](t), nil
	}
	wide, err := t.Floats()
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(wide))
	for i, v := range wide {
		out[i] = float32(v)
	}
	return out, nil
}

// FromFloat32s makes a tensor of a floating-point type of values: the same memory where that
// is float32, else rounded.
func FromFloat32s(dtype DType, shape []int64, values []float32) (*Tensor, error) {
	if dtype == Float32 {
		return Of(shape, values), nil
	}
	t, err := New(dtype, shape...)
	if err != nil {
		return nil, err
	}
	switch dtype {
	case Float64:
		copy(Slice[float64](t), widen(values))
	case Float16:
		for i, v := range values {
			Words[uint16](t)[i] = Float32ToFloat16(v)
		}
	default:
		return nil, fmt.Errorf("numbers cannot become a tensor of type %v", dtype)
	}
	return t, nil
}

// Floats returns every element as a float64, in order: bool as 0 and 1. It
// returns an error for strings.
func (t *Tensor) Floats() ([]float64, error) {
	switch t.DType {
	case Float32:
		return widen(Slice[float32](t)), nil
	case Float64:
		return widen(Slice[float64](t)), nil
	case Int8:
		return widen(Slice[int8](t)), nil
	case Int16:
		return widen(Slice[int16](t)), nil
	case Int32:
		return widen(Slice[int32](t)), nil
	case Int64:
		return widen(Slice[int64](t)), nil
	case Uint8, Bool:
		return widen(t.Data), nil
	case Uint16:
		return widen(Slice[uint16](t)), nil
	case Uint32:
		return widen(Slice[uint32](t)), nil
	case Uint64:
		return widen(Slice[uint64](t)), nil
	case Float16:
		return t.halves(Float16ToFloat32), nil
	case BFloat16:
		return t.halves(func(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }), nil
	case String:
		return nil, errNotNumeric
	}
	return nil, fmt.Errorf("a tensor of type %v cannot be read as numbers", t.DType)
}

// widen converts a slice of numbers to float64.
func widen[T float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](in []T) []float64 {
	out := make([]float64, len(in))
	for i, v := range in {
		out[i] = float64(v)
	}
	return out
}

// halves converts 16-bit elements to float64 with the given conversion.
func (t *Tensor) halves(convert func(uint16) float32) []float64 {
	out := make([]float64, len(t.Data)/2)
	for i := range out {
		out[i] = float64(convert(binary.LittleEndian.Uint16(t.Data[2*i:])))
	}
	return out
}

// Float16ToFloat32 converts the bits of an IEEE 754 binary16 number. It is
// exact: every half is a float32.
func Float16ToFloat32(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent := uint32(h>>10) & 0x1f
	fraction := uint32(h) & 0x3ff
	switch exponent {
	case 0x1f: // infinity, or NaN with its payload
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	case 0: // zero and subnormals: fraction * 2^-24, exact in float32
		v := float32(fraction) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(v))
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// Float32ToFloat16 converts to IEEE 754 binary16 bits, rounding half to even,
// overflowing to infinity, as numpy's astype does.
func Float32ToFloat16(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits>>16) & 0x8000
	magnitude := bits & 0x7fffffff
	const (
		infinity     = 0xff << 23
		overflow     = (127 + 16) << 23 // 2^16: the first magnitude beyond the largest exponent
		smallest     = (127 - 14) << 23 // 2^-14: the smallest normal half
		exponentGap  = 112 << 23        // the two formats' exponent biases apart, in place
		quietNaN     = 0x7e00
		halfInfinity = 0x7c00
	)
	switch {
	case magnitude > infinity:
		return sign | quietNaN
	case magnitude >= overflow:
		return sign | halfInfinity
	case magnitude < smallest:
		// Adding 0.5 leaves the subnormal half in the low bits of the sum: its
		// unit in the last place is 2^-24, and the addition rounds half to even.
		sum := math.Float32frombits(magnitude) + 0.5
		return sign | uint16(math.Float32bits(sum)-math.Float32bits(0.5))
	}
	odd := magnitude >> 13 & 1
	return sign | uint16((magnitude-exponentGap+0xfff+odd)>>13)
}
