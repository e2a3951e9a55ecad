package ort

import (
	"fmt"
	"regexp"
)

// NodeError is a run that failed in one node of the graph.
type NodeError struct {
	Op      string // the node's operator
	Node    string // its name, which may be empty
	Message string // what the operator said
}

// Error names the node and what it said.
func (e *NodeError) Error() string {
	if e.Node == "" {
		return fmt.Sprintf("%s node: %s", e.Op, e.Message)
	}
	return fmt.Sprintf("%s node %s: %s", e.Op, e.Node, e.Message)
}

// nodeFailure is how ONNX Runtime words a failed node; the binding keeps the
// words only.
var nodeFailure = regexp.MustCompile(`(?s)Non-zero status code returned while running (\S+) node\. Name:'(.*?)' Status Message: (.*)`)

// explainRun makes a *NodeError of the words that tell one, and keeps all
// other errors.
func explainRun(err error) error {
	if m := nodeFailure.FindStringSubmatch(err.Error()); m != nil {
		return &NodeError{m[1], m[2], m[3]}
	}
	return err
}

// ModelError is a model that ONNX Runtime does not take: a newer IR version, an
// operator that it does not have, types that do not fit.
type ModelError struct{ Message string }

func (e *ModelError) Error() string {
	return fmt.Sprintf("ONNX Runtime does not take this model: %s (bnc doctor tells the version)", e.Message)
}

// modelRefusals are how ONNX Runtime words what it finds wrong with a model, the
// place in its source left out: when reading it, and when looking for kernels.
var modelRefusals = []*regexp.Regexp{
	regexp.MustCompile(`(?s)Load model from .*? failed:(?:/\S+:\d+ .*\) )?(.*)`),
	regexp.MustCompile(`(?s)(Could not find an implementation for .*)`),
}

// explainOpen makes a *ModelError of the words that tell one, and keeps all
// other errors.
func explainOpen(err error) error {
	for _, refusal := range modelRefusals {
		if m := refusal.FindStringSubmatch(err.Error()); m != nil {
			return &ModelError{m[1]}
		}
	}
	return err
}
