package oip

import (
	"bytes"
	"fmt"
	"reflect"
)

// jsonList walks over the elements of a tensor in JSON. raw is valid JSON.
type jsonList struct {
	raw   []byte
	shape []int64
	n     int // the elements that shape holds
	next  int // the element that comes next
}

// jsonElementError is an element that is not of the tensor's type.
type jsonElementError struct {
	index int
	token string
}

func (e *jsonElementError) Error() string { return fmt.Sprintf("element %d: %s", e.index, e.token) }

// each hands every element's text to f, n of them where it returns no error. The
// list is flat or nested as the shape says; a scalar needs no list.
func (l *jsonList) each(f func(token []byte) error) error {
	dims := l.shape
	if l.peek() == '[' {
		if inner := (&jsonList{raw: l.raw[1:]}); inner.peek() != '[' {
			dims = []int64{int64(l.n)}
		}
	}
	return l.walk(dims, f)
}

// walk reads a list of dims[0] lists or, behind the last dimension, an element.
func (l *jsonList) walk(dims []int64, f func(token []byte) error) error {
	if len(dims) == 0 {
		token := l.token()
		if f(token) != nil {
			return &jsonElementError{l.next, string(token)}
		}
		l.next++
		return nil
	}
	if l.peek() != '[' {
		return fmt.Errorf("data: expected a list of %d before element %d, found %s", dims[0], l.next, quote(string(l.token())))
	}
	l.raw = l.raw[1:]
	count := int64(0)
	for ; l.peek() != ']'; count++ {
		if count == dims[0] {
			return fmt.Errorf("data: shape %v has lists of %d, found a longer one before element %d", l.shape, dims[0], l.next)
		}
		if err := l.walk(dims[1:], f); err != nil {
			return err
		}
		if l.peek() == ',' {
			l.raw = l.raw[1:]
		}
	}
	l.raw = l.raw[1:]
	if count < dims[0] {
		return fmt.Errorf("data: shape %v has lists of %d, found one of %d before element %d", l.shape, dims[0], count, l.next)
	}
	return nil
}

// peek passes over white space and returns the character behind it.
func (l *jsonList) peek() byte {
	l.raw = bytes.TrimLeft(l.raw, " \t\r\n")
	return l.raw[0]
}

// token takes the next literal; of a list or object the opening bracket.
func (l *jsonList) token() []byte {
	end := 1
	switch l.peek() {
	case '[', '{':
	case '"':
		for ; l.raw[end] != '"'; end++ {
			if l.raw[end] == '\\' {
				end++
			}
		}
		end++
	default:
		if end = bytes.IndexAny(l.raw, ",]} \t\r\n"); end < 0 {
			end = len(l.raw)
		}
	}
	token := l.raw[:end]
	l.raw = l.raw[end:]
	return token
}

// quoteNonFinite returns a copy of a JSON text in which NaN and infinities are
// strings, and whether there are any.
func quoteNonFinite(text []byte) ([]byte, bool) {
	var out []byte
	found := false
	for i := 0; i < len(text); {
		n := 1
		switch text[i] {
		case '"':
			for n < len(text)-i && text[i+n] != '"' {
				if text[i+n] == '\\' {
					n++
				}
				n++
			}
			n = min(n+1, len(text)-i)
		case 'N', 'I', '-':
			for _, word := range []string{"NaN", "Infinity", "-Infinity", "Inf", "-Inf"} {
				if bytes.HasPrefix(text[i:], []byte(word)) {
					out = fmt.Appendf(out, "%q", word)
					i, n, found = i+len(word), 0, true
					break
				}
			}
		}
		out = append(out, text[i:i+n]...)
		i += n
	}
	return out, found
}

// jsonKinds names what the Go types of messages are in JSON.
var jsonKinds = map[reflect.Kind]string{
	reflect.String: "a string",
	reflect.Int64:  "a whole number",
	reflect.Slice:  "a list",
	reflect.Struct: "an object",
	reflect.Map:    "an object",
}
