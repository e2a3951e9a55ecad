package ort

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// InputError says that what a run was given does not fit the model: the
// caller's mistake, not a failure of the run.
type InputError struct {
	Input    string // the input's name
	Expected string
	Found    string
}

// Error names the input, what was expected and what was found.
func (e *InputError) Error() string {
	return fmt.Sprintf("input %q: expected %s, found %s", e.Input, e.Expected, e.Found)
}

// checkFeed compares feed with the declared inputs and returns the sizes that
// it gives to their symbolic dimensions.
func checkFeed(inputs []model.Port, feed Feed) (symbols map[string]int64, err error) {
	symbols = map[string]int64{}
	for _, port := range inputs {
		t := feed[port.Name]
		if t == nil {
			return nil, &InputError{port.Name, "a tensor", "nothing"}
		}
		if err := checkInput(port, t, symbols); err != nil {
			return nil, err
		}
	}
	if len(feed) > len(inputs) {
		for name := range feed {
			if _, ok := model.Find(inputs, name); !ok {
				return nil, &InputError{name, "one of the inputs " + strings.Join(names(inputs), ", "), "this name"}
			}
		}
	}
	return symbols, nil
}

// checkInput compares one tensor with its declaration and notes what its
// symbolic dimensions stand for. A declared empty shape says nothing: ONNX
// Runtime takes any rank there, and bnc declares payload inputs so.
func checkInput(port model.Port, t *tensor.Tensor, symbols map[string]int64) error {
	if err := t.Validate(); err != nil {
		return &InputError{port.Name, "a whole tensor", err.Error()}
	}
	wrong := func() error { return &InputError{port.Name, port.String(), t.String()} }
	if port.Kind != model.Tensor {
		return &InputError{port.Name, "a model whose inputs are tensors", port.String()}
	}
	if t.DType != port.DType {
		return wrong()
	}
	if len(port.Shape) == 0 {
		return nil
	}
	if len(t.Shape) != len(port.Shape) {
		return wrong()
	}
	for i, dim := range port.Shape {
		size := t.Shape[i]
		if dim.Size >= 0 && dim.Size != size {
			return wrong()
		}
		if dim.Size < 0 && dim.Symbol != "" {
			if known, ok := symbols[dim.Symbol]; ok && known != size {
				return &InputError{port.Name, fmt.Sprintf("%s with %s = %d", port, dim.Symbol, known), t.String()}
			}
			symbols[dim.Symbol] = size
		}
	}
	return nil
}

// Resolve returns a port's shape with its symbols replaced by their sizes,
// and whether every dimension is known then.
func Resolve(port model.Port, symbols map[string]int64) (shape []int64, ok bool) {
	if !port.Ranked {
		return nil, false
	}
	shape = port.Sizes()
	for i, dim := range port.Shape {
		if dim.Size >= 0 {
			continue
		}
		if size, known := symbols[dim.Symbol]; known && dim.Symbol != "" {
			shape[i] = size
		}
	}
	return shape, !slices.Contains(shape, -1)
}

// Symbols returns the sizes that the tensors of feed give to the symbolic
// dimensions of the session's inputs, for Resolve. It returns an *InputError
// if the feed does not fit.
func (s *Session) Symbols(feed Feed) (map[string]int64, error) {
	return checkFeed(s.model.Inputs, feed)
}
