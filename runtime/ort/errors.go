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
