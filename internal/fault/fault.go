// Package fault tells errors by whose move is next: the caller's, who gives other options,
// or the data's, which is to be another or repaired. Every room makes them, and the root
// package gives them its names.
package fault

import (
	"fmt"
	"slices"
	"strings"
)

// UsageError is a wrong use of a function: options that cannot be, or do not go
// together.
//
// Messages, this one's and those of other errors and of notices, name options by the
// word option and the name that they have in JSON: "option val_split", so that a program
// with other names for them, as the command line's flags, can put its own there.
type UsageError struct {
	Option  string // its name in JSON; "" where the fault is in no option
	Message string // goes on behind the option's name: "9: expected 2 to 8"
	err     error
}

// Error says what is wrong.
func (e *UsageError) Error() string {
	switch {
	case e.Option == "":
		return e.Message
	case strings.HasPrefix(e.Message, ":"), strings.HasPrefix(e.Message, ","):
		return "option " + e.Option + e.Message
	}
	return "option " + e.Option + " " + e.Message
}

// Unwrap returns the errors that the message was made of.
func (e *UsageError) Unwrap() error { return e.err }

// Usage returns a UsageError; format as fmt.Errorf's.
func Usage(option, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &UsageError{option, err.Error(), err}
}

// DataError says that a model or data cannot be used: which file, node or tensor, what
// was expected and found, and the nearest thing that works.
type DataError struct{ err error }

// Error says what is wrong.
func (e *DataError) Error() string { return e.err.Error() }

// Unwrap returns the errors that the message was made of.
func (e *DataError) Unwrap() error { return e.err }

// Unusable returns a DataError; format as fmt.Errorf's.
func Unusable(format string, args ...any) error { return &DataError{fmt.Errorf(format, args...)} }

// OneOf refuses a value of an option that is none of those that are known; "" among them
// is not told.
func OneOf(option, value string, known ...string) error {
	if slices.Contains(known, value) {
		return nil
	}
	return Usage(option, "%q: expected one of %s", value, strings.TrimPrefix(strings.Join(known, ", "), ", "))
}
