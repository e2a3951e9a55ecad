package cut

import (
	"math/big"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// sources is the graph of what carries activations to an output, nodes and values being
// vertices in topological order, and the gates in it: for each set of inputs that vertices
// depend on, in the graph without the others. What depends on all inputs that the model has
// is divided by gates as [findGates] finds them. A tensor that depends on some of them may
// divide those from the outputs although others join behind it: these are late.
type sources struct {
	succ   [][]int
	inputs []*ir.Value // by number
	of     []string    // of each vertex: the key in sets of the inputs it depends on
	sets   map[string]*sourceSet
	drawn  []int // vertices that depend on nothing: they draw random numbers
}

// sourceSet is a set of inputs that some vertices depend on.
type sourceSet struct {
	inputs big.Int // by their numbers
	gates  *gates  // without the other inputs, nil until they are asked for
}

func newSources() *sources {
	s := &sources{succ: [][]int{nil}, of: []string{""}, sets: map[string]*sourceSet{}}
	s.set(new(big.Int))
	return s
}

// set returns the key of a set of inputs.
func (s *sources) set(inputs *big.Int) string {
	key := string(inputs.Bytes())
	if s.sets[key] == nil {
		s.sets[key] = &sourceSet{inputs: *inputs}
	}
	return key
}

// all is the key of the set of all inputs.
func (s *sources) all() string {
	n := uint(len(s.inputs))
	return string(new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), n), big.NewInt(1)).Bytes())
}

// addInput adds the vertex of an input.
func (s *sources) addInput(v *ir.Value) int {
	s.inputs = append(s.inputs, v)
	s.succ = append(s.succ, nil)
	s.of = append(s.of, s.set(new(big.Int).SetBit(new(big.Int), len(s.inputs)-1, 1)))
	return len(s.succ) - 1
}

// add adds a vertex that depends on others; on none where it draws random numbers.
func (s *sources) add(from ...int) int {
	id := len(s.succ)
	s.succ = append(s.succ, nil)
	key, joined := "", (*big.Int)(nil)
	for i, f := range from {
		if f == 0 {
			s.drawn = append(s.drawn, id)
			continue
		}
		s.succ[f] = append(s.succ[f], id)
		switch {
		case i == 0:
			key = s.of[f]
		case s.of[f] != key:
			if joined == nil {
				joined = new(big.Int).Set(&s.sets[key].inputs)
			}
			joined.Or(joined, &s.sets[s.of[f]].inputs)
			key = s.set(joined)
			joined = new(big.Int).Set(joined)
		}
	}
	s.of = append(s.of, key)
	return id
}

// gatesOf returns the gates of the graph that vertex v is in: of what its inputs reach.
func (s *sources) gatesOf(v int) *gates {
	set := s.sets[s.of[v]]
	if set.gates == nil {
		succ := append([][]int{append([]int{}, s.drawn...)}, s.succ[1:]...)
		for i := range s.inputs { // an input's vertex has the number after its own
			if set.inputs.Bit(i) == 1 {
				succ[0] = append(succ[0], i+1)
			}
		}
		found := findGates(succ, 0)
		set.gates = &found
	}
	return set.gates
}

// gate reports whether what depends on vertex v depends on v's inputs through v alone. What
// depends on chance alone is none where the model has inputs.
func (s *sources) gate(v int) bool {
	return (s.of[v] != "" || len(s.inputs) == 0) && s.gatesOf(v).gate[v]
}

// inputsOf returns the inputs that vertex v depends on.
func (s *sources) inputsOf(v int) (all []*ir.Value) {
	set := s.sets[s.of[v]]
	for i, in := range s.inputs {
		if set.inputs.Bit(i) == 1 {
			all = append(all, in)
		}
	}
	return all
}

// behind reports whether u is behind the gate v.
func (s *sources) behind(v, u int) bool { return s.gatesOf(v).behind(v, u) }

// lateOf returns the inputs that are read behind gate v and that v does not depend on, and
// one of them that goes into an output that is not behind v as well, nil for none.
func (s *sources) lateOf(v int, outputs []int) (late []*ir.Value, both *ir.Value) {
	if s.of[v] == s.all() {
		return nil, nil
	}
	var behind, around big.Int
	for _, o := range outputs {
		if to := &s.sets[s.of[o]].inputs; s.behind(v, o) {
			behind.Or(&behind, to)
		} else {
			around.Or(&around, to)
		}
	}
	behind.AndNot(&behind, &s.sets[s.of[v]].inputs)
	for i, in := range s.inputs {
		if behind.Bit(i) == 0 {
			continue
		}
		if around.Bit(i) == 1 {
			return nil, in
		}
		late = append(late, in)
	}
	return late, nil
}

// beside reports whether vertex u depends on some of the late inputs of gate v, and on
// nothing else.
func (s *sources) beside(v, u int, late []*ir.Value) bool {
	if len(late) == 0 || s.gatesOf(v).pre[u] != unseen {
		return false
	}
	return !slices.ContainsFunc(s.inputsOf(u), func(in *ir.Value) bool { return !slices.Contains(late, in) })
}
