package oip

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// jsonForm is how the elements of one type are read and written in JSON.
type jsonForm struct {
	read  func(shape []int64, l *jsonList) (*tensor.Tensor, error)
	write func(out []byte, t *tensor.Tensor) []byte
}

// jsonForms has a row for every element type that JSON can carry.
var jsonForms = map[tensor.DType]jsonForm{
	tensor.Bool:    numbers(func(b []byte) (bool, error) { return strconv.ParseBool(string(b)) }, strconv.AppendBool),
	tensor.Int8:    integers[int8](8),
	tensor.Int16:   integers[int16](16),
	tensor.Int32:   integers[int32](32),
	tensor.Int64:   integers[int64](64),
	tensor.Uint8:   naturals[uint8](8),
	tensor.Uint16:  naturals[uint16](16),
	tensor.Uint32:  naturals[uint32](32),
	tensor.Uint64:  naturals[uint64](64),
	tensor.Float32: floats[float32](32),
	tensor.Float64: floats[float64](64),
	tensor.String:  {readStrings, writeStrings},
}

// numbers is the form of elements that are parsed and appended one by one.
func numbers[T tensor.Element](parse func([]byte) (T, error), write func([]byte, T) []byte) jsonForm {
	return jsonForm{
		read: func(shape []int64, l *jsonList) (*tensor.Tensor, error) {
			values := make([]T, 0, l.n)
			err := l.each(func(token []byte) error {
				v, err := parse(token)
				values = append(values, v)
				return err
			})
			if err != nil {
				return nil, err
			}
			return tensor.Of(shape, values), nil
		},
		write: func(out []byte, t *tensor.Tensor) []byte {
			for i, v := range tensor.Slice[T](t) {
				if i > 0 {
					out = append(out, ',')
				}
				out = write(out, v)
			}
			return out
		},
	}
}

func integers[T int8 | int16 | int32 | int64](bits int) jsonForm {
	return numbers(func(b []byte) (T, error) {
		v, err := strconv.ParseInt(string(b), 10, bits)
		return T(v), err
	}, func(out []byte, v T) []byte { return strconv.AppendInt(out, int64(v), 10) })
}

func naturals[T uint8 | uint16 | uint32 | uint64](bits int) jsonForm {
	return numbers(func(b []byte) (T, error) {
		v, err := strconv.ParseUint(string(b), 10, bits)
		return T(v), err
	}, func(out []byte, v T) []byte { return strconv.AppendUint(out, uint64(v), 10) })
}

func floats[T float32 | float64](bits int) jsonForm {
	return numbers(func(b []byte) (T, error) {
		if f, ok := nonFinite[string(b)]; ok {
			return T(f), nil
		}
		v, err := strconv.ParseFloat(string(b), bits)
		return T(v), err
	}, func(out []byte, v T) []byte { return strconv.AppendFloat(out, float64(v), 'g', -1, bits) })
}

// nonFinite is what quoteNonFinite makes of numbers that JSON does not have.
var nonFinite = map[string]float64{
	`"NaN"`:      math.NaN(),
	`"Infinity"`: math.Inf(1), `"-Infinity"`: math.Inf(-1),
	`"Inf"`: math.Inf(1), `"-Inf"`: math.Inf(-1),
}

func readStrings(shape []int64, l *jsonList) (*tensor.Tensor, error) {
	values := make([]string, 0, l.n)
	err := l.each(func(token []byte) error {
		values = append(values, "")
		return json.Unmarshal(token, &values[len(values)-1])
	})
	return &tensor.Tensor{DType: tensor.String, Shape: slices.Clone(shape), Strings: values}, err
}

func writeStrings(out []byte, t *tensor.Tensor) []byte {
	for i, s := range t.Strings {
		if i > 0 {
			out = append(out, ',')
		}
		quoted, _ := json.Marshal(s) // a string has no error
		out = append(out, quoted...)
	}
	return out
}

// fromJSON returns the tensor of a JSON list: flat, or nested as shape says.
// raw is valid JSON. what names the tensor in errors.
func fromJSON(what string, dtype tensor.DType, shape []int64, raw []byte) (*tensor.Tensor, error) {
	n, err := dimensions(what, shape)
	if err != nil {
		return nil, err
	}
	form, ok := jsonForms[dtype]
	if !ok {
		return nil, Errorf(Invalid, "%s: %s cannot be given in JSON: send it as binary data", what, Datatype(dtype))
	}
	if n > (len(raw)+1)/2 { // an element takes a character, and a comma between it and the next
		return nil, Errorf(Invalid, "%s: shape %v holds %d elements, found fewer", what, shape, n)
	}
	t, err := form.read(shape, &jsonList{raw: raw, shape: shape, n: n})
	if err == nil {
		return t, nil
	}
	if e := (*jsonElementError)(nil); errors.As(err, &e) {
		return nil, Errorf(Invalid, "%s: element %d: expected %s, found %s", what, e.index, Datatype(dtype), quote(e.token))
	}
	return nil, Errorf(Invalid, "%s: %v", what, err)
}

// appendJSON appends a tensor's flat JSON list. what names it in errors.
func appendJSON(out []byte, what string, t *tensor.Tensor) ([]byte, error) {
	form, ok := jsonForms[t.DType]
	if !ok {
		return nil, Errorf(Invalid, "%s is %s, which JSON cannot hold: ask for it with parameter %s", what, Datatype(t.DType), paramBinary)
	}
	for i, s := range t.Strings {
		if !utf8.ValidString(s) {
			return nil, Errorf(Invalid, "%s: element %d is no UTF-8, which JSON cannot hold: ask for it with parameter %s", what, i, paramBinary)
		}
	}
	if t.DType.IsFloat() {
		values, err := t.Floats()
		if err != nil {
			return nil, Errorf(Internal, "%s: %v", what, err)
		}
		if i := slices.IndexFunc(values, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }); i >= 0 {
			return nil, Errorf(Invalid, "%s: element %d is %v, which JSON cannot hold: ask for it with parameter %s", what, i, values[i], paramBinary)
		}
	}
	return append(form.write(append(out, '['), t), ']'), nil
}
