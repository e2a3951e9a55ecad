package onnxtext

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SyntaxError tells where a text leaves the syntax.
type SyntaxError struct {
	Line, Column    int // from 1; columns count characters
	Expected, Found string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: expected %s, found %s", e.Line, e.Column, e.Expected, e.Found)
}

// maxDepth limits how deep types and graphs nest in each other, so that no
// text exhausts the stack.
const maxDepth = 100

// parser reads by recursive descent with one token of look-ahead. The first
// error stays in err and puts the parser at the end of the text, where every
// loop ends; what is returned after that is of no use.
type parser struct {
	lex   lexer
	tok   token // the next one
	depth int
	err   error
}

func newParser(src string) *parser {
	p := &parser{lex: lexer{src: src}}
	p.advance()
	return p
}

func (p *parser) advance() token {
	t := p.tok
	p.tok = p.lex.next()
	return t
}

// fail reports that something else should stand in the place of the next token.
func (p *parser) fail(expected string) { p.failAt(p.tok, expected, p.tok.String()) }

func (p *parser) failAt(t token, expected, found string) {
	if p.err != nil {
		return
	}
	before := p.lex.src[:t.pos]
	line := before[strings.LastIndexByte(before, '\n')+1:]
	p.err = &SyntaxError{
		Line:     strings.Count(before, "\n") + 1,
		Column:   utf8.RuneCountInString(line) + 1,
		Expected: expected,
		Found:    found,
	}
	p.lex.pos = len(p.lex.src)
	p.tok = token{kind: end, pos: len(p.lex.src)}
}

func (p *parser) at(sym string) bool { return p.tok.kind == symbol && p.tok.text == sym }

func (p *parser) accept(sym string) bool {
	if !p.at(sym) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expect(sym string) {
	if !p.accept(sym) {
		p.fail(strconv.Quote(sym))
	}
}

// list reads elements with commas between them, maybe none, in brackets.
func (p *parser) list(open, close string, element func()) {
	p.expect(open)
	if p.accept(close) {
		return
	}
	for element(); p.accept(","); element() {
	}
	if !p.accept(close) {
		p.fail(fmt.Sprintf("%q or %q", ",", close))
	}
}

// nested reads something that can contain itself.
func (p *parser) nested(read func()) {
	p.depth++
	if p.depth > maxDepth {
		p.fail(fmt.Sprintf("at most %d graphs or types in each other", maxDepth))
	}
	read()
	p.depth--
}

func (p *parser) atName() bool { return p.tok.kind == ident || p.tok.kind == quoted }

// name reads an identifier or a string in its place.
func (p *parser) name(expected string) string {
	if !p.atName() {
		p.fail(expected)
	}
	return p.advance().text
}

func (p *parser) string() string {
	if p.tok.kind != quoted {
		p.fail("a string in double quotes")
	}
	return p.advance().text
}

func (p *parser) int(min, max int64) int64 {
	v, err := strconv.ParseInt(p.tok.text, 10, 64)
	if p.tok.kind != integer || err != nil || v < min || v > max {
		p.fail(fmt.Sprintf("an integer of %d to %d", min, max))
	}
	p.advance()
	return v
}

func (p *parser) uint(max uint64) uint64 {
	v, err := strconv.ParseUint(p.tok.text, 10, 64)
	if p.tok.kind != integer || err != nil || v > max {
		p.fail(fmt.Sprintf("an integer of 0 to %d", max))
	}
	p.advance()
	return v
}

// atFloat reports whether the next token is a number, inf and nan included.
func (p *parser) atFloat() bool {
	return p.tok.kind == integer || p.tok.kind == decimal || p.tok.kind == ident && isFloatWord(p.tok.text)
}

func (p *parser) float(bits int) float64 {
	v, err := parseFloat(p.tok.text, bits)
	if !p.atFloat() || err != nil {
		p.fail(fmt.Sprintf("a number that float%d can hold", bits))
	}
	p.advance()
	return v
}

// fields reads a header in angle brackets: names, colons and values, which the
// functions of known read.
func (p *parser) fields(known map[string]func()) {
	p.list("<", ">", func() {
		read := known[p.tok.text]
		if p.tok.kind != ident || read == nil {
			p.fail("one of " + strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			return
		}
		p.advance()
		p.expect(":")
		read()
	})
}
