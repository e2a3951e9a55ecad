package cut

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// naiveGates removes each vertex in turn and looks whether anything behind it
// can still be reached.
func naiveGates(succ [][]int, root int) []bool {
	reach := func(from, without int) []bool {
		seen := make([]bool, len(succ))
		if from == without {
			return seen
		}
		seen[from] = true
		todo := []int{from}
		for len(todo) > 0 {
			v := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			for _, w := range succ[v] {
				if !seen[w] && w != without {
					seen[w] = true
					todo = append(todo, w)
				}
			}
		}
		return seen
	}
	all := reach(root, -1)
	gate := make([]bool, len(succ))
	for t := range succ {
		if !all[t] {
			continue
		}
		behind, around := reach(t, -1), reach(root, t)
		behind[t] = false
		gate[t] = !slices.ContainsFunc(slices.Collect(seq(len(succ))), func(u int) bool { return behind[u] && around[u] })
	}
	return gate
}

func seq(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// randomDAG has edges from lower to higher numbers: mostly to the next few
// vertices, as networks have them, with some far ones as skip connections.
func randomDAG(r *rand.Rand, n int) [][]int {
	succ := make([][]int, n)
	near, far := 1+r.IntN(3), r.Float64()*0.3
	for v := range n - 1 {
		for range 1 + r.IntN(2) {
			w := v + 1 + r.IntN(near)
			if r.Float64() < far {
				w = v + 1 + r.IntN(n-v-1)
			}
			if w < n && !slices.Contains(succ[v], w) {
				succ[v] = append(succ[v], w)
			}
		}
	}
	return succ
}

func TestGatesAgainstRemoval(t *testing.T) {
	gatesSeen := 0
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		succ := randomDAG(r, 2+r.IntN(40))
		got, want := findGates(succ, 0).gate, naiveGates(succ, 0)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d, edges %v:\ngot  %v\nwant %v", seed, succ, got, want)
		}
		for v := 1; v < len(succ); v++ {
			if got[v] && len(succ[v]) > 0 {
				gatesSeen++
			}
		}
	}
	if gatesSeen < 1000 {
		t.Errorf("only %d inner gates in all graphs: the generator does not exercise the search", gatesSeen)
	}
}

func BenchmarkGates(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		succ := randomDAG(rand.New(rand.NewPCG(7, 7)), n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				findGates(succ, 0)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/vertex")
		})
	}
}
