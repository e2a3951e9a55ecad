package data

import "fmt"

// Map returns the set with each item changed by f as it is read; i is its place
// in the set. Errors of f are given the item's name. f may be called from many
// goroutines at once.
func (s *Set) Map(f func(i int, item Item) (Item, error)) *Set {
	return &Set{source: mapped{s, f}, classes: s.classes, empty: s.empty, passed: s.passed, part: s.part, masked: s.masked}
}

// mapped is the source of a set whose items are changed.
type mapped struct {
	set    *Set
	change func(i int, item Item) (Item, error)
}

func (m mapped) len() int          { return m.set.Len() }
func (m mapped) label(i int) int   { return m.set.Label(i) }
func (m mapped) name(i int) string { return m.set.Name(i) }
func (m mapped) file() bool        { return m.set.source.file() }

func (m mapped) item(i int, r *Reader) (Item, error) {
	item, err := m.set.Read(i, r)
	if err != nil {
		return Item{}, err
	}
	if item, err = m.change(i, item); err != nil {
		return Item{}, fmt.Errorf("%s: %w", m.name(i), err)
	}
	return item, nil
}
