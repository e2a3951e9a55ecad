package client

import (
	"sync"
	"time"

	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/plan"
)

// conditions are what requests tell about link, server and device.
type conditions struct {
	mu     sync.Mutex
	link   *plan.LinkEstimator
	mobile plan.LoadEstimator
	cloud  plan.LoadEstimator
}

func newConditions(guess plan.Network) *conditions {
	return &conditions{link: plan.NewLinkEstimator(guess)}
}

// now returns the estimates.
func (c *conditions) now() plan.Conditions {
	c.mu.Lock()
	defer c.mu.Unlock()
	return plan.Conditions{Network: c.link.Network(), Load: plan.Load{Mobile: c.mobile.Factor(), Cloud: c.cloud.Factor()}}
}

// sent takes in how long a message was on its way, there and back.
func (c *conditions) sent(bytes int, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link.Observe(bytes, took)
}

// computed takes in a time of computing, and the time in a queue before it, for
// one of the two sides.
func (c *conditions) computed(load *plan.LoadEstimator, q *quickest, queue, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q.add(took, load.Factor())
	load.Observe(q.took, queue+took)
}

// quickest is how long something takes that nothing else slows down: the
// shortest time seen, the first one less the load at the time. 0 is unknown.
type quickest struct{ took time.Duration }

func (q *quickest) add(took time.Duration, load float64) {
	if q.took == 0 {
		took = time.Duration(float64(took) / load)
	}
	if q.took == 0 || took < q.took {
		q.took = took
	}
}

// learn takes in what an answer tells.
func (c *Client) learn(k *candidate, a *answer, params oip.Params) {
	queue, _ := millis(params[oip.ParamQueue])
	compute, known := millis(params[oip.ParamCompute])
	a.cloud = min(queue+compute, a.took)
	c.conditions.sent(a.bytes, a.took-a.cloud)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bytes.add(float64(a.bytes))
	if known {
		c.conditions.computed(&c.conditions.cloud, &k.cloud, queue, compute)
	}
}

// millis reads a parameter that is a number of milliseconds. JSON does not tell
// 3.0 from 3.
func millis(v any) (time.Duration, bool) {
	var ms float64
	switch v := v.(type) {
	case float64:
		ms = v
	case int64:
		ms = float64(v)
	}
	if !(ms >= 0 && ms < 1e9) { // NaN as well
		return 0, false
	}
	return time.Duration(ms * float64(time.Millisecond)), v != nil
}
