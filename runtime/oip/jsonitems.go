package oip

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// maxItems is the most tensors of a message and parameters of each. An empty
// object of three bytes becomes a hundred: without a limit a body could cost
// many times its own size.
const maxItems = 4096

// jsonItems is a list of maxItems objects at most.
type jsonItems[T any] []T

// UnmarshalJSON takes such a list, or null.
func (l *jsonItems[T]) UnmarshalJSON(text []byte) error {
	return eachItem(text, '[', reflect.TypeFor[[]T](), func(d *json.Decoder) error {
		var item T
		err := d.Decode(&item)
		*l = append(*l, item)
		return err
	})
}

// eachItem calls f before each item of a list or object, which begins with
// open; want is the type that something else should have been. The text is
// valid JSON.
func eachItem(text []byte, open json.Delim, want reflect.Type, f func(*json.Decoder) error) error {
	d := json.NewDecoder(bytes.NewReader(text))
	switch token, err := d.Token(); {
	case err != nil:
		return err
	case token == nil: // null
		return nil
	case token != open:
		return &json.UnmarshalTypeError{Value: "value of another kind", Type: want}
	}
	for n := 0; d.More(); n++ {
		if n == maxItems {
			return Errorf(Invalid, "found more than the %d items of one list that are taken", maxItems)
		}
		if err := f(d); err != nil {
			return err
		}
	}
	return nil
}
