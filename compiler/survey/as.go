package survey

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ends"
	"github.com/bottlenet/bnc/compiler/shape"
)

// What outputs are taken for, by what they end in and their shapes.
const (
	AsScores    = "scores"    // of classes
	AsBoxes     = "boxes"     // with or without their scores
	AsMask      = "mask"      // classes of places
	AsEmbedding = "embedding" // vectors that are compared by their direction
	AsImage     = "image"
	AsIndices   = "indices" // what is chosen, counted or rounded
	AsText      = "text"    // scores of characters
	AsRaw       = "raw"     // any other numbers
)

// ofTask is what the outputs of a model of a task are.
var ofTask = map[string]string{
	"classify": AsScores, "segment": AsMask, "embed": AsEmbedding, "image": AsImage, "text": AsText, "detect": AsBoxes,
}

// TakeFor says which task the model is taken for: of what its only output is, and of those
// of several that nothing else tells, that decides.
func (m *Model) TakeFor(task string) {
	m.Task = task
	as, known := ofTask[task]
	for i := range m.Outputs {
		if known && (len(m.Outputs) == 1 || m.Outputs[i].As == AsRaw && as != AsBoxes) {
			m.Outputs[i].As = as
		}
	}
}

// takenFor tells of each output of a model, in their order, what it is taken for.
func takenFor(a *cut.Analysis) []string {
	found := map[string][]ends.End{}
	for _, e := range ends.Of(a.Model, a.Info) {
		found[e.Output.Name()] = append(found[e.Output.Name()], e)
	}
	var as []string
	var shapes [][]int64
	for _, p := range a.Model.Graph.Outputs() {
		sizes := sizesOf(a.Info.Of(p.Value))
		shapes = append(shapes, sizes)
		as = append(as, outputAs(a, found[p.Value.Name()], sizes))
	}
	for i, sizes := range shapes { // boxes have their scores in another output
		n := len(sizes)
		beside := func(j int) bool { return as[j] == AsScores && len(shapes[j]) == n && shapes[j][n-2] == sizes[n-2] }
		if as[i] == AsRaw && n >= 2 && sizes[n-1] == 4 && slices.ContainsFunc(indices(as), beside) {
			as[i] = AsBoxes
		}
	}
	return as
}

func indices(of []string) (all []int) {
	for i := range of {
		all = append(all, i)
	}
	return all
}

// sizesOf are the sizes of t, -1 for those that are open.
func sizesOf(t shape.Type) (sizes []int64) {
	for _, d := range t.Dims {
		n, ok := d.Int()
		if !ok {
			n = -1
		}
		sizes = append(sizes, n)
	}
	return sizes
}

func outputAs(a *cut.Analysis, found []ends.End, sizes []int64) string {
	has := func(kind ends.Kind) bool {
		return slices.ContainsFunc(found, func(e ends.End) bool { return e.Kind == kind })
	}
	places := len(sizes) == 4 && sizes[2] != 1 && sizes[3] != 1
	scores := has(ends.Sigmoid) || has(ends.Softmax)
	switch {
	case has(ends.Indices):
		return AsIndices
	case scores && has(ends.Values) && len(sizes) > 2:
		return AsBoxes
	case scores && places:
		return AsMask
	case scores:
		return AsScores
	case has(ends.L2Norm):
		return AsEmbedding
	case places && (sizes[1] == 1 || sizes[1] == 3) && reaches(a, sizes):
		return AsImage
	}
	return AsRaw
}

// reaches reports whether sizes, those of maps, are no smaller than an image that the model
// takes: a picture is made, not maps of something in it.
func reaches(a *cut.Analysis, sizes []int64) bool {
	for _, v := range a.Model.Graph.Feeds() {
		in := sizesOf(a.Info.Of(v))
		if len(in) != 4 {
			continue
		}
		h, w := in[2], in[3]
		if in[1] > 4 && in[3] <= 4 { // NHWC
			h, w = in[1], in[2]
		}
		return h > 0 && w > 0 && sizes[2] >= h && sizes[3] >= w
	}
	return false
}
