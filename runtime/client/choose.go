package client

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
)

// gain is which share of the predicted latency a switch to another cut must
// save: estimates vary by about as much from request to request.
const gain = 0.1

// choose returns the candidate for the next request: the one of lowest predicted
// latency, but the current one as long as the gain is small.
func (c *Client) choose() *candidate {
	present := c.present()
	at := c.conditions.now()
	costs := make([]plan.Cost, len(present))
	for i, k := range present {
		costs[i], _ = k.offer(at, c.opts.Rate)
	}
	best := plan.Choose(costs, at, plan.Target{Latency: 1})

	c.mu.Lock()
	defer c.mu.Unlock()
	from := slices.Index(present, c.current)
	latency := func(i int) time.Duration { return plan.Latency(costs[i], at.Network, at.Load) }
	conditions := slog.GroupAttrs("",
		slog.Duration("predicted_to", latency(best).Round(time.Microsecond)),
		slog.Float64("uplink_mbit_s", at.Network.Uplink/1e6), slog.Duration("rtt", at.Network.RTT.Round(time.Microsecond)),
		slog.Float64("cloud_load", at.Load.Cloud), slog.Float64("mobile_load", at.Load.Mobile))
	switch {
	case from < 0:
		if len(c.candidates) > 1 {
			c.log.Info("a cut is chosen", "to", present[best].name, conditions)
		}
	case float64(latency(best)) < (1-gain)*float64(latency(from)):
		c.log.Info("another cut is faster", "from", c.current.name, "to", present[best].name,
			slog.Duration("predicted_from", latency(from).Round(time.Microsecond)), conditions)
	default:
		return c.current
	}
	c.current = present[best]
	return c.current
}

// present returns the candidates that the server has, as far as is known; all
// if it has none.
func (c *Client) present() []*candidate {
	out := slices.DeleteFunc(slices.Clone(c.candidates), (*candidate).gone)
	if len(out) == 0 {
		return c.candidates
	}
	return out
}

// others tells whether the server has a candidate besides k.
func (c *Client) others(k *candidate) bool {
	return slices.ContainsFunc(c.candidates, func(x *candidate) bool { return x != k && !x.gone() })
}

// measure runs each of several candidates once before the first request, so
// that the choice rests on numbers: the mobile half twice, as the first run of
// a session is slower, and for those that can still win the request too.
func (c *Client) measure(ctx context.Context, feed ort.Feed) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.measured {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, c.opts.Deadline)
	defer cancel()
	crossings := make(map[*candidate]ort.Feed)
	for _, k := range c.candidates {
		crossing, err := c.warm(ctx, k, feed)
		if err != nil {
			return err
		}
		crossings[k] = crossing
	}
	c.measured = true
	c.ping(within) // opens the connection
	c.ping(within)
	order := slices.SortedStableFunc(slices.Values(c.candidates), func(a, b *candidate) int {
		return cmp.Compare(a.cost().PayloadBytes, b.cost().PayloadBytes)
	})
	least := time.Duration(-1)
	for _, k := range order {
		for range 2 { // a server's first run is slower as well
			at := c.conditions.now()
			if least >= 0 && plan.Latency(k.cost(), at.Network, at.Load) >= least {
				break // slower even if the cloud took no time
			}
			if _, err := c.attempt(within, k, crossings[k]); err != nil {
				if err := c.unmeasured(ctx, k, err); err != nil {
					c.measured = false
					return err
				}
				if fateOf(err) != fatal { // nor will it answer the others
					return nil
				}
				break
			}
		}
		at := c.conditions.now()
		if l := plan.Latency(k.cost(), at.Network, at.Load); k.known() && (least < 0 || l < least) {
			least = l
		}
	}
	return nil
}

// warm runs a candidate's mobile half twice and returns what crosses.
func (c *Client) warm(ctx context.Context, k *candidate, feed ort.Feed) (crossing ort.Feed, err error) {
	_, rate := k.offer(c.conditions.now(), c.opts.Rate)
	for range 2 {
		start := time.Now()
		if crossing, _, err = k.device.mobile(ctx, feed, rate); err != nil {
			return nil, err
		}
		c.ran(k, time.Since(start))
	}
	bytes := 0
	for _, t := range crossing {
		bytes += len(t.Data)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bytes.add(float64(bytes))
	return crossing, nil
}

// ran takes in how long a mobile half took.
func (c *Client) ran(k *candidate, took time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c.conditions.computed(&c.conditions.mobile, &k.mobile, 0, took)
}

// unmeasured tells what a failed measurement means: an error is the caller's.
func (c *Client) unmeasured(ctx context.Context, k *candidate, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case isAbsent(err) && c.others(k):
		k.miss()
		c.log.Warn("the server has no such model: the others are used", "model", k.name)
		return nil
	case fateOf(err) == fatal:
		return err
	}
	c.failed(err)
	return nil
}
