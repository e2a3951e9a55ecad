package client

import (
	"context"
	"errors"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
)

// Run computes the model's outputs from its inputs: the mobile half here, the
// rest on the server, or here as well where Options.Fallback allows and the
// server does not answer in time. It returns a *PairError where the server's
// cloud half belongs to another mobile half, a *ServerError where the server's
// model is another one, an *oip.Error for other refusals, and the context's
// error when that is done.
//
// With several bundles the first Run measures each of them before, which takes
// up to one more deadline.
func (c *Client) Run(ctx context.Context, feed ort.Feed) (Result, error) {
	if err := c.measure(ctx, feed); err != nil {
		return Result{}, err
	}
	start := time.Now()
	defer c.touch()
	for {
		k := c.choose()
		result, err := c.runWith(ctx, k, feed, start)
		if err == nil || !isAbsent(err) || !c.others(k) {
			return result, err
		}
		c.log.Warn("the server has no such model: the others are used", "model", k.name)
	}
}

// pingEvery is after how many requests the round trip is measured by itself where cuts or
// rates follow the link: requests of one size do not tell it from the link's rate.
const pingEvery = 4

// runWith is Run with one candidate, begun at start.
func (c *Client) runWith(ctx context.Context, k *candidate, feed ort.Feed, start time.Time) (Result, error) {
	result := Result{Model: k.name, Result: bundle.Result{Where: k.where}}
	if c.whole != nil && c.shut() { // the mobile half would be in vain
		return c.finish(ctx, k, feed, nil, nil, result, start, errDown)
	}
	if n := c.requests.Load(); c.chooses && n%pingEvery == 0 && c.breaker.allows() {
		c.done.Go(func() { // while the device computes and the link is idle
			within, cancel := context.WithTimeout(c.breaker.ctx, probeTime)
			defer cancel()
			if n == 0 { // opens the connection
				c.opts.Remote.Ready(within)
			}
			c.ping(within)
		})
	}
	began := time.Now()
	_, rate := k.offer(c.conditions.now(), c.opts.Rate)
	crossing, early, err := k.device.mobile(ctx, feed, rate)
	if err != nil {
		return Result{}, err
	}
	result.Timings.Mobile, result.Quality = time.Since(began), k.meta.Told(crossing)
	c.ran(k, result.Timings.Mobile)
	var a *answer
	a, result.Retries, err = c.ask(ctx, k, crossing, c.patience(ctx, k, start))
	if err == nil {
		c.keep(k, crossing)
		result.PayloadBytes = a.bytes
		result.Timings.Cloud = a.cloud
		result.Outputs = k.arrange(early, a.outputs)
		result.clock(start)
		return result, nil
	}
	if ctx.Err() != nil {
		return Result{}, err
	}
	if isAbsent(err) {
		if met := k.miss(); !met || c.others(k) { // a server that had the model may be restarting
			return Result{}, err
		}
	} else if fateOf(err) == fatal {
		k.forget()
		return Result{}, err
	}
	if !c.opts.Fallback {
		return Result{}, err
	}
	return c.finish(ctx, k, feed, crossing, early, result, start, err)
}

// finish computes the rest on the device.
func (c *Client) finish(ctx context.Context, k *candidate, feed, crossing ort.Feed, early ort.Results, result Result, start time.Time, cause error) (Result, error) {
	var late ort.Results
	var err error
	began := time.Now()
	if c.whole != nil {
		result.Model, result.Quality, early = c.wholeName, nil, nil // nothing of a record is in it
		late, err = c.whole.cloud(ctx, feed)
	} else {
		late, err = k.device.cloud(ctx, crossing)
	}
	if err != nil {
		if ctx.Err() != nil {
			return Result{}, err
		}
		return Result{}, errors.Join(cause, err)
	}
	took := time.Since(began)
	k.finished(took)
	result.Timings.Mobile += took
	result.Where, result.Fallback = bundle.WhereMobile, cause
	result.Outputs = k.arrange(early, late)
	result.clock(start)
	c.log.Debug("the device finished it", "model", result.Model, "cause", cause)
	return result, nil
}

// clock completes the timings of a run that has ended.
func (r *Result) clock(start time.Time) {
	r.Timings.Total = time.Since(start)
	r.Timings.Link = max(0, r.Timings.Total-r.Timings.Mobile-r.Timings.Cloud)
}

// patience is how long the server may take: what is left of the deadline, less
// the time that the device needs to finish.
func (c *Client) patience(ctx context.Context, k *candidate, start time.Time) time.Duration {
	end := start.Add(c.opts.Deadline)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	left := time.Until(end)
	if !c.opts.Fallback {
		return left
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.local.n == 0 { // nor is known how long it takes to load
		return left / 2
	}
	return left - seconds(1.25*k.local.value) // a run may be a little slower than the mean
}

// touch notes that the client is in use.
func (c *Client) touch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = time.Now()
}

// keep holds what crossed for the looks at an idle link, unless it is the
// caller's own input, which may change when Run has returned.
func (c *Client) keep(k *candidate, crossing ort.Feed) {
	if k.where == bundle.WhereCloud {
		crossing = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sampled, c.sample = k, crossing
}

func isAbsent(err error) bool {
	var refusal *oip.Error
	return errors.As(err, &refusal) && refusal.Cause == oip.NotFound
}
