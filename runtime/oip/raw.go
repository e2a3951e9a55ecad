package oip

import (
	"encoding/binary"
	"slices"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// The raw form of a tensor, which the binary extension and gRPC share:
// little-endian bytes in row-major order, of BYTES each element's length as
// 4 bytes and the element, of BOOL a byte 0 or 1.

// fromRaw returns a tensor over its raw form; memory is shared where the type
// and its alignment allow. what names the tensor in errors.
func fromRaw(what string, dtype tensor.DType, shape []int64, raw []byte) (*tensor.Tensor, error) {
	n, err := dimensions(what, shape)
	if err != nil {
		return nil, err
	}
	if dtype == tensor.String {
		return rawStrings(what, n, shape, raw)
	}
	// No product here: a claimed shape may overflow it.
	size := dtype.Size()
	if len(raw)%size != 0 || len(raw)/size != n {
		return nil, Errorf(Invalid, "%s: shape %v of %s holds %d elements of %d bytes, found %d bytes",
			what, shape, Datatype(dtype), n, size, len(raw))
	}
	if dtype == tensor.Bool {
		if i := slices.IndexFunc(raw, func(b byte) bool { return b > 1 }); i >= 0 {
			return nil, Errorf(Invalid, "%s: element %d: BOOL is a byte 0 or 1, found %d", what, i, raw[i])
		}
	}
	t, err := tensor.FromBytes(dtype, shape, raw)
	if err != nil {
		return nil, Errorf(Invalid, "%s: %v", what, err)
	}
	return t, nil
}

// rawStrings decodes the n elements of a BYTES tensor.
func rawStrings(what string, n int, shape []int64, raw []byte) (*tensor.Tensor, error) {
	const prefix = 4
	if n > len(raw)/prefix {
		return nil, Errorf(Invalid, "%s: shape %v holds %d elements of BYTES, each at least the %d bytes of its length, found %d bytes",
			what, shape, n, prefix, len(raw))
	}
	out := make([]string, 0, n)
	rest := raw
	for i := range n {
		if len(rest) < prefix {
			return nil, Errorf(Invalid, "%s: element %d of %d: expected the %d bytes of its length, found %d", what, i, n, prefix, len(rest))
		}
		length := binary.LittleEndian.Uint32(rest)
		rest = rest[prefix:]
		if uint64(length) > uint64(len(rest)) {
			return nil, Errorf(Invalid, "%s: element %d of %d: expected %d bytes, found %d", what, i, n, length, len(rest))
		}
		out = append(out, string(rest[:length]))
		rest = rest[length:]
	}
	if len(rest) > 0 {
		return nil, Errorf(Invalid, "%s: %d bytes are left over behind the %d elements of shape %v", what, len(rest), n, shape)
	}
	return &tensor.Tensor{DType: tensor.String, Shape: slices.Clone(shape), Strings: out}, nil
}

// toRaw returns a tensor's raw form: its own memory unless it holds strings.
func toRaw(t *tensor.Tensor) []byte {
	if t.DType != tensor.String {
		return t.Data
	}
	raw := []byte{}
	for _, s := range t.Strings {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(len(s)))
		raw = append(raw, s...)
	}
	return raw
}
