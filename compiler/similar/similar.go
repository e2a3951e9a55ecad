// Package similar finds the names that somebody may have meant.
//
//	similar.Names("rb99", []string{"rb1", "rb9", "cut1"}) // [rb9 rb1]
package similar

import (
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
