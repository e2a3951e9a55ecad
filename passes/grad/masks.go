package grad

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/ends"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
)

// classMap is an output that tells the class of each place.
type classMap struct {
	*endHead
	masks Masks
}

// JudgedByMasks is the output of a network that labels which are masks teach: the one that
// is wanted, or the first that tells the class of each place.
func JudgedByMasks(want Want, m *ir.Model) ([]Judged, error) {
	found, _, err := classMapOf(want, m)
	if err != nil {
		return nil, err
	}
	return found.judged(), nil
}

func (c *classMap) judged() []Judged { return []Judged{{Output: c.output, Scores: c.output}} }

// classMapOf finds that output, and returns what all outputs end in.
func classMapOf(want Want, m *ir.Model) (*classMap, []ends.End, error) {
	tensors, all, err := tensorsOf(m)
	if err != nil {
		return nil, nil, err
	}
	var reasons []string
	for _, name := range outputsOf(all) {
		if want.Of != nil && !slices.Contains(want.Of, name) || want.Output != "" && want.Output != name {
			continue
		}
		reason := fmt.Sprintf("%d tensors stand for it", len(tensors[name]))
		if of := tensors[name]; len(of) == 1 {
			var masks Masks
			if masks, reason = masksOf(&of[0]); reason == "" {
				return &classMap{&of[0], masks}, all, nil
			}
		}
		reasons = append(reasons, fmt.Sprintf("output %q: %s", name, reason))
	}
	found := strings.Join(reasons, "; ")
	if found == "" {
		found = fmt.Sprintf("the outputs %q", outputsOf(all))
	}
	return nil, nil, passes.Unsuitable("model", "expected an output with scores of the classes of each place [N,K,H,W] or [N,H,W,K], or masks, of known sizes, which labels that are masks teach; found %s", found)
}

// masksOf says how a tensor tells the class of each place, or why it does not.
func masksOf(h *endHead) (m Masks, reason string) {
	d, kind := h.dims, h.tensor.Kind
	m = Masks{Axis: h.tensor.Axis, Each: kind == ends.Sigmoid}
	not := fmt.Sprintf("tensor %q, which stands for it, is %v, %s", h.tensor.Value.Name(), d, kind)
	switch {
	case d == nil:
		return m, fmt.Sprintf("the sizes of tensor %q, which stands for it, are not known", h.tensor.Value.Name())
	case len(h.end.Where) > 0:
		return m, "it is joined of several"
	case kind == ends.L2Norm, len(d) != 4 && (len(d) != 3 || kind != ends.Sigmoid):
		return m, not
	case len(d) == 3:
		m.Axis = -1
	case kind == ends.Sigmoid || m.Axis != 1 && m.Axis != 3: // as task segment has it
		if m.Axis = 1; d[1] != 1 && (d[3] == 1 || d[3] < d[1]) {
			m.Axis = 3
		}
	}
	if kind == ends.Values && m.channels(d) == 1 {
		m.Each = true
	}
	places := m.labels(d)[1:]
	switch {
	case places[0] < 2 || places[1] < 2:
		return m, not
	case m.classes(d) > noClass:
		return m, fmt.Sprintf("it tells %d classes, masks %d at most", m.classes(d), noClass)
	case h.end.Kind != ends.Indices && !m.upright(h.tensor.Order), h.end.Kind == ends.Indices && !chosenOf(h.end.Output, places):
		return m, not + ", and its places lie otherwise"
	}
	return m, ""
}

// upright reports whether the rows and columns of an output follow in the same order.
func (m *Masks) upright(order []int) bool {
	if order == nil {
		return false
	}
	places := slices.Clone(order)
	if m.Axis >= 0 {
		places = slices.Delete(places, m.Axis, m.Axis+1)
	}
	return slices.IsSorted(places)
}

// chosenOf reports whether an output that chooses has these places, and one number each.
func chosenOf(output *ir.Value, places []int64) bool {
	dims, ok := output.Shape()
	if !ok || len(dims) < 3 {
		return false
	}
	var sizes []int64
	for _, d := range dims[1:] {
		if d.N != 1 {
			sizes = append(sizes, d.N)
		}
	}
	return slices.Equal(sizes, places)
}

// chooseMasks is choose for labels that are masks: they teach the first output that tells the
// class of each place, and the original's answers teach the others of a bundle.
func (b *build) chooseMasks() (*chosen, error) {
	if b.Loss.Kind != CrossEntropy {
		return nil, fault.Usage("loss", "%s has no meaning for labels that are masks: expected %s", b.Loss.Kind, CrossEntropy)
	}
	first, all, err := classMapOf(Want{Output: b.Output, Of: b.Outputs}, b.m)
	if err != nil {
		return nil, err
	}
	c := &chosen{masks: first, told: map[string]bool{first.output: true}}
	before, tells := ends.Ancestors(first.tensor.Value), map[*ir.Value]bool{first.tensor.Value: true}
	for _, e := range all {
		name := e.Output.Name()
		if c.told[name] || b.Outputs != nil && !slices.Contains(b.Outputs, name) {
			continue
		}
		reason := "option distill option teacher MODEL teaches all outputs"
		switch {
		case ends.Follows(e.Output, tells): // nothing that the first one does not tell
			c.told[name] = true
			continue
		case b.Output != "":
			reason = fmt.Sprintf("only %q is wanted", b.Output)
		case before[ends.Origin(e.Output)]:
			reason = fmt.Sprintf("%q is computed from it", first.output)
		case b.Bottleneck && b.Original:
			c.ends = true
			continue
		}
		c.told[name] = true
		b.Notice("output %q is left out, and may change with the weights: %s", name, reason)
	}
	if !c.ends {
		return c, nil
	}
	b.Notice("the masks are taken for those of output %q; what the others say, the model as it was teaches. option scores names the only output to train", first.output)
	b.teacher = b.student.Clone()
	return c, bottleneck.Bypass(b.teacher)
}

// compareMasks names the output that masks teach.
func (b *build) compareMasks(o *Options, c *classMap, p *Program) {
	b.keep(c.tensor.Value)
	o.Targets.Heads = append(o.Targets.Heads, Head{Scores: c.tensor.Value.Name(), Masks: &c.masks})
	p.Judged = c.judged()
}
