package table

import (
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	rows := [][]string{{"cut", "ms", "note"}, {"rb1", "1.25", "fast"}, {"rb10", "10", ""}}
	for _, c := range []struct {
		write func(*strings.Builder) error
		want  string
	}{
		{func(b *strings.Builder) error { return Left(b, rows) }, "cut   ms    note\nrb1   1.25  fast\nrb10  10    \n"},
		{func(b *strings.Builder) error { return Right(b, rows) }, "   cut    ms  note\n   rb1  1.25  fast\n  rb10    10      \n"},
		{func(b *strings.Builder) error { return Markdown(b, rows, func(c int) bool { return c == 1 }) },
			"| cut | ms | note |\n| --- | ---: | --- |\n| rb1 | 1.25 | fast |\n| rb10 | 10 |  |\n"},
	} {
		var b strings.Builder
		if err := c.write(&b); err != nil || b.String() != c.want {
			t.Errorf("%v\n%s\nexpected\n%s", err, b.String(), c.want)
		}
	}
}
