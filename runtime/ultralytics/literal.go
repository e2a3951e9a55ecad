package ultralytics

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds how deep lists and dicts are nested.
const maxDepth = 16

// entry is an entry of a dict.
type entry struct{ key, value any }

// literal reads a Python literal (ast.literal_eval): a dict becomes []entry in its order,
// a list or tuple []any, whole numbers int64, others float64, and there are string, bool
// and nil. Sets, bytes, complex numbers and expressions are none.
func literal(text string) (any, error) {
	p := &parser{text: text}
	v, err := p.value(0)
	if err != nil {
		return nil, fmt.Errorf("character %d: %w", p.at, err)
	}
	if p.space(); p.at < len(text) {
		return nil, fmt.Errorf("character %d: expected the end, found %.20q", p.at, text[p.at:])
	}
	return v, nil
}

type parser struct {
	text string
	at   int
}

func (p *parser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// next returns the next character that is no space, 0 at the end.
func (p *parser) next() byte {
	p.space()
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

var errDeep = fmt.Errorf("expected at most %d lists and dicts in each other", maxDepth)

func (p *parser) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDeep
	}
	switch c := p.next(); c {
	case '{':
		var dict []entry
		_, err := p.items('}', func() error {
			key, err := p.value(depth + 1)
			if err != nil {
				return err
			}
			if p.next() != ':' {
				return errors.New("expected a colon behind a key")
			}
			p.at++
			value, err := p.value(depth + 1)
			dict = append(dict, entry{key, value})
			return err
		})
		return dict, err
	case '[':
		list, _, err := p.list(']', depth)
		return list, err
	case '(':
		list, comma, err := p.list(')', depth)
		if err == nil && len(list) == 1 && !comma { // brackets around a value
			return list[0], nil
		}
		return list, err
	case '\'', '"':
		return p.quoted(c)
	}
	return p.word()
}

func (p *parser) list(end byte, depth int) (list []any, comma bool, err error) {
	list = []any{}
	comma, err = p.items(end, func() error {
		v, err := p.value(depth + 1)
		list = append(list, v)
		return err
	})
	return list, comma, err
}

// items reads what is between brackets, separated by commas, and tells whether there was one.
func (p *parser) items(end byte, each func() error) (comma bool, err error) {
	p.at++
	for p.next() != end {
		if err := each(); err != nil {
			return comma, err
		}
		switch p.next() {
		case ',':
			comma = true
			p.at++
		case end:
		default:
			return comma, fmt.Errorf("expected , or %c", end)
		}
	}
	p.at++
	return comma, nil
}

// escapes are those of one character.
var escapes = map[byte]string{'\n': "", '\\': `\`, '\'': "'", '"': `"`, 'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v"}

// codes are how many hexadecimal digits follow.
var codes = map[byte]int{'x': 2, 'u': 4, 'U': 8}

var errOpen = errors.New("expected the end of a string")

// quoted reads a string in quotes; strings beside each other are joined.
func (p *parser) quoted(quote byte) (string, error) {
	var b strings.Builder
	for p.at++; ; {
		if p.at == len(p.text) || p.text[p.at] == '\n' {
			return "", errOpen
		}
		c := p.text[p.at]
		p.at++
		if c == quote {
			break
		}
		if c != '\\' {
			b.WriteByte(c)
			continue
		}
		if p.at == len(p.text) {
			return "", errOpen
		}
		c = p.text[p.at]
		p.at++
		if n := codes[c]; n > 0 {
			if p.at+n > len(p.text) {
				return "", errOpen
			}
			code, err := strconv.ParseUint(p.text[p.at:p.at+n], 16, 32)
			if err != nil || !utf8.ValidRune(rune(code)) {
				return "", fmt.Errorf("expected a character's %d hexadecimal digits", n)
			}
			b.WriteRune(rune(code))
			p.at += n
			continue
		}
		plain, ok := escapes[c]
		if !ok { // both characters, as Python has it
			plain = `\` + string(rune(c))
		}
		b.WriteString(plain)
	}
	if c := p.next(); c == '\'' || c == '"' {
		more, err := p.quoted(c)
		return b.String() + more, err
	}
	return b.String(), nil
}

// word reads a number or a name.
func (p *parser) word() (any, error) {
	rest := p.text[p.at:]
	n := strings.IndexAny(rest, " \t\r\n,:()[]{}'\"")
	if n < 0 {
		n = len(rest)
	}
	word := rest[:n]
	named := map[string]any{"True": true, "False": false, "None": nil}
	v, ok := named[word]
	if !ok {
		if whole, err := strconv.ParseInt(word, 10, 64); err == nil {
			v = whole
		} else if real, err := strconv.ParseFloat(word, 64); err == nil && strings.ContainsAny(word, "0123456789") {
			v = real
		} else {
			return nil, fmt.Errorf("expected a value, found %.20q", word)
		}
	}
	p.at += n
	return v, nil
}
