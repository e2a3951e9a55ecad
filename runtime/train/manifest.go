// Package train runs training steps: ONNX graphs that map images, labels and
// the state of a training (weights, what the optimiser keeps) to losses and the
// next state. What is what, the graph's metadata says (property bnc.step).
//
// A [Trainer] owns the state and does single steps; [Run] is the loop around it:
// epochs, learning rate, validation, checkpoints, and what to do when the loss
// is no number any more.
package train

import (
	"encoding/json"
	"fmt"
	"slices"
)

// manifestKey is the metadata property of a step graph that holds its manifest.
const manifestKey = "bnc.step"

// manifest says what the inputs and outputs of a step graph are.
type manifest struct {
	Batch   int      `json:"batch"`
	Input   string   `json:"input"`
	Labels  string   `json:"labels"` // int64 [batch], or [batch,H,W] of Masks; "" where a teacher teaches
	Scalars []string `json:"scalars"`
	// ByteWeight is an input: how much of the loss a byte of payload is; "" for none.
	ByteWeight string        `json:"byte_weight"`
	Beta1      float64       `json:"beta1"`
	Beta2      float64       `json:"beta2"`
	State      []stateTensor `json:"state"`
	Params     []param       `json:"params"`
	Averages   []param       `json:"averages"` // of the first Params in their order
	// Statistics are the running ones of batch normalisation that learns: held beside
	// the state, in no step; nil for none.
	Statistics *stateTensor `json:"statistics"`
	Loss       string       `json:"loss"` // outputs, float32 [1] each
	Hits       string       `json:"hits"` // "" for none
	Norm       string       `json:"norm"`
	Watch      string       `json:"watch"`  // output, int64 [batch], of which the mean is told
	Errors     string       `json:"errors"` // output, float32, one of each of Compared; "" for none
	Compared   []string     `json:"compared"`
	Masks      *labelMasks  `json:"masks"` // nil where labels are the class of each image
}

// labelMasks are labels that are masks: the class of each place, 255 for none.
type labelMasks struct {
	Height  int64 `json:"height"`
	Width   int64 `json:"width"`
	Classes int64 `json:"classes"`
}

// stateTensor is a piece of state, float32: an input, and under the same name
// with an apostrophe behind it an output.
type stateTensor struct {
	Name string  `json:"name"`
	Dims []int64 `json:"dims"`
	From string  `json:"from"` // the tensor that has the same first values
}

// param is a weight of the model and where in the state it is.
type param struct {
	Name   string  `json:"name"`
	Dims   []int64 `json:"dims"`
	State  string  `json:"state"`
	Offset int64   `json:"offset"`
}

func parseManifest(metadata map[string]string) (*manifest, error) {
	text, ok := metadata[manifestKey]
	if !ok {
		return nil, fmt.Errorf("the graph is no training step: it has no metadata %s", manifestKey)
	}
	m := &manifest{}
	if err := json.Unmarshal([]byte(text), m); err != nil {
		return nil, fmt.Errorf("metadata %s: %w", manifestKey, err)
	}
	return m, nil
}

// told are the outputs that are numbers.
func (m *manifest) told() []string {
	if m.Hits == "" {
		return []string{m.Loss, m.Norm}
	}
	return []string{m.Loss, m.Hits, m.Norm}
}

// statistics are the running means and variances, in pairs.
func (m *manifest) statistics() (list []param) {
	for _, p := range m.Params {
		if m.Statistics != nil && p.State == m.Statistics.Name {
			list = append(list, p)
		}
	}
	return list
}

// kept are all tensors that say how far a training is.
func (m *manifest) kept() []stateTensor {
	if m.Statistics == nil {
		return m.State
	}
	return append(slices.Clone(m.State), *m.Statistics)
}

func (p param) len() int64 {
	n := int64(1)
	for _, d := range p.Dims {
		n *= d
	}
	return n
}
