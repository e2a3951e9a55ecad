package ir

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/x448/float16"
)

// Data is where the raw little-endian bytes of a tensor come from: memory, a
// range of a file, or a computation that runs when the bytes are wanted.
type Data interface {
	// Size returns the number of bytes without reading them.
	Size() int64
	// Bytes returns all bytes; the caller must not change them.
	Bytes() ([]byte, error)
	// WriteTo streams the bytes.
	WriteTo(w io.Writer) (int64, error)
}

// Memory is Data that is already there.
type Memory []byte

// Size returns the number of bytes.
func (m Memory) Size() int64 { return int64(len(m)) }

// Bytes returns m itself.
func (m Memory) Bytes() ([]byte, error) { return m, nil }

// WriteTo writes m.
func (m Memory) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(m)
	return int64(n), err
}

// Lazy is Data that is computed each time it is asked for, so that rewriting
// the weights of a large model keeps one tensor in memory, not all of them.
type Lazy struct {
	N       int64
	Compute func() ([]byte, error)
}

// Size returns the number of bytes that Compute will return.
func (l Lazy) Size() int64 { return l.N }

// Bytes computes the bytes.
func (l Lazy) Bytes() ([]byte, error) {
	b, err := l.Compute()
	if err == nil && int64(len(b)) != l.N {
		panic(fmt.Sprintf("BUG: lazy tensor computed %d bytes, declared %d", len(b), l.N))
	}
	return b, err
}

// WriteTo computes and writes the bytes.
func (l Lazy) WriteTo(w io.Writer) (int64, error) {
	b, err := l.Bytes()
	if err != nil {
		return 0, err
	}
	return Memory(b).WriteTo(w)
}

// Tensor is an immutable constant. Its elements are in Raw, or, where the file
// used them, in the typed fields of Proto (float_data and so on).
type Tensor struct {
	// Proto holds everything but the raw bytes and the name.
	Proto *onnxpb.TensorProto
	// Raw holds the elements, packed and little-endian; nil when the typed
	// fields of Proto do.
	Raw Data
}

// NewTensor returns a tensor over raw little-endian bytes.
func NewTensor(d DType, dims []int64, raw Data) *Tensor {
	dt := int32(d)
	t := &Tensor{Proto: &onnxpb.TensorProto{DataType: &dt, Dims: slices.Clone(dims)}, Raw: raw}
	if n := t.Len(); d.Bytes(n) != raw.Size() {
		panic(fmt.Sprintf("BUG: tensor %v %v over %d bytes", d, dims, raw.Size()))
	}
	return t
}

// Float32s returns a float32 tensor; no dims make a scalar.
func Float32s(v []float32, dims ...int64) *Tensor {
	return NewTensor(Float32, dims, Memory(AppendFloat32s(make([]byte, 0, 4*len(v)), v)))
}

// FloatsAs returns a tensor of floating-point type d with the elements of v, rounded
// to the nearest. What is beyond float16's range becomes its largest number.
func FloatsAs(d DType, v []float32, dims ...int64) (*Tensor, error) {
	appendTo, ok := floatWriters[d]
	if !ok {
		return nil, fmt.Errorf("elements of type %v: expected float32, float64, float16 or bfloat16", d)
	}
	var b []byte
	for _, x := range v {
		b = appendTo(b, x)
	}
	return NewTensor(d, dims, Memory(b)), nil
}

var floatWriters = map[DType]func([]byte, float32) []byte{
	Float32: func(b []byte, x float32) []byte { return binary.LittleEndian.AppendUint32(b, math.Float32bits(x)) },
	Float64: func(b []byte, x float32) []byte {
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(x)))
	},
	Float16: func(b []byte, x float32) []byte {
		const largest = 65504
		if x == x { // NaN stays NaN
			x = min(max(x, -largest), largest)
		}
		return binary.LittleEndian.AppendUint16(b, float16.Fromfloat32(x).Bits())
	},
	BFloat16: func(b []byte, x float32) []byte {
		n := math.Float32bits(x)
		if x == x { // half of what goes, to even
			n += 0x7fff + n>>16&1
		}
		return binary.LittleEndian.AppendUint16(b, uint16(n>>16))
	},
}

// Int64s returns an int64 tensor of rank 1.
func Int64s(v ...int64) *Tensor {
	b := make([]byte, 0, 8*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	}
	return NewTensor(Int64, []int64{int64(len(v))}, Memory(b))
}

// AppendFloat32s appends the little-endian bytes of v.
func AppendFloat32s(b []byte, v []float32) []byte {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// DType returns the element type.
func (t *Tensor) DType() DType { return DType(t.Proto.GetDataType()) }

// Dims returns the shape; the caller must not change it.
func (t *Tensor) Dims() []int64 { return t.Proto.GetDims() }

// Len returns the number of elements, or -1 where dims are negative or their
// product overflows.
func (t *Tensor) Len() int64 { return Elements(t.Dims()) }

// Elements returns the number of elements of a tensor of the given dims, or -1 where
// they are negative or their product overflows.
func Elements(dims []int64) int64 {
	n, overflow := int64(1), false
	for _, d := range dims {
		if d < 0 {
			return -1
		}
		overflow = overflow || d > 0 && n > math.MaxInt64/16/d
		n *= d
	}
	switch {
	case slices.Contains(dims, 0):
		return 0
	case overflow:
		return -1
	}
	return n
}

// Size returns the number of bytes of the packed elements, 0 for strings.
func (t *Tensor) Size() int64 { return t.DType().Bytes(t.Len()) }

// Bytes returns the elements packed and little-endian, whichever field of the
// format they are stored in. Strings have no such form and are an error.
func (t *Tensor) Bytes() ([]byte, error) {
	want := t.Size()
	if t.Len() < 0 || t.DType().Bits() == 0 {
		return nil, fmt.Errorf("tensor %v %v has no packed form", t.DType(), t.Dims())
	}
	b, err := t.packed()
	if err != nil {
		return nil, err
	}
	if int64(len(b)) != want {
		return nil, fmt.Errorf("tensor %v %v: expected %d bytes, found %d", t.DType(), t.Dims(), want, len(b))
	}
	return b, nil
}

func (t *Tensor) packed() ([]byte, error) {
	if t.Raw != nil {
		return t.Raw.Bytes()
	}
	p := t.Proto
	var b []byte
	for _, v := range p.FloatData { // float32, complex64
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	for _, v := range p.DoubleData { // float64, complex128
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	for _, v := range p.Int64Data {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	switch t.DType().Bits() {
	case 64:
		for _, v := range p.Uint64Data {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
	case 32:
		for _, v := range p.Uint64Data { // uint32 is kept here
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
		for _, v := range p.Int32Data {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
	case 16:
		for _, v := range p.Int32Data {
			b = binary.LittleEndian.AppendUint16(b, uint16(v))
		}
	default: // one byte an entry; packed 4 and 2 bit types too
		for _, v := range p.Int32Data {
			b = append(b, byte(v))
		}
	}
	return b, nil
}

// Ints returns the elements of an integer or bool tensor as int64.
func (t *Tensor) Ints() ([]int64, error) {
	read, ok := intReaders[t.DType()]
	if !ok {
		return nil, fmt.Errorf("tensor %v %v: expected integers", t.DType(), t.Dims())
	}
	b, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	size := int(t.DType().Bits() / 8)
	v := make([]int64, 0, len(b)/size)
	for ; len(b) > 0; b = b[size:] {
		v = append(v, read(b))
	}
	return v, nil
}

var intReaders = map[DType]func([]byte) int64{
	Int64:  func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) },
	Uint64: func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) },
	Int32:  func(b []byte) int64 { return int64(int32(binary.LittleEndian.Uint32(b))) },
	Uint32: func(b []byte) int64 { return int64(binary.LittleEndian.Uint32(b)) },
	Int16:  func(b []byte) int64 { return int64(int16(binary.LittleEndian.Uint16(b))) },
	Uint16: func(b []byte) int64 { return int64(binary.LittleEndian.Uint16(b)) },
	Int8:   func(b []byte) int64 { return int64(int8(b[0])) },
	Uint8:  func(b []byte) int64 { return int64(b[0]) },
	Bool:   func(b []byte) int64 { return int64(b[0]) },
}

// Floats returns the elements of a float32, float64, float16 or bfloat16 tensor as
// float32.
func (t *Tensor) Floats() ([]float32, error) {
	read, ok := floatReaders[t.DType()]
	if !ok {
		return nil, fmt.Errorf("tensor %v %v: expected floats", t.DType(), t.Dims())
	}
	b, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	size := int(t.DType().Bits() / 8)
	v := make([]float32, 0, len(b)/size)
	for ; len(b) > 0; b = b[size:] {
		v = append(v, read(b))
	}
	return v, nil
}

// Float64s returns the elements of a float32, float64 or float16 tensor as
// float64, which holds all of them.
func (t *Tensor) Float64s() ([]float64, error) {
	var v []float64
	if t.DType() == Float64 {
		b, err := t.Bytes()
		for ; len(b) > 0; b = b[8:] {
			v = append(v, math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}
		return v, err
	}
	floats, err := t.Floats()
	for _, f := range floats {
		v = append(v, float64(f))
	}
	return v, err
}

var floatReaders = map[DType]func([]byte) float32{
	Float32: func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) },
	Float64: func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) },
	Float16: func(b []byte) float32 { return float16.Frombits(binary.LittleEndian.Uint16(b)).Float32() },
	BFloat16: func(b []byte) float32 {
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
	},
}

// Sparse is a sparse tensor: values and their indices, both dense tensors.
type Sparse struct {
	// Proto holds the dims and whatever is unknown, not values and indices.
	Proto           *onnxpb.SparseTensorProto
	Values, Indices *Tensor
}
