package client

import (
	"context"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
)

// Slow makes the device take so much longer for the mobile half of a bundle.
func (c *Client) Slow(name string, by time.Duration) {
	for _, k := range c.candidates {
		if k.name == name {
			k.device = slow{k.device, by}
		}
	}
}

type slow struct {
	device
	by time.Duration
}

func (s slow) mobile(ctx context.Context, feed ort.Feed, rate bundle.Rate) (ort.Feed, ort.Results, error) {
	if !sleep(ctx, s.by) {
		return nil, nil, ctx.Err()
	}
	return s.device.mobile(ctx, feed, rate)
}
