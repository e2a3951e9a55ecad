package data

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// ReadNames reads a text file with a name a line: the classes of a model, or of a
// data set. The text is UTF-8, or what its byte order mark says, UTF-16 too. Names
// are in Unicode's normal form C, as those of a Set's classes are, and without the
// blanks around them; blank lines at the end are none. Errors name the file.
func ReadNames(path string) ([]string, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	decoder := transform.Chain(unicode.BOMOverride(encoding.UTF8Validator), norm.NFC)
	text, _, err := transform.Bytes(decoder, file)
	if err != nil {
		return nil, fmt.Errorf("%s: expected text in UTF-8: %w; save it again as UTF-8", path, err)
	}
	if strings.ContainsRune(string(text), 0) {
		return nil, fmt.Errorf("%s: expected text, found a zero byte: UTF-16 needs a byte order mark; save it again as UTF-8", path)
	}
	names := strings.Split(string(text), "\n")
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
	}
	for len(names) > 0 && names[len(names)-1] == "" {
		names = names[:len(names)-1]
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s is empty: expected one name a line", path)
	}
	return names, nil
}

// className is the name of a class whose folder has that name: file systems hold
// accents composed, or decomposed as a Mac's archives do.
func className(folder string) string { return norm.NFC.String(folder) }
