package files

import (
	"os"
	"strings"
)

// WriteRule writes a rule in make's syntax: the targets that are there depend on the
// inputs. Each of those gets an empty rule, so that one that is gone is no error.
func WriteRule(file string, targets, inputs []string) error {
	var there []string
	for _, path := range targets {
		if _, err := os.Stat(path); err == nil {
			there = append(there, makeEscape(path))
		}
	}
	var b strings.Builder
	b.WriteString(strings.Join(there, " ") + ":")
	for _, in := range inputs {
		b.WriteString(" \\\n  " + makeEscape(in))
	}
	b.WriteByte('\n')
	for _, in := range inputs {
		b.WriteString("\n" + makeEscape(in) + ":\n")
	}
	return Write(file, []byte(b.String()))
}

// makeEscape quotes what make would take for more than a name.
func makeEscape(path string) string {
	return strings.NewReplacer(" ", `\ `, "#", `\#`, "$", "$$", ":", `\:`).Replace(path)
}
