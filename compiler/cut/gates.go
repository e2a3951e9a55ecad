package cut

// gates are the vertices of an acyclic graph that everything behind them can
// only be reached through.
type gates struct {
	gate []bool // false for vertices that the root does not reach
	// pre and last number the vertices as the search saw them: those behind a
	// gate v have numbers from pre[v]+1 to last[v].
	pre, last []int
}

// behind reports whether u is behind the gate v.
func (g gates) behind(v, u int) bool { return g.pre[u] > g.pre[v] && g.pre[u] <= g.last[v] }

// unseen is the number of what the root does not reach.
const unseen = -1

// findGates finds, among the vertices that root reaches, the gates: every path
// from root to anything behind one passes through it. The graph is given by its
// successor lists; time and memory are linear in vertices and edges.
//
// A depth-first search that visits a gate t sees all that is behind it before
// it returns, since there is no other way in; so the search's subtree of t is
// what is behind t. Conversely a vertex is a gate if no edge enters its subtree
// from outside other than at t itself and none leaves it. Numbering vertices in
// the order of the search makes a subtree an interval [pre, last], and both
// conditions become minima and maxima of the numbers at the other ends of the
// subtree's edges, which add up from the leaves.
func findGates(succ [][]int, root int) gates {
	n := len(succ)
	pre := make([]int, n)
	for i := range pre {
		pre[i] = unseen
	}
	order := make([]int, 0, n) // order[pre[v]] == v
	parent := make([]int, n)
	type frame struct{ v, next int }
	pre[root] = 0
	order = append(order, root)
	stack := []frame{{root, 0}}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if top.next == len(succ[top.v]) {
			stack = stack[:len(stack)-1]
			continue
		}
		w := succ[top.v][top.next]
		top.next++
		if pre[w] == unseen {
			pre[w] = len(order)
			order = append(order, w)
			parent[w] = top.v
			stack = append(stack, frame{w, 0})
		}
	}

	// Numbers of the sources of edges into a vertex and of the ends of its own
	// edges; then, from the leaves up, of those of its whole subtree. Edges into
	// the vertex itself do not count for its own test.
	type interval struct{ lo, hi int }
	none := interval{n, unseen}
	join := func(a, b interval) interval { return interval{min(a.lo, b.lo), max(a.hi, b.hi)} }
	into, out, below := make([]interval, n), make([]interval, n), make([]interval, n)
	last := make([]int, n)
	for v := range n {
		into[v], out[v], below[v] = none, none, none
		last[v] = pre[v]
	}
	for _, v := range order {
		for _, w := range succ[v] {
			into[w] = join(into[w], interval{pre[v], pre[v]})
			out[v] = join(out[v], interval{pre[w], pre[w]})
		}
	}
	gate := make([]bool, n)
	for i := len(order) - 1; i >= 0; i-- {
		v := order[i]
		inside := interval{pre[v], last[v]}
		edges := join(below[v], out[v])
		gate[v] = edges.lo >= inside.lo && edges.hi <= inside.hi
		if v != root {
			p := parent[v]
			below[p] = join(below[p], join(edges, into[v]))
			last[p] = max(last[p], last[v])
		}
	}
	return gates{gate, pre, last}
}
