package data

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"
)

// passed counts what lies in a set's folders and is not in the set.
type passed struct {
	files  int            // that are no images by their names
	kinds  map[string]int // of these, by the name's ending
	first  string         // path of one of them
	beside int            // images beside class folders

	maskless int // images without a mask, beside others that have one
}

// add counts a file.
func (p *passed) add(dir, name string) {
	if p.files == 0 {
		p.first, p.kinds = filepath.Join(dir, name), map[string]int{}
	}
	p.files++
	p.kinds[cmp.Or(strings.ToLower(filepath.Ext(name)), "no ending")]++
}

// lines says it for people, nothing where nothing was passed over.
func (p *passed) lines() (lines []string) {
	if p.files > 0 {
		kinds := slices.SortedFunc(maps.Keys(p.kinds), func(a, b string) int {
			return cmp.Or(cmp.Compare(p.kinds[b], p.kinds[a]), cmp.Compare(a, b))
		})
		for i, kind := range kinds {
			kinds[i] = fmt.Sprintf("%d %s", p.kinds[kind], kind)
		}
		lines = append(lines, fmt.Sprintf("passed over: %s, no images by their names (%s), such as %s", english.Plural(p.files, "file", ""), enumerate(kinds), p.first))
	}
	if p.beside > 0 {
		lines = append(lines, fmt.Sprintf("passed over: %s beside the folders of classes", english.Plural(p.beside, "image", "")))
	}
	if p.maskless > 0 {
		lines = append(lines, fmt.Sprintf("passed over: %s without a mask", english.Plural(p.maskless, "image", "")))
	}
	return lines
}
