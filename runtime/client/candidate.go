package client

import (
	"fmt"
	"sync"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
)

// candidate is one way to compute the model with the server: a bundle, or the
// whole model there.
type candidate struct {
	name    string // the model's name on the server
	where   string // of its results
	meta    bundle.Meta
	pair    string // "" for a whole model
	inputs  []model.Port
	outputs []string // of the original model, in order
	late    []string // those that the server computes
	crosses []string // names of what crosses
	tiles   []string // of what the cloud graph takes where that is no payload
	device  device

	mu     sync.Mutex
	terms  *terms    // nil until the server has been asked
	absent time.Time // when the server said that it has no such model
	met    bool      // the server had it once
	mobile quickest  // the mobile half here
	cloud  quickest  // the rest there, as the server reports it
	bytes  average   // that cross
	local  average   // seconds that the device takes where the server does not answer
}

// newBundle returns the candidate of a bundle directory.
func newBundle(dir string, opts ort.Options) (*candidate, error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return nil, err
	}
	dev, err := openHalves(b, opts)
	if err != nil {
		return nil, err
	}
	c := &candidate{
		name: bundle.Name(dir), where: bundle.WhereSplit, meta: b.Meta, pair: b.Meta.Pair,
		inputs: b.Inputs(), outputs: b.Outputs(), crosses: b.Crosses(), device: dev,
	}
	if !b.Meta.Plain() && b.Meta.CodecAt == bundle.AtHost {
		c.tiles = names(b.Cloud.Inputs)
	}
	for _, name := range c.outputs {
		if _, ok := model.Find(b.Cloud.Outputs, name); ok {
			c.late = append(c.late, name)
		}
	}
	return c, nil
}

// newWhole returns the candidate of a model file that the server runs whole.
func newWhole(path string, opts ort.Options) (*candidate, error) {
	m, err := model.ReadFile(path)
	if err != nil {
		return nil, err
	}
	meta, err := bundle.ParseMeta(m.Metadata)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	meta.Rates = nil // of records: here the input itself crosses
	name := bundle.Name(path)
	return &candidate{
		name: name, where: bundle.WhereCloud, meta: meta, inputs: m.Inputs, outputs: names(m.Outputs),
		late: names(m.Outputs), crosses: names(m.Inputs), device: &whole{path: path, opts: opts},
	}, nil
}

func names(ports []model.Port) []string {
	out := make([]string, len(ports))
	for i, p := range ports {
		out[i] = p.Name
	}
	return out
}

// cost is what is known of the candidate: zero where nothing is, so that what
// has not been tried is worth a try.
func (c *candidate) cost() plan.Cost {
	c.mu.Lock()
	defer c.mu.Unlock()
	return plan.Cost{Mobile: c.mobile.took, Cloud: c.cloud.took, PayloadBytes: c.bytes.value}
}

// offer is cost under conditions, with the rate at which it is: a quality that is said, the
// pair's own, or of a pair that was measured at several the highest that costs hardly any time.
func (c *candidate) offer(at plan.Conditions, rate bundle.Rate) (plan.Cost, bundle.Rate) {
	cost := c.cost()
	if points := c.meta.Rates.Allowed(); rate.Quality == 0 && len(points) > 0 {
		p := points[plan.HighestRate(points, cost, at)]
		rate.Quality, cost.PayloadBytes = p.Quality, p.Bytes
	}
	return cost, rate
}

// known tells whether the server has said how long it computes.
func (c *candidate) known() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cloud.took > 0
}

// finished notes how long the device took for what the server did not do.
func (c *candidate) finished(took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.local.add(took.Seconds())
}

// absence is how long a server that said that it has no such model is not
// asked for it again.
const absence = 30 * time.Second

// gone tells whether the server said lately that it has no such model.
func (c *candidate) gone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.absent.IsZero() && time.Since(c.absent) < absence
}

// miss notes that the server has no such model, and returns whether it had it
// before.
func (c *candidate) miss() (met bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.absent, c.terms = time.Now(), nil
	return c.met
}

// forget makes the next request ask for the server's metadata again: the model
// there may have been replaced.
func (c *candidate) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.terms = nil
}

// arrange puts outputs into the model's order.
func (c *candidate) arrange(early, late ort.Results) ort.Results {
	outputs := make(ort.Results, 0, len(c.outputs))
	for _, name := range c.outputs {
		value, ok := late.Find(name)
		if !ok {
			value, _ = early.Find(name)
		}
		outputs = append(outputs, ort.Result{Name: name, Value: value})
	}
	return outputs
}

// average is an exponentially weighted mean.
type average struct {
	value float64
	n     int
}

// weight of the latest value: after five more, a change is three quarters
// noticed.
const weight = 0.25

func (a *average) add(v float64) {
	if a.n == 0 {
		a.value = v
	} else {
		a.value += weight * (v - a.value)
	}
	a.n++
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
