package grad

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
)

// Judged is an output that is trained, or could be.
type Judged struct {
	Output  string
	Scores  string // what it is judged by: the output, or "" for what a TopK gives
	Teacher string // the same of the teacher, where that is one output
	Taught  bool   // by a teacher, not by labels
}

// JudgedBy are the outputs of class scores that a network, which may be divided into
// parts, is judged by: those that training would teach, and in others the rest. Where it
// would teach none, it is whatever looks like scores, but for those of except, which
// cannot be any. An output that is wanted by name may have scores that training does not
// take.
func JudgedBy(want Want, parts ...*ir.Model) (heads []Judged, others []Other, except []string, err error) {
	found, err := Logits(want, parts...)
	if found == nil {
		return WhateverLooksRight(want.Output), nil, nil, nil // what runs it tells
	}
	for _, h := range found.Scores {
		heads = append(heads, Judged{Output: h.Output.Name(), Scores: h.Name()})
	}
	if err == nil {
		return heads, found.Others, nil, nil
	}
	known := false
	for _, o := range found.Others {
		known = known || o.Output.Name() == want.Output
		if o.None {
			except = append(except, o.Output.Name())
		}
	}
	switch {
	case known && !slices.Contains(except, want.Output):
		return WhateverLooksRight(want.Output), nil, nil, nil
	case want.Output != "" && !want.Optional, len(except) > 0 && len(except) == len(found.Others):
		return nil, nil, except, err
	}
	return WhateverLooksRight(""), nil, except, nil
}

// JudgedAll are all outputs of a network, or those of names.
func JudgedAll(m *ir.Model, of []string) (heads []Judged) {
	for _, p := range m.Graph.Outputs() {
		if name := p.Name(); of == nil || slices.Contains(of, name) {
			heads = append(heads, Judged{Output: name, Scores: name, Teacher: name, Taught: true})
		}
	}
	return heads
}

// JudgedAgain are the outputs that a network is judged by whose training has ended: masks tells
// that labels are such, raw that no outputs are scores of classes. Fit is as in BuildOptions.
func JudgedAgain(want Want, m *ir.Model, masks, raw bool, fit func(*Scores) error) ([]Judged, error) {
	switch {
	case masks:
		return JudgedByMasks(Want{Output: want.Output, Of: want.Of}, m)
	case raw:
		return JudgedAll(m, want.Of), nil
	}
	found, err := Logits(want, m)
	if err != nil {
		return nil, err
	}
	first := found.Scores[0]
	return []Judged{{Output: first.Output.Name(), Scores: first.Name()}}, fit(first)
}

// WhateverLooksRight judges by an output of a name, or for "" by whatever looks like
// scores.
func WhateverLooksRight(name string) []Judged { return []Judged{{Output: name, Scores: name}} }
