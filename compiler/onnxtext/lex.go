package onnxtext

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

type kind int

const (
	end     kind = iota
	ident        // a letter or _, then letters, digits and _
	quoted       // "...", where a backslash takes the next character as it is
	integer      // -?[0-9]+
	decimal      // a number with a point or an exponent, or a negative inf or nan
	symbol       // one character, or =>
	invalid      // text that is none of these
)

// token is a piece of the source. Text is what it stands for: without quotes
// and escapes.
type token struct {
	kind kind
	text string
	pos  int // of its first byte
}

func (t token) String() string {
	switch t.kind {
	case end:
		return "the end of the text"
	case quoted:
		return fmt.Sprintf("the string %q", t.text)
	}
	return fmt.Sprintf("%q", t.text)
}

// lexer cuts src into tokens. White space separates them, # starts a comment
// that ends with the line.
type lexer struct {
	src string
	pos int
}

func (l *lexer) next() token {
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		if c == '#' {
			l.skip(func(c byte) bool { return c != '\n' })
		} else if isSpace(c) {
			l.pos++
		} else {
			break
		}
	}
	start := l.pos
	k := l.scan()
	t := token{k, l.src[start:l.pos], start}
	if k == quoted {
		t.text = unquote(t.text)
	}
	return t
}

// scan moves over one token and returns its kind.
func (l *lexer) scan() kind {
	if l.pos == len(l.src) {
		return end
	}
	switch c := l.src[l.pos]; {
	case c == '"':
		return l.quoted()
	case isLetter(c):
		l.skip(isWord)
		return ident
	case c == '-':
		l.pos++
		word := l.pos
		if l.skip(isLetter); l.pos > word {
			if isFloatWord(l.src[word:l.pos]) {
				return decimal
			}
			return invalid
		}
		if l.pos == len(l.src) || !isDigit(l.src[l.pos]) {
			return invalid
		}
		return l.number()
	case isDigit(c):
		return l.number()
	case strings.HasPrefix(l.src[l.pos:], "=>"):
		l.pos += 2
		return symbol
	}
	_, size := utf8.DecodeRuneInString(l.src[l.pos:])
	l.pos += size
	return symbol
}

func (l *lexer) quoted() kind {
	for l.pos++; l.pos < len(l.src); l.pos++ {
		switch l.src[l.pos] {
		case '\\':
			l.pos++
		case '"':
			l.pos++
			return quoted
		}
	}
	l.pos = len(l.src) // an escape may have gone past it
	return invalid
}

func (l *lexer) number() kind {
	k := integer
	l.skip(isDigit)
	if l.at('.') {
		k = decimal
		l.pos++
		l.skip(isDigit)
	}
	if l.at('e') || l.at('E') {
		k = decimal
		l.pos++
		if l.at('+') || l.at('-') {
			l.pos++
		}
		l.skip(isDigit)
	}
	return k
}

func (l *lexer) at(c byte) bool { return l.pos < len(l.src) && l.src[l.pos] == c }

func (l *lexer) skip(class func(byte) bool) {
	for l.pos < len(l.src) && class(l.src[l.pos]) {
		l.pos++
	}
}

func isSpace(c byte) bool  { return c == ' ' || '\t' <= c && c <= '\r' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' }
func isWord(c byte) bool   { return isLetter(c) || isDigit(c) }

// isFloatWord reports whether an identifier is a number where one may stand.
func isFloatWord(s string) bool {
	switch strings.ToLower(s) {
	case "inf", "infinity", "nan":
		return true
	}
	return false
}

func unquote(s string) string {
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// quote is the inverse of unquote.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func isIdent(s string) bool {
	if s == "" || !isLetter(s[0]) {
		return false
	}
	for i := range len(s) {
		if !isWord(s[i]) {
			return false
		}
	}
	return true
}
