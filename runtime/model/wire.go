package model

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxText bounds one name or metadata value, so that a damaged length cannot
// ask for the whole of a large file.
const maxText = 64 << 20

// windowSize is how much of the file one read brings in.
const windowSize = 4096

// file reads protobuf framing at any offset through a small window.
type file struct {
	r      io.ReaderAt
	size   int64
	window []byte // what is at offset start
	start  int64
}

// field is one protobuf field: its number and wire type, the value of a
// varint, or the extent of the bytes of a length-delimited field.
type field struct {
	num      protowire.Number
	typ      protowire.Type
	varint   uint64
	from, to int64
}

// errTruncated is the answer to a length that goes past its message's end.
var errTruncated = errors.New("a field goes past the end: the file is cut short or damaged")

// peek returns the bytes at offset, at least one and up to what the window
// holds of them.
func (f *file) peek(offset int64) ([]byte, error) {
	const longestHead = 32 // two varints are at most 20 bytes
	inside := offset >= f.start && offset < f.start+int64(len(f.window))
	if inside && (f.start+int64(len(f.window))-offset >= longestHead || f.start+int64(len(f.window)) == f.size) {
		return f.window[offset-f.start:], nil
	}
	if f.window == nil {
		f.window = make([]byte, windowSize)
	}
	f.window = f.window[:min(windowSize, f.size-offset)]
	n, err := f.r.ReadAt(f.window, offset)
	f.window, f.start = f.window[:n], offset
	if n == 0 {
		return nil, err
	}
	return f.window, nil
}

// fields calls visit for every field of the message that lies at from..to.
func (f *file) fields(from, to int64, visit func(field) error) error {
	for at := from; at < to; {
		head, err := f.peek(at)
		if err != nil {
			return err
		}
		x, n, err := parseField(head, at)
		if err != nil {
			return fmt.Errorf("byte %d: %w", at, err)
		}
		if x.to > to {
			return fmt.Errorf("byte %d: %w", at, errTruncated)
		}
		if err := visit(x); err != nil {
			return err
		}
		at = max(x.to, at+int64(n))
	}
	return nil
}

// parseField reads one field's tag and value or length from head, which lies
// at offset at; n is how many bytes it read.
func parseField(head []byte, at int64) (x field, n int, err error) {
	num, typ, n := protowire.ConsumeTag(head)
	if n < 0 {
		return field{}, 0, protowire.ParseError(n)
	}
	x = field{num: num, typ: typ}
	switch typ {
	case protowire.VarintType:
		v, m := protowire.ConsumeVarint(head[n:])
		if m < 0 {
			return field{}, 0, protowire.ParseError(m)
		}
		x.varint = v
		n += m
		x.from, x.to = at+int64(n), at+int64(n)
	case protowire.BytesType:
		v, m := protowire.ConsumeVarint(head[n:])
		if m < 0 {
			return field{}, 0, protowire.ParseError(m)
		}
		n += m
		x.from = at + int64(n)
		x.to = x.from + int64(v)
		if x.to < x.from {
			return field{}, 0, errTruncated
		}
	case protowire.Fixed32Type:
		x.from, x.to = at+int64(n), at+int64(n)+4
	case protowire.Fixed64Type:
		x.from, x.to = at+int64(n), at+int64(n)+8
	default:
		return field{}, 0, fmt.Errorf("field %d has wire type %d, which ONNX does not use", num, typ)
	}
	return x, n, nil
}

// text reads the bytes of a length-delimited field.
func (f *file) text(x field) (string, error) {
	if x.typ != protowire.BytesType {
		return "", fmt.Errorf("byte %d: field %d is not text", x.from, x.num)
	}
	n := x.to - x.from
	if n > maxText {
		return "", fmt.Errorf("byte %d: field %d is %d bytes long, at most %d are read", x.from, x.num, n, maxText)
	}
	if x.to > f.size {
		return "", errTruncated
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(f.r, x.from, n), data); err != nil {
		return "", fmt.Errorf("byte %d: %w", x.from, err)
	}
	return string(data), nil
}
