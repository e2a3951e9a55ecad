package passes

import "fmt"

// UnsuitableError says that a model cannot be what a target or setting demands.
type UnsuitableError struct {
	Node   string
	Reason string
}

func (e *UnsuitableError) Error() string { return e.Node + ": " + e.Reason }

// Unsuitable returns an [UnsuitableError] about a node, or a part of the model.
func Unsuitable(node, format string, args ...any) error {
	return &UnsuitableError{node, fmt.Sprintf(format, args...)}
}

// BugError says which pass or recipe does not do what it declares. No model is at fault.
type BugError struct{ err error }

func (e *BugError) Error() string { return "BUG: " + e.err.Error() }

// Unwrap returns what was found.
func (e *BugError) Unwrap() error { return e.err }
