package client

import (
	"context"
	"time"

	"github.com/bottlenet/bnc/runtime/ort"
)

const (
	// longestProbe ends the doubling of the pauses between two looks.
	longestProbe = time.Minute
	// largestProbe is how many bytes a look may send: an idle phone on a mobile
	// network is not to pay for knowing its rate.
	largestProbe = 64 << 10
)

// watch looks at the link and the server while nothing is asked of the client,
// so that the next request finds estimates that are not old. It begins when
// something has crossed, and leaves a server that is down to the breaker.
func (c *Client) watch(ctx context.Context) {
	pause, seen := c.opts.Probe, time.Time{}
	for sleep(ctx, pause) {
		c.mu.Lock()
		used, k, crossing := c.used, c.sampled, c.sample
		c.mu.Unlock()
		switch {
		case used != seen: // busy in between: begin anew
			pause, seen = c.opts.Probe, used
		case k != nil && c.breaker.allows():
			c.look(ctx, k, crossing)
			pause = max(c.opts.Probe, min(2*pause, longestProbe))
		}
	}
}

// look asks for the server's health, and repeats the latest request if it was
// small. Failures are left to requests: an idle client needs no server.
func (c *Client) look(ctx context.Context, k *candidate, crossing ort.Feed) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Deadline)
	defer cancel()
	c.ping(ctx)
	if crossing == nil || k.cost().PayloadBytes > largestProbe {
		return
	}
	if _, err := c.attempt(ctx, k, crossing); err != nil && ctx.Err() == nil {
		c.log.Debug("a look at the server gave no answer", "model", k.name, "cause", err)
		return
	}
	c.choose()
}

// ping measures the round trip.
func (c *Client) ping(ctx context.Context) {
	start := time.Now()
	if c.opts.Remote.Ready(ctx) == nil {
		c.conditions.sent(0, time.Since(start))
	}
}
