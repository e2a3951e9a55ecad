package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/bottlenet/bnc/runtime/oip"
)

// front stands between the transports and the service: what both REST and gRPC
// need said in one place.
type front struct {
	oip.Service
	guard    guard
	metrics  *Metrics // may be nil
	log      *slog.Logger
	maxBody  int64
	bodies   *budget       // memory of requests that arrive and are in the service
	draining chan struct{} // closed when no new requests are wanted
	running  atomic.Int64  // inferences that are in the service
}

// Ready says no as soon as the server drains.
func (f *front) Ready(ctx context.Context) error {
	select {
	case <-f.draining:
		return oip.Errorf(oip.Unavailable, "the server is ending")
	default:
		return f.Service.Ready(ctx)
	}
}

// Infer asks the service, no longer than the request's own parameter allows.
func (f *front) Infer(ctx context.Context, r *oip.Request) (*oip.Response, error) {
	timeout, err := timeoutOf(r.Params)
	if err != nil {
		f.count(oip.Invalid)
		return nil, err
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	f.running.Add(1)
	defer f.running.Add(-1)
	start := time.Now()
	out, err := f.Service.Infer(ctx, r)
	cause := causeOK
	if err != nil {
		err = f.refusal(err)
		cause = oip.CauseOf(err).String()
	}
	f.log.LogAttrs(ctx, slog.LevelDebug, "inference", slog.String("model", r.Model), slog.String("id", r.ID),
		slog.String("cause", cause), slog.Duration("total", time.Since(start)))
	return out, err
}

// timeoutOf reads oip.ParamTimeout; 0 is Triton's "none".
func timeoutOf(p oip.Params) (time.Duration, error) {
	value, given := p[oip.ParamTimeout]
	if !given {
		return 0, nil
	}
	micros, whole := value.(int64)
	if !whole || micros < 0 {
		return 0, oip.Errorf(oip.Invalid, "parameter %s: expected a whole number of microseconds, 0 or more, found %.40q", oip.ParamTimeout, fmt.Sprint(value))
	}
	const most = 24 * time.Hour // far from where a Duration overflows
	return time.Duration(min(micros, most.Microseconds())) * time.Microsecond, nil
}

// refusal returns err as an *oip.Error. What is none may name files of the
// server: it goes to the log, and the client learns that there is more there.
func (f *front) refusal(err error) error {
	var refused *oip.Error
	switch {
	case errors.As(err, &refused):
		if refused.Cause == oip.Internal {
			f.log.Error("internal error", "error", err)
		}
		return refused
	case errors.Is(err, context.DeadlineExceeded):
		return oip.Errorf(oip.Deadline, "no answer within the time that the request allows")
	case errors.Is(err, context.Canceled):
		return oip.Errorf(oip.Canceled, "the client went away")
	}
	f.log.Error("internal error", "error", err)
	return oip.Errorf(oip.Internal, "internal error; the server's log says which")
}

// count counts a request that did not reach the service.
func (f *front) count(c oip.Cause) {
	if f.metrics != nil {
		f.metrics.Request("", c.String(), 0, 0, 0, 0)
	}
}

// panicked logs a panic and returns what the client is told. Call it with what
// recover returned.
func (f *front) panicked(where string, value any) error {
	f.log.Error("panic", "in", where, "value", value, "stack", string(debug.Stack()))
	f.count(oip.Internal)
	return oip.Errorf(oip.Internal, "internal error; the server's log says which")
}
