package oip

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ParamClassification of a requested output asks for its largest elements and
// their places instead of the tensor (int64): Triton's classification extension.
const ParamClassification = "classification"

// Parameters that a request may have, by whose they are, and how each is wrong.
var (
	ofRequest = map[string]func(any) string{
		ParamPair:      notString,
		ParamTimeout:   nil, // its reader tells what it wants
		"priority":     notCount,
		paramAllBinary: notBool,
	}
	ofInput  = map[string]func(any) string{paramSize: nil, "content_type": notString}
	ofOutput = map[string]func(any) string{paramBinary: notBool, ParamClassification: notCount}
)

// CheckParams refuses (Invalid) parameters that bnc's server does not know: what
// is asked for and not done would be a wrong answer. A priority is known and
// changes nothing: requests are computed in the order in which they come.
func (r *Request) CheckParams() error {
	if err := check("the request", r.Params, ofRequest); err != nil {
		return err
	}
	for _, t := range r.Inputs {
		if err := check(label("input", t.Name), t.Params, ofInput); err != nil {
			return err
		}
	}
	for _, o := range r.Outputs {
		if err := check(label("output", o.Name), o.Params, ofOutput); err != nil {
			return err
		}
	}
	return nil
}

// check refuses parameters of one owner that are not known, the first by name.
func check(owner string, params Params, known map[string]func(any) string) error {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		wrong, ok := known[name]
		if !ok {
			return Errorf(Invalid, "%s: unknown parameter %s, expected one of %s",
				owner, quote(name), strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		if wrong == nil {
			continue
		}
		if expected := wrong(params[name]); expected != "" {
			return Errorf(Invalid, "%s: parameter %s: expected %s, found %s", owner, name, expected, quote(fmt.Sprint(params[name])))
		}
	}
	return nil
}

func notString(v any) string { return unless[string](v, "a string") }
func notBool(v any) string   { return unless[bool](v, "true or false") }

func notCount(v any) string {
	if n, whole := v.(int64); whole && n >= 0 {
		return ""
	}
	return "a whole number, 0 or more"
}

func unless[T any](v any, expected string) string {
	if _, ok := v.(T); ok {
		return ""
	}
	return expected
}
