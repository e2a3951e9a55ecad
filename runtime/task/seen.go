package task

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Area is how much of a picture a class covers.
type Area struct {
	Class int     `json:"class"`
	Label string  `json:"label,omitempty"`
	Share float64 `json:"share"` // of the mask, 0..1
}

// Areas are those of the classes that a mask has, the largest first. Labels are their names
// where the mask has none of its own.
func (m *Mask) Areas(labels []string) []Area {
	if m.Names != nil {
		labels = m.Names
	}
	var cells [256]int
	for _, class := range m.Classes {
		cells[class]++
	}
	areas := []Area{}
	for class, n := range cells {
		if n > 0 {
			areas = append(areas, Area{class, label(labels, class), float64(n) / float64(len(m.Classes))})
		}
	}
	slices.SortStableFunc(areas, func(a, b Area) int { return cmp.Compare(b.Share, a.Share) })
	return areas
}

// Words say what is seen, a line each, but for boxes, which are drawn at their place.
func (s Seen) Words(labels []string) (lines []string) {
	for _, c := range s.Top {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%6.2f%%  %d %s", 100*c.Score, c.Class, c.Label), " "))
	}
	if s.Mask != nil {
		for _, a := range s.Mask.Areas(labels) {
			lines = append(lines, strings.TrimRight(fmt.Sprintf("%6.2f%% of the picture  %d %s", 100*a.Share, a.Class, a.Label), " "))
		}
	}
	if s.Text != "" {
		lines = append(lines, fmt.Sprintf("%q", s.Text))
	}
	return lines
}
