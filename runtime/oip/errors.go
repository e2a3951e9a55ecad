package oip

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/grpc/codes"
)

// Cause is why a request got no answer.
type Cause int

// The causes.
const (
	Internal        Cause = iota // the server's own fault
	Invalid                      // names, types, shapes or contents that do not fit
	NotFound                     // no such model or version
	Mismatch                     // the mobile half belongs to another cloud half
	Unauthenticated              // no token or certificate, or a wrong one
	TooLarge                     // more bytes than the server takes
	Overloaded                   // the queue is full: later, or elsewhere
	Deadline                     // not in time
	Unavailable                  // the server is starting, ending or cannot be reached
	Canceled                     // the client went away
	Unsupported                  // a method or encoding that the server does not have
)

// causes has a row for every Cause: its name in logs and metrics, and its HTTP
// and gRPC status.
var causes = [...]struct {
	name string
	http int
	grpc codes.Code
}{
	Internal:        {"internal", http.StatusInternalServerError, codes.Internal},
	Invalid:         {"invalid", http.StatusBadRequest, codes.InvalidArgument},
	NotFound:        {"not_found", http.StatusNotFound, codes.NotFound},
	Mismatch:        {"mismatch", http.StatusConflict, codes.FailedPrecondition},
	Unauthenticated: {"unauthenticated", http.StatusUnauthorized, codes.Unauthenticated},
	TooLarge:        {"too_large", http.StatusRequestEntityTooLarge, codes.OutOfRange},
	Overloaded:      {"overloaded", http.StatusTooManyRequests, codes.ResourceExhausted},
	Deadline:        {"deadline", http.StatusGatewayTimeout, codes.DeadlineExceeded},
	Unavailable:     {"unavailable", http.StatusServiceUnavailable, codes.Unavailable},
	Canceled:        {"canceled", 499, codes.Canceled}, // nginx's "client closed request"
	Unsupported:     {"unsupported", http.StatusNotImplemented, codes.Unimplemented},
}

// String returns the cause's name, as metrics and logs have it.
func (c Cause) String() string { return causes[c].name }

// HTTP returns the status code of a REST answer.
func (c Cause) HTTP() int { return causes[c].http }

// GRPC returns the status code of a gRPC answer.
func (c Cause) GRPC() codes.Code { return causes[c].grpc }

// Retry tells whether the same request may be answered later or elsewhere.
func (c Cause) Retry() bool { return c == Overloaded || c == Unavailable }

// Error is a refusal in the protocol's terms. Its message is for the client: it
// says where, what was expected, what was found, and names no path or address
// of the server.
type Error struct {
	Cause   Cause
	Message string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Errorf makes an *Error.
func Errorf(c Cause, format string, args ...any) error {
	return &Error{c, fmt.Sprintf(format, args...)}
}

// CauseOf returns the cause of err: of a context's end Deadline or Canceled, of
// any other that is no *Error Internal.
func CauseOf(err error) Cause {
	e := (*Error)(nil)
	switch {
	case errors.As(err, &e):
		return e.Cause
	case errors.Is(err, context.DeadlineExceeded):
		return Deadline
	case errors.Is(err, context.Canceled):
		return Canceled
	}
	return Internal
}
