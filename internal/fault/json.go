package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// JSON says in words what a decoder of JSON found in the place of what it expected.
func JSON(err error) error {
	wrong, text := (*json.UnmarshalTypeError)(nil), (*json.SyntaxError)(nil)
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return fmt.Errorf("%s: expected %s, found JSON's %s", wrong.Field, kindOf(wrong.Type), wrong.Value)
	case errors.As(err, &wrong):
		return fmt.Errorf("expected %s, found JSON's %s", kindOf(wrong.Type), wrong.Value)
	case errors.As(err, &text):
		return fmt.Errorf("expected JSON: %w", err)
	}
	if said, unknown := strings.CutPrefix(err.Error(), "json: "); unknown {
		return errors.New(said) // as of fields that are not known
	}
	return err
}

// kindOf says in words what values of a type are written as.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a number that fits"
}
