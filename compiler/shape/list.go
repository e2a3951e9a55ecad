package shape

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Ops returns all rows of the table, ordered by domain and name.
func Ops() []*Op {
	return slices.SortedFunc(maps.Values(table), func(a, b *Op) int {
		return cmp.Or(strings.Compare(a.Domain, b.Domain), strings.Compare(a.Name, b.Name))
	})
}
