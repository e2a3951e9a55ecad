package task

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
)

// picture is the layout of a model's first input that takes pictures.
func (m Model) picture() (layout imagein.Layout, dims [2]model.Dim, ok bool) {
	for _, p := range m.Inputs {
		if l, err := imagein.LayoutOf(p); err == nil {
			rows := 2
			if l.ChannelsLast {
				rows = 1
			}
			return l, [2]model.Dim(p.Shape[rows : rows+2]), true
		}
	}
	return layout, dims, false
}

// end is what an output ends in; of no kind where that is several things, or not known.
func (m Model) end(p model.Port) End {
	if ends := m.Ends[p.Name]; len(ends) == 1 {
		return ends[0]
	}
	return End{}
}

// every tells whether there are outputs and each is as is says.
func (m Model) every(is func(p model.Port, end End) bool) bool {
	return len(m.Outputs) > 0 && !slices.ContainsFunc(m.Outputs, func(p model.Port) bool { return p.Kind != model.Tensor || !is(p, m.end(p)) })
}

// trimmed is a port's shape without axes of 1 behind the second.
func trimmed(p model.Port) []model.Dim {
	shape := p.Shape
	for len(shape) > 2 && shape[len(shape)-1].Size == 1 {
		shape = shape[:len(shape)-1]
	}
	return shape
}

// same tells whether two sizes are known to be the same.
func same(a, b model.Dim) bool {
	return a.Size >= 0 && a.Size == b.Size || a.Size < 0 && b.Size < 0 && a.Symbol != "" && a.Symbol == b.Symbol
}

// called tells whether one of the words is in a port's name.
func called(p model.Port, words ...string) bool {
	name := strings.ToLower(p.Name)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
}

// because says of the first output why it is taken for something.
func (m Model) because(what string, args ...any) string {
	shape := m.Outputs[0].String()
	return fmt.Sprintf("output %s %s", shape, fmt.Sprintf(what, args...))
}
