package ops

/*
#include "payload.h"

// The codec at place i of the table, NULL behind the last.
static const bnc_codec *table_at(int i) { return bnc_codecs[i]; }
*/
import "C"

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"unsafe"
)

// Codec is a row of the table of codecs. The zero Codec is none.
type Codec struct{ row *C.bnc_codec }

// Operators are the types of a codec's operators in domain [Domain].
type Operators struct {
	Encode    string // tile, range? -> payload
	Decode    string // payload -> tile, range?
	RoundTrip string // tile, range? -> tile, payload_bytes
}

// Parameter is what both sides of a codec must agree on: an attribute of its
// operators, and a member of metadata bnc.codec.
type Parameter struct {
	Name        string
	Bytes       bool  // a byte string, not a number
	Least, Most int64 // limits of the number, or of the byte string's length
}

// Parameters are the values of a codec's parameters by name: an int64, or a []byte
// where the parameter is a byte string.
type Parameters map[string]any

// Codecs returns the table.
func Codecs() []Codec {
	var all []Codec
	for i := C.int(0); C.table_at(i) != nil; i++ {
		all = append(all, Codec{C.table_at(i)})
	}
	return all
}

// Lookup returns the codec of a name, and an error that names those there are.
func Lookup(name string) (Codec, error) {
	var names []string
	for _, c := range Codecs() {
		if c.Name() == name {
			return c, nil
		}
		names = append(names, c.Name())
	}
	return Codec{}, fmt.Errorf("codec %q: expected one of %s", name, strings.Join(names, ", "))
}

// Row is the codec of a bnc_codec (codec.h) that C code of another package defines.
func Row(row unsafe.Pointer) Codec { return Codec{(*C.bnc_codec)(row)} }

// Name returns what metadata bnc.codec calls it.
func (c Codec) Name() string { return C.GoString(c.row.name) }

// Operators returns the types of its operators.
func (c Codec) Operators() Operators {
	return Operators{
		Encode: C.GoString(c.row.operators[C.BNC_ENCODE]), Decode: C.GoString(c.row.operators[C.BNC_DECODE]),
		RoundTrip: C.GoString(c.row.operators[C.BNC_ROUND_TRIP]),
	}
}

// Parameters returns what the codec must be told.
func (c Codec) Parameters() []Parameter {
	var all []Parameter
	for _, p := range c.row.parameters {
		if p.name == nil {
			break
		}
		all = append(all, Parameter{C.GoString(p.name), bool(p.bytes), int64(p.least), int64(p.most)})
	}
	return all
}

// coder makes a coder, which is to be freed.
func (c Codec) coder(given Parameters) (*C.bnc_coder, error) {
	if c.row == nil {
		return nil, errors.New("codec: none is given")
	}
	var pinner runtime.Pinner
	defer pinner.Unpin()
	var values [C.BNC_MAX_PARAMETERS]C.bnc_value
	parameters := c.Parameters()
	for i, p := range parameters {
		switch v := given[p.Name].(type) {
		case int64:
			if p.Bytes {
				return nil, fmt.Errorf("codec: %s is a number, expected bytes", p.Name)
			}
			values[i].number = C.int64_t(v)
		case []byte:
			if !p.Bytes {
				return nil, fmt.Errorf("codec: %s is bytes, expected a number", p.Name)
			}
			if values[i].bytes, values[i].length = bytePointer(v), C.size_t(len(v)); len(v) > 0 {
				pinner.Pin(values[i].bytes)
			}
		default:
			return nil, fmt.Errorf("codec: %s of %s is missing", p.Name, c.Name())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.ContainsFunc(parameters, func(p Parameter) bool { return p.Name == name }) {
			return nil, fmt.Errorf("codec: %s has no %s", c.Name(), name)
		}
	}
	var failure C.bnc_error
	coder := C.bnc_coder_new(c.row, &values[0], &failure)
	if coder == nil {
		return nil, asError(&failure)
	}
	return coder, nil
}
