// Package similar finds the names that somebody may have meant.
//
//	similar.Names("rb99", []string{"rb1", "rb9", "cut1"}) // [rb9 rb1]
package similar

import (
	"fmt"
	"slices"

	"github.com/agnivade/levenshtein"
)

// most is how many names are worth being suggested.
const most = 3

// Names returns the few of the known names that are spelled most like name, the nearest
// first: none that differs in more than a third of its letters.
func Names(name string, known []string) []string {
	distance := func(s string) int { return levenshtein.ComputeDistance(name, s) }
	limit := (len([]rune(name)) + 2) / 3
	near := slices.DeleteFunc(slices.Clone(known), func(s string) bool { return distance(s) > limit })
	slices.SortStableFunc(near, func(x, y string) int { return distance(x) - distance(y) })
	near = slices.Compact(near)
	return near[:min(len(near), most)]
}

// Hint is what follows a message that a name is not known: which of the known ones may
// have been meant, "" for none.
func Hint(name string, known []string) string {
	if near := Names(name, known); len(near) > 0 {
		return fmt.Sprintf("; did you mean %q?", near[0])
	}
	return ""
}
