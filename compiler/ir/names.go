package ir

import (
	"fmt"
	"strconv"
	"strings"
)

// names are the names that are taken in one space: those of the values of a
// graph and of all graphs nested in it, or those of a graph's nodes.
type names struct {
	count map[string]int // how many things have a name
	// next maps hint to a number such that hint_1 to hint_(number) are all taken:
	// the first free one is looked for behind it.
	next map[string]int
}

func newNames() *names { return &names{map[string]int{}, map[string]int{}} }

// free returns hint, or hint with the first number that makes it a free name.
func (n *names) free(hint string) string {
	if n.count[hint] == 0 {
		return hint
	}
	for i := n.next[hint] + 1; ; i++ {
		if name := fmt.Sprintf("%s_%d", hint, i); n.count[name] == 0 {
			n.next[hint] = i - 1
			return name
		}
	}
}

// add takes a name; the empty one, which nodes may have, is never taken.
func (n *names) add(name string) {
	if name != "" {
		n.count[name]++
	}
}

// drop undoes one add.
func (n *names) drop(name string) {
	if name == "" {
		return
	}
	if n.count[name]--; n.count[name] > 0 {
		return
	}
	delete(n.count, name)
	at := strings.LastIndexByte(name, '_')
	if at < 0 {
		return
	}
	hint := name[:at]
	if i, err := strconv.Atoi(name[at+1:]); err == nil && i > 0 && i <= n.next[hint] {
		n.next[hint] = i - 1
	}
}

// join makes the values of g and of the graphs nested in it part of space n.
func (n *names) join(g *Graph) {
	g.names = n
	for name := range g.values {
		n.add(name)
	}
	for _, node := range g.nodes {
		for _, body := range node.Bodies() {
			n.join(body)
		}
	}
}

// leave takes the names of g's own values out of their space.
func (g *Graph) leave() {
	for name := range g.values {
		g.names.drop(name)
	}
	g.names = newNames()
	g.names.join(g)
}
