package oip

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/bottlenet/bnc/runtime/oip/oippb"
)

// jsonParams are Params in their JSON form, not yet looked at.
type jsonParams map[string]json.RawMessage

// UnmarshalJSON takes an object of maxItems fields at most, or null.
func (p *jsonParams) UnmarshalJSON(text []byte) error {
	return eachItem(text, '{', reflect.TypeFor[jsonParams](), func(d *json.Decoder) error {
		name, err := d.Token()
		if err != nil {
			return err
		}
		if *p == nil {
			*p = jsonParams{}
		}
		var value json.RawMessage
		err = d.Decode(&value)
		(*p)[name.(string)] = value
		return err
	})
}

// decode returns the parameters: true and false as bool, whole numbers as
// int64, others as float64, strings as string. A null is passed over. where
// says whose parameters they are.
func (p jsonParams) decode(where string) (Params, error) {
	var out Params
	for name, raw := range p {
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			return nil, Errorf(Invalid, "%s: parameter %s: %v", where, quote(name), err)
		}
		switch value.(type) {
		case nil:
			continue
		case map[string]any, []any:
			return nil, Errorf(Invalid, "%s: parameter %s: expected true, false, a number or a string, found %s",
				where, quote(name), quote(string(raw)))
		case float64:
			if whole := int64(0); json.Unmarshal(raw, &whole) == nil {
				value = whole
			}
		}
		if out == nil {
			out = Params{}
		}
		out[name] = value
	}
	return out, nil
}

// MarshalJSON writes the parameters. A float64 keeps a point or an exponent, so
// that it is still one when it is read. NaN and infinities are an error.
func (p Params) MarshalJSON() ([]byte, error) {
	out := make(map[string]any, len(p))
	for name, value := range p {
		if f, ok := value.(float64); ok {
			text, err := json.Marshal(f)
			if err != nil {
				return nil, fmt.Errorf("parameter %s: %w", quote(name), err)
			}
			if !bytes.ContainsAny(text, ".e") {
				text = append(text, ".0"...)
			}
			value = json.RawMessage(text)
		}
		out[name] = value
	}
	return json.Marshal(out)
}

// bool returns a parameter that must be true or false where it is given.
func (p Params) bool(where, name string) (value, given bool, err error) {
	v, given := p[name]
	if !given {
		return false, false, nil
	}
	value, ok := v.(bool)
	if !ok {
		return false, true, Errorf(Invalid, "%s: parameter %s: expected true or false, found %s", where, name, quote(fmt.Sprint(v)))
	}
	return value, true, nil
}

// with returns a copy of p with one more parameter.
func (p Params) with(name string, value any) Params {
	out := make(Params, len(p)+1)
	for k, v := range p {
		out[k] = v
	}
	out[name] = value
	return out
}

// paramsToProto returns the parameters as messages. It returns an error for a
// value of a type that Params does not have.
func paramsToProto(p Params) (map[string]*oippb.InferParameter, error) {
	if len(p) == 0 {
		return nil, nil
	}
	out := make(map[string]*oippb.InferParameter, len(p))
	for name, value := range p {
		m := &oippb.InferParameter{}
		switch v := value.(type) {
		case bool:
			m.ParameterChoice = &oippb.InferParameter_BoolParam{BoolParam: v}
		case int64:
			m.ParameterChoice = &oippb.InferParameter_Int64Param{Int64Param: v}
		case float64:
			m.ParameterChoice = &oippb.InferParameter_DoubleParam{DoubleParam: v}
		case string:
			m.ParameterChoice = &oippb.InferParameter_StringParam{StringParam: strings.ToValidUTF8(v, "\uFFFD")}
		default:
			return nil, Errorf(Internal, "parameter %s: expected bool, int64, float64 or string, found %T", quote(name), value)
		}
		out[name] = m
	}
	return out, nil
}

// paramsFromProto returns the parameters. One without a value is passed over; a
// uint64 beyond int64 becomes a float64.
func paramsFromProto(p map[string]*oippb.InferParameter) Params {
	var out Params
	for name, m := range p {
		var value any
		switch v := m.GetParameterChoice().(type) {
		case *oippb.InferParameter_BoolParam:
			value = v.BoolParam
		case *oippb.InferParameter_Int64Param:
			value = v.Int64Param
		case *oippb.InferParameter_DoubleParam:
			value = v.DoubleParam
		case *oippb.InferParameter_StringParam:
			value = v.StringParam
		case *oippb.InferParameter_Uint64Param:
			if value = int64(v.Uint64Param); value.(int64) < 0 {
				value = float64(v.Uint64Param)
			}
		default:
			continue
		}
		if out == nil {
			out = Params{}
		}
		out[name] = value
	}
	return out
}
