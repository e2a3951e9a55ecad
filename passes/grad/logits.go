package grad

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/ends"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
)

// Scores are what a classifier says of each image before it becomes
// probabilities.
type Scores struct {
	// Value is float, [N,K] or [N,K,1,1].
	Value *ir.Value
	// Output is the output of the model that Value becomes.
	Output *ir.Value
	// Classes is K, 0 where an objective compares what is no class scores.
	Classes int64
	// Softmax is the Softmax or LogSoftmax between the two, nil where there is
	// none.
	Softmax *ir.Node
	// Sorted tells that Output are the values of a TopK, whose indices are another
	// output: it does not rank the classes by itself.
	Sorted bool
}

// Name returns the name of the output to judge by, "" where that takes several.
func (s *Scores) Name() string {
	if s.Sorted {
		return ""
	}
	return s.Output.Name()
}

// Heads are the outputs of a network as a classifier's.
type Heads struct {
	// Scores are the outputs of class scores. The first is the one that labels are
	// of; the others follow in the model's order.
	Scores []*Scores
	// Others are the other outputs, but for those that follow from Scores.
	Others []Other
}

// Other is an output that is not taken for class scores.
type Other struct {
	Output *ir.Value
	Reason string
	// None tells that it cannot be class scores, whatever the others are.
	None bool
}

// Want says which scores are wanted where a network has several outputs.
type Want struct {
	Output  string   // the only one wanted, "" for all
	Classes int      // of the first, where one has as many; 0 for any number
	Of      []string // the outputs that count, in their order; nil for all
	// Optional makes do with all outputs where there is none of that name.
	Optional bool
}

// Logits finds the scores that a loss is to see among the outputs of a network,
// which may be divided into parts: what is behind the final Softmax, LogSoftmax,
// TopK, QuantizeLinear, DequantizeLinear, Cast, Identity, and reshaping nodes of an
// output for which these are float scores of the image input. Where some outputs end
// with a Softmax, the others are no scores; where none does, those are none that
// others are computed from. A final Sigmoid is none, as its classes do not exclude
// each other, nor are a Tanh and a vector of length 1. Where no output has scores, the
// [passes.UnsuitableError] tells what each is, as the returned Others do.
func Logits(want Want, parts ...*ir.Model) (*Heads, error) {
	all := &Heads{}
	var names []string
	for _, m := range parts {
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			return nil, err
		}
		dependent := fromImages(m, info)
		for _, p := range m.Graph.Outputs() {
			if want.Of != nil && !slices.Contains(want.Of, p.Name()) {
				continue
			}
			names = append(names, p.Name())
			s, reason := scoresOf(p.Value, info, m.Opset(""))
			if reason == "" && !dependent[s.Value] {
				reason = "it does not depend on an image input"
			}
			none := visiblyNone(p.Value)
			if none != "" {
				reason = none
			}
			if reason == "" {
				all.Scores = append(all.Scores, s)
			} else {
				all.Others = append(all.Others, Other{p.Value, reason, none != ""})
			}
		}
	}
	if want.Of != nil {
		at := func(v *ir.Value) int { return slices.Index(want.Of, v.Name()) }
		slices.SortStableFunc(all.Scores, func(a, b *Scores) int { return at(a.Output) - at(b.Output) })
		slices.SortStableFunc(all.Others, func(a, b Other) int { return at(a.Output) - at(b.Output) })
	}
	switch known := slices.Contains(names, want.Output); {
	case want.Optional && !known:
		want.Output = ""
	case want.Output != "" && !known:
		return all, passes.Unsuitable("model", "expected scores of classes in an output %q, found the outputs %q", want.Output, names)
	}
	all.choose(want)
	if len(all.Scores) > 0 {
		return all, nil
	}
	which := "an output"
	if want.Output != "" {
		which = fmt.Sprintf("its output %q", want.Output)
	}
	var found []string
	for _, o := range all.Others {
		if want.Output == "" || o.Output.Name() == want.Output {
			found = append(found, fmt.Sprintf("output %q: %s", o.Output.Name(), o.Reason))
		}
	}
	return all, passes.Unsuitable("model", "expected float scores [N,K] of classes in %s, found %s", which, strings.Join(found, "; "))
}

// choose leaves in h.Scores those that are wanted, and puts that of as many classes as
// wanted first.
func (h *Heads) choose(want Want) {
	slices.SortStableFunc(h.Scores, func(a, b *Scores) int { // what ranks the classes by itself first
		switch {
		case a.Sorted == b.Sorted:
			return 0
		case a.Sorted:
			return 1
		}
		return -1
	})
	if i := slices.IndexFunc(h.Scores, func(s *Scores) bool { return s.Softmax != nil }); i >= 0 && want.Output == "" {
		named := h.Scores[i].Output.Name()
		h.leave(func(s *Scores) string {
			if s.Softmax != nil {
				return ""
			}
			return fmt.Sprintf("it ends without a Softmax, unlike %q", named)
		})
	}
	for _, t := range slices.Clone(h.Scores) {
		before := ends.Ancestors(t.Value)
		h.leave(func(s *Scores) string {
			switch from := ends.Origin(s.Value); {
			case want.Output == "" && s.Softmax == nil && from != ends.Origin(t.Value) && before[from]:
				return fmt.Sprintf("%q is computed from it", t.Output.Name())
			case want.Output != "" && s.Output.Name() != want.Output:
				return fmt.Sprintf("only %q is wanted", want.Output)
			}
			return ""
		})
	}
	if i := slices.IndexFunc(h.Scores, func(s *Scores) bool { return s.Classes == int64(want.Classes) }); i > 0 {
		first := h.Scores[i]
		h.Scores = slices.Insert(slices.Delete(h.Scores, i, i+1), 0, first)
	}
	values := map[*ir.Value]bool{}
	for i, s := range slices.Clone(h.Scores) {
		if i > 0 && (values[s.Value] || s.Sorted) { // nothing that the first one does not tell
			h.Scores = slices.DeleteFunc(h.Scores, func(t *Scores) bool { return t == s })
		}
		values[s.Value] = true
	}
	h.Others = slices.DeleteFunc(h.Others, func(o Other) bool { return !o.None && ends.Follows(o.Output, values) })
}

// leave moves the scores for which why gives a reason to h.Others.
func (h *Heads) leave(why func(*Scores) string) {
	h.Scores = slices.DeleteFunc(h.Scores, func(s *Scores) bool {
		reason := why(s)
		if reason != "" {
			h.Others = append(h.Others, Other{s.Output, reason, false})
		}
		return reason != ""
	})
}

// fromImages returns the values that depend on an input of rank 4, or on any
// input where none has rank 4.
func fromImages(m *ir.Model, info *shape.Info) map[*ir.Value]bool {
	dependent := map[*ir.Value]bool{}
	for _, v := range info.ImageInputs(m) {
		dependent[v] = true
	}
	for _, n := range m.Graph.Nodes() {
		if slices.ContainsFunc(n.Reads(), func(v *ir.Value) bool { return dependent[v] }) {
			for _, v := range n.Outputs() {
				dependent[v] = true
			}
		}
	}
	return dependent
}

// scoresOf looks through the transparent nodes before an output, up to a
// softmax. It returns why there are no scores.
func scoresOf(out *ir.Value, info *shape.Info, opset int64) (s *Scores, reason string) {
	s = &Scores{Output: out}
	for v := out; ; v = v.Producer().Input(0) {
		if classes, ok := scoreShape(info.Of(v), info.Batch()); ok && s.Value == nil {
			s.Value, s.Classes = v, classes
		}
		n := v.Producer()
		switch {
		case n == nil || n.Domain != "" || v.Index() != 0:
		case n.Op == "Sigmoid" || n.Op == "HardSigmoid":
			return nil, fmt.Sprintf("it ends with %s, whose classes do not exclude each other; a network that ends with scores or a Softmax is wanted", n.Label())
		case n.Op == "Softmax" || n.Op == "LogSoftmax":
			x := n.Input(0)
			classes, ok := scoreShape(info.Of(x), info.Batch())
			if !ok || ends.SharesAxis(n, info.Of(x), opset) != 1 {
				return nil, fmt.Sprintf("its %s is not over the classes of scores [N,K], but of %s", n.Label(), info.Of(x))
			}
			return &Scores{x, out, classes, n, s.Sorted}, ""
		case n.Op == "TopK":
			s = &Scores{Output: out, Sorted: true}
			continue
		case ends.Transparent(n) && n.Input(0) != nil:
			continue
		}
		if s.Value == nil {
			return nil, fmt.Sprintf("it is %s", info.Of(out))
		}
		return s, ""
	}
}

// scoreShape returns K of float [N,K] and [N,K,1,1], N being the batch where that
// is known.
func scoreShape(t shape.Type, batch shape.Dim) (int64, bool) {
	if !t.Ranked || !t.DType.IsFloat() || len(t.Dims) != 2 && (len(t.Dims) != 4 || !t.Dims[2].Is(1) || !t.Dims[3].Is(1)) {
		return 0, false
	}
	if batch.Known() && !t.Dims[0].Equal(batch) {
		return 0, false
	}
	k, ok := t.Dims[1].Int()
	return k, ok && k > 1
}
