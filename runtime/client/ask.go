package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/cenkalti/backoff/v5"
)

// answer is what a server gave to a request.
type answer struct {
	outputs ort.Results
	bytes   int           // that crossed
	took    time.Duration // from sending to receiving
	cloud   time.Duration // of it, queue and computing as the server reports them
}

// The waits between two tries: uniform in 0 to twice the interval ("full
// jitter"), which doubles, so that many clients of a server that comes back do
// not come back together.
const (
	firstWait   = 25 * time.Millisecond
	longestWait = time.Second
)

// errDown is a server that the breaker keeps requests from.
var errDown = errors.New("the server did not answer before; it is being watched until it does")

// ask sends what crosses until there is an answer, no sense in asking again,
// or patience is at its end. It returns how many tries came before the last.
func (c *Client) ask(ctx context.Context, k *candidate, crossing ort.Feed, patience time.Duration) (*answer, int, error) {
	if patience <= 0 {
		return nil, 0, fmt.Errorf("%w: nothing of the deadline is left for the cloud", context.DeadlineExceeded)
	}
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval, waits.Multiplier, waits.RandomizationFactor = firstWait, longestWait, 2, 1
	start, tries := time.Now(), 0
	var last error
	a, err := backoff.Retry(within, func() (*answer, error) {
		if c.shut() { // by the failures of others
			last = cmp.Or(last, errDown)
			return nil, backoff.Permanent(last)
		}
		tries++
		var a *answer
		a, last = c.attempt(within, k, crossing)
		if last == nil {
			c.breaker.success()
			return a, nil
		}
		fate := fateOf(last)
		if ctx.Err() == nil && fate != fatal {
			c.failed(last)
		}
		if fate != again || c.shut() {
			return nil, backoff.Permanent(last)
		}
		return nil, last
	}, backoff.WithBackOff(waits), backoff.WithMaxElapsedTime(patience))
	retries := max(tries-1, 0)
	switch {
	case err == nil:
		return a, retries, nil
	case ctx.Err() != nil:
		return nil, retries, context.Cause(ctx)
	case fateOf(last) == again || within.Err() != nil:
		return nil, retries, &unansweredError{k.name, tries, time.Since(start), last}
	}
	if refusal := (*oip.Error)(nil); errors.As(last, &refusal) || errors.Is(last, errDown) {
		last = fmt.Errorf("%s: %w", k.name, last)
	}
	return nil, retries, last
}

// shut tells whether the device is to finish without asking the server.
func (c *Client) shut() bool { return c.opts.Fallback && !c.breaker.allows() }

// failed counts a failure that the device can make up for.
func (c *Client) failed(err error) {
	if c.opts.Fallback {
		c.breaker.failure(err, weightOf(err))
	}
}

// unansweredError is a server that gave no answer in time.
type unansweredError struct {
	model string
	tries int
	took  time.Duration
	last  error
}

func (e *unansweredError) Error() string {
	return fmt.Sprintf("%s: no answer to %d tries within %v: %v", e.model, e.tries, e.took.Round(time.Millisecond), e.last)
}

func (e *unansweredError) Unwrap() error { return e.last }

// attempt sends what crosses once.
func (c *Client) attempt(ctx context.Context, k *candidate, crossing ort.Feed) (*answer, error) {
	terms, err := c.agree(ctx, k)
	if err != nil {
		return nil, err
	}
	inputs, err := terms.pack(k, crossing)
	if err != nil {
		return nil, err
	}
	bytes := 0
	for _, t := range inputs {
		bytes += len(t.Value.Data)
	}
	params := oip.Params{}
	if k.pair != "" {
		params[oip.ParamPair] = k.pair
	}
	if end, ok := ctx.Deadline(); ok {
		params[oip.ParamTimeout] = time.Until(end).Microseconds()
	}
	start := time.Now()
	response, err := c.opts.Remote.Infer(ctx, &oip.Request{
		Model: k.name, ID: strconv.FormatUint(c.requests.Add(1), 10), Params: params, Inputs: inputs,
	})
	took := time.Since(start)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			c.conditions.sent(bytes, took) // at least so long
		}
		return nil, ended(ctx, err)
	}
	a := &answer{bytes: bytes, took: took}
	for _, name := range k.late {
		value := response.Output(name)
		if value == nil {
			return nil, &ServerError{k.name, fmt.Sprintf("its answer has no output %s", name)}
		}
		a.outputs = append(a.outputs, ort.Result{Name: name, Value: ort.Value{Tensor: value}})
	}
	c.learn(k, a, response.Params)
	return a, nil
}

// agree returns how the server wants the candidate's requests, and asks it
// before the first.
func (c *Client) agree(ctx context.Context, k *candidate) (*terms, error) {
	k.mu.Lock()
	t := k.terms
	k.mu.Unlock()
	if t != nil {
		return t, nil
	}
	m, err := c.opts.Remote.ModelMetadata(ctx, k.name, "")
	if err != nil {
		return nil, ended(ctx, err)
	}
	if t, err = k.settle(m); err != nil {
		return nil, err
	}
	if k.pair != "" && m.Properties[oip.ParamPair] == "" {
		c.unpaired.Do(func() {
			c.log.Warn("the server does not say which mobile half its model belongs to, so that it cannot be checked", "model", k.name)
		})
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.terms, k.met = t, true
	return t, nil
}

// ended adds to an error of the protocol that the time was over, however the
// transport puts that.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

// fate is what a failed attempt means.
type fate int

const (
	again  fate = iota // the same request may be answered soon
	outage             // the server fails or is too slow: no use to ask it again in this time
	fatal              // something is wrong that time does not mend
)

// fates has the causes that are not fatal.
var fates = map[oip.Cause]fate{
	oip.Overloaded: again, oip.Unavailable: again, oip.Canceled: again,
	oip.Deadline: outage, oip.Internal: outage,
}

// weightOf is how much a failure counts for the breaker: where nothing came back
// it was waited for long enough.
func weightOf(err error) int {
	if errors.Is(err, context.DeadlineExceeded) || oip.CauseOf(err) == oip.Deadline {
		return tolerated
	}
	return 1
}

// fateOf tells what an attempt's error means. What is no refusal of the server
// is a connection that broke or could not be made.
func fateOf(err error) fate {
	var pair *PairError
	var server *ServerError
	var input *ort.InputError
	var refusal *oip.Error
	switch {
	case err == nil || errors.Is(err, errDown), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return outage
	case errors.As(err, &pair), errors.As(err, &server), errors.As(err, &input):
		return fatal
	case errors.As(err, &refusal):
		if f, ok := fates[refusal.Cause]; ok {
			return f
		}
		return fatal
	}
	return again
}
