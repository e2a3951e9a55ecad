package oip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// httpCauses holds the statuses of other servers and of proxies, beside those
// of causes.
var httpCauses = map[int]Cause{
	http.StatusForbidden:            Unauthenticated,
	http.StatusMethodNotAllowed:     Unsupported,
	http.StatusRequestTimeout:       Deadline,
	http.StatusUnsupportedMediaType: Unsupported,
	http.StatusBadGateway:           Unavailable,
}

// grpcCauses holds the codes of other servers, beside those of causes.
var grpcCauses = map[codes.Code]Cause{
	codes.PermissionDenied: Unauthenticated,
}

// hints tell causes apart for which other servers have one status. All words
// must be in the message.
var hints = []struct {
	found []Cause
	words string
	means Cause
}{
	{[]Cause{Invalid, Unavailable}, "unknown model", NotFound},                     // Triton: 400
	{[]Cause{Unavailable}, "Exceeds maximum queue size", Overloaded},               // Triton: 503, UNAVAILABLE
	{[]Cause{Unavailable}, "Request timeout expired", Deadline},                    // Triton: 503, UNAVAILABLE
	{[]Cause{Overloaded, Canceled, Internal}, "message larger than max", TooLarge}, // gRPC libraries: RESOURCE_EXHAUSTED
	{[]Cause{Unavailable}, "tls: ", Unauthenticated},                               // handshakes that fail again
}

// refusal returns the error of an answer that is none.
func refusal(cause Cause, message string) error {
	for _, h := range hints {
		for _, c := range h.found {
			if c == cause && strings.Contains(message, h.words) {
				return &Error{h.means, message}
			}
		}
	}
	return &Error{cause, message}
}

// httpRefusal returns the error of an HTTP status that is not 200.
func httpRefusal(code int, message string) error {
	for c, row := range causes {
		if row.http == code {
			return refusal(Cause(c), message)
		}
	}
	if cause, ok := httpCauses[code]; ok {
		return refusal(cause, message)
	}
	switch {
	case code < 400: // a redirection, or an answer of another protocol
		return refusal(Unsupported, message)
	case code < 500:
		return refusal(Invalid, message)
	}
	return refusal(Internal, message)
}

// httpFailure returns the error of an exchange that ended without a status.
func httpFailure(ctx context.Context, err error) error {
	if cause, ended := ended(ctx, err); ended {
		return &Error{cause, err.Error()}
	}
	certificate, operation := (*tls.CertificateVerificationError)(nil), (*net.OpError)(nil)
	refused := errors.As(err, &operation) && operation.Op == "remote error" // crypto/tls: an alert of the other side
	if refused || errors.As(err, &certificate) {
		return &Error{Unauthenticated, err.Error()}
	}
	return &Error{Unavailable, err.Error()}
}

// grpcFailure returns the error of a call to server.
func grpcFailure(ctx context.Context, server string, err error) error {
	s := status.Convert(err)
	message := server + ": " + s.Message()
	if cause, ended := ended(ctx, err); ended {
		return &Error{cause, message}
	}
	for c, row := range causes {
		if row.grpc == s.Code() {
			return refusal(Cause(c), message)
		}
	}
	if cause, ok := grpcCauses[s.Code()]; ok {
		return refusal(cause, message)
	}
	return refusal(Internal, fmt.Sprintf("%s: %v: %s", server, s.Code(), s.Message()))
}

// ended tells whether the caller's context ended the exchange, and how.
func ended(ctx context.Context, err error) (Cause, bool) {
	// A connection's deadline, set to the context's, may be noticed before it.
	deadline, limited := ctx.Deadline()
	late := limited && errors.Is(err, context.DeadlineExceeded) && !time.Now().Before(deadline)
	switch {
	case late || errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Deadline, true
	case ctx.Err() != nil:
		return Canceled, true
	}
	return Internal, false
}
