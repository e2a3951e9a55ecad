package triton

import (
	"fmt"
	"strconv"
	"strings"
)

// printer writes protocol buffers' text format. The Go library's own printer
// varies its white space on purpose.
type printer struct {
	text  []byte
	depth int
}

// enum is the name of an enum's value, which stands without quotes.
type enum string

func (p *printer) line(format string, args ...any) {
	p.text = append(p.text, strings.Repeat("  ", p.depth)...)
	p.text = fmt.Appendf(p.text, format, args...)
	p.text = append(p.text, '\n')
}

func (p *printer) comment(text string) { p.line("# %s", text) }

// field writes a string, enum, number, bool or list of numbers.
func (p *printer) field(name string, value any) {
	switch v := value.(type) {
	case string:
		p.line("%s: %s", name, quote(v))
	case []int64:
		words := make([]string, len(v))
		for i, x := range v {
			words[i] = strconv.FormatInt(x, 10)
		}
		p.line("%s: [%s]", name, strings.Join(words, ", "))
	default:
		p.line("%s: %v", name, v)
	}
}

// message writes a nested message.
func (p *printer) message(name string, body func()) {
	p.line("%s {", name)
	p.depth++
	body()
	p.depth--
	p.line("}")
}

// quote writes a string literal. The format takes UTF-8 as it is and what is
// not printable in octal.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, "\\%03o", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
