package passes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// Scores are what a classifier says of each image before it becomes
// probabilities.
type Scores struct {
	// Value is float, [N,K] or [N,K,1,1].
	Value *ir.Value
	// Output is the output of the model that Value becomes.
	Output *ir.Value
	// Classes is K.
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

// Want says which scores are wanted where a model has several outputs.
type Want struct {
	Output  string // its name, "" for any
	Classes int    // preferred, 0 for any number
}

// In returns what is wanted of another model: no name that it does not have.
func (w Want) In(m *ir.Model) Want {
	if !slices.ContainsFunc(m.Graph.Outputs(), func(p ir.Port) bool { return p.Name() == w.Output }) {
		w.Output = ""
	}
	return w
}

// Logits returns the scores that a loss is to see: what is behind the final
// Softmax, LogSoftmax, TopK, QuantizeLinear, DequantizeLinear, Cast, Identity, and
// reshaping nodes of an output for which these are float scores of the image
// input: of those with the wanted number of classes, else of all, the first. A
// final Sigmoid is none: its classes do not exclude each other. Where no output has
// scores, the [UnsuitableError] tells what each is.
func Logits(m *ir.Model, want Want) (*Scores, error) {
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return nil, err
	}
	fed := fromImages(m, info)
	var first *Scores
	var found []string
	for _, p := range m.Graph.Outputs() {
		if want.Output != "" && p.Name() != want.Output {
			found = append(found, fmt.Sprintf("output %q", p.Name()))
			continue
		}
		s, reason := scoresOf(p.Value, info, m.Opset(""))
		if reason == "" && !fed[s.Value] {
			reason = "it does not depend on an image input"
		}
		if reason == "" && (want.Classes == 0 || s.Classes == int64(want.Classes)) {
			return s, nil
		}
		if reason == "" {
			first = cmp.Or(first, s)
			continue
		}
		found = append(found, fmt.Sprintf("output %q: %s", p.Name(), reason))
	}
	if first != nil {
		return first, nil
	}
	if want.Output != "" {
		return nil, &UnsuitableError{"model", fmt.Sprintf("expected float scores [N,K] of classes in its output %q, found %s", want.Output, strings.Join(found, "; "))}
	}
	return nil, &UnsuitableError{"model", "expected an output with float scores [N,K] of classes, found " + strings.Join(found, "; ")}
}

// fromImages returns the values that depend on an input of rank 4, or on any
// input where none has rank 4.
func fromImages(m *ir.Model, info *shape.Info) map[*ir.Value]bool {
	fed := map[*ir.Value]bool{}
	for _, v := range imageInputs(m, info) {
		fed[v] = true
	}
	for _, n := range m.Graph.Nodes() {
		if slices.ContainsFunc(n.Reads(), func(v *ir.Value) bool { return fed[v] }) {
			for _, v := range n.Outputs() {
				fed[v] = true
			}
		}
	}
	return fed
}

// imageInputs returns the inputs of rank 4, or all where none has rank 4.
func imageInputs(m *ir.Model, info *shape.Info) []*ir.Value {
	var images []*ir.Value
	for _, v := range m.Graph.Feeds() {
		if rank, known := info.Of(v).Rank(); known && rank == 4 {
			images = append(images, v)
		}
	}
	if images == nil {
		return m.Graph.Feeds()
	}
	return images
}

// transparent operators leave the order of an image's scores as it is.
var transparent = []string{"QuantizeLinear", "DequantizeLinear", "Cast", "Identity", "Reshape", "Flatten", "Squeeze", "Dropout"}

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
		case n.Op == "Sigmoid":
			return nil, fmt.Sprintf("it ends with %s, whose classes do not exclude each other; a network that ends with scores or a Softmax is wanted", n.Label())
		case n.Op == "Softmax" || n.Op == "LogSoftmax":
			x := n.Input(0)
			classes, ok := scoreShape(info.Of(x), info.Batch())
			if !ok || !overClasses(n, info.Of(x), opset) {
				return nil, fmt.Sprintf("its %s is not over the classes of scores [N,K], but of %s", n.Label(), info.Of(x))
			}
			return &Scores{x, out, classes, n, s.Sorted}, ""
		case n.Op == "TopK":
			s = &Scores{Output: out, Sorted: true}
			continue
		case slices.Contains(transparent, n.Op) && n.Input(0) != nil:
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

// overClasses reports whether softmax n is over axis 1 of scores of type t.
func overClasses(n *ir.Node, t shape.Type, opset int64) bool {
	axis := int64(1) // until operator set 13, with all axes behind it
	if opset >= 13 {
		axis = -1
	}
	rank := int64(len(t.Dims))
	return (n.Int("axis", axis)+rank)%rank == 1
}
