package serve

import (
	"context"
	"io"

	"github.com/bottlenet/bnc/runtime/oip"
	"golang.org/x/sync/semaphore"
)

// budget is memory that requests share.
type budget struct {
	size int64
	free *semaphore.Weighted
}

func newBudget(size int64) *budget { return &budget{size, semaphore.NewWeighted(size)} }

// claim is what one request has of a budget. The zero claim, and nil, is of none.
type claim struct {
	of   *budget
	held int64
}

// grow makes the claim one of n bytes, or of the whole budget where that is less. It
// does not wait: those who hold memory of their own must not, or all might wait for
// each other.
func (c *claim) grow(n int64) error {
	if more := min(n, c.of.size) - c.held; more > 0 {
		if !c.of.free.TryAcquire(more) {
			return oip.Errorf(oip.Overloaded, "the requests that are here take all of the %d bytes of memory that they may: ask later, or another server", c.of.size)
		}
		c.held += more
	}
	return nil
}

// shrink gives back what the claim has above n bytes.
func (c *claim) shrink(n int64) {
	if less := c.held - n; less > 0 {
		c.of.free.Release(less)
		c.held = n
	}
}

// release gives all back. It may be called twice.
func (c *claim) release() {
	if c != nil {
		c.shrink(0)
	}
}

// wait returns a claim of n bytes, which the budget must have, when there are so
// many, or the end of ctx.
func (b *budget) wait(ctx context.Context, n int64) (*claim, error) {
	if err := b.free.Acquire(ctx, n); err != nil {
		return nil, context.Cause(ctx)
	}
	return &claim{b, n}, nil
}

// firstRead is how much is allocated for a body before any of it has come: its length
// is only what the client says.
const firstRead = 64 << 10

// readAll reads r to its end, at most limit bytes, growing the claim with what has
// come. The error of a body that is longer is errTooLong.
func readAll(r io.Reader, length, limit int64, c *claim) ([]byte, error) {
	size := int64(firstRead)
	if length >= 0 {
		size = min(size, length+1) // the last byte is for the end
	}
	if err := c.grow(size); err != nil {
		return nil, err
	}
	body := make([]byte, 0, size)
	for {
		if len(body) == cap(body) {
			size = 2 * int64(cap(body))
			if length >= int64(len(body)) {
				size = min(size, length+1)
			}
			old := int64(cap(body))
			if err := c.grow(old + size); err != nil { // while it is copied, both are there
				return body, err
			}
			body = append(make([]byte, 0, size), body...)
			c.shrink(size)
		}
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > limit:
			return body, errTooLong
		case err == io.EOF:
			return body, nil
		case err != nil:
			return body, err
		}
	}
}
